"""A converter of unequal levels planted through the table of converters works everywhere with that one place."""

import numpy as np
import pytest
from pydantic import BaseModel

import xbarsim as xs
from xbarsim.config import hash_hardware, load_hardware
from xbarsim.converter import CONVERTERS
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mvm import program_matrix
from xbarsim.plugin import register

RNG = np.random.default_rng(5)
WEIGHTS = RNG.integers(-100, 100, (70, 5))
CODES = RNG.integers(0, 256, (40, 70))
DIGITS = "digits"


class Equal(BaseModel, extra="forbid", frozen=True):
    """The steps of the converter that ships, as a table."""

    def place_levels(self, adc, sums):
        """Return thresholds between whole codes and the codes themselves [level units]."""
        values = np.arange(adc.lowest, adc.highest + 1) * adc.lsb
        return (values[1:] + values[:-1]) / 2, values


class Quantiles(BaseModel, extra="forbid", frozen=True):
    """As many sums fall into every code; a code counts the middle of its sums."""

    blend: float

    def place_levels(self, adc, sums):
        """Return thresholds at the quantiles of calibration sums [level units]."""
        even = np.linspace(adc.lowest * adc.lsb, adc.highest * adc.lsb, adc.codes)
        if sums is None:
            return (even[1:] + even[:-1]) / 2, even
        values = np.quantile(sums, (np.arange(adc.codes) + 0.5) / adc.codes)
        values = np.sort(self.blend * even + (1 - self.blend) * values)
        return (values[1:] + values[:-1]) / 2, values


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(CONVERTERS, "_classes", dict(CONVERTERS._classes))
    monkeypatch.setattr(CONVERTERS, "_added", dict(CONVERTERS._added))
    register("converter", "equal", Equal)
    register("converter", "quantiles", Quantiles)


def engine_of(**changes):
    keys = {
        "crossbar.rows": 32,
        "adc.bits": 5,
        "dac.bits": 1,
        **{key.replace("__", "."): changes[key] for key in changes},
    }
    return program_matrix(WEIGHTS, load_hardware("reference", keys), weight_bits=8, activation_bits=8)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("errors", [{}, {"adc__noise_lsb": 0.3, "adc__gain_sigma": 0.02, "adc__inl_lsb": [0, 1, 0]}])
def test_equal_steps_as_a_table_give_the_codes_of_the_converter_that_ships(encoding, errors):
    plain = engine_of(encoding=encoding, **errors).calibrate(CODES)
    table = engine_of(encoding=encoding, adc__kind="equal", **errors).calibrate(CODES)
    assert table.lsb == plain.lsb
    # halves round to even in one and up in the other: they are rare with a calibrated step
    for method in ("auto", "product"):
        np.testing.assert_array_equal(table.multiply(CODES, method=method), plain.multiply(CODES, method=method))


def test_unequal_levels_follow_the_calibration_sums_and_come_closer_than_equal_ones():
    even = engine_of(adc__bits=3).calibrate(CODES)
    own = engine_of(adc__bits=3, adc__kind="quantiles", adc__settings={"blend": 0.3}).calibrate(CODES)
    assert len(np.unique(np.round(np.diff(own.adc.levels.counts), 9))) > 1
    exact = CODES @ WEIGHTS
    errors = [np.sqrt(np.mean((engine.multiply(CODES) * engine.lsb - exact) ** 2)) for engine in (even, own)]
    assert errors[1] < errors[0]


def test_convolutions_go_the_same_way():
    weights = RNG.integers(-100, 100, (2 * 9, 3))
    images = RNG.integers(0, 256, (2, 2, 6, 6))
    hardware = load_hardware("reference", {"adc.bits": 5, "adc.kind": "quantiles", "adc.settings": {"blend": 0.5}})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8)
    geometry = xs.mvm.make_geometry(images.shape, kernel=3, padding=1)
    engine = engine.calibrate(images, geometry=geometry)
    found = engine.convolve(images, 3, padding=1)
    assert found.shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(found[1:], engine.convolve(images[1:], 3, padding=1))


