"""Energy against delay of ResNet-20 by array sizes: NSGA-II of pymoo over the oracle.

pip install pymoo
python examples/oracle_pymoo.py [GENERATIONS]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

import xbarsim as xs

SIZES = (16, 32, 64, 128)


class Arrays(ElementwiseProblem):  # type: ignore[misc]
    """One array size for each layer; energy and delay to be minimised."""

    def __init__(self, hardware: str = "nax") -> None:
        self.oracle = xs.CostOracle(hardware)
        self.layers = [layer.name for layer in xs.load_network("resnet20").layers]
        super().__init__(n_var=len(self.layers), n_obj=2, xl=0, xu=len(SIZES) - 1, vtype=int)

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        choices = {name: {"array": SIZES[int(index)]} for name, index in zip(self.layers, x)}
        cost = self.oracle.cost("resnet20", choices)
        out["F"] = [cost.energy_joule, cost.delay_s]


def search(generations: int, population: int = 20) -> np.ndarray:
    """Return the front, (designs, 2): energy [J] and delay [s]."""
    rounding = RoundingRepair()
    algorithm = NSGA2(
        pop_size=population, sampling=IntegerRandomSampling(), crossover=SBX(vtype=float, repair=rounding),
        mutation=PM(vtype=float, repair=rounding), eliminate_duplicates=True,
    )  # fmt: skip
    found = minimize(Arrays(), algorithm, ("n_gen", generations), seed=1)
    return np.unique(found.F, axis=0)


if __name__ == "__main__":
    for energy, delay in search(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
        print(f"{energy * 1e6:8.2f} uJ  {delay * 1e6:8.2f} us")
