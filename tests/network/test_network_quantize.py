import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_network

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import (
    Network,
    QuantizedLayer,
    dequantize_output,
    integer_layer,
    load_network,
    make_conv2d,
    make_linear,
    quantize_input,
    quantize_network,
    run_integer,
    run_network,
)
from xbarsim.network.calibrate import FIRST_IMAGES, Histogram, choose_scale, spread_order
from xbarsim.network.grid import fix_grids
from xbarsim.network.quantize import quantize_weights


def make_layer(weight, **changes):
    fields = {
        "name": "layer", "weight": weight.astype(np.int32), "weight_scale": np.ones(len(weight)), "input_scale": 1.0,
        "input_zero_point": 0, "signed": False, "weight_bits": 8, "activation_bits": 8, "bias": np.zeros(len(weight)),
    }  # fmt: skip
    return QuantizedLayer(**{**fields, **changes})


@given(st.integers(2, 16), st.integers(1, 16), st.booleans(), st.integers(0, 99))
@settings(max_examples=60)
def test_integer_linear_layers_are_exact_at_every_width(weight_bits, activation_bits, signed, seed):
    rng = np.random.default_rng(seed)
    limit = 2 ** (weight_bits - 1) - 1
    low, high = (-(2 ** (activation_bits - 1)), 2 ** (activation_bits - 1)) if signed else (0, 2**activation_bits)
    weight, codes = rng.integers(-limit, limit, (3, 40), endpoint=True), rng.integers(low, high, (2, 40))
    layer = make_layer(weight, weight_bits=weight_bits, activation_bits=activation_bits, signed=signed)
    acc = integer_layer(layer, make_linear("layer", 40, 3), codes)
    assert acc.dtype == np.int64
    assert np.array_equal(acc, naive_network.multiply_integers(weight, codes))


@pytest.mark.slow
def test_sums_too_wide_for_floats_are_formed_in_integers():
    weight, codes = np.full((1, 2**23), 2**15 - 1, np.int32), np.full((1, 2**23), 2**16 - 1, np.uint16)
    layer = make_layer(weight, weight_bits=16, activation_bits=16)
    assert layer.exact_weight.dtype == np.int64
    acc = integer_layer(layer, make_linear("layer", 2**23, 1), codes)
    assert acc[0, 0] == 2**23 * (2**15 - 1) * (2**16 - 1)


def test_integer_convolutions_pad_with_the_zero_point():
    rng = np.random.default_rng(0)
    weight, codes = rng.integers(-127, 128, (4, 2, 3, 3)), rng.integers(0, 256, (2, 4, 5, 5))
    node = make_conv2d("layer", 4, 4, 3, padding=1, groups=2)
    layer = make_layer(weight, input_zero_point=37)
    expected = naive_network.convolve(codes, weight, node.attributes, 37)
    assert np.array_equal(integer_layer(layer, node, codes), expected)
    inner = naive_network.convolve(codes - 37, weight, node.attributes)
    assert np.array_equal(dequantize_output(layer, expected), inner.astype(np.float32))


def test_outputs_are_scaled_by_channel_and_by_the_converter_step():
    layer = make_layer(
        np.ones((2, 3)),
        input_scale=0.5,
        weight_scale=np.array([2.0, 4.0]),
        bias=np.array([1.0, -1.0]),
        input_zero_point=1,
    )
    acc = np.array([[6, 6]])
    assert dequantize_output(layer, acc).tolist() == [[4.0, 5.0]]
    assert dequantize_output(layer, acc, lsb=2.0).tolist() == [[10.0, 17.0]]


@pytest.mark.parametrize(
    ("bits", "signed", "kind"), [(8, False, np.uint8), (9, False, np.uint16), (8, True, np.int16), (9, True, np.int32)]
)
def test_codes_have_the_narrowest_promised_type_and_stay_in_range(bits, signed, kind):
    layer = make_layer(np.ones((1, 1)), activation_bits=bits, signed=signed, input_scale=0.25)
    codes = quantize_input(layer, np.array([-1e9, -0.25, 0.1, 0.2, 1e9], np.float32))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    assert codes.dtype == kind
    assert codes.tolist() == [low, -1 if signed else 0, 0, 1, high]


