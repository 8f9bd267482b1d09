"""Index tables of epitomes, and the array counts that EPIM publishes."""

import collections
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mapping import make_tables, plan_network
from xbarsim.mapping.epitome import ACCUMULATE, OVERWRITE
from xbarsim.network import Epitome, load_network

UNIFORM = {"layer[34].*": Epitome(rows=1024, channels=256)}


@pytest.fixture(scope="module")
def epim():
    return load_hardware("epim")


@pytest.fixture(scope="module")
def compact():
    return load_network("resnet50").with_epitomes(UNIFORM)


def follow_tables(plan, values, window):
    """Multiply one window (Cin, kh, kw) by an epitome as the three tables say, in loops."""
    shape = plan.sampler.weight_shape
    matrix = values.reshape(len(values), -1).T
    result = np.zeros(shape[0], np.int64)
    for r in range(plan.round_count):
        fetches = [window[first:end].ravel() for number, first, end in plan.ifat if number == r]
        features = np.zeros(max(map(len, fetches)), np.int64)
        for fetch in fetches:
            features[: len(fetch)] += fetch
        lines = [features[f] if f >= 0 else 0 for f in plan.patterns[plan.pattern_of[r]]]
        sums = np.array(lines) @ matrix
        for number, column, first, end, mode in plan.ofat:
            if number == r:
                kept = result[first:end] if mode == ACCUMULATE else 0
                result[first:end] = kept + sums[column : column + end - first]
    return result


@settings(max_examples=60)
@given(st.data(), st.booleans(), st.booleans())
def test_rounds_by_the_tables_equal_the_rebuilt_convolution(data, output_wrapping, input_wrapping):
    number = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    kernel, p, q = number(1, 3), number(0, 1), number(0, 1)
    channels, depth = number(1, 5), number(1, 5)
    patch = (number(1, channels), number(1, depth)) if data.draw(st.booleans()) else None
    epitome = Epitome(depth * (kernel + p) * (kernel + q), channels, kernel + p, kernel + q, patch)
    sampler = epitome.sample((number(1, 12), number(1, 12), kernel, kernel))
    rng = np.random.default_rng(number(0, 99))
    values = rng.integers(-8, 8, sampler.epitome_shape)
    window = rng.integers(0, 16, sampler.weight_shape[1:])
    plan = make_tables(sampler, output_wrapping, input_wrapping)
    expected = (sampler.rebuild(values) * window).reshape(sampler.weight_shape[0], -1).sum(axis=1)
    np.testing.assert_array_equal(follow_tables(plan, values, window), expected)


def test_published_array_counts_of_plain_networks(epim):
    assert plan_network(load_network("resnet50"), epim, weight_bits=32).crossbars == 13120
    assert plan_network(load_network("resnet101"), epim, weight_bits=32).crossbars == 22912


def test_published_array_counts_of_the_uniform_epitome(epim, compact):
    assert plan_network(compact, epim, weight_bits=32).crossbars == 5696
    deeper = load_network("resnet101").with_epitomes(UNIFORM)
    assert plan_network(deeper, epim, weight_bits=32).crossbars == 12224


def test_three_bit_design_needs_30_times_fewer_arrays(epim, compact):
    found = plan_network(compact, epim, weight_bits=3, layers={"fc": {"weight_bits": 5}}).crossbars
    assert found == 428
    assert round(13120 / found, 2) == 30.65


def test_epitomes_are_packed_even_where_plain_kernels_stay_whole(epim, compact):
    layer = plan_network(compact, epim).layer("layer4.2.conv2")
    assert (layer.rows, layer.cols, layer.row_blocks) == (113 * 9, 256, 4)
    assert layer.macs == 512 * 512 * 9 * 49


@pytest.mark.parametrize(
    ("output_wrapping", "input_wrapping", "rounds", "bits"),
    [(False, False, 10, 9), (True, False, 5, 9), (False, True, 2, 12), (True, True, 1, 12)],
)
def test_wrapping_saves_rounds(epim, compact, output_wrapping, input_wrapping, rounds, bits):
    keys = {"epitome.output_wrapping": output_wrapping, "epitome.input_wrapping": input_wrapping}
    layer = plan_network(compact, epim, layers={"layer4.2.conv2": keys}).layer("layer4.2.conv2")
    assert (layer.rounds, layer.input_bits) == (rounds, bits)
    outputs = layer.epitome.ofat[layer.epitome.ofat[:, 4] == OVERWRITE]
    assert sorted(map(tuple, outputs[:, 2:4].tolist())) == [(0, 256), (256, 512)]


def test_tables_list_what_they_hold(epim, compact):
    tables = plan_network(compact, epim).layer("layer4.2.conv2").epitome
    assert tables.ifat.tolist() == [[0, 0, 113], [1, 113, 226], [2, 226, 339], [3, 339, 452], [4, 452, 512]]
    assert np.count_nonzero(tables.patterns >= 0, axis=1).tolist() == [60 * 9, 113 * 9]
    assert tables.pattern_of.tolist() == [1, 1, 1, 1, 0]
    assert tables.driven(np.array([0, 512, 1017])).tolist() == [[512, 505]] * 4 + [[512, 28]]
    row = math.ceil(math.log2(1017 + 1))
    assert tables.table_bits["ifrt"] == 2 * 1017 * row
    assert tables.lookup_bits["ifrt"] == 2 * 1017 * row, "the cut patch comes and goes once a window"
    assert tables.joint_additions == 4 * 256


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_the_tables_of_every_tile_fit_the_registers_of_epim(epim, name):
    deep = load_network(name).with_epitomes(UNIFORM)
    plan = plan_network(deep, epim, weight_bits=3, layers={"fc": {"weight_bits": 5}})
    bits = collections.Counter()
    for layer in plan.layers:
        if layer.epitome is not None:
            bits[layer.first_array // plan.arrays_per_tile] += sum(layer.epitome.table_bits.values())
    kept = epim.components["index_table"].count * 2 * 1024 * 8
    assert 0.8 * kept < max(bits.values()) <= kept


def test_a_single_row_pattern_is_loaded_once(epim, compact):
    tables = plan_network(compact, epim).layer("layer4.1.conv1").epitome
    assert (tables.round_count, tables.lookup_bits["ifrt"]) == (2, 0)


def test_sums_of_inputs_that_become_too_wide_are_refused(epim, compact):
    keys = {"epitome.input_wrapping": True, "activation_bits": 14}
    with pytest.raises(ConfigError, match=r"layer4\.2\.conv2: epitome\.input_wrapping: .* at most activation_bits: 13"):
        plan_network(compact, epim, layers={"layer4.2.conv2": keys})


def test_replicas_follow_the_rounds(epim):
    network = load_network("resnet20").with_epitomes({"layer1.0.conv1": Epitome(rows=36, channels=4)})
    hardware = epim.override({"mapping.replication": "balanced", "mapping.array_budget": 500})
    plan = plan_network(network, hardware)
    assert plan.layer("layer1.0.conv1").rounds == 4
    assert plan.layer("layer1.0.conv1").replicas > plan.layer("layer1.0.conv2").replicas
