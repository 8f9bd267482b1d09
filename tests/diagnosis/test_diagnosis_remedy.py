"""Remedies that apply are tried, those that are there already are not, and refused ones say why."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis import REMEDIES, RemedyGain, run
from xbarsim.diagnosis.attempt import Attempts, join_attempts, list_attempts
from xbarsim.diagnosis.bench import Subject
from xbarsim.diagnosis.remedy import is_already
from xbarsim.mvm.encoding import columns_per_weight
from xbarsim.network.build import NetworkBuilder
from xbarsim.report.judge import USUAL_METRIC, choose_judge


def make_subject(network="digits", hardware="reference", changes=None):
    """Return a subject that is listed and not run."""
    return Subject(
        network=xs.load_network(network), hardware=xs.load_hardware(hardware, changes), images=np.zeros(1),
        labels=None, judge=choose_judge(USUAL_METRIC), calibration=None, layers={}, trials=1, seed=0, threads=1,
        checkpoint=None,
    )  # fmt: skip


def gain(remedy, points, energy_ratio=1.0):
    """Return a made-up gain."""
    rest = dict.fromkeys(("area_ratio", "delay_ratio", "low", "high", "agreement", "cosine"), 1.0)
    return RemedyGain(remedy=remedy, points=points, energy_ratio=energy_ratio, **rest)


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
    assert "one bit per cell" not in found
    assert "gain correction" in found


def test_remedies_for_grouped_layers_signed_inputs_and_stuck_cells_need_them():
    assert "one group per read" not in names(make_subject())
    assert {"one group per read", "groups in small arrays"} <= set(names(make_subject("mobilenetv2")))
    wide = {"dac.bits": 4}
    assert "signs in two's complement" not in names(make_subject("resnet20"))
    assert "signs in two's complement" in names(make_subject("resnet20", changes=wide))
    assert "columns reordered" in names(make_subject(changes={"device.stuck.off_rate": 0.01}))


def test_converters_that_are_ideal_get_no_more_bits():
    found = names(make_subject(changes={"adc.bits": "ideal"}))
    assert not {"one more ADC bit", "range of 99.5 %", "calibrated range"} & set(found)


def test_a_remedy_that_does_not_fit_says_why():
    tiles = xs.estimate("resnet20", "reference").cost.tiles
    subject = make_subject("resnet20", changes={"chip.count": 1, "chip.tiles": tiles})
    attempts = list_attempts(subject)
    assert "one bit per cell" in attempts.refused
    assert "arrays" in attempts.refused["one bit per cell"]
    assert "\n" not in attempts.refused["one bit per cell"]
    assert "output correction" in [attempt.name for attempt in attempts.found]


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("output correction", {"adc.output_correction": True}, "the hardware has it already"),
        ("one group per read", {}, "no grouped layers"),
        ("signs and magnitudes", {"dac.bits": 4}, "no layer has signed inputs"),
        ("two more ADC bits", {"adc.bits": 15}, "adc.bits: 15 and 2 more are above 16"),
        ("range of 99.5 %", {"adc.bits": "ideal"}, "converters are ideal"),
        ("columns reordered", {}, "no cell is stuck"),
        ("arrays of half the size", {"crossbar.rows": 8, "crossbar.cols": 8}, "8 x 8 cells"),
    ],
)
def test_a_remedy_that_is_named_and_does_not_apply_says_why(name, changes, reason):
    net = NetworkBuilder("positive", (6,))
    net.add("relu", "relu")
    net.add("linear", "fc", settings={"features": 3})
    subject = make_subject(net.build(), changes=changes)
    attempts = list_attempts(subject, [name, "gain correction"])
    assert list(attempts.refused) == [name]
    assert reason in attempts.refused[name]
    assert [attempt.name for attempt in attempts.found] == ["gain correction"]
    assert name not in list_attempts(subject).refused


def test_remedies_that_change_different_keys_can_be_joined():
    subject = make_subject()
    by_name = {attempt.name: attempt for attempt in list_attempts(subject).found}
    first, other = by_name["output and gain correction"], by_name["one bit per cell"]
    both = join_attempts(subject, first, other)
    assert both.name == "output and gain correction + one bit per cell"
    assert both.hardware.adc.output_correction
    assert both.hardware.adc.gain_correction
    assert both.hardware.device.cell_bits == 1
    assert join_attempts(subject, first, by_name["output correction"]) is None


def test_remedies_are_added_to_the_best_while_they_help_and_cost_little(monkeypatch):
    subject = make_subject()
    bench = SimpleNamespace(subject=subject)
    worth = {
        "output correction": 5.0,
        "gain correction": 3.0,
        "one bit per cell": 4.0,
        "thresholds of least error": -1.0,
    }
    worth |= {"write and verify": 2.0, "one step per read": 1.0}
    tried = []

    def pretend(bench, attempt, measure):
        tried.append(attempt.name)
        points = sum(worth[name] for name in attempt.name.split(" + "))
        points -= 9.0 * ("gain correction" in attempt.name and "output" in attempt.name)  # the two hurt each other
        return gain(attempt.name, points, energy_ratio=1.5 if "one bit" in attempt.name else 1.1)

    monkeypatch.setattr(run, "_try", pretend)
    found = list_attempts(subject)
    attempts = Attempts(found=tuple(each for each in found.found if each.name in worth), refused={})
    gains = run._try_remedies(bench, attempts, "agreement")
    assert tried[len(worth) :] == [
        "output correction + gain correction",
        "output correction + write and verify",
        "output correction + write and verify + one step per read",
    ]
    assert [gains[0].remedy, gains[0].points] == [tried[-1], 8.0]
    assert [row.points for row in gains] == sorted((row.points for row in gains), reverse=True)


@pytest.mark.parametrize(
    ("changes", "bits"),
    [
        ({}, 9),  # three cells of 2 bits and one of 1 bit in pairs: the fourth has room for another bit
        ({"device.cell_bits": 1}, None),
        ({"encoding": "offset"}, None),
        ({"weight_bits": 6}, 7),
        ({"weight_bits": 4, "device.cell_bits": 4}, 5),
    ],
)
def test_weights_get_the_bits_that_their_cells_have_room_for(changes, bits):
    hardware = xs.load_hardware("reference", changes)
    found = REMEDIES["weights that fill the cells"].choose(hardware)
    if bits is None:
        assert "already fill their cells" in found
    else:
        assert found == {"weight_bits": bits}
        assert xs.estimate("resnet20", hardware.override(found)).arrays == xs.estimate("resnet20", hardware).arrays
        slices = functools.partial(columns_per_weight, hardware.encoding, cell_bits=hardware.device.cell_bits)
        assert slices(bits + 1) > slices(bits) == slices(hardware.weight_bits)


def test_weights_that_a_file_put_into_integers_are_left_alone():
    network = xs.load_network("digits")
    data = normalize_images(load_data("digits").take(8).images)
    fixed = xs.quantize(network, data, weight_bits=8, activation_bits=8, method="nearest")
    offered = {attempt.name for attempt in list_attempts(make_subject(network)).found}
    left = {attempt.name for attempt in list_attempts(make_subject(fixed)).found}
    assert offered - left == {"weights that fill the cells", "weights clipped at 70 %"}


def test_every_remedy_is_described():
    assert all(remedy.about and remedy.name == name for name, remedy in REMEDIES.items())