def test_signed_inputs_of_one_bit_are_signs_and_their_scale_the_mean_magnitude():
    layer = make_layer(np.ones((1, 1)), activation_bits=1, signed=True, input_scale=0.25)
    codes = quantize_input(layer, np.array([-3.0, -1e-9, -0.0, 0.0, 0.1, 9.0], np.float32))
    assert codes.dtype == np.int16
    assert codes.tolist() == [-1, -1, 1, 1, 1, 1]
    with pytest.raises(ShapeError, match="NaN"):
        quantize_input(layer, np.array([np.nan], np.float32))
    unsigned = make_layer(np.ones((1, 1)), activation_bits=1, signed=False, input_scale=0.25)
    assert quantize_input(unsigned, np.array([-3.0, 0.1, 0.2, 9.0])).tolist() == [0, 0, 1, 1]
    histogram = Histogram()
    values = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    values[:4000] = 0
    histogram.add(values)
    scale = choose_scale(histogram, 1, signed=True)
    assert scale == pytest.approx(np.abs(values).mean(), rel=3e-3)

    def error(step):
        return np.mean((values - np.where(values >= 0, step, -step)) ** 2)

    assert all(error(scale) <= error(scale * factor) for factor in (0.95, 1.05))


def test_a_network_that_carries_its_grids_keeps_signs():
    network = Network(
        name="signs",
        nodes=(
            make_conv2d("a", 2, 3, 3, padding=1, inputs=["input"], weight=np.ones((3, 2, 3, 3), np.float32)),
            make_conv2d("b", 3, 2, 3, padding=1, inputs=["a"], weight=np.ones((2, 3, 3, 3), np.float32)),
        ),
        input_shape=(2, 5, 5),
    )
    images = np.random.default_rng(0).standard_normal((8, 2, 5, 5)).astype(np.float32)
    quantized = quantize_network(network, images, weight_bits=4, activation_bits=1)
    assert all(layer.signed and layer.activation_bits == 1 for layer in quantized.layers.values())
    fixed = fix_grids(quantized)
    again = quantize_network(fixed, None, weight_bits=4, activation_bits=1)
    np.testing.assert_allclose(run_integer(again, images), run_integer(quantized, images), rtol=1e-5, atol=1e-5)
    seen = {}
    run_network(fixed, images, observe=lambda name, value: seen.update({name: value.copy()}))
    assert set(np.unique(np.sign(seen["a.input"]))) == {-1.0, 1.0}


def test_a_nan_in_a_layers_input_is_refused_with_the_layer():
    with pytest.raises(ShapeError, match="layer layer: input holds NaN"):
        quantize_input(make_layer(np.ones((1, 1))), np.array([np.nan]))


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8, 12])
def test_weights_are_symmetric_and_as_near_as_their_width_allows(bits):
    weight = np.random.default_rng(0).normal(size=(5, 4, 3, 3)).astype(np.float32) * np.arange(5)[:, None, None, None]
    codes, scale = quantize_weights(weight, bits)
    limit = 2 ** (bits - 1) - 1
    assert codes.min() >= -limit
    assert codes.max() <= limit
    assert not codes[0].any()
    error = np.sqrt(np.mean((weight - codes * scale[:, None, None, None]) ** 2) / np.mean(weight**2))
    assert error < 0.65 / limit**0.9
    if bits >= 6:
        largest = np.abs(weight[1:]).reshape(4, -1).max(axis=1)
        assert np.allclose(scale[1:] * limit, largest)


def test_the_clipping_range_beats_the_full_range_and_follows_the_width():
    histogram = Histogram()
    values = np.abs(np.random.default_rng(0).standard_normal(20000)).astype(np.float32) ** 2
    for part in np.array_split(values, 7):
        histogram.add(part)
    assert histogram.high == values.max()
    for bits in (2, 4, 8):
        scale = choose_scale(histogram, bits, signed=False)

        def error(step, top=2**bits - 1):
            return np.mean((values - np.clip(np.rint(values / step), 0, top) * step) ** 2)

        full = values.max() / (2**bits - 1)
        around = [error(full * fraction) for fraction in np.linspace(0.05, 1, 400)]
        assert error(scale) <= 1.05 * min(around)
    assert choose_scale(Histogram(), 8, signed=False) == 1.0


