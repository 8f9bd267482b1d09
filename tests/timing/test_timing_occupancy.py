"""Occupancy over time agrees with the windows it was made from."""

import numpy as np
import pytest
from reference.residual_networks import resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.mapping import plan_network
from xbarsim.timing import simulate_plan, trace_occupancy


def test_occupancy_adds_up_to_the_windows_and_stays_between_none_and_all():
    hardware = load_hardware("reference").override({"mapping.replication": "balanced", "mapping.array_budget": 400})
    activity = simulate_plan(plan_network(resnet_cifar(1, size=8), hardware))
    shares = trace_occupancy(activity, bins=37)
    machine = activity.machine
    assert shares.shape == (len(activity.steps), 37)
    assert shares.min() >= 0
    assert shares.max() <= 1
    for index, step in enumerate(activity.steps):
        if step.layer is not None:
            each = machine.slot_occupancy[machine.first_slot[machine.first_replica[index]]]
            worked = shares[index].sum() * activity.cycles / 37 * machine.replicas[index]
            assert worked == pytest.approx(each * step.windows)


def test_occupancy_equals_a_count_cycle_by_cycle():
    activity = simulate_plan(plan_network(resnet_cifar(1, size=4), load_hardware("reference")))
    index = next(i for i, step in enumerate(activity.steps) if step.layer is not None)
    machine = activity.machine
    each = int(machine.slot_occupancy[machine.first_slot[machine.first_replica[index]]])
    busy = np.zeros(activity.cycles)
    for start in activity.start[machine.first_window[index] : machine.first_window[index + 1]]:
        busy[start : start + each] += 1
    bins = next(n for n in range(50, 0, -1) if activity.cycles % n == 0)
    expected = busy.reshape(bins, -1).mean(axis=1)
    np.testing.assert_allclose(trace_occupancy(activity, bins)[index], expected, atol=1e-12)
