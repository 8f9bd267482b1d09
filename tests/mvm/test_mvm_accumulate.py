"""Reads that an integrator adds up before one conversion (``dac.accumulate: analog``)."""

import itertools

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.converter import CODINGS, encode_streams, spread_inputs, sum_streams
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.mvm import program_matrix
from xbarsim.network import Epitome, load_network

ANALOG = {"dac.accumulate": "analog", "device.programming.sigma": 0.0, "crossbar.method": "ideal"}
EXACT = {"adc.bits": "auto", "adc.full_scale": "whole"}
RNG = np.random.default_rng(4)
WEIGHTS = RNG.integers(-127, 128, (70, 18))


def codes(bits, signed, count=150):
    """Return inputs over the whole range, its ends among them."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    found = RNG.integers(low, high, (count, 70), endpoint=True)
    found[0], found[1] = low, high
    return found


def program(changes, bits=8, signed=True, weights=WEIGHTS, weight_bits=8, **key):
    hardware = load_hardware("reference", {**ANALOG, "crossbar.rows": 32, **changes})
    return program_matrix(
        weights, hardware, weight_bits=weight_bits, activation_bits=bits, signed=signed, threads=1, **key
    )


def parts(weights):
    """Yield the cells of every row block and slice of differential pairs of two-bit cells, and the slice's place."""
    for begin, place in itertools.product(range(0, 70, 32), range(4)):
        rows = slice(begin, begin + 32)
        yield rows, place, np.sign(weights[rows]) * ((np.abs(weights[rows]) >> (2 * place)) & 3)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("bits", "dac_bits"), [(8, 1), (8, 4), (3, 2), (10, 1), (2, 1)])
def test_one_conversion_of_all_reads_gives_the_integers_on_ideal_hardware(coding, bits, dac_bits):
    for signed in (True, False):
        x = codes(bits, signed)
        engine = program({**EXACT, "dac.signed": coding, "dac.bits": dac_bits}, bits, signed)
        assert len(engine.streams) == 1
        for method in ("auto", "product", "float"):
            np.testing.assert_array_equal(engine.multiply(x, method=method), x @ WEIGHTS)
        ideal = program({"adc.bits": "ideal", "dac.signed": coding, "dac.bits": dac_bits}, bits, signed)
        np.testing.assert_array_equal(ideal.multiply(x), x @ WEIGHTS)


