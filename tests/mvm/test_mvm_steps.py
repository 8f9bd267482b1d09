"""Converter steps that differ by slice and by stream: against plain products, their float64 sibling, and each other."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix
from xbarsim.mvm.ranges import share_range

QUIET = {"device.programming.sigma": 0.0, "crossbar.method": "ideal", "crossbar.rows": 128}
RNG = np.random.default_rng(1)
WEIGHTS = np.clip(np.rint(RNG.normal(0, 30, (70, 18))), -127, 127).astype(int)
CODES = np.minimum(np.abs(np.rint(RNG.normal(0, 40, (300, 70)))), 255).astype(int)
SIGNED = np.clip(np.rint(RNG.normal(0, 40, (300, 70))), -128, 127).astype(int)


def program(changes, signed=False):
    """Program the weights, and calibrate on the inputs."""
    hardware = load_hardware("reference", {**QUIET, **changes})
    engine = program_matrix(WEIGHTS, hardware, weight_bits=8, activation_bits=8, signed=signed, threads=1)
    return engine.calibrate(SIGNED if signed else CODES, threads=1)


def error_of(engine, codes=CODES):
    """Return the root mean square of the error of results."""
    return np.sqrt(np.mean((engine.multiply(codes) * engine.lsb - codes @ WEIGHTS) ** 2))


@pytest.mark.parametrize("per", ["slice", "read"])
@pytest.mark.parametrize("full_scale", [{}, {"adc.quantile": 0.999}])
def test_every_code_is_what_a_plain_product_says(per, full_scale):
    engine = program({"adc.step_per": per, "adc.bits": 4, "dac.bits": 2, **full_scale})
    engine = engine.with_lsb(np.floor(engine.adc.lsb) + 0.3)  # whole sums are never halfway between two codes
    steps = engine.steps.fit(engine.adc.lsb)
    assert steps.planes.max() > 0
    assert (steps.streams.max() > 0) == (per == "read")
    assert engine.lsb == engine.adc.lsb / 2**steps.depth
    levels, expected = np.abs(WEIGHTS), 0
    for t, begin, s in itertools.product(range(4), range(0, 70, 128), range(4)):
        rows = slice(begin, begin + 128)
        cells = np.sign(WEIGHTS[rows]) * ((levels[rows] >> (2 * s)) & 3)
        step = engine.adc.lsb / 2.0 ** (steps.streams[t] + steps.planes[s])
        code = np.clip(np.rint(((CODES[:, rows] >> (2 * t)) & 3) @ cells / step), -7, 7)
        expected = expected + code * step * 4**t * 4**s
    np.testing.assert_allclose(engine.multiply(CODES) * engine.lsb, expected, rtol=1e-12, atol=1e-6)


def test_steps_of_slices_and_reads_lose_less():
    errors = []
    for per in ("layer", "slice", "read"):
        engine = program({"adc.step_per": per, "adc.bits": 4, "dac.bits": 2})
        errors.append(min(error_of(engine.with_lsb(engine.adc.lsb * ratio)) for ratio in (1.0, 0.8, 0.65, 0.5, 0.35)))
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.9 * errors[1]


# columns of very different sums: weights of every third output are 8 and 64 times smaller
UNEQUAL = np.rint(np.resize([1, 1 / 8, 1 / 64], 18) * 127 * np.sign(WEIGHTS) * RNG.random(WEIGHTS.shape)).astype(int)


def program_unequal(changes):
    hardware = load_hardware("reference", {**QUIET, **changes})
    engine = program_matrix(UNEQUAL, hardware, weight_bits=8, activation_bits=8, signed=False, threads=1)
    return engine.calibrate(CODES, threads=1)


@pytest.mark.parametrize("full_scale", [{}, {"adc.quantile": 0.999}])
def test_every_code_of_a_column_with_its_own_step_is_what_a_plain_product_says(full_scale):
    engine = program_unequal({"adc.step_per": "column", "adc.bits": 4, "dac.bits": 2, **full_scale})
    engine = engine.with_lsb(np.floor(engine.adc.lsb) + 0.3)
    steps = engine.steps.fit(engine.adc.lsb)
    assert steps.columns.shape == (4, 18)
    assert len(np.unique(steps.columns)) > 2
    assert engine.lsb == engine.adc.lsb / 2**steps.depth
    levels, expected = np.abs(UNEQUAL), 0
    for t, s in itertools.product(range(4), range(4)):
        cells = np.sign(UNEQUAL) * ((levels >> (2 * s)) & 3)
        step = engine.adc.lsb / 2.0 ** steps.columns[s]
        code = np.clip(np.rint(((CODES >> (2 * t)) & 3) @ cells / step), -7, 7)
        expected = expected + code * step * 4**t * 4**s
    for method in ("auto", "product"):
        np.testing.assert_allclose(engine.multiply(CODES, method=method) * engine.lsb, expected, rtol=1e-12, atol=1e-6)


def test_steps_of_columns_lose_less_where_columns_differ():
    """At the scale of least error over all outputs; the smallest third is limited by steps of one level anyway."""

    def errors(per):
        engine, exact = program_unequal({"adc.step_per": per, "adc.bits": 4, "dac.bits": 2}), CODES @ UNEQUAL
        engines = [engine.with_lsb(engine.adc.lsb * ratio) for ratio in (1.0, 0.8, 0.65, 0.5, 0.35, 0.25)]
        wrong = min(
            (each.multiply(CODES) * each.lsb - exact for each in engines), key=lambda each: np.square(each).sum()
        )
        return np.sqrt(np.mean(np.square(wrong))), np.sqrt(np.mean(np.square(wrong[:, 1::3])))

    whole, middle = errors("column")
    whole_slice, middle_slice = errors("slice")
    assert whole < 0.95 * whole_slice
    assert middle < 0.75 * middle_slice


def test_matrices_of_a_layer_share_the_unit_of_results_of_columns():
    engine = program_unequal({"adc.step_per": "column", "adc.bits": 4})
    hardware = engine.hardware
    other = program_matrix(WEIGHTS[:, :7], hardware, weight_bits=8, activation_bits=8, signed=False, threads=1)
    both = share_range([(engine, CODES, {}), (other, CODES, {})], threads=1)
    assert both[0].lsb == both[1].lsb
    assert both[0].steps.columns.shape == (4, 18)
    assert both[1].steps.columns.shape == (4, 7)
    for each, weights in zip(both, (UNEQUAL, WEIGHTS[:, :7])):
        exact = CODES @ weights
        assert np.corrcoef((each.multiply(CODES) * each.lsb).ravel(), exact.ravel())[0, 1] > 0.97


def test_columns_without_sums_leave_the_steps_of_others_alone():
    weights = UNEQUAL.copy()
    weights[:, :5] = 0
    hardware = load_hardware("reference", {**QUIET, "adc.step_per": "column", "adc.bits": 4})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, signed=False, threads=1)
    engine = engine.calibrate(CODES, threads=1)
    assert engine.steps.columns.min() == 0
    assert np.all(engine.multiply(CODES)[:, :5] == 0)


def test_the_sign_read_has_a_step_of_its_own():
    wide = {"dac.bits": 4, "dac.signed": "twos_complement"}
    engine = program(wide, signed=True)
    assert engine.steps.streams.tolist()[:2] == [0, 0]
    assert engine.steps.streams[2] > 0
    shared = replace(engine, steps=replace(engine.steps, streams=np.zeros(3, dtype=int)))
    assert error_of(engine, SIGNED) < 0.6 * error_of(shared, SIGNED)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_whole_range_holds_the_sign_read_too(bits):
    engine = program({"dac.bits": bits, "dac.signed": "twos_complement", "adc.full_scale": "whole"}, signed=True)
    assert engine.steps.streams[-1] == bits - 1
    extreme = np.where(WEIGHTS[:, :1].T > 0, -128, 0)  # drives every sign bit of positive weights
    assert engine.survey(extreme).clipped_share == 0


@pytest.mark.parametrize("changes", [{"dac.bits": 1}, {"dac.bits": 2}, {"dac.bits": 4}, {"encoding": "flip"}])
@pytest.mark.parametrize("per", ["read", "column"])
def test_own_steps_agree_with_their_float64_sibling(changes, per):
    noisy = {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.2, "adc.gain_sigma": 0.01, "adc.offset_sigma_lsb": 0.2}
    engine = program({"adc.step_per": per, "adc.bits": 6, **noisy, **changes})
    found = engine.multiply(CODES, method="float") - engine.multiply(CODES, method="product")
    # where a float32 sum lies on the other side of a threshold a code differs by one, and counts up to 2^19 of the
    # finest step; a share of about 1e-5 of codes does, and a result joins at most 120 of them
    assert np.mean(found != 0) < 0.02


@pytest.mark.parametrize("per", ["read", "column"])
def test_own_steps_give_the_same_bits_for_threads_and_batches(per):
    engine = program({"adc.step_per": per, "adc.bits": 5, "device.read_noise.sigma": 0.02})
    whole = engine.multiply(CODES, threads=1)
    parts = [engine.multiply(CODES[a:b], first_vector=a, threads=2) for a, b in ((0, 2), (2, 40), (40, 300))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    np.testing.assert_array_equal(whole, engine.multiply(CODES, threads=2))


@pytest.mark.parametrize("per", ["read", "column"])
def test_no_step_is_finer_than_one_level(per):
    engine = program({"adc.step_per": per, "adc.bits": "auto"})
    assert engine.adc.lsb == engine.lsb == 1.0
    np.testing.assert_array_equal(engine.multiply(CODES), CODES @ WEIGHTS)


@pytest.mark.parametrize(
    "other", [{"adc.thresholds": "quantile"}, {"adc.full_scale": "whole"}, {"adc.saturation_ampere": 1e-3}]
)
def test_steps_that_nothing_could_choose_are_refused(other):
    with pytest.raises(ConfigError, match=r"^adc\.step_per: slice needs converters of equal steps"):
        load_hardware("reference", {"adc.step_per": "slice", **other})
