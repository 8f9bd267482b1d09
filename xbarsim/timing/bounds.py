"""The bottleneck of each step: the busiest of its resources, including the load by other steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xbarsim.timing._kernels import LAYER_STEP
from xbarsim.timing.simulate import Activity


@dataclass(frozen=True, kw_only=True)
class StepBound:
    """The resource that limits one step."""

    name: str
    """Name of the layer or operation, ``input`` or ``output``."""
    resource: str
    """Its busiest resource; ``arrays`` for the arrays of a layer."""
    busy_cycles: int
    """Cycles that the resource is busy in one inference, for all steps that share it."""
    share: float
    """``busy_cycles`` as a fraction of the cycles between two inferences; 1 at the bottleneck [-]."""


def find_bounds(activity: Activity) -> tuple[StepBound, ...]:
    """Find the resource that limits each step.

    Parameters
    ----------
    activity : Activity
        From :func:`~xbarsim.timing.simulate_plan`.

    Returns
    -------
    tuple of StepBound
        One for each step, in order.
    """
    machine, busy = activity.machine, activity.busy
    found = []
    for index, step in enumerate(activity.steps):
        replicas = range(machine.first_replica[index], machine.first_replica[index] + machine.replicas[index])
        used: set[int] = set()
        for replica in replicas:
            slots = slice(machine.first_slot[replica], machine.first_slot[replica + 1])
            used.add(int(machine.unit[replica]))
            used.update(machine.slot_buffer[slots].tolist())
            used.update(machine.tree_link[machine.first_tree[replica] : machine.last_tree[replica]].tolist())
            if step.kind not in ("input", "output"):
                used.add(int(machine.write_port[replica]))
            if machine.kind[index] == LAYER_STEP:
                used.update(machine.slot_wires[slots].tolist())
                for first, last in zip(machine.gather_first[slots], machine.gather_last[slots]):
                    used.update(machine.tree_link[first:last].tolist())
        resources = np.array(sorted(used))
        worst = int(resources[busy[resources].argmax()])
        cycles, name = int(busy[worst]), activity.layout.resources.name(worst)
        if machine.kind[index] == LAYER_STEP and step.busy_cycles >= cycles:
            cycles, name = step.busy_cycles, "arrays"
        share = cycles / activity.interval_cycles
        found.append(StepBound(name=step.name, resource=name, busy_cycles=cycles, share=share))
    return tuple(found)
