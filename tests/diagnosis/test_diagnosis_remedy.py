"""Remedies that apply are tried, those that are there already are not, and refused ones say why."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.diagnosis import REMEDIES, RemedyGain
from xbarsim.diagnosis.attempt import combine_best, list_attempts
from xbarsim.diagnosis.bench import Subject
from xbarsim.diagnosis.remedy import is_already


def make_subject(network="digits", hardware="reference", changes=None):
    """Return a subject that is listed and not run."""
    return Subject(
        network=xs.load_network(network), hardware=xs.load_hardware(hardware, changes), images=np.zeros(1),
        labels=None, calibration=None, layers={}, trials=1, seed=0, threads=1,
    )  # fmt: skip


def gain(remedy, points):
    """Return a made-up gain."""
    rest = dict.fromkeys(("energy_ratio", "area_ratio", "delay_ratio", "low", "high", "agreement", "cosine"), 1.0)
    return RemedyGain(remedy=remedy, points=points, **rest)


def names(subject):
    """Return the names of the attempts."""
    return [attempt.name for attempt in list_attempts(subject).found]


@pytest.mark.parametrize("hardware", ["reference", "isaac", "neurram", "sram_7nm", "mnsim", "nax"])
def test_no_attempt_leaves_the_hardware_as_it_is(hardware):
    subject = make_subject(hardware=hardware)
    attempts = list_attempts(subject)
    assert len(attempts.found) >= 8
    for attempt in attempts.found:
        assert not is_already(subject.hardware, attempt.changes)
        assert attempt.hardware != subject.hardware


def test_what_is_there_already_is_not_tried_again():
    found = names(make_subject(changes={"adc.output_correction": True, "device.cell_bits": 1}))
    assert "output correction" not in found
    assert "one bit a cell" not in found
    assert "gain correction" in found


def test_remedies_for_grouped_layers_signed_inputs_and_stuck_cells_need_them():
    assert "one group a read" not in names(make_subject())
    assert {"one group a read", "groups in small arrays"} <= set(names(make_subject("mobilenetv2")))
    wide = {"dac.bits": 4}
    assert "signs in two's complement" not in names(make_subject("resnet20"))
    assert "signs in two's complement" in names(make_subject("resnet20", changes=wide))
    assert "columns in another order" in names(make_subject(changes={"device.stuck.off_rate": 0.01}))


def test_converters_that_are_ideal_get_no_more_bits():
    found = names(make_subject(changes={"adc.bits": "ideal"}))
    assert not {"one ADC bit more", "range of 99.5 %", "calibrated range"} & set(found)


def test_a_remedy_that_does_not_fit_says_why():
    tiles = xs.estimate("resnet20", "reference").cost.tiles
    subject = make_subject("resnet20", changes={"chip.count": 1, "chip.tiles": tiles})
    attempts = list_attempts(subject)
    assert "one bit a cell" in attempts.refused
    assert "arrays" in attempts.refused["one bit a cell"]
    assert "\n" not in attempts.refused["one bit a cell"]
    assert "output correction" in [attempt.name for attempt in attempts.found]


def test_the_two_best_that_change_different_keys_are_put_together():
    subject = make_subject()
    attempts = list_attempts(subject)
    gains = [gain("output and gain correction", 5.0), gain("output correction", 4.0), gain("one bit a cell", 3.0)]
    both = combine_best(subject, attempts, gains)
    assert both.name == "output and gain correction + one bit a cell"
    assert both.hardware.adc.output_correction
    assert both.hardware.adc.gain_correction
    assert both.hardware.device.cell_bits == 1
    assert combine_best(subject, attempts, gains[:2]) is None
    assert combine_best(subject, attempts, [gains[0], gain("one bit a cell", -1.0)]) is None


def test_every_remedy_is_described():
    assert all(remedy.about and remedy.name == name for name, remedy in REMEDIES.items())
