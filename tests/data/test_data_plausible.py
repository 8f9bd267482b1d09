"""Detectors of inputs that are possible but not meant: generated wrong and right ones, and the data that ship.

Right inputs must cause neither an error nor a warning; each wrong one must cause one that names its detector's key.
"""

import functools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.config import list_devices, list_hardware
from xbarsim.data import load_data, normalize_images
from xbarsim.data.plausible import DETECTORS, Facts, check_plausible, find_doubts
from xbarsim.errors import ConfigError, PlausibilityWarning, ShapeError
from xbarsim.rng import stream

SEEDS = range(12)


def draw_pixels(seed, count=40, channels=3, size=8):
    """Images with smooth content, uint8."""
    rng = stream(seed, "test.plausible")
    coarse = rng.random((count, channels, 2, 2)) * rng.uniform(0.3, 1.0) + rng.uniform(0, 0.1)
    fine = np.repeat(np.repeat(coarse, size // 2, axis=2), size // 2, axis=3)
    fine = fine + 0.1 * rng.random((count, channels, size, size))
    return (np.clip(fine, 0, 1) * 255).astype(np.uint8)


def draw_answers(seed, accuracy, classes=10, count=200):
    """Labels of all classes, and outputs of which a share is right."""
    rng = stream(seed, "test.answers")
    labels = rng.permutation(np.arange(count) % classes)
    outputs = rng.normal(0, 1, (count, classes))
    right = rng.random(count) < accuracy
    outputs[np.arange(count)[right], labels[right]] += 9
    return labels, outputs


def fixed(outputs):
    """A network that gives these outputs for the first 128 images, first 32 of them, then the others."""
    parts = {32: outputs[:32], 96: outputs[32:128]}
    return lambda x: parts[len(x)]


def preset(x):
    return normalize_images(x, "imagenet")


WRONG_PIXELS = [
    ("floats of 0..255", lambda x: preset(x.astype(np.float32)), "0..1"),
    ("doubles of 0..255", lambda x: normalize_images(x.astype(float), [0.5] * 3, [0.2] * 3), "0..1"),
    ("normalised twice", lambda x: preset(preset(x)), "normalised already"),
    ("mean of pixels", lambda x: normalize_images(x, 127.0, 64.0), "divide mean and std by 255"),
    ("mean of pixels for floats of 0..1", lambda x: normalize_images(x / 255, 127.5, 127.5), "divide it by 255"),
]
RIGHT_PIXELS = [
    lambda x: preset(x), lambda x: preset(x / 255), lambda x: normalize_images(x, 0.5, 0.25),
    lambda x: normalize_images(x),
    lambda x: normalize_images(x.astype(np.float32), 127.0, 128.0), lambda x: normalize_images(x.astype(np.float32)),
    lambda x: normalize_images(x[:, :1], 0.13, 0.31), lambda x: normalize_images(x.astype(np.int64)),
    lambda x: normalize_images(x / 127.5 - 1), lambda x: preset(x[:1]),
]  # fmt: skip


def judge(action):
    """Return the text of an error or of warnings; nothing where all is well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            action()
        except (ConfigError, ShapeError) as error:
            return str(error)
    return " ".join(str(item.message) for item in caught if issubclass(item.category, PlausibilityWarning))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "change", "text"), WRONG_PIXELS, ids=[name for name, *_ in WRONG_PIXELS])
def test_wrong_pixels_are_found(seed, name, change, text):
    assert text in judge(lambda: change(draw_pixels(seed)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", range(len(RIGHT_PIXELS)))
def test_right_pixels_pass(seed, number):
    assert judge(lambda: RIGHT_PIXELS[number](draw_pixels(seed))) == ""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("factor", [255.0, 1 / 255, 4.0, 0.3])
def test_calibration_images_on_another_scale_are_found(seed, factor):
    x = preset(draw_pixels(seed))
    assert "times as large" in judge(lambda: check_plausible(Facts(images=x, calibration=x[:20] * factor)))


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_images_that_were_not_normalised_are_found(seed):
    x = draw_pixels(seed)
    shifted = x / 255 + 3
    text = judge(lambda: check_plausible(Facts(images=preset(x), calibration=shifted)))
    assert "in the same way" in text


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_images_of_the_same_kind_pass(seed):
    x = draw_pixels(seed, 80)
    for test, known in ((x[:40], x[40:]), (x[:4], x[40:]), (x[:40], draw_pixels(seed + 100)), (x[:1], x[40:44])):
        facts = Facts(images=preset(test), calibration=preset(known))
        assert judge(functools.partial(check_plausible, facts)) == ""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shift", [1, -1])
def test_labels_moved_by_one_are_found(seed, shift):
    labels, outputs = draw_answers(seed, 0.9)
    assert "by one" not in judge(lambda: check_plausible(Facts(labels=labels, outputs=outputs)))
    assert "moved by one" in judge(lambda: check_plausible(Facts(labels=labels + shift, outputs=outputs)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_accuracy_near_chance_is_found_and_no_other(seed, classes):
    labels, outputs = draw_answers(seed, 0.0, classes, 400)
    assert "near chance" in judge(lambda: check_plausible(Facts(labels=labels, outputs=outputs)))
    for accuracy in (0.6, 0.95):
        labels, outputs = draw_answers(seed, accuracy, classes, 400)
        assert judge(functools.partial(check_plausible, Facts(labels=labels, outputs=outputs))) == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_reversed_channels_are_found_where_the_network_tells(seed):
    images = preset(draw_pixels(seed, 200))
    labels, low = draw_answers(seed, 0.4)
    outputs = draw_answers(seed, 0.9)[1]
    found = judge(lambda: check_plausible(Facts(images=images, labels=labels, outputs=low, rerun=fixed(outputs))))
    assert "BGR in place of RGB" in found
    assert judge(lambda: check_plausible(Facts(images=images, labels=labels, outputs=outputs, rerun=fixed(low)))) == ""
    same = judge(lambda: check_plausible(Facts(images=images, labels=labels, outputs=low, rerun=fixed(low))))
    assert "BGR" not in same


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"device.g_on_siemens": 100.0, "device.g_off_siemens": 1.0}, "100 uS is written 0.0001"),
        ({"device.g_on_siemens": 25.0}, "25 uS is written 2.5e-05"),
        ({"device.g_on_siemens": 5.0}, "5 uS"),
        ({"timing.clock_hz": 100.0, "timing.pulse_s": None}, "100 MHz is written 1e+08"),
        ({"timing.clock_hz": 1.2, "timing.pulse_s": None}, "1.2 GHz"),
        ({"timing.clock_hz": 1000.0, "timing.pulse_s": None}, "1000 MHz"),
        ({"components.adc.energy_joule": 2.0}, "2 pJ is written 2e-12"),
        ({"components.adc.area_m2": 3000.0}, "3000 um2"),
    ],
)
def test_wrong_units_are_found_in_estimates(changes, text):
    hardware = xs.load_hardware("isaac", changes)
    assert text in judge(lambda: xs.estimate("lenet5", hardware))


@pytest.mark.parametrize("name", [*list_hardware(), *list_devices()])
def test_no_file_that_ships_is_doubted(name):
    if name.startswith("devices/"):
        hardware = xs.load_hardware("reference", {"device.base": name})
    else:
        hardware = xs.load_hardware(name)
    assert find_doubts(Facts(hardware=hardware)) == []


@pytest.mark.parametrize(
    ("clipped", "snr", "text"), [(0.4, 20.0, "40 % of the conversions clip"), (0.0, -9.0, "SNR -9.0 dB")]
)
def test_results_out_of_reason_are_found(clipped, snr, text):
    good = SimpleNamespace(name="a", clipped_share=0.001, snr_db=None)
    bad = SimpleNamespace(name="b", clipped_share=clipped, snr_db=snr)
    found = judge(lambda: check_plausible(Facts(layers=[good, bad])))
    assert found.startswith("layer b: ")
    assert text in found
    assert find_doubts(Facts(layers=[good])) == []


def test_shapes_with_channels_last_or_missing_say_so():
    network = xs.load_network("lenet5", weights="random")
    for shape, text in (((4, 32, 32), "images[:, None]"), ((4, 32, 32, 1), "(0, 3, 1, 2)")):
        assert text in judge(lambda shape=shape: xs.simulate(network, "reference", np.zeros(shape)))


def test_one_hot_labels_and_labels_from_one_say_so():
    data = load_data("digits").take(50)
    x = normalize_images(data.images)
    one_hot = judge(lambda: xs.simulate("digits", "reference", x, np.eye(10, dtype=int)[data.labels]))
    assert "one-hot; take labels.argmax(axis=1)" in one_hot
    assert "subtract 1" in judge(lambda: xs.simulate("digits", "reference", x, data.labels + 1))


@pytest.mark.slow
def test_the_data_that_ship_are_not_doubted():
    data, train = load_data("digits").take(100), load_data("digits", "train")
    known = normalize_images(train.images[:64])
    assert judge(lambda: xs.simulate("digits", "reference", normalize_images(data.images), data.labels, known)) == ""


def test_shared_images_are_not_doubted(shared):
    test, train = (load_data(shared / "data" / f"cifar10_{name}.npz") for name in ("test_500", "train_4660"))
    network = xs.load_network(shared / "models" / "resnet20_cifar10.onnx")
    x, known = preset(test.images[:100]), preset(train.images[:64])
    assert judge(lambda: xs.simulate(network, "reference", x, test.labels[:100], known)) == ""


def test_every_detector_has_a_name_of_its_own_and_known_needs():
    assert len({each.name for each in DETECTORS}) == len(DETECTORS)
    assert all(name in Facts.__dataclass_fields__ for each in DETECTORS for name in each.needs)
