"""The least delay and interval of a network with given replicas, in a small part of the time of the event loop.

Windows wait for their operands, for the arrays of their replica, and for the off-chip link. Links on the chip, buses,
buffers and units cost their time but are never busy with something else, and input registers are always free. The event
loop has all these rules and more of them, so that its times are never less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xbarsim.mapping import fit_chips
from xbarsim.timing._least import find_least
from xbarsim.timing.machine import STEPS
from xbarsim.timing.simulate import Activity


class Times(NamedTuple):
    """Times of an inference."""

    delay: float
    """Cycles of one inference."""
    interval: float
    """Cycles between two inferences."""

    def is_less(self, other: Times) -> bool:
        """Say whether one time is less and none is more.

        Parameters
        ----------
        other : Times
            What this is compared with.

        Returns
        -------
        bool
            False for equal times.
        """
        return self != other and self.delay <= other.delay and self.interval <= other.interval


class LeastTimes:
    """Least times of a network on its hardware, whatever its replicas.

    Parameters
    ----------
    like : Activity
        The same network with any replicas.
    """

    def __init__(self, like: Activity) -> None:
        self._plan, self._machine = like.plan, like.machine
        self._sizes = [layer.replica_arrays * layer.sets for layer in like.plan.layers]
        self._paces = self._machine.unit_cycles.copy()
        self._tails = self._machine.unit_cycles + self._machine.write_cycles
        self._ends: list[tuple[int, int]] = []
        places: dict[str, int] = {}
        for index, each in enumerate(like.layout.steps):
            if each.step.kind in STEPS:
                self._ends.append((index, each.result_bits))
            elif each.is_write:  # how long that takes depends on where arrays lie
                self._tails[index] = 0
            elif each.layer is not None:
                places[each.layer.name] = index
                self._paces[index] = each.window.occupancy
                self._tails[index] += each.window.latency
        self._places = [places[layer.name] for layer in like.plan.layers]

    def find(self, replicas: Sequence[int]) -> Times:
        """Return the least times with given replicas.

        Parameters
        ----------
        replicas : sequence of int, (layers,)
            Replicas of every layer, in the order of the plan.

        Returns
        -------
        Times
            Never more than those that :func:`~xbarsim.timing.simulate_plan` finds.
        """
        plan, machine, paces, tails = self._plan, self._machine, self._paces.copy(), self._tails.copy()
        sizes = self._sizes
        arrays = sum(count * size for count, size in zip(replicas, sizes))
        share = plan.hardware.chip.off_chip_share(fit_chips(arrays, plan.hardware)[0])
        io_bits = plan.hardware.timing.io_bits * share
        busy = np.zeros(paces.size, dtype=np.int64)
        busy[self._places] = replicas
        for index, bits in self._ends:
            busy[index], paces[index], tails[index] = 1, -(-bits // io_bits), -(-bits // io_bits)
        scratch = np.empty((2, int(machine.first_window[-1])), dtype=np.int64)
        delay = find_least(machine, busy, paces, tails, *scratch)
        if not plan.pipelined:
            return Times(delay, delay)
        taken = np.flatnonzero(busy)
        turns = -(-machine.windows[taken] // busy[taken]) * machine.group[taken]
        return Times(delay, int((turns * paces[taken]).max()))