def test_simulate_and_estimate_take_it_from_the_hardware(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: reference\nadc: {bits: 6, kind: quantiles, settings: {blend: 0.5}}\n")
    mine, plain = xs.estimate(DIGITS, file), xs.estimate(DIGITS, load_hardware("reference", {"adc.bits": 6}))
    assert mine.cost.energy_joule == plain.cost.energy_joule
    assert mine.cost.area_m2 == plain.cost.area_m2
    data = xs.data.load_data("digits")
    images = xs.data.normalize_images(data.images[:40])
    report = xs.simulate(DIGITS, file, images, data.labels[:40])
    assert report.accuracy.hardware > 0.8


def test_the_hash_of_hardware_holds_kind_settings_and_source(monkeypatch):
    keys = {"adc.kind": "quantiles", "adc.settings": {"blend": 0.5}}
    base, mine = load_hardware("reference"), load_hardware("reference", keys)
    other = load_hardware("reference", {**keys, "adc.settings": {"blend": 0.4}})
    before = hash_hardware(mine)
    assert len({hash_hardware(base), before, hash_hardware(other)}) == 3
    monkeypatch.setitem(CONVERTERS._added, "quantiles", "edited")
    assert hash_hardware(mine) != before


@pytest.mark.parametrize(
    ("adc", "message"),
    [
        ("{kind: quantile}", r"adc\.kind: 'quantile' is not a known converter.*quantiles"),
        ("{kind: quantiles}", r"adc\.settings\.blend: missing"),
        ("{kind: quantiles, settings: {blnd: 1}}", r"adc\.settings\.blnd: unknown key.*blend"),
        ("{kind: quantiles, settings: {blend: x}}", r"adc\.settings\.blend: 'x' is not allowed"),
        ("{settings: {blend: 1}}", r"adc\.settings\.blend: unknown key; uniform has no settings"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_with_key_and_file(tmp_path, adc, message):
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: reference\nadc: {adc}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        load_hardware(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_lacks_what_a_converter_needs_is_refused_when_registered():
    class Nothing(BaseModel):
        pass

    class Short(BaseModel):
        def place_levels(self, adc):
            return None

    with pytest.raises(ConfigError, match="no method place_levels"):
        register("converter", "nothing", Nothing)
    with pytest.raises(ConfigError, match=r"takes \(adc\); needed: \(adc, sums\)"):
        register("converter", "short", Short)


@pytest.mark.parametrize(
    ("thresholds", "values", "message"),
    [
        ([0.0], [0.0], "thresholds of shape"),
        ([2.0, 1.0], [0.0, 1.0, 2.0], "do not rise"),
        (np.arange(99.0), np.arange(100.0), "100 values; it has 31 codes"),
        ([0.0], [0.0, np.nan], "not finite"),
    ],
)
def test_levels_that_no_converter_can_have_are_refused_by_name(thresholds, values, message):
    class Wrong(BaseModel):
        def place_levels(self, adc, sums):
            return thresholds, values

    register("converter", "wrong", Wrong)
    with pytest.raises(ShapeError, match=f"converter wrong: place_levels returned .*{message}"):
        engine_of(adc__kind="wrong")


@pytest.mark.parametrize("errors", [{}, {"adc__noise_lsb": 0.3, "adc__gain_sigma": 0.02, "adc__inl_lsb": [0, 1, 0]}])
def test_kernels_and_the_plain_product_agree_on_unequal_levels(errors):
    engine = engine_of(adc__kind="quantiles", adc__settings={"blend": 0.5}, **errors).calibrate(CODES)
    assert engine.choose_method() == "short"
    found, expected = engine.multiply(CODES, method="float"), engine.multiply(CODES, method="product")
    # a sum may lie on the other side of a threshold in float32 where it nearly touches it
    assert np.mean(found != expected) < 0.02


def test_unequal_levels_never_collapse_into_one_product():
    engine = engine_of(adc__kind="quantiles", adc__settings={"blend": 0.5})
    with pytest.raises(ShapeError, match="method: collapsed needs converters that neither round nor clip"):
        engine.multiply(CODES, method="collapsed")


def test_thresholds_that_follow_the_data_do_so_in_simulate_too():
    seen = []

    class Watching(BaseModel, extra="forbid", frozen=True):
        def place_levels(self, adc, sums):
            seen.append(sums)
            values = np.arange(adc.lowest, adc.highest + 1) * adc.lsb
            return (values[1:] + values[:-1]) / 2, values

    register("converter", "watching", Watching)
    data = xs.data.load_data("digits")
    images = xs.data.normalize_images(data.images[:8])
    xs.simulate(DIGITS, load_hardware("reference", {"adc.kind": "watching"}), images, data.labels[:8])
    assert seen[-1] is not None