def test_calibration_stops_when_scales_settle_and_goes_on_where_they_move():
    network = Network(
        name="plain", nodes=[make_linear("first", 6, 4, weight=np.ones((4, 6), np.float32))], input_shape=(6,)
    )
    images = np.random.default_rng(0).random((2048, 6)).astype(np.float32)
    found = quantize_network(network, images, weight_bits=8, activation_bits=8)
    assert found.scale_images == 2 * FIRST_IMAGES
    part = images[spread_order(2048)[: 2 * FIRST_IMAGES]]
    alone = quantize_network(network, part, weight_bits=8, activation_bits=8, threads=1)
    assert alone.layers["first"].input_scale == found.layers["first"].input_scale
    later = images.copy()
    later[spread_order(2048)[FIRST_IMAGES : 2 * FIRST_IMAGES]] *= 8
    assert quantize_network(network, later, weight_bits=8, activation_bits=8).scale_images == 4 * FIRST_IMAGES
    negative = images.copy()
    negative[spread_order(2048)[FIRST_IMAGES], 0] = -1e-6
    assert quantize_network(network, negative, weight_bits=8, activation_bits=8).scale_images == 4 * FIRST_IMAGES


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 1000, 4660])
def test_every_beginning_of_the_order_is_spread_over_all_images(count):
    order = spread_order(count)
    assert np.array_equal(np.sort(order), np.arange(count))
    for size in (count // 16, count // 2):
        gaps = np.diff(np.sort(np.r_[order[:size], count + order[:1]]))
        assert size < 2 or gaps.max() <= 3.5 * count / size


def test_calibration_does_not_depend_on_blocks_and_integer_runs_on_threads():
    network = load_network("resnet20", weights="random")
    images = np.random.default_rng(0).normal(size=(6, 3, 32, 32)).astype(np.float32)
    quantized = quantize_network(network, images, weight_bits=8, activation_bits=8)
    assert quantized.layers["conv1"].signed
    assert not quantized.layers["fc"].signed
    whole = run_integer(quantized, images, threads=2)
    assert np.array_equal(whole, run_integer(quantized, images, threads=1, block=1))
    exact = run_network(network, images)
    assert np.abs(whole - exact).max() < 0.1 * np.abs(exact).max()


def test_layers_may_have_widths_of_their_own_by_name_or_glob():
    network = load_network("resnet20", weights="random")
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32))
    layers = {
        "layer[12].*": {"weight_bits": 4, "adc.bits": 5},
        "layer1.0.conv1": {"weight_bits": 6, "activation_bits": 5},
    }
    found = quantize_network(network, images, weight_bits=8, activation_bits=8, layers=layers).layers
    assert (found["conv1"].weight_bits, found["layer2.0.conv1"].weight_bits, found["fc"].weight_bits) == (8, 4, 8)
    assert (found["layer1.0.conv1"].weight_bits, found["layer1.0.conv1"].activation_bits) == (6, 5)
    assert np.abs(found["layer1.0.conv1"].weight).max() == 31


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_bits": 32}, "conv1: weight_bits: 32 means float values and is for cost estimates only"),
        ({"weight_bits": 0}, "weight_bits: 0 is not a whole number between 1 and 16"),
        ({"activation_bits": 0}, "activation_bits: 0 is not"),
        ({"activation_bits": 8.5}, "activation_bits: 8.5 is not"),
        (
            {"layers": {"conv9": {"weight_bits": 4}}},
            "layers.conv9: no layer of network \\w+ has this name; did you mean conv",
        ),
        ({"calibration": None}, "needs calibration images"),
        ({"calibration": np.zeros((0, 1, 8, 8))}, "needs calibration images"),
    ],
)
def test_widths_and_images_that_cannot_be_used_are_refused(changes, message):
    arguments = {"calibration": np.ones((1, 1, 8, 8)), "weight_bits": 8, "activation_bits": 8} | changes
    with pytest.raises(ConfigError, match=message):
        quantize_network(load_network("digits"), **arguments)


def test_networks_without_weights_are_not_quantised():
    with pytest.raises(ConfigError, match="no weights"):
        quantize_network(load_network("lenet5"), np.ones((1, 1, 32, 32)), weight_bits=8, activation_bits=8)


def test_widths_given_by_the_file_are_kept_and_others_refused():
    weight = np.array([[0.5, -1.0, 1.5]], np.float32)
    node = make_linear("fc", 3, 1, weight=weight)
    node = dataclasses.replace(
        node, attributes={**node.attributes, "weight_scale": np.float32([0.5]), "weight_bits": 4}
    )
    network = Network(name="given", nodes=(node,), input_shape=(3,))
    layer = quantize_network(network, np.ones((1, 3)), weight_bits=4, activation_bits=8).layers["fc"]
    assert layer.weight.tolist() == [[1, -2, 3]]
    with pytest.raises(
        ConfigError, match="fc: weight_bits: 8 bits are asked for, but the file quantises this layer to 4"
    ):
        quantize_network(network, np.ones((1, 3)), weight_bits=8, activation_bits=8)
