"""Streams and programmed chips are watched by the detectors that watch arrays."""

import warnings

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, PlausibilityWarning

CHANGES = {"crossbar.rows": 64, "crossbar.cols": 64}


@pytest.fixture(scope="module")
def data():
    found = load_data("digits")
    return normalize_images(found.images[:600]), found.labels[:600]


@pytest.fixture(scope="module")
def hardware():
    return xs.load_hardware("reference").override(CHANGES)


def blocks(images, labels, size=75):
    for first in range(0, len(images), size):
        yield images[first : first + size], labels[first : first + size]


def doubts(work):
    """Texts of all doubts of a run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(each.message) for each in caught if issubclass(each.category, PlausibilityWarning)]


def shift(images, labels):
    return images, labels + 1


def shuffle(images, labels):
    return images, np.random.default_rng(0).permutation(labels)


@pytest.mark.parametrize(
    ("change", "key", "how"),
    [(shift, "moved by one", {"workers": 1}), (shift, "moved by one", {}), (shuffle, "near chance", {})],
)
def test_labels_of_a_stream_are_doubted_once(data, hardware, change, key, how):
    images, labels = change(data[0], np.minimum(data[1], 8))
    found = doubts(lambda: xs.simulate("digits", hardware, blocks(images, labels), **how))
    assert len([text for text in found if key in text]) == 1


def test_labels_given_apart_and_short_streams_are_doubted(data, hardware):
    images, labels = data[0][:60], np.minimum(data[1][:60], 8) + 1
    assert any("moved by one" in text for text in doubts(lambda: xs.simulate("digits", hardware, list(images), labels)))
    stream = [(images[:30], labels[:30]), (images[30:], labels[30:])]
    assert any("moved by one" in text for text in doubts(lambda: xs.simulate("digits", hardware, stream)))


def test_a_right_stream_is_not_doubted(data, hardware):
    assert not doubts(lambda: xs.simulate("digits", hardware, blocks(*data), calibration=data[0][:64]))


def test_calibration_of_another_scale_is_doubted_or_refused(data, hardware):
    few = data[0][:64], data[1][:64]
    found = doubts(lambda: xs.simulate("digits", hardware, blocks(*few), calibration=4 * few[0]))
    assert any("times as large as the test images" in text for text in found)
    with pytest.raises(ConfigError, match="calibration: its images are 30 times"):
        xs.simulate("digits", hardware, blocks(*few), calibration=30 * few[0])


def test_units_and_results_out_of_reason_are_doubted_where_a_chip_is_programmed(data, hardware):
    with pytest.raises(ConfigError, match="g_on_siemens"):
        xs.program("digits", hardware.override({"device.g_on_siemens": 40.0}), data[0][:8])
    narrow = hardware.override({"adc.full_scale": "whole", "device.programming.sigma": 3.0})
    expected = doubts(lambda: xs.simulate("digits", narrow, data[0][:64], data[1][:64]))
    wanted = [text for text in expected if text.startswith("layer ")]
    assert wanted
    assert [t for t in doubts(lambda: xs.program("digits", narrow, data[0][:64])) if t.startswith("layer ")] == wanted
    found = doubts(lambda: xs.simulate("digits", narrow, blocks(data[0][:64], data[1][:64])))
    assert [text for text in found if text.startswith("layer ")] == wanted
