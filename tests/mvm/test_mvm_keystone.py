"""Ideal hardware is the identity: the engine equals the integer product bit for bit."""

import itertools

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.mvm import program_matrix
from xbarsim.mvm.grid import KINDS

ENCODINGS = ("differential", "offset", "flip", "twos_complement")
SIZES = ((16, 16), (32, 32), (64, 64), (128, 128), (256, 256), (24, 40), (100, 12))
STREAMS = (1, 2, 3, 4, 5, 6, 7, 8)


def ideal(**changes):
    """Return the reference hardware without variation and wires, and an ADC with a code for every sum."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return load_hardware(
        "reference",
        {
            "device.programming.sigma": 0.0,
            "crossbar.r_wl_ohm": 0.0,
            "crossbar.r_bl_ohm": 0.0,
            "adc.bits": "auto",
            "adc.full_scale": "whole",
            **keys,
        },
    )


def draw(rng, rows, outputs, weight_bits, activation_bits, signed, vectors=6):
    """Draw weights and inputs, the extremes among them."""
    high = (1 << (weight_bits - 1)) - 1
    weights = rng.integers(-high, high + 1, (rows, outputs))
    weights[:, 0], weights[:, -1] = high, -high
    low = -(1 << (activation_bits - 1)) if signed else 0
    codes = rng.integers(low, low + (1 << activation_bits), (vectors, rows))
    codes[0], codes[1], codes[2] = low, low + (1 << activation_bits) - 1, 0
    return weights, codes


def check(engine, weights, codes, methods=KINDS):
    """Compare methods with the integer product: through tables (many vectors), products (few), and collapsed."""
    assert engine.lsb == 1.0
    expected = codes @ weights
    np.testing.assert_array_equal(engine.multiply(codes), expected)
    many, result = np.tile(codes, (12, 1)), np.tile(expected, (12, 1))
    grids = engine.grids.by_kind
    for method in [kind for kind in methods if kind in grids and grids[kind].rms_error == 0] or ["float"]:
        np.testing.assert_array_equal(engine.multiply(codes, method=method), expected)
        np.testing.assert_array_equal(engine.multiply(many, method=method), result)


VARIANTS = tuple(itertools.product(SIZES, ("adjacent", "separate"), ("analog", "digital")))


def check_variants(encoding, cell_bits, dac_bits, numbers):
    """Compare some of the variants of array size, slices and subtraction with the integer product."""
    rng = np.random.default_rng(cell_bits * 10 + dac_bits)
    for number in numbers:
        (rows, cols), slices, subtract = VARIANTS[number]
        if subtract == "digital" and encoding != "differential":
            continue
        hardware = ideal(
            encoding=encoding,
            device__cell_bits=cell_bits,
            dac__bits=dac_bits,
            adc__subtract=subtract,
            mapping__slices=slices,
            crossbar__rows=rows,
            crossbar__cols=cols,
        )
        signed = number % 3 == 0
        weights, codes = draw(rng, min(rows + 9, 150), 5, 8, 8, signed)
        engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=signed)
        check(engine, weights, codes, methods=(KINDS[(number // 2) % len(KINDS)],))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("cell_bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("dac_bits", STREAMS)
def test_ideal_hardware_gives_the_integer_product(encoding, cell_bits, dac_bits):
    first = 2 * (cell_bits + 3 * dac_bits + ENCODINGS.index(encoding)) % len(VARIANTS)
    check_variants(encoding, cell_bits, dac_bits, (first, (first + 15) % len(VARIANTS)))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("cell_bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("dac_bits", STREAMS)
def test_ideal_hardware_gives_the_integer_product_in_every_variant(encoding, cell_bits, dac_bits):
    check_variants(encoding, cell_bits, dac_bits, range(len(VARIANTS)))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("signed", [False, True])
def test_the_float64_sibling_gives_the_integer_product_too(encoding, signed):
    rng = np.random.default_rng(1)
    for cell_bits, dac_bits in ((1, 1), (2, 3), (4, 2)):
        hardware = ideal(
            encoding=encoding, device__cell_bits=cell_bits, dac__bits=dac_bits, crossbar__rows=32, crossbar__cols=20
        )
        weights, codes = draw(rng, 70, 9, 8, 8, signed)
        engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=signed)
        np.testing.assert_array_equal(engine.multiply(codes, method="product"), codes @ weights)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(2, 1), (3, 16), (16, 16), (5, 3), (13, 11)])
@pytest.mark.parametrize("signed", [False, True])
def test_any_width_of_weights_and_inputs_gives_the_integer_product(encoding, weight_bits, activation_bits, signed):
    rng = np.random.default_rng(weight_bits)
    for cell_bits, dac_bits in ((2, 1), (3, 3), (4, 2)):
        if signed and activation_bits < 2:
            continue
        hardware = ideal(
            encoding=encoding,
            device__cell_bits=cell_bits,
            dac__bits=dac_bits,
            crossbar__rows=32,
            crossbar__cols=20,
        )
        weights, codes = draw(rng, 70, 9, weight_bits, activation_bits, signed)
        engine = program_matrix(
            weights, hardware, weight_bits=weight_bits, activation_bits=activation_bits, signed=signed
        )
        check(engine, weights, codes)


def test_rows_may_be_cut_anywhere():
    rng = np.random.default_rng(0)
    weights, codes = draw(rng, 50, 7, 8, 8, False)
    hardware = ideal(encoding="flip", crossbar__rows=32, crossbar__cols=16)
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, row_starts=[0, 9, 10, 37, 50])
    check(engine, weights, codes)


@pytest.mark.parametrize("mapping_rows", ["packed", "whole_kernels"])
@pytest.mark.parametrize("channels", [3, 8, 16])
def test_a_convolution_equals_the_integer_convolution(mapping_rows, channels):
    rng = np.random.default_rng(channels)
    kernel, stride, padding, dilation = (3, 2), (2, 1), (1, 0, 2, 1), (1, 2)
    weight = rng.integers(-127, 128, (6, channels, *kernel))
    codes = rng.integers(0, 256, (4, channels, 9, 8)).astype(np.uint8)
    order = (2, 3, 1, 0) if mapping_rows == "packed" else (1, 2, 3, 0)
    hardware = ideal(mapping__rows=mapping_rows, crossbar__rows=32, crossbar__cols=16)
    matrix = weight.transpose(order).reshape(-1, 6)
    engine = program_matrix(matrix, hardware, weight_bits=8, activation_bits=8)
    geometry = (kernel, stride, padding, dilation)
    result = engine.convolve(codes, *geometry, pad_code=7)
    padded = np.pad(codes.astype(np.int64), ((0, 0), (0, 0), (1, 2), (0, 1)), constant_values=7)
    expected = np.zeros_like(result)
    for (i, j), (y, x) in itertools.product(np.ndindex(*result.shape[2:]), np.ndindex(*kernel)):
        expected[:, :, i, j] += padded[:, :, 2 * i + y, j + 2 * x] @ weight[:, :, y, x].T
    np.testing.assert_array_equal(result, expected)
    for method in (*KINDS, "product"):
        np.testing.assert_array_equal(engine.convolve(codes, *geometry, pad_code=7, method=method), expected)
