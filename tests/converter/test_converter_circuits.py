"""Thresholds that follow the data, circuits with static errors, and sense amplifiers that saturate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.converter import AdcRange, SumSample, convert_sums, nominal_range, place_levels, vary_thresholds
from xbarsim.converter.circuits import search_thresholds
from xbarsim.converter.thresholds import place_least_error, place_quantiles
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix
from xbarsim.mvm.grid import KINDS as GRIDS

RNG = np.random.default_rng(11)
WEIGHTS = RNG.integers(-100, 100, (70, 5))
CODES = RNG.integers(0, 256, (300, 70))
SAR = {"adc.kind": "sar", "adc.settings": {"unit_sigma": 0.05}}
RAMP = {"adc.kind": "ramp", "adc.settings": {"slope_sigma": 0.03, "offset_sigma_lsb": 0.2, "comparator_sigma_lsb": 0.4}}
KINDS = {
    "uniform": {},
    "sar": SAR,
    "ramp": RAMP,
    "quantile": {"adc.thresholds": "quantile"},
    "least_error": {"adc.thresholds": "least_error"},
    "unequal ramp": {**RAMP, "adc.thresholds": "least_error"},
    "saturating": {"adc.saturation_ampere": 2e-5},
    "saturating sar": {**SAR, "adc.saturation_ampere": 2e-5},
}
ERRORS = {"adc.noise_lsb": 0.3, "adc.gain_sigma": 0.02, "adc.offset_sigma_lsb": 0.2, "adc.inl_lsb": [0, 1, 0]}


def hardware_of(**changes):
    return load_hardware("reference", {"crossbar.rows": 32, "adc.bits": 5, **changes})


def engine_of(changes, trial=0, layer="a"):
    engine = program_matrix(WEIGHTS, hardware_of(**changes), weight_bits=8, activation_bits=8, trial=trial, layer=layer)
    return engine.calibrate(CODES)


def gaussian(sigma, count=200_001):
    """Quantiles of a normal law as a sample: no randomness."""
    from statistics import NormalDist

    law = NormalDist(0.0, sigma)
    sums = np.array([law.inv_cdf((k + 0.5) / count) for k in range(count)])
    return SumSample(sums, np.ones(count))


# --- placement -----------------------------------------------------------------------------------------------------


def test_least_error_thresholds_of_a_normal_law_are_those_of_the_published_table():
    # Max (1960), table I, 8 levels, in standard deviations
    published = np.array([0.2451, 0.7560, 1.344, 2.152])
    adc = AdcRange(lsb=2000.0, lowest=0, highest=7, is_ideal=False)
    shifted = gaussian(1000.0)
    thresholds, values = place_least_error(adc, SumSample(shifted.sums + 7000.0, shifted.weights))
    np.testing.assert_allclose((values - 7000.0) / 1000.0, np.r_[-published[::-1], published], atol=6e-3)
    np.testing.assert_allclose(thresholds, (values[1:] + values[:-1]) / 2, atol=0.25)


def test_weights_draw_codes_to_the_sums_that_count():
    adc = AdcRange(lsb=100.0, lowest=0, highest=7, is_ideal=False)
    sums = np.linspace(0, 700, 7001)
    weights = np.where(sums < 200, 100.0, 1.0)
    _, even = place_least_error(adc, SumSample(sums, np.ones_like(sums)))
    _, drawn = place_least_error(adc, SumSample(sums, weights))
    assert np.ptp(np.diff(even)) <= 2
    assert np.sum(drawn < 200) > np.sum(even < 200)


def test_quantile_thresholds_share_sums_out_alike():
    adc = AdcRange(lsb=200.0, lowest=-15, highest=15, is_ideal=False)
    sample = gaussian(1000.0)
    thresholds, _ = place_quantiles(adc, sample)
    counts = np.bincount(np.searchsorted(thresholds, sample.sums), minlength=31) / len(sample.sums)
    # a threshold in the middle between two means is not exactly between equal shares
    np.testing.assert_allclose(counts[2:-2], 1 / 31, rtol=0.05)


@given(st.integers(0, 10_000), st.integers(1, 7), st.sampled_from([place_quantiles, place_least_error]))
@settings(max_examples=40, deadline=None)
def test_thresholds_rise_values_are_whole_and_no_whole_sum_is_a_tie(seed, bits, place):
    rng = np.random.default_rng(seed)
    sums = np.rint(rng.gamma(0.7, rng.uniform(0.1, 30), 500))
    adc = AdcRange(lsb=max(sums.max() / (2**bits - 1), 1.0), lowest=0, highest=2**bits - 1, is_ideal=False)
    thresholds, values = place(adc, SumSample(sums, rng.uniform(0.1, 1, 500)))
    assert 2 <= len(values) <= adc.codes
    assert np.all(np.diff(thresholds) > 0)
    np.testing.assert_array_equal(values, np.rint(values))
    assert not np.any(np.isin(sums, thresholds))


def test_codes_that_reach_every_sum_give_it_back():
    hardware = hardware_of(**{"adc.thresholds": "least_error", "adc.bits": 6})
    sums = RNG.integers(-20, 20, 5000).astype(float)
    adc = place_levels(hardware.adc, nominal_range(hardware).with_full_scale(20), SumSample(sums, np.ones(5000)))
    np.testing.assert_array_equal(convert_sums(sums, adc) * adc.unit, sums)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip"])
def test_least_error_comes_closer_in_the_layers_output_than_equal_steps(encoding):
    ideal = {"device.programming.sigma": 0.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0}
    exact = CODES @ WEIGHTS

    def error_of(thresholds):
        engine = engine_of({"encoding": encoding, "adc.thresholds": thresholds, **ideal})
        return np.mean((engine.multiply(CODES) * engine.lsb - exact) ** 2)

    assert error_of("least_error") < 0.5 * error_of("uniform")


# --- circuits ------------------------------------------------------------------------------------------------------


def search(value, weights):
    """Return the code that a successive approximation finds, bit by bit from the highest."""
    code = 0
    for bit in range(len(weights) - 1, -1, -1):
        if value >= weights[bit]:
            value -= weights[bit]
            code |= 1 << bit
    return code


@given(st.lists(st.floats(0.2, 20), min_size=1, max_size=5), st.floats(0, 60))
def test_thresholds_of_a_search_give_the_code_that_its_steps_find(weights, value):
    thresholds = search_thresholds(np.array([weights]))[0]
    if np.min(np.abs(thresholds - value)) < 1e-9:
        return
    found = np.searchsorted(thresholds[1:], value, side="right")
    assert found == search(value, weights)


@pytest.mark.parametrize("keys", [{}, {"adc.sign": "extra"}, {"encoding": "offset"}])
def test_capacitors_spread_as_their_size_says(keys):
    """20,000 converters: the sample deviation is within 3 % of the law (6 sigma; false alarms 2e-9)."""
    sigma, bits = 0.02, 6
    hardware = hardware_of(**{**SAR, "adc.settings": {"unit_sigma": sigma}, "adc.bits": bits, **keys})
    adc = place_levels(hardware.adc, nominal_range(hardware), None)
    drawn = vary_thresholds(hardware.adc, adc, np.zeros(20_000, dtype=int), np.random.default_rng(4))
    found = (drawn - adc.levels.thresholds).std(axis=0)
    # a code of c unit capacitors out of n: var = sigma^2 c (n - c) / n
    count, n = np.arange(1, 2**bits), 2**bits
    law = sigma * np.sqrt(count * (n - count) / n)
    if keys.get("adc.sign") == "extra":
        law = np.r_[law[::-1], law]
    elif not keys:
        law = law[1:]
    np.testing.assert_allclose(found, law, rtol=0.03 + 3 * sigma**2)


def test_ramps_are_shared_by_an_array_and_comparators_by_a_converter():
    hardware = hardware_of(**RAMP)
    adc = place_levels(hardware.adc, nominal_range(hardware), None)
    arrays = np.repeat(np.arange(4000), 3)
    drawn = vary_thresholds(hardware.adc, adc, arrays, np.random.default_rng(2)) - adc.levels.thresholds
    error = drawn.reshape(4000, 3, -1)
    slope = np.diff(error[:, :, [0, -1]], axis=2)[:, :, 0] / np.ptp(adc.levels.thresholds)
    np.testing.assert_allclose(slope, np.broadcast_to(slope[:, :1], slope.shape), atol=1e-12)
    # 4,000 ramps, 12,000 comparators: within 7 % and 4 % of the law at 6 sigma (false alarms below 1e-8)
    assert abs(slope[:, 0].std() / 0.03 - 1) < 0.07
    start = error - slope[:, :, np.newaxis] * (adc.levels.thresholds - adc.lowest)
    own = start[:, :, 0] - start[:, :, 0].mean(axis=1, keepdims=True)
    assert abs(np.sqrt(np.sum(own**2) / 8000) / 0.4 - 1) < 0.05
    shared = start[:, :, 0].mean(axis=1).std()
    assert abs(shared / np.sqrt(0.2**2 + 0.4**2 / 3) - 1) < 0.07


def test_matched_parts_are_converters_of_equal_steps():
    for kind in ({"adc.kind": "sar", "adc.settings": {"unit_sigma": 0.0}}, {"adc.kind": "ramp"}):
        engine = engine_of(kind)
        assert engine.tables is None
        np.testing.assert_array_equal(engine.multiply(CODES), engine_of({}).multiply(CODES))


def test_a_saturating_amplifier_gives_the_codes_of_its_curve():
    hardware = hardware_of(**{"adc.saturation_ampere": 2e-5})
    nominal = nominal_range(hardware)
    most = 2e-5 / (3e-6 * 0.2)
    assert nominal.saturation == pytest.approx(most)
    adc = place_levels(hardware.adc, nominal, None)
    sums = np.linspace(-200, 200, 4001) + 0.0123
    expected = np.clip(np.rint(most * np.tanh(sums / most) / adc.lsb), adc.lowest, adc.highest)
    np.testing.assert_array_equal(convert_sums(sums, adc), expected)
    assert adc.highest * adc.lsb <= most


def test_a_current_far_above_all_sums_saturates_nothing():
    exact = engine_of({"adc.full_scale": "whole"}).multiply(CODES)
    found = engine_of({"adc.full_scale": "whole", "adc.saturation_ampere": 1.0}).multiply(CODES)
    assert np.mean(found != exact) < 0.02  # halves round up here and to even there


# --- engine --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("errors", [{}, ERRORS], ids=["clean", "noisy"])
@pytest.mark.parametrize("encoding", ["differential", "flip"])
@pytest.mark.parametrize("kind", KINDS)
def test_kernels_give_the_codes_of_the_plain_product(kind, encoding, errors):
    engine = engine_of({**KINDS[kind], "encoding": encoding, **errors})
    assert engine.choose_method() in GRIDS
    found, expected = engine.multiply(CODES, method="float"), engine.multiply(CODES, method="product")
    # float32 may put a sum on the other side of a threshold that it nearly touches
    assert np.mean(found != expected) < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads_or_batch(kind):
    engine = engine_of({**KINDS[kind], **ERRORS})
    whole = engine.multiply(CODES, threads=1)
    np.testing.assert_array_equal(engine.multiply(CODES, threads=3), whole)
    np.testing.assert_array_equal(engine.multiply(CODES[150:], first_vector=150), whole[150:])


@pytest.mark.parametrize("kind", ["sar", "ramp"])
def test_every_chip_and_layer_has_converters_of_its_own(kind):
    def thresholds(**key):
        return engine_of(KINDS[kind], **key).tables.thresholds

    base = thresholds()
    np.testing.assert_array_equal(thresholds(), base)
    assert not np.array_equal(thresholds(trial=1), base)
    assert not np.array_equal(thresholds(layer="b"), base)


@pytest.mark.parametrize(("per_array", "count"), [(0.5, 2), (1, 3), (2, 6), (128, 3 * 20)])
def test_converters_serve_as_many_columns_as_the_hardware_says(per_array, count):
    # 70 rows on 32: three row blocks; 5 outputs of 4 slices in 128 columns: one column block of 20 used ones
    engine = engine_of({**SAR, "adc.per_array": per_array, "crossbar.cols": 20})
    used = engine.recipe.used_columns
    assert len(engine.bank.arrays) == min(count, 60)
    assert len(np.unique(engine.bank.converter[:, used])) == min(count, 60)
    if per_array >= 1:
        np.testing.assert_array_equal(np.unique(engine.bank.arrays), [0, 1, 2])


def test_simulate_takes_unequal_thresholds_and_reports_the_step_of_equal_ones():
    data = xs.data.load_data("digits")
    images = xs.data.normalize_images(data.images[:60])
    hardware = load_hardware("reference", {"adc.bits": 4, "adc.thresholds": "least_error"})
    report = xs.simulate("digits", hardware, images, data.labels[:60])
    assert report.accuracy.hardware >= 0.9
    assert report.layers["adc_step"].min() > 1.0


# --- wrong input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**SAR, "adc.thresholds": "quantile"}, r"adc\.thresholds: quantile contradicts adc\.kind: sar"),
        (
            {"adc.thresholds": "least_error", "adc.full_scale": "whole"},
            r"adc\.thresholds: least_error contradicts adc\.full_scale: whole.*choose calibrated or quantile",
        ),
        ({"adc.thresholds": "log"}, r"adc\.thresholds: 'log' is not allowed"),
        ({"adc.saturation_ampere": 0}, r"adc\.saturation_ampere: 0 is not allowed"),
        ({"adc.kind": "sar"}, r"adc\.settings\.unit_sigma: missing; sar needs it"),
        ({"adc.kind": "sar", "adc.settings": {"unit_sigma": 0.5}}, r"adc\.settings\.unit_sigma: 0\.5 is not allowed"),
        ({"adc.kind": "ramp", "adc.settings": {"slope": 0.1}}, r"adc\.settings\.slope: unknown key.*slope_sigma"),
        ({"adc.kind": "ramp", "adc.settings": {"offset_sigma_lsb": "nan"}}, r"adc\.settings\.offset_sigma_lsb: 'nan'"),
    ],
)
def test_wrong_or_contradictory_keys_are_refused_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_hardware("reference", changes)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("kind", "settings", "bits", "expected"),
    [
        ("sar", {"unit_sigma": 0.05}, 6, True),
        ("sar", {"unit_sigma": 0.0}, 6, False),
        ("sar", {"unit_sigma": 0.05}, "ideal", False),
        ("ramp", {}, 6, False),
        ("ramp", {"comparator_sigma_lsb": 0.5}, 6, True),
    ],
)
def test_every_trial_has_converters_of_its_own(kind, settings, bits, expected):
    data = load_data("digits").take(8)
    keys = {"device.programming.distribution": "none", "adc.kind": kind, "adc.settings": settings, "adc.bits": bits}
    hardware = load_hardware("reference", keys)
    assert hardware.is_random is expected
    report = xs.simulate("digits", hardware, normalize_images(data.images), data.labels, trials=2)
    assert report.accuracy.runs == (2 if expected else 1)
    assert np.array_equal(*report.outputs) is not expected
