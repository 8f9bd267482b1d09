"""An explanation adds up, agrees with simulations, and names the cause that was put in."""

import json

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis import CAUSES, REMEDIES
from xbarsim.diagnosis.cause import find_causes, switch_off

NOISY = {"device.programming.sigma": 0.2, "crossbar.r_wl_ohm": 10.0, "crossbar.r_bl_ohm": 10.0, "adc.bits": 5}
PRESENT = {
    "converter range": {"adc.bits": 5},
    "converter resolution": {"adc.bits": 5},
    "converter levels": {"adc.bits": 5, "adc.thresholds": "least_error"},
    "converter mismatch": {"adc.offset_sigma_lsb": 2.0},
    "converter noise": {"adc.noise_lsb": 1.0},
    "converter nonlinearity": {"adc.inl_lsb": [0.0, 2.0, 0.0]},
    "variation": {"device.programming.distribution": "normal", "device.programming.sigma": 0.2},
    "stuck cells": {"device.stuck.off_rate": 0.1},
    "drift": {"device.drift.nu": 0.1, "device.relaxation.sigma_siemens": 1e-7, "device.drift.time_s": 1e5},
    "read noise": {"device.read_noise.sigma": 0.2},
    "telegraph noise": {"device.telegraph.amplitude": 0.5},
    "cell nonlinearity": {"device.iv": {"kind": "sinh", "scale_volt": 0.1}},
    "access transistors": {"crossbar.topology": "1t1r", "crossbar.r_access_ohm": 5e4},
    "wires": {"crossbar.method": "auto", "crossbar.r_bl_ohm": 20.0},
}
"""Cause -> overrides of ideal hardware that bring it in."""


def digits(count=16):
    """Return test digits, scaled, and their labels."""
    data = load_data("digits").take(count)
    return normalize_images(data.images), data.labels


def ideal(changes=None):
    """Return ``reference`` with every cause switched off, then changed."""
    return xs.load_hardware("reference", {**switch_off(CAUSES), "adc.bits": "ideal"}).override(
        {"adc.clips": True, "adc.rounds": True, **(changes or {})}
    )


@pytest.fixture(scope="module")
def explained():
    """An explanation of a poor chip, everything in it."""
    return xs.explain("digits", xs.load_hardware("reference", NOISY), digits(), trials=2, seed=3)


def test_shares_of_causes_and_layers_add_up_to_what_is_lost(explained):
    for name, whole in explained.wholes.items():
        table = explained.tabulate_causes(name)
        assert table["share_points"].sum() == pytest.approx(whole.reference - whole.hardware, abs=1e-9)
        assert table["cause"].iloc[0] == "quantisation"
        assert (table["low"] <= table["share_points"] + 1e-9).all()
        assert (table["share_points"] <= table["high"] + 1e-9).all()
    images, labels = digits()
    hardware = xs.load_hardware("reference", NOISY)
    chip = xs.simulate("digits", hardware, images, labels, seed=3).accuracy
    assert explained.layer_images == len(images)
    assert explained.layers["share_points"].sum() == pytest.approx(100 * (chip.quantized - chip.hardware))


def test_the_whole_is_what_simulate_says(explained):
    images, labels = digits()
    accuracy = xs.simulate("digits", xs.load_hardware("reference", NOISY), images, labels, trials=2, seed=3).accuracy
    whole = explained.whole
    assert whole.measure == explained.measure == "accuracy"
    found = (whole.reference, whole.integers, whole.hardware)
    assert found == pytest.approx([100 * float(x) for x in (accuracy.reference, accuracy.quantized, accuracy.hardware)])


def test_a_remedy_gives_what_the_changed_hardware_gives(explained):
    images, labels = digits()
    hardware = xs.load_hardware("reference", NOISY)
    plain = xs.simulate("digits", hardware, images, labels, trials=2, seed=3)
    better = xs.simulate("digits", hardware.override({"adc.output_correction": True}), images, labels, trials=2, seed=3)
    row = explained.remedies.set_index("remedy").loc["output correction"]
    assert row["points"] == pytest.approx(100 * (better.accuracy.hardware - plain.accuracy.hardware))
    assert row["energy_ratio"] == pytest.approx(better.cost.energy_joule / plain.cost.energy_joule)
    assert explained.remedies["points"].is_monotonic_decreasing
    assert {"remedy", "points", "energy_ratio", "area_ratio"} <= set(explained.remedies)


