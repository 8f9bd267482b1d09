"""The cost of a chip as a function of the probabilities of options (extra ``torch``).

Energy and area are sums over layers. A pipeline takes as long as its slowest layer and its fill: every layer passes on
its first windows before the next one starts, or finishes its last ones behind the one before it. With the table's
``pace_s`` (windows behind the first ones) and ``fill_s``, the delay is the largest pace of all layers plus the sum of
fills. The largest of independent choices has an exact expectation, through the product of their distributions.

What the sums leave out (inputs and outputs, operations without arrays, idle parts, components of the whole chip) is
taken from whole chips, the native and the uniform designs: a factor of energies, an addition to delays and to areas.

Neglected: layers that share tiles, buses and links, the channels that a width saves in the next layer, and that of
parallel branches only the longer one delays the rest. Designs are therefore priced whole before one is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from xbarsim.cost import Cost
from xbarsim.errors import XbarsimError
from xbarsim.network.reshape import find_branches
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Point, Space
from xbarsim.search.table import PACE, tabulate_options, tabulate_rest
from xbarsim.train.torch_network import Tensor, functional, torch

FIGURES: Mapping[str, tuple[str, ...]] = {
    "edap": ("energy_joule", "delay_s", "area_m2"),
    "edap_core": ("energy_joule", "delay_s", "core_area_m2"),
    **{name: (name,) for name in ("energy_joule", "delay_s", "area_m2", "core_area_m2")},
}
"""Figure of a chip -> its factors."""
LEAST = 1e-30
"""Least value whose logarithm is taken; prices may all be 0."""


class ChipModel:
    """Expected figures of a chip.

    Parameters
    ----------
    space : Space
        What can be chosen.
    oracle : CostOracle
        Prices options, and whole chips of the native and the uniform designs.
    """

    def __init__(self, space: Space, oracle: CostOracle) -> None:
        table, rest = tabulate_options(space, oracle), tabulate_rest(space, oracle)
        self.queries = sum(len(slot.layers) * slot.count for slot in space.slots)
        """Prices of single layers that the table takes."""
        self._is_pipelined = oracle.hardware.timing.pipelined
        self._counts = [slot.count for slot in space.slots]
        # (slots, options), the last column for layers that another slot's zero operator removes
        shape = len(self._counts), max(self._counts) + 1
        self._rows = {name: torch.zeros(shape, dtype=torch.float64) for name in table}
        for name, rows in table.items():
            for number, row in enumerate(rows):
                self._rows[name][number, : len(row)] = torch.tensor(row)
        self._rest = rest
        self._mates = _find_mates(space)
        levels = torch.unique(self._rows[PACE].clamp_min(rest[PACE]))
        self._levels = levels
        self._below = (self._rows[PACE][:, None] <= levels[:, None]).double()  # (slots, levels, options)
        self._factor, self._added, self._io_m2 = 1.0, {"delay_s": 0.0, "core_area_m2": 0.0}, 0.0
        self.references = tuple(dict.fromkeys([space.native(), *space.homogeneous().values()]))
        """Designs that are priced whole."""
        self._calibrate(space, oracle)

    def expect(self, chances: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return expected energy, delay and areas.

        Parameters
        ----------
        chances : sequence of Tensor
            Probability of every option of every slot, (options,) each.

        Returns
        -------
        dict
            ``energy_joule``, ``delay_s``, ``core_area_m2`` and ``area_m2`` -> scalar in SI units.
        """
        shares = self._extend([chance.double() for chance in chances])

        def add(name: str) -> Tensor:
            return (shares * self._rows[name]).sum()

        if self._is_pipelined:
            delay = add("fill_s") + self._rest["fill_s"] + self._expect_pace(shares)
        else:
            delay = add("delay_s") + self._rest["delay_s"]
        core = add("area_m2") + self._rest["area_m2"] + self._added["core_area_m2"]
        return {
            "energy_joule": self._factor * (add("energy_joule") + self._rest["energy_joule"]),
            "delay_s": delay + self._added["delay_s"],
            "core_area_m2": core,
            "area_m2": core + self._io_m2 * (add("tiles") + self._rest["tiles"]),
        }

    def expect_log(self, chances: Sequence[Tensor], figure: str) -> Tensor:
        """Return the logarithm of a figure's expectation, factor by factor.

        Parameters
        ----------
        chances : sequence of Tensor
            As in :meth:`expect`.
        figure : str
            A name of :data:`FIGURES`.

        Returns
        -------
        Tensor
            Scalar; the natural logarithm of the figure in SI units.
        """
        found = self.expect(chances)
        return torch.stack([found[name].clamp_min(LEAST).log() for name in FIGURES[figure]]).sum()

    def predict(self, point: Point) -> dict[str, float]:
        """Return what the model says of one design: ``energy_joule``, ``delay_s`` and areas, in SI units."""
        chances = [torch.eye(count)[index] for count, index in zip(self._counts, point)]
        return {name: float(value) for name, value in self.expect(chances).items()}

    def predict_all(self, points: Sequence[Point]) -> dict[str, np.ndarray]:
        """Return what the model says of many designs.

        Parameters
        ----------
        points : sequence of tuple
            Option of every slot.

        Returns
        -------
        dict
            As :meth:`predict`, an array (points,) each.
        """
        at = np.array(points, dtype=np.int64)
        ends = np.array(self._counts) - 1
        gone = self._rows[PACE].shape[1] - 1
        is_gone = [(at[:, mates] == ends[mates]).any(axis=1) for mates in self._mates]
        at = np.where(np.stack(is_gone, axis=1), gone, at)
        rows = {name: row.numpy()[np.arange(len(ends)), at] for name, row in self._rows.items()}
        sums = {name: row.sum(axis=1) + self._rest[name] for name, row in rows.items()}
        pace = np.maximum(rows[PACE].max(axis=1), self._rest[PACE])
        delay = sums["fill_s"] + pace if self._is_pipelined else sums["delay_s"]
        core = sums["area_m2"] + self._added["core_area_m2"]
        return {
            "energy_joule": self._factor * sums["energy_joule"], "delay_s": delay + self._added["delay_s"],
            "core_area_m2": core, "area_m2": core + self._io_m2 * sums["tiles"],
        }  # fmt: skip

    def _expect_pace(self, shares: Tensor) -> Tensor:
        """Return the expected pace of the slowest layer [s]."""
        all_below = torch.einsum("sko,so->sk", self._below, shares).prod(0)
        return (self._levels * torch.diff(all_below, prepend=torch.zeros(1, dtype=torch.float64))).sum()

    def _extend(self, chances: Sequence[Tensor]) -> Tensor:
        """Return probabilities, (slots, options); the last one that another slot of a branch removes the layer."""
        width = self._rows[PACE].shape[1]
        shares = torch.stack([functional.pad(chance, (0, width - len(chance))) for chance in chances])
        if not any(self._mates):
            return shares
        alive = []
        for mates in self._mates:
            here = torch.ones((), dtype=torch.float64)
            for mate in mates:
                here = here * (1 - chances[mate][-1])
            alive.append(here)
        kept = torch.stack(alive)[:, None]
        return torch.cat([shares[:, :-1] * kept, shares[:, -1:] + 1 - kept], dim=1)

    def _calibrate(self, space: Space, oracle: CostOracle) -> None:
        """Compare the sums with whole chips."""
        pairs = [(self.predict(point), cost) for point in self.references if (cost := _price(space, oracle, point))]
        if not pairs:
            return
        ratios = [cost.energy_joule / told["energy_joule"] for told, cost in pairs if told["energy_joule"] > 0]
        self._factor = math.exp(np.mean(np.log(ratios))) if ratios and min(ratios) > 0 else 1.0
        for name in self._added:
            gaps = [getattr(cost, name) - told[name] for told, cost in pairs]
            self._added[name] = max(0.0, float(np.mean(gaps)))
        self._io_m2 = float(np.mean([(cost.area_m2 - cost.core_area_m2) / cost.tiles for _, cost in pairs]))


def _price(space: Space, oracle: CostOracle, point: Point) -> Cost | None:
    try:
        design = space.design(point)
        return oracle.cost(design.network, design.layers)
    except XbarsimError:
        return None  # does not fit: another design tells


def _find_mates(space: Space) -> list[list[int]]:
    """Return for every slot the other ones whose zero operator removes its layers too."""
    branches = find_branches(space.network)
    homes = []
    for slot in space.slots:
        found = {branches.get(layer) for layer in slot.layers}
        homes.append(found.pop() if len(found) == 1 else None)
    vanishing = [number for number, slot in enumerate(space.slots) if slot.can_vanish]
    return [
        [other for other in vanishing if home is not None and homes[other] == home and other != number]
        for number, home in enumerate(homes)
    ]