@pytest.mark.parametrize("encoding", ["offset", "flip", "twos_complement", "differential"])
def test_every_encoding_is_exact_with_offset_inputs(encoding):
    changes = {**EXACT, "encoding": encoding, "dac.signed": "offset", "adc.subtract": "digital"}
    x = codes(6, True)
    np.testing.assert_array_equal(program(changes, 6).multiply(x, method="float"), x @ WEIGHTS)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_converter_rounds_and_clips_the_sum_of_a_whole_input(coding):
    x = codes(8, True)
    engine = program({"adc.bits": 6, "adc.quantile": 0.99, "dac.signed": coding}).calibrate(x)
    engine = engine.with_lsb(np.floor(engine.lsb) + 0.3)
    constant = 128 if coding == "offset" else 0
    expected = -constant * WEIGHTS.sum(axis=0) / engine.lsb
    for rows, place, cells in parts(WEIGHTS):
        expected = expected + 4**place * np.clip(np.rint((x + constant)[:, rows] @ cells / engine.lsb), -31, 31)
    np.testing.assert_allclose(engine.multiply(x), expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    stats = engine.survey(x)
    sums = np.concatenate([((x + constant)[:, rows] @ cells).ravel() for rows, _, cells in parts(WEIGHTS)])
    assert stats.conversions == sums.size == 150 * 3 * 4 * 18
    assert stats.highest == sums.max()
    assert stats.lowest == sums.min()
    assert stats.clipped_share == pytest.approx(np.mean(np.abs(sums) > 31.5 * engine.lsb), abs=1e-9)


def test_calibration_sees_the_sums_of_whole_inputs():
    x = codes(8, False)
    engine = program({"adc.quantile": 1.0}, signed=False).calibrate(x)
    top = max(np.abs(x[:, rows] @ cells).max() for rows, _, cells in parts(WEIGHTS))
    assert engine.adc.lsb == pytest.approx(top / 127, rel=1e-6)


def test_steps_may_still_differ_from_slice_to_slice():
    x = codes(8, True)
    engine = program({"adc.bits": 6, "adc.step_per": "slice", "adc.quantile": 1.0, "weight_bits": 8}).calibrate(x)
    fused = engine.multiply(x, method="float")
    np.testing.assert_array_equal(fused, engine.multiply(x, method="product"))


@pytest.mark.parametrize("coding", ["voltage", "width"])
def test_the_noise_of_reads_adds_up_with_the_squares_of_what_they_count(coding):
    """4096 vectors of 2 inputs: a variance within 6.6 % (3 deviations of chi squared) is found in 99.7 % of draws."""
    sigma, bits, dac_bits = 0.04, 8, 2
    weights = np.array([[3], [2]] * 16)  # one slice of two-bit cells
    changes = {"device.read_noise.sigma": sigma, "adc.bits": "ideal", "dac.bits": dac_bits, "dac.coding": coding}
    noisy = program(changes, bits, False, weights, weight_bits=3, layer=coding)
    x = np.zeros((4096, 32), dtype=int)
    x[:, 0], x[:, 1] = 0b11010010, 0b00111001
    found = noisy.multiply(x)[:, 0] - (x @ weights)[:, 0]
    device = noisy.hardware.device
    off, expected = device.g_off_siemens / device.g_step_siemens, 0.0
    for level, code in ((3, 0b11010010), (2, 0b00111001)):
        for t in range(4):
            v = (code >> (2 * t)) & 3
            power = v**2 if coding == "voltage" else v
            expected += 16**t * sigma**2 * ((off + level) ** 2 + off**2) * power
    assert np.var(found) == pytest.approx(expected, rel=0.066)
    assert abs(found.mean()) < 4 * np.sqrt(expected / 4096)


def test_the_noise_of_the_converter_comes_once():
    """16384 conversions: the variance lies within 3.3 % (3 deviations of chi squared) in 99.7 % of draws."""
    engine = program({"adc.bits": 12, "adc.noise_lsb": 8.0, "adc.full_scale": "whole"}, weights=np.eye(16, dtype=int))
    x = np.zeros((1024, 16), dtype=int)
    found = engine.multiply(x)
    weighted = 64.0 * sum(16**place for place in range(4)) + 0.0
    assert np.var(found) == pytest.approx(weighted + sum(16**place for place in range(4)) / 12, rel=0.05)


def test_fused_kernels_draw_what_the_plain_product_draws():
    changes = {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.3, "device.programming.sigma": 0.05, "adc.bits": 7}
    x = codes(8, True, 60)
    engine = program({**changes, "device.read_noise.bandwidth_hz": 1e6, "dac.bits": 2}).calibrate(x)
    fused, plain = engine.multiply(x, method="float"), engine.multiply(x, method="product")
    assert np.mean(np.abs(fused - plain) > 0) < 0.02
    quiet = program({"device.programming.sigma": 0.05, "adc.bits": 7, "dac.bits": 2}).with_lsb(engine.adc.lsb)
    assert np.mean(fused != quiet.multiply(x)) > 0.5


def test_bits_depend_neither_on_threads_nor_on_batches():
    changes = {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.4, "device.programming.sigma": 0.05}
    x = codes(8, True)
    engine = program(changes).calibrate(x)
    whole = engine.multiply(x, threads=1)
    cut = [engine.multiply(x[a:b], first_vector=a, threads=2) for a, b in ((0, 2), (2, 17), (17, 150))]
    np.testing.assert_array_equal(whole, np.concatenate(cut))
    images = x[:4, :63].reshape(4, 7, 3, 3)
    conv = program(changes, weights=WEIGHTS[:63]).calibrate(x[:, :63])
    found = conv.convolve(images, 3, row_order="channels_first")
    np.testing.assert_array_equal(found.reshape(4, 18), conv.multiply(x[:4, :63]))


def test_what_reads_count_is_counted_in_their_noise():
    reads = encode_streams(5, 2, True, "twos_complement")
    spread = spread_inputs([-16, 13, -1], sum_streams(reads))
    np.testing.assert_array_equal(spread.squares, [256, 1 + 16 * 9, 9 + 16 * 9 + 256])
    np.testing.assert_array_equal(spread.linears, [256, 1 + 16 * 3, 3 + 16 * 3 + 256])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"adc.step_per": "read"}, "dac.accumulate: analog contradicts adc.step_per: read.*take slice or layer"),
        ({"adc.saturation_ampere": 1e-4}, "contradicts adc.saturation_ampere.*leave one of them out"),
        ({"adc.subtract": "digital"}, "contradicts dac.signed: twos_complement.*set dac.signed: offset"),
        ({"encoding": "offset", "dac.bits": 2}, "contradicts dac.signed: sign_magnitude.*set dac.signed: offset"),
    ],
)
def test_what_cannot_be_beside_an_integrator_is_refused(changes, rule):
    with pytest.raises(ConfigError, match=rule) as caught:
        load_hardware("reference", {"dac.accumulate": "analog", **changes})
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("bits", [1, 8])
def test_calibration_samples_the_sums_of_whole_signed_inputs(coding, bits):
    # without wires and variation the sums of all reads are those of whole inputs and levels
    x = np.where(codes(8, True) < 0, -1, 1) if bits == 1 else codes(bits, True)
    engine = program({"adc.bits": 8, "adc.thresholds": "least_error", "dac.signed": coding}, bits)
    sent = x + CODINGS[coding].constant(bits)
    expected = [sent[:, rows] @ cells for rows, _, cells in parts(WEIGHTS)]
    found = engine.sample_sums(x).sums
    np.testing.assert_allclose(np.sort(found), np.sort(np.concatenate(expected, axis=None)), atol=1e-3)


def test_automatic_converters_of_epitomes_have_the_bits_of_their_own_inputs():
    network = load_network("resnet20").with_epitomes({"layer3.*": Epitome(rows=144, channels=16)})
    changes = {"dac.accumulate": "analog", "adc.full_scale": "whole", "epitome.input_wrapping": True}
    plan = plan_network(network, load_hardware("reference", {**changes, "adc.bits": "auto"}))
    wider = [layer for layer in plan.layers if layer.input_bits > layer.hardware.activation_bits]
    assert wider
    for layer in plan.layers:
        sign_bits = 1 if layer.hardware.has_signed_sums else 0  # adc.sign: included
        highest = 2 ** (layer.hardware.adc_bits - sign_bits) - 1
        assert highest / 2 < layer.hardware.highest_sum_of(layer.input_bits) <= highest
