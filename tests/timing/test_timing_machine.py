"""The event loop against the same machine in SimPy, closed-form bounds, and what a pipeline must obey."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_samples import networks
from reference.pipeline_bounds import bound_cycles
from reference.pipeline_simpy import run_paced
from reference.residual_networks import resnet_bottleneck, resnet_cifar

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.errors import MappingError
from xbarsim.mapping import plan_network
from xbarsim.network import load_network
from xbarsim.timing import find_bounds, simulate_plan
from xbarsim.timing.busy import count_busy
from xbarsim.timing.machine import build_machine
from xbarsim.timing.simulate import run

HARDWARE = load_hardware("reference")
SMALL = {"crossbar.rows": 16, "crossbar.cols": 16, "timing.read_cycles": 8, "timing.pulse_s": None}


HARDWARES = st.fixed_dictionaries(
    {
        "chip.arrays_per_core": st.sampled_from([1, 2, 4]),
        "chip.cores_per_tile": st.integers(1, 3),
        "chip.tiles": st.sampled_from(["auto", 3]),
        "crossbar.rows": st.sampled_from([8, 16, 24]),
        "crossbar.cols": st.sampled_from([8, 16, 24]),
        "encoding": st.sampled_from(["differential", "offset"]),
        "mapping.slices": st.sampled_from(["adjacent", "separate"]),
        "timing.read_cycles": st.integers(1, 20),
        "timing.pulse_s": st.none(),
        "timing.array_stages": st.integers(0, 2),
        "timing.overlapped": st.booleans(),
        "timing.pipelined": st.booleans(),
        "timing.buffer_bits": st.sampled_from([8, 64, 256]),
        "timing.buffer_banks": st.sampled_from([1, 1, 2, 3]),
        "timing.bus_bits": st.sampled_from([8, 64]),
        "timing.link_bits": st.sampled_from([4, 32]),
        "timing.hop_cycles": st.integers(0, 4),
        "timing.io_bits": st.sampled_from([8, 64]),
        "timing.activation_lanes": st.sampled_from([1, 4]),
        "timing.vector_lanes": st.sampled_from([1, 4]),
        "timing.noc": st.sampled_from(["mesh", "bus", "htree"]),
        "mapping.placement": st.sampled_from(["order", "order", "traffic"]),
    }
)


@settings(max_examples=60)
@given(networks(), HARDWARES, st.sampled_from([None, 1.0, 1.5, 3.0]), st.sampled_from([None, 100, 300, 1000, 3000]))
def test_the_event_loop_equals_the_simpy_machine_cycle_for_cycle(network, changes, spare, stream_bits):
    hardware = HARDWARE.override(changes)
    if changes["timing.pipelined"]:
        hardware = hardware.override({"timing.stream_bits": stream_bits})
    if spare is not None:
        budget = int(plan_network(network, hardware).arrays * spare)
        hardware = hardware.override({"mapping.replication": "balanced", "mapping.array_budget": budget})
    plan = plan_network(network, hardware)
    machine, layout = build_machine(plan)
    result = run(machine)
    oracle = run_paced(plan)
    assert len(oracle.finish) == np.count_nonzero(result.finish)
    assert result.is_done == (len(oracle.finish) == machine.total_windows)
    first = machine.first_window
    for (step, window), cycle in oracle.finish.items():
        assert result.finish[first[step] + window] == cycle, (layout.steps[step].step.name, window)
    for (step, window), cycle in oracle.start.items():
        assert result.start[first[step] + window] == cycle
    busy = sum(server.busy for server in oracle.servers.values()) + sum(oracle.noc.busy.values())
    assert result.busy.sum() == busy
    if result.is_done:
        np.testing.assert_array_equal(count_busy(machine), result.busy)
    low, high = bound_cycles(machine)
    assert result.cycles <= high
    assert low <= result.cycles or not result.is_done


def test_resources_are_never_used_longer_than_the_run_takes():
    activity = simulate_plan(plan_network(resnet_cifar(1), HARDWARE))
    assert activity.busy.max() <= activity.cycles
    assert activity.interval_cycles <= activity.cycles


def test_a_pipeline_settles_at_the_pace_of_its_busiest_resource():
    plan = plan_network(resnet_cifar(1, size=8), HARDWARE.override(SMALL))
    ends = []
    for images in (3, 4):
        machine, _ = build_machine(plan, images=images)
        ends.append(run(machine).cycles)
    assert ends[1] - ends[0] == pytest.approx(simulate_plan(plan).interval_cycles, rel=0.01)


def test_a_pipeline_is_faster_than_layer_by_layer_and_counts_the_same():
    network = resnet_cifar(1)
    fast = simulate_plan(plan_network(network, HARDWARE))
    slow = simulate_plan(plan_network(network, HARDWARE.override({"timing.pipelined": False})))
    assert fast.cycles < slow.cycles
    assert fast.totals == slow.totals
    assert slow.interval_cycles == slow.cycles


def test_layer_by_layer_never_overlaps_two_steps():
    activity = simulate_plan(plan_network(resnet_cifar(1), HARDWARE.override({"timing.pipelined": False})))
    for before, after in zip(activity.steps[1:-1], activity.steps[2:-1], strict=False):
        assert before.finish_cycles <= after.start_cycles


def test_windows_of_one_replica_never_overlap_on_their_arrays():
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 400})
    activity = simulate_plan(plan_network(resnet_cifar(1), hardware))
    machine = activity.machine
    for index, step in enumerate(activity.steps):
        if step.layer is None:
            continue
        replicas = step.layer.replicas
        starts = activity.start[machine.first_window[index] : machine.first_window[index + 1]]
        occupancy = machine.slot_occupancy[machine.first_slot[machine.first_replica[index]]]
        for replica in range(replicas):
            assert np.all(np.diff(starts[replica::replicas]) >= occupancy)


def test_replicas_raise_the_throughput():
    network = resnet_cifar(1)
    one = simulate_plan(plan_network(network, HARDWARE))
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 4 * one.plan.arrays})
    many = simulate_plan(plan_network(network, hardware))
    assert many.interval_cycles < one.interval_cycles / 2
    assert many.cycles < one.cycles


def test_banks_let_layers_of_one_tile_read_side_by_side():
    slow = HARDWARE.override({"timing.buffer_bits": 2})
    plans = [plan_network(resnet_cifar(1), slow.override({"timing.buffer_banks": banks})) for banks in (1, 2, 64)]
    one, two, many = (simulate_plan(plan) for plan in plans)
    assert one.bottleneck == "tile 0 buffer read"
    assert two.bottleneck in ("tile 0 buffer read", "tile 0 buffer read 1")
    assert one.totals == two.totals == many.totals
    assert one.busy.sum() == two.busy.sum() == many.busy.sum()
    assert many.interval_cycles < two.interval_cycles < one.interval_cycles
    assert many.cycles < two.cycles < one.cycles
    most = max(machine.slot_read[slot] * step.windows for machine, slot, step in readers(many))
    assert many.interval_cycles == max(most, max(step.busy_cycles for step in many.steps))


def readers(activity):
    """Yield the first slot of every step that reads a buffer."""
    machine = activity.machine
    for index, step in enumerate(activity.steps[1:], start=1):
        yield machine, machine.first_slot[machine.first_replica[index]], step


def test_cycles_grow_linearly_with_windows():
    intervals = [simulate_plan(plan_network(resnet_cifar(1, size=s), HARDWARE)).interval_cycles for s in (16, 32)]
    assert intervals[1] == 4 * intervals[0]


def test_a_residual_branch_with_too_small_a_buffer_is_named_with_the_least_that_works():
    network = resnet_cifar(1, size=8)
    with pytest.raises(MappingError, match=r"timing\.stream_bits: 200 causes .*; (\d+) or more") as error:
        simulate_plan(plan_network(network, HARDWARE.override({"timing.stream_bits": 200})))
    least = int(str(error.value).split("; ")[1].split()[0])
    limited = simulate_plan(plan_network(network, HARDWARE.override({"timing.stream_bits": least})))
    free = simulate_plan(plan_network(network, HARDWARE))
    assert limited.cycles >= free.cycles
    assert limited.totals == free.totals
    with pytest.raises(MappingError):
        simulate_plan(plan_network(network, HARDWARE.override({"timing.stream_bits": least - 1})))


def test_layer_by_layer_keeps_whole_results():
    hardware = HARDWARE.override({"timing.pipelined": False})
    network = resnet_cifar(1, size=8)
    with pytest.raises(MappingError, match=f"{16 * 64 * 8} or more are needed"):
        simulate_plan(plan_network(network, hardware.override({"timing.stream_bits": 8000})))
    simulate_plan(plan_network(network, hardware.override({"timing.stream_bits": 16 * 64 * 8})))


def test_every_step_is_bound_by_something_and_the_bottleneck_by_itself():
    bounds = find_bounds(simulate_plan(plan_network(resnet_cifar(1), HARDWARE)))
    assert max(bound.share for bound in bounds) == 1
    assert next(bound for bound in bounds if bound.name == "conv1").resource == "arrays"
    narrow = HARDWARE.override(
        {"timing.bus_bits": 1, "timing.read_cycles": 1, "timing.pulse_s": None, "components.adc.rate_hz": None}
    )
    narrow = narrow.override({"components.adc.table": None, "components.adc.energy_joule": 1e-12})
    bounds = find_bounds(simulate_plan(plan_network(resnet_cifar(1), narrow)))
    assert next(bound for bound in bounds if bound.name == "conv1").resource == "tile 0 bus"


def test_resnet50_has_its_windows_and_its_first_layer_is_the_bottleneck():
    activity = simulate_plan(plan_network(resnet_bottleneck(), HARDWARE))
    assert sum(step.windows for step in activity.steps if step.layer) == 61398
    assert activity.bottleneck == "arrays of conv1"
    assert activity.interval_cycles == 112 * 112 * 8 * 128


def test_a_wider_off_chip_link_is_never_slower_where_inputs_would_flood_the_links():
    network = load_network("resnet18")
    changes = {"mapping.replication": "balanced", "mapping.array_budget": 4000}
    costs = [
        xs.estimate(network, xs.load_hardware("mnsim", {**changes, "timing.io_bits": bits})).cost
        for bits in (8, 40, 160)
    ]
    for narrow, wide in itertools.pairwise(costs):
        assert wide.delay_s <= narrow.delay_s
        assert wide.throughput_hz >= narrow.throughput_hz


def test_inputs_enter_at_the_pace_of_the_busiest_resource_but_for_the_first():
    machine, _ = build_machine(
        plan_network(resnet_cifar(1), HARDWARE.override({"timing.link_bits": 1, "chip.full_tiles": None}))
    )
    result = run(machine)
    assert machine.input_pace == result.busy.max() // machine.windows[0]
    entered = result.start[: machine.windows[0]]
    assert np.all(entered >= np.maximum(0, np.arange(entered.size) - 2) * machine.input_pace)  # the first need two rows
    assert entered[2] < machine.input_pace <= entered[3]
    for changes in ({"timing.pipelined": False}, {"timing.stream_bits": 10**6}):
        assert build_machine(plan_network(resnet_cifar(1), HARDWARE.override(changes)))[0].input_pace == 0
