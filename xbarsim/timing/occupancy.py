"""Start times -> how busy every step is over the time of one inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim.timing._kernels import LAYER_STEP
from xbarsim.timing.simulate import Activity


def trace_occupancy(activity: Activity, bins: int = 200) -> NDArray[np.float64]:
    """Work out how much of every slice of time the arrays or units of a step work.

    Parameters
    ----------
    activity : Activity
        From :func:`~xbarsim.timing.simulate_plan`.
    bins : int
        Slices of equal length from the first cycle to the last.

    Returns
    -------
    ndarray, (steps, bins)
        Mean share of a step's replicas that are at work (of a digital step the share of its unit), 0..1 [-].
    """
    machine = activity.machine
    edges = np.linspace(0.0, activity.cycles, bins + 1)
    shares = np.empty((len(activity.steps), bins))
    for index in range(len(activity.steps)):
        at, replicas = int(machine.first_replica[index]), int(machine.replicas[index])
        is_layer = machine.kind[index] == LAYER_STEP
        each = int(
            machine.slot_occupancy[machine.first_slot[at]]
            if is_layer
            else machine.unit_cycles[index] * machine.group[index]
        )
        starts = np.sort(activity.start[machine.first_window[index] : machine.first_window[index + 1]])
        worked = np.diff(_work_until(edges, starts, each))
        shares[index] = worked / (np.diff(edges) * replicas)
    return np.clip(shares, 0.0, 1.0)


def _work_until(when: NDArray[np.float64], starts: NDArray[np.int64], each: int) -> NDArray[np.float64]:
    """Return the cycles that pieces of work of equal length, begun at sorted ``starts``, have taken by then."""
    sums = np.concatenate(([0], np.cumsum(starts)))
    begun, done = np.searchsorted(starts, when), np.searchsorted(starts + each, when)
    worked: NDArray[np.float64] = done * each + (begun - done) * when - (sums[begun] - sums[done])
    return worked
