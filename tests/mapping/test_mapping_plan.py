"""Layers -> arrays -> tiles: published counts, grouped layers, choices per layer, chips that are full."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.residual_networks import Builder, resnet_bottleneck, resnet_cifar

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping import balance_replicas, plan_network
from xbarsim.mapping.replicate import Load
from xbarsim.network import Network, make_linear

HARDWARE = load_hardware("reference")
ONE_COLUMN = {"weight_bits": 2, "device.cell_bits": 1}


def one_layer(fan_in, fan_out, kernel=3, groups=1, size=8):
    builder = Builder()
    builder.conv("conv", "input", fan_in, fan_out, kernel, groups=groups)
    return Network(name="one", nodes=tuple(builder.nodes), input_shape=(fan_in, size, size))


@pytest.mark.parametrize(
    ("size", "arrays", "used"),
    [(16, 1050, 99.8), (32, 281, 93.3), (64, 98, 66.8), (128, 59, 27.8)],
)
def test_resnet20_needs_the_known_number_of_arrays_at_four_sizes(size, arrays, used):
    # facts: ResNet-20 for CIFAR, packed rows, one column per weight
    hardware = HARDWARE.override({**ONE_COLUMN, "crossbar.rows": size, "crossbar.cols": size})
    plan = plan_network(resnet_cifar(), hardware)
    assert plan.crossbars == arrays
    assert plan.arrays == 2 * arrays
    assert round(100 * plan.utilization, 1) == used


@pytest.mark.parametrize(("depths", "crossbars"), [((3, 4, 6, 3), 13120), ((3, 4, 23, 3), 22912)])
def test_float_resnets_need_the_crossbars_that_epim_publishes(depths, crossbars):
    # EPIM (arXiv 2311.07620): 256 x 256 arrays, whole kernels, 32 columns per float weight
    plan = plan_network(resnet_bottleneck(depths), load_hardware("epim"), weight_bits=32)
    assert plan.crossbars == crossbars


def test_two_columns_hold_a_three_bit_weight_in_a_pair():
    layer = plan_network(one_layer(16, 32), load_hardware("epim"), weight_bits=3).layers[0]
    assert layer.columns_per_weight == 2
    assert layer.polarities == 2


@pytest.mark.parametrize(
    ("encoding", "weight_bits", "cell_bits", "columns"),
    [
        ("differential", 8, 2, 4), ("differential", 8, 1, 7), ("offset", 8, 2, 4), ("flip", 16, 2, 8),
        ("twos_complement", 16, 2, 9), ("twos_complement", 8, 1, 8), ("differential", 32, 2, 16),
    ],
)  # fmt: skip
def test_columns_per_weight_follow_the_encoding(encoding, weight_bits, cell_bits, columns):
    hardware = HARDWARE.override({"encoding": encoding, "weight_bits": weight_bits, "device.cell_bits": cell_bits})
    layer = plan_network(one_layer(16, 32), hardware).layers[0]
    assert layer.columns_per_weight == columns
    assert layer.arrays == layer.crossbars * (2 if encoding == "differential" else 1)


def test_depthwise_groups_share_arrays_as_far_as_they_fit():
    hardware = HARDWARE.override(ONE_COLUMN)
    layer = plan_network(one_layer(32, 32, groups=32), hardware).layers[0]
    assert layer.partition.stripe.groups == 128 // 9
    assert layer.stripes == 3
    assert layer.crossbars == 3
    assert layer.stripe(2).groups == 32 - 2 * 14
    assert layer.stripe(2).row_starts == (0, 36)
    assert layer.macs == 32 * 9 * 64


def test_every_group_is_in_exactly_one_stripe():
    layer = plan_network(one_layer(60, 60, groups=20), HARDWARE).layers[0]
    stripes = [layer.stripe(index) for index in range(layer.stripes)]
    groups = [group for stripe in stripes for group in range(stripe.first_group, stripe.first_group + stripe.groups)]
    assert groups == list(range(20))
    assert sum(stripe.crossbars for stripe in stripes) == layer.crossbars


def test_whole_kernels_keep_the_rows_of_a_channel_together():
    hardware = HARDWARE.override({"mapping.rows": "whole_kernels"})
    layer = plan_network(one_layer(64, 8), hardware).layers[0]
    assert np.all(layer.row_starts[:-1] % 9 == 0)
    assert layer.row_blocks == math.ceil(64 / (128 // 9))
    assert layer.rows_order == "whole_kernels"


def test_a_kernel_larger_than_the_array_falls_back_to_packed_rows():
    hardware = HARDWARE.override({"mapping.rows": "whole_kernels", "crossbar.rows": 16})
    layer = plan_network(one_layer(4, 8, kernel=5), hardware).layers[0]
    assert layer.rows_order == "packed"
    assert layer.row_blocks == math.ceil(100 / 16)


def test_separate_slices_take_arrays_of_their_own():
    layer = plan_network(one_layer(8, 130), HARDWARE.override({"mapping.slices": "separate"})).layers[0]
    assert layer.col_blocks == 4 * 2
    assert layer.block_columns().tolist() == [128, 2] * 4


@given(
    fan_in=st.integers(1, 40), fan_out=st.integers(1, 40), groups=st.integers(1, 4), kernel=st.sampled_from([1, 3]),
    rows=st.integers(1, 70), cols=st.integers(1, 70), order=st.sampled_from(["packed", "whole_kernels"]),
    slices=st.sampled_from(["adjacent", "separate"]),
)  # fmt: skip
def test_blocks_hold_every_weight_once(fan_in, fan_out, groups, kernel, rows, cols, order, slices):
    hardware = HARDWARE.override(
        {"crossbar.rows": rows, "crossbar.cols": cols, "mapping.rows": order, "mapping.slices": slices}
    )
    layer = plan_network(one_layer(fan_in * groups, fan_out * groups, kernel, groups), hardware).layers[0]
    for index in range(layer.stripes):
        stripe, used = layer.stripe(index), layer.block_columns(index)
        steps = np.diff(stripe.row_starts)
        assert steps.min() >= 1
        assert steps.max() <= rows
        assert stripe.row_starts[0] == 0
        assert stripe.row_starts[-1] == stripe.rows
        assert len(used) == stripe.col_blocks
        assert used.max() <= cols
        assert used.sum() == stripe.cols * layer.columns_per_weight
    assert 0 < layer.utilization <= 1


def test_choices_change_only_the_layers_that_their_globs_match():
    plan = plan_network(resnet_cifar(), HARDWARE, layers={"layer3.*": {"crossbar.rows": 64, "weight_bits": 6}})
    rows = {layer.name: layer.hardware.crossbar.rows for layer in plan.layers}
    assert rows["layer3.0.conv1"] == 64
    assert rows["layer2.0.conv1"] == 128
    assert plan.layer("layer3.2.conv2").weight_bits == 6


def test_a_later_choice_wins_key_by_key():
    choices = {"*": {"adc.bits": 5, "crossbar.rows": 64}, "fc": {"adc.bits": 7}}
    layer = plan_network(resnet_cifar(), HARDWARE, layers=choices).layer("fc")
    assert (layer.hardware.adc.bits, layer.hardware.crossbar.rows) == (7, 64)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"layer1.0.conv9": {"adc.bits": 5}}, ["layer1.0.conv9", "layer1.0.conv"]),
        ({"fc": {"chip.tiles": 5}}, ["layers.fc", "chip.tiles"]),
        ({"fc": {"adc.bitz": 5}}, ["adc.bitz"]),
        ({"fc": 5}, ["layers.fc"]),
    ],
)
def test_a_wrong_choice_is_named(choices, words):
    with pytest.raises(ConfigError) as error:
        plan_network(resnet_cifar(), HARDWARE, layers=choices)
    for word in words:
        assert word in str(error.value)


def test_tiles_and_chips_are_just_enough_where_they_are_auto():
    plan = plan_network(resnet_cifar(), HARDWARE)
    assert (plan.tiles, plan.chips) == (math.ceil(plan.arrays / 96), 1)
    plan = plan_network(resnet_cifar(), HARDWARE.override({"chip.tiles": 1, "chip.cores_per_tile": 1}))
    assert plan.chips == math.ceil(plan.arrays / 8)


def test_a_full_chip_says_what_is_missing_and_what_would_fit():
    hardware = HARDWARE.override({"chip.tiles": 2, "chip.count": 1, "chip.cores_per_tile": 1})
    arrays = plan_network(resnet_cifar(), HARDWARE).arrays
    with pytest.raises(MappingError, match=rf"{arrays - 16} are missing; chip\.count: {math.ceil(arrays / 16)}"):
        plan_network(resnet_cifar(), hardware)


def test_arrays_of_the_layers_lie_end_to_end():
    plan = plan_network(resnet_cifar(), HARDWARE)
    ends = [layer.first_array + layer.arrays for layer in plan.layers]
    assert [layer.first_array for layer in plan.layers] == [0, *ends[:-1]]
    assert (ends[-1] - 1) // plan.arrays_per_tile == plan.tiles_used - 1


def slowest(replicas, loads):
    return max(math.ceil(load.windows / replica) * load.cycles for load, replica in zip(loads, replicas, strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=3),
    st.integers(0, 12),
)
def test_balanced_replicas_are_as_fast_as_any_within_the_budget(layers, spare):
    windows, cycles, arrays = zip(*layers, strict=True)
    budget = sum(arrays) + spare
    loads = [Load(*each) for each in zip(windows, cycles, strict=True)]
    replicas = balance_replicas(loads, lambda n: sum(c * a for c, a in zip(n, arrays, strict=True)) <= budget)
    assert sum(c * a for c, a in zip(replicas, arrays, strict=True)) <= budget
    every = itertools.product(*(range(1, (budget - sum(arrays)) // a + 2) for a in arrays))
    fits = (c for c in every if sum(n * a for n, a in zip(c, arrays, strict=True)) <= budget)
    best = min(slowest([min(n, w) for n, w in zip(c, windows, strict=True)], loads) for c in fits)
    assert slowest(replicas, loads) == best


def test_replication_spends_at_most_its_budget():
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 600})
    plan = plan_network(resnet_cifar(), hardware)
    assert plan.arrays <= 600
    assert plan.layer("layer1.0.conv1").replicas > plan.layer("layer3.1.conv1").replicas


def test_replication_spends_at_most_its_area_and_nearly_all_of_it():
    network, hardware = resnet_cifar(), HARDWARE.override({"mapping.replication": "balanced"})
    once = xs.estimate(network, HARDWARE).cost
    for budget in (1.5 * once.area_m2, 3 * once.area_m2):
        cost = xs.estimate(network, hardware.override({"mapping.area_budget_m2": budget})).cost
        assert 0.8 * budget < cost.area_m2 <= budget
        assert cost.throughput_hz > 1.5 * once.throughput_hz
    both = {"mapping.area_budget_m2": 3 * once.area_m2, "mapping.array_budget": once.arrays + 50}
    assert xs.estimate(network, hardware.override(both)).cost.arrays <= once.arrays + 50


@pytest.mark.parametrize("choices", [None, {"layer1.*": {"crossbar.rows": 32, "crossbar.cols": 32}}])
@pytest.mark.parametrize("chip", [{}, {"chip.tiles": 3, "chip.cores_per_tile": 4}])
def test_the_area_that_a_budget_counts_is_the_area_of_the_cost(choices, chip):
    hardware = HARDWARE.override({**chip, "mapping.replication": "balanced", "mapping.array_budget": 700})
    area = xs.estimate(resnet_cifar(), hardware, layers=choices).cost.area_m2
    for budget, fits in ((area * (1 + 1e-9), True), (area * (1 - 1e-9), False)):
        limited = hardware.override({"mapping.area_budget_m2": budget})
        assert (xs.estimate(resnet_cifar(), limited, layers=choices).cost.area_m2 == pytest.approx(area)) == fits


def test_an_area_budget_that_cannot_be_met_is_refused():
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.area_budget_m2": 1e-9})
    with pytest.raises(
        MappingError, match=r"mapping\.area_budget_m2: 1e-09 m2 are less than the .* m2 that the weights need"
    ):
        plan_network(resnet_cifar(), hardware)
    for wrong in (0, -1e-6):
        with pytest.raises(ConfigError, match=r"mapping\.area_budget_m2"):
            HARDWARE.override({"mapping.area_budget_m2": wrong})


def test_replication_without_a_budget_needs_a_chip_of_known_size():
    with pytest.raises(ConfigError, match=r"mapping\.array_budget"):
        plan_network(resnet_cifar(), HARDWARE.override({"mapping.replication": "balanced"}))
    with pytest.raises(MappingError, match=r"mapping\.array_budget"):
        plan_network(resnet_cifar(), HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 3}))


def test_a_linear_layer_over_tokens_has_a_window_for_each():
    node = make_linear("mix", 16, 8)
    layer = plan_network(Network(name="tokens", nodes=(node,), input_shape=(5, 16)), HARDWARE).layers[0]
    assert layer.windows == 5
    assert layer.macs == 5 * 16 * 8


def test_replicas_set_by_hand_hold_for_their_layers_and_leave_the_rest_of_the_budget():
    network = resnet_cifar()
    once = plan_network(network, HARDWARE)
    by_hand = {"layer1.0.*": {"mapping.replicas": 4}, "fc": {"mapping.replicas": 4}}
    plan = plan_network(network, HARDWARE, layers=by_hand)
    assert [plan.layer(name).replicas for name in ("layer1.0.conv1", "layer1.0.conv2", "conv1", "fc")] == [4, 4, 1, 1]
    assert plan.arrays == once.arrays + 3 * sum(once.layer(f"layer1.0.conv{i}").arrays for i in (1, 2))

    balanced = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": plan.arrays + 300})
    both = plan_network(network, balanced, layers=by_hand)
    assert both.layer("layer1.0.conv1").replicas == 4
    assert both.layer("conv1").replicas > 1
    assert both.arrays <= plan.arrays + 300
    assert all(
        layer.replicas == 2 for layer in plan_network(network, HARDWARE.override({"mapping.replicas": 2})).layers[:-1]
    )


def test_replicas_set_by_hand_that_exceed_a_budget_are_refused():
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 300})
    with pytest.raises(MappingError, match=r"mapping\.array_budget: 300 arrays .* need with the replicas set by hand"):
        plan_network(resnet_cifar(), hardware, layers={"conv1": {"mapping.replicas": 500}})


def test_replicas_set_by_hand_and_weight_reloading_exclude_one_another():
    changes = {"chip.tiles": 1, "chip.count": 1, "mapping.reload": "turns"}
    hardware = xs.load_hardware("reference", changes)
    assert plan_network(resnet_cifar(), hardware).turn_count > 1
    with pytest.raises(ConfigError, match=r"layer conv1: mapping\.replicas: 2 .* mapping\.reload: turns"):
        plan_network(resnet_cifar(), hardware, layers={"conv1": {"mapping.replicas": 2}})
