"""Clipping and rounding can be left out one by one, at the step that both together were calibrated for."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import load_hardware
from xbarsim.converter import AdcRange
from xbarsim.converter.imperfections import tabulate_nonlinearity

REAL = AdcRange(lsb=4.0, lowest=-7, highest=7, is_ideal=False)


def adc(**changes):
    """Return the converter section of ``reference``, changed."""
    return load_hardware("reference", {f"adc.{key}": value for key, value in changes.items()}).adc


def test_a_converter_that_does_not_clip_rounds_as_before():
    sums = np.random.default_rng(0).uniform(-200, 200, 1000)
    wide = REAL.leave_out(adc(clips=False))
    np.testing.assert_array_equal(wide.convert(sums / wide.lsb) * wide.lsb, np.rint(sums / 4.0) * 4.0)
    assert wide.fineness == 1.0


def test_a_converter_that_does_not_round_clips_as_before():
    sums = np.random.default_rng(0).uniform(-200, 200, 1000)
    fine = REAL.leave_out(adc(rounds=False))
    found = fine.convert(sums / fine.lsb) * fine.lsb
    np.testing.assert_allclose(found, np.clip(sums, -28.0, 28.0), atol=4.0 / 512)
    assert fine.fineness == 256.0


def test_nothing_is_left_out_unless_asked():
    assert REAL.leave_out(adc()) is REAL


@pytest.mark.parametrize("key", ["clips", "rounds"])
def test_nonlinearity_lies_over_the_real_codes(key):
    curve = adc(inl_lsb=[0.0, 1.0, -0.5], **{key: False})
    plain = tabulate_nonlinearity(curve, REAL)
    changed = REAL.leave_out(curve)
    table = tabulate_nonlinearity(curve, changed)
    at = (np.arange(REAL.lowest, REAL.highest + 1) * changed.fineness).astype(int) - changed.lowest
    np.testing.assert_allclose(table[at], plain * changed.fineness, atol=1e-9)
    if key == "clips":
        assert (table[0], table[-1]) == (plain[0], plain[-1])


def test_noise_keeps_its_size_where_steps_are_finer():
    # 64 vectors x 16 outputs of one conversion each; a variance of 1024 draws has a standard error of 4.4 %, 5 sigma
    rng = np.random.default_rng(0)
    weights, codes = rng.integers(-3, 4, (32, 16)), rng.integers(0, 2, (64, 32)).astype(np.uint8)
    wires = {"crossbar.method": "ideal", "device.programming.sigma": 0.0, "adc.bits": 6, "adc.noise_lsb": 2.0}
    for rounds in (True, False):
        hardware = load_hardware("reference", {**wires, "adc.rounds": rounds})
        engine = xs.mvm.program_matrix(weights, hardware, weight_bits=3, activation_bits=1).with_lsb(3.0)
        engine = xs.mvm.leave_out_errors(engine)
        error = engine.multiply(codes) * engine.lsb - codes @ weights
        rounding = 3.0**2 / 12 if rounds else 0.0
        assert error.var() == pytest.approx(36.0 + rounding, rel=5 * 0.044)


def test_both_left_out_is_an_ideal_converter():
    from xbarsim.data import load_data, normalize_images

    images = normalize_images(load_data("digits").take(4).images)
    base = load_hardware("reference", {"adc.bits": 4})
    found = xs.simulate("digits", base.override({"adc.clips": False, "adc.rounds": False}), images).outputs
    np.testing.assert_array_equal(found, xs.simulate("digits", base.override({"adc.bits": "ideal"}), images).outputs)


def test_a_hash_does_not_know_keys_that_leave_nothing_out():
    from xbarsim.config import hash_hardware

    base = load_hardware("reference")
    assert hash_hardware(base) == hash_hardware(base.override({"adc.clips": True}))
    assert hash_hardware(base) != hash_hardware(base.override({"adc.clips": False}))