@pytest.mark.parametrize("cause", PRESENT)
def test_a_cause_on_ideal_hardware_is_found_and_switched_off(cause):
    hardware = ideal(PRESENT[cause])
    expected = [cause] if not cause.startswith("converter r") else ["converter range", "converter resolution"]
    if cause.startswith("converter ") and "adc.bits" not in PRESENT[cause]:
        hardware = hardware.override({"adc.bits": 8})
        expected = ["converter range", "converter resolution", cause]
    assert list(find_causes([hardware])) == expected
    off = hardware.override(switch_off(expected))
    assert not find_causes([off])
    images, labels = digits(4)
    found = xs.simulate("digits", off, images, labels).outputs[0]
    exact = xs.simulate("digits", ideal(), images, labels).outputs[0]
    np.testing.assert_array_equal(found, exact)
    bad = xs.simulate("digits", hardware, images, labels).outputs[0]
    is_same = cause == "cell nonlinearity"  # cells at one voltage, without wires, differ by a factor that is known
    assert np.array_equal(bad, exact) == is_same


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("read noise", {"device.read_noise.bandwidth_hz": 1e9}),
        ("telegraph noise", {"device.telegraph.amplitude": 0.5, "device.telegraph.pace": "chip"}),
    ],
)
def test_other_forms_of_noise_are_causes_too(cause, changes):
    hardware = ideal(changes)
    assert hardware.is_random
    assert find_causes([hardware]) == (cause,)
    off = hardware.override(switch_off([cause]))
    assert not off.is_random
    assert not find_causes([off])
    images, labels = digits(4)
    bad, found, exact = (xs.simulate("digits", each, images, labels).outputs[0] for each in (hardware, off, ideal()))
    np.testing.assert_array_equal(found, exact)
    assert not np.array_equal(bad, exact)


def test_every_cause_that_needs_no_file_is_tried_here():
    assert set(CAUSES) - set(PRESENT) == {"cell laws", "measured arrays"}
    assert all(remedy.about and remedy.name == name for name, remedy in REMEDIES.items())


def test_a_cause_that_is_alone_takes_everything():
    e = xs.explain("digits", ideal({**PRESENT["wires"], "crossbar.r_bl_ohm": 60.0}), digits(), parts=["causes"])
    row = e.tabulate_causes("cosine").set_index("cause").loc["wires"]
    whole = e.wholes["cosine"]
    assert row["share_points"] == pytest.approx(row["alone_points"])
    assert row["share_points"] == pytest.approx(row["removed_points"])
    assert row["share_points"] == pytest.approx(whole.integers - whole.hardware)
    assert len(e.layers) == len(e.remedies) == 0


def test_ideal_hardware_loses_nothing_but_quantisation():
    e = xs.explain("digits", ideal(), digits(10), parts=["causes", "layers"])
    assert list(e.causes["cause"]) == ["quantisation"]
    assert e.whole.integers == e.whole.hardware
    assert not e.layers["share_points"].any()


def test_threads_and_calls_do_not_change_a_bit():
    hardware, images = xs.load_hardware("reference", NOISY), digits(6)
    found = [
        xs.explain("digits", hardware, images, seed=3, threads=threads, parts=["causes", "layers"]).describe()
        for threads in (1, 2)
    ]
    assert found[0] == found[1]


def test_without_labels_points_are_points_of_agreement():
    images, _ = digits(10)
    e = xs.explain("digits", xs.load_hardware("reference", NOISY), images, parts=["causes"])
    assert e.measure == "agreement"
    assert e.whole.reference == 100.0
    assert "accuracy" not in e.wholes


def test_choices_by_layer_stay_where_causes_are_switched_off():
    images = digits(10)
    layers = {"*": {"adc.bits": 4}, "fc": {"adc.bits": "ideal", "device.programming.sigma": 0.0}}
    e = xs.explain("digits", ideal(), images, layers=layers, parts=["causes"])
    assert set(e.causes["cause"]) == {"quantisation", "converter range", "converter resolution"}
    alone = xs.simulate("digits", ideal(), *images, layers=layers).accuracy
    assert e.whole.hardware == pytest.approx(100 * alone.hardware)


def test_the_document_is_strict_json_with_a_schema(explained, tmp_path):
    document = json.loads(explained.to_json(tmp_path / "e.json").read_text())
    assert document["schema"] == 1
    assert set(document["causes"]) == {"accuracy", "agreement", "cosine"}
    assert [row["remedy"] for row in document["remedies"]] == list(explained.remedies["remedy"])
    assert document["provenance"]["seed"] == 3


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"parts": ["cause"]}, "parts: cause; should be of causes, layers, remedies"),
        ({"parts": []}, "parts: none given"),
        ({"trials": 0}, "trials: 0 is not a whole number of at least 1"),
        ({"orders": 1.5}, "orders: 1.5 is not a whole number of at least 1"),
        ({"labels": np.zeros(2, int)}, "labels: given twice"),
        ({"weight_bits": 0}, "weight_bits: 0 is not allowed"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(given, text):
    with pytest.raises(xs.ConfigError, match=text):
        xs.explain("digits", "reference", digits(2), **given)


@pytest.mark.parametrize(
    ("images", "text"),
    [([np.zeros(64), np.zeros(3)], "images: entries of different shapes"), ({"x": np.zeros(64)}, "arrays by name")],
)
def test_images_that_are_no_array_are_refused_as_in_a_simulation(images, text):
    with pytest.raises(xs.ShapeError, match=text):
        xs.explain("digits", "reference", images)
