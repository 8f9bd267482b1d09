"""Random small circuits over all topologies and cells: is the bound on the error of a read ever too small?

    python benchmarks/validation/circuits.py [--count 10000] [--first 0]

Every circuit is drawn from a seed of its own: up to 12 x 12 cells of 1 nS to 1 mS, some open, in any topology, with
ohmic, sinh, polynomial or selector cells, and resistances from none to 1 kohm; closed gates may leak. Its reads are
solved to 1e-9 and to 1e-4 of full scale (:func:`xbarsim.crossbar.solve_reads`) and, independently, by nodal analysis.
Counted are circuits whose currents differ by more than their bounds allow (``wrong``), and circuits that are refused.
Where nodal analysis alone finds no answer, only the two bounds are compared (``bounded``). Ctrl-C prints what was found
so far.
"""

from __future__ import annotations

import argparse
import collections
import warnings
from typing import Any

import numpy as np

from xbarsim.config.iv import Curve, Polynomial, Selector, Sinh
from xbarsim.crossbar import TOPOLOGIES, solve_currents_report, solve_reads
from xbarsim.errors import SolverError

Circuit = tuple[np.ndarray, np.ndarray, dict[str, Any]]
OHMS = (0.0, 0.1, 2.5, 30.0, 1000.0)
LEAST = 1e-16
"""Current below which rounding decides [A]."""


def draw_curve(rng: np.random.Generator, *, must_select: bool) -> Curve | None:
    """Draw the curve of the cells; None is ohmic."""
    curves: tuple[Curve | None, ...] = (
        None,
        Sinh(scale_volt=10 ** rng.uniform(-2, 0), reference_volt=rng.choice([0.0, 0.2])),
        Polynomial(coefficients=(0.0, 10 ** rng.uniform(0, 2))),
        Selector(
            threshold_volt=rng.choice([0.05, 0.1, 0.15]), width_volt=10 ** rng.uniform(-4, -2),
            off_ratio=rng.choice([0.0, 1e-4]),
        ),
    )  # fmt: skip
    return curves[-1] if must_select else curves[rng.integers(len(curves))]


def draw_circuit(seed: int) -> Circuit:
    """Draw conductances (rows, cols), two inputs (2, rows) and the rest of a circuit."""
    rng = np.random.default_rng(seed)
    rows, cols = rng.integers(1, 13, 2)
    topology = list(TOPOLOGIES.values())[rng.integers(len(TOPOLOGIES))]
    g = 10 ** rng.uniform(-9, -3, (rows, cols))
    g[rng.random(g.shape) < rng.choice([0.0, 0.3])] = 0.0
    v_in = rng.choice([0.0, 0.1, 0.2, -0.2 if topology.inputs == "rows" else 0.2], (2, rows))
    lines = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm", "r_sl_ohm")
    rest = {
        "topology": topology,
        "iv": draw_curve(rng, must_select=topology.has_selector),
        **{line: float(rng.choice(OHMS)) for line in lines},
        "r_access_ohm": float(rng.choice([0.0, 0.0, 1e4])),
        "sensed": rng.random(cols) < 0.8,
    }
    if topology.inputs == "gates":  # up to what an open transistor of 10 kohm conducts
        rest["g_leak_siemens"] = float(rng.choice([0.0, 1e-12, 1e-9, 1e-6, 1e-4]))
    return g, v_in, rest


def judge(circuit: Circuit) -> str:
    """Return ``right``, ``wrong``, ``refused``, or ``bounded`` where nodal analysis alone finds no answer."""
    g, v_in, rest = circuit
    try:
        fine = solve_reads(g, v_in, threads=1, **rest)
        coarse = solve_reads(g, v_in, threads=1, tol=1e-4, **rest)
    except SolverError:
        return "refused"
    far = np.abs(fine.currents - coarse.currents).max(axis=-1) > fine.error_ampere + coarse.error_ampere + LEAST
    try:
        nodal = solve_currents_report(g, v_in, **rest)
    except SolverError:
        return "wrong" if far.any() else "bounded"
    currents = np.maximum(fine.full_ampere, np.abs(nodal.driver_ampere).max(axis=-1))
    allowed = fine.error_ampere + 2 * g.size * nodal.residual * currents + LEAST  # a stray at every node
    far |= np.abs(fine.currents - nodal.currents).max(axis=-1) > allowed
    return "wrong" if far.any() else "right"


def main() -> None:
    """Draw, judge and count; name the seeds that are not right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: collections.Counter[str] = collections.Counter()
    try:
        for seed in range(arguments.first, arguments.first + arguments.count):
            circuit = draw_circuit(seed)
            found = judge(circuit)
            counts[found] += 1
            if found in ("wrong", "refused"):
                print(f"seed {seed}: {found} ({circuit[2]['topology'].name}, {circuit[2]['iv']})", flush=True)
            if (seed + 1 - arguments.first) % 1000 == 0:
                print(f"{sum(counts.values()):,}: {dict(counts)}", flush=True)
    except KeyboardInterrupt:
        pass
    print(f"{sum(counts.values()):,} circuits: {dict(counts)}")


if __name__ == "__main__":
    main()
