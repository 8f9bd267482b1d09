"""A hundred wrong and a hundred right inputs, generated, against which the detectors of doubtful input are judged.

They were written from the list of mistakes that users make, without looking at the detectors, which had been finished
before: these found 81 of the wrong ones and doubted none of the right ones. The kinds that had passed were given
detectors afterwards: calibration images without a picture or reversed in brightness, units of voltages, wires,
capacitances, temperatures, powers and rates, errors in percent. ``python tests/data/plausible_inputs.py`` prints which
are not found, ``-v`` what each is told.
"""
# ruff: noqa: B008, T201

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ModelRangeWarning, PlausibilityWarning, XbarsimError
from xbarsim.network import Network, make_linear
from xbarsim.network.build import NetworkBuilder

IMAGES = 120
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class PlausibleInput:
    """One input."""

    kind: str
    """Mistake, or what is unusual about a right input."""
    seed: int
    """Of its random numbers."""
    is_wrong: bool
    """Whether it must be refused or warned of."""
    run: Callable[[], object]
    """Gives the input to the package."""


def find_answer(case: PlausibleInput) -> str:
    """Return the refusal, or the warning, of an input; nothing where it passes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            case.run()
        except XbarsimError as error:
            return f"refused: {error}"
    known = (PlausibilityWarning, ModelRangeWarning) if case.is_wrong else (PlausibilityWarning,)
    return next((f"warned: {each.message}" for each in caught if issubclass(each.category, known)), "")


def draw(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def draw_photos(seed: int, count: int = 16, level: float = 0.5) -> np.ndarray:
    """Smooth colour pictures, (count, 3, 32, 32), uint8: a base colour, a few waves, and noise."""
    rng = draw(seed)
    y, x = np.mgrid[0:32, 0:32] / 32
    base = rng.uniform(level - 0.3, level + 0.3, (count, 3, 1, 1))
    waves = sum(
        rng.normal(0, 0.12, (count, 3, 1, 1))
        * np.sin(2 * np.pi * (a * x + b * y) + rng.uniform(0, 6, (count, 1, 1, 1)))
        for a, b in ((1, 0), (0, 1), (2, 1), (1, 3))
    )
    return (np.clip(base + waves + rng.normal(0, 0.03, (count, 3, 32, 32)), 0, 1) * 255).astype(np.uint8)


@functools.cache
def _digits(split: str = "digits") -> tuple[np.ndarray, np.ndarray]:
    data = load_data(split)
    return normalize_images(data.images), np.asarray(data.labels)


def some_digits(seed: int, count: int = IMAGES, split: str = "digits") -> tuple[np.ndarray, np.ndarray]:
    images, labels = _digits(split)
    chosen = draw(seed).permutation(len(images))[:count]
    return images[chosen], labels[chosen]


def simulate(images, labels, calibration=None, network="digits", hardware="reference", changes=None) -> object:
    return xs.simulate(
        network, xs.load_hardware(hardware, changes or {}), images, labels, calibration=calibration, threads=1
    )


@functools.cache
def colour_pictures(seed: int) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network that names the colour of a picture, with pictures, (90, 3, 8, 8) from 0 to 1, and labels."""
    rng = draw(1000 + seed)
    tones = np.array(
        [[0.8, 0.2, 0.2], [0.2, 0.2, 0.8], [0.2, 0.8, 0.2], [0.8, 0.8, 0.2], [0.2, 0.8, 0.8], [0.6, 0.5, 0.4]]
    )
    labels = rng.integers(0, 6, 390)
    images = tones[labels][:, :, None, None] + rng.normal(0, 0.15, (390, 3, 8, 8)) + rng.normal(0, 0.08, (390, 3, 1, 1))
    images = np.clip(images, 0, 1).astype(np.float32)
    fit = LogisticRegression(max_iter=300).fit(images[:300].reshape(300, -1), labels[:300])
    net = NetworkBuilder("colours", (3, 8, 8))
    net.add("flatten", "flat")
    last = make_linear(
        "fc", 192, 6, inputs=("flat",), weight=fit.coef_.astype(np.float32), bias=fit.intercept_.astype(np.float32)
    )
    shapes = net.build()
    return (
        Network(name="colours", nodes=(*shapes.nodes, last), input_shape=(3, 8, 8)),
        images[300:],
        labels[300:],
    )


def _wrong_pixels() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(4):
        photos = draw_photos(seed)
        unit = photos / np.float32(255)
        mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
        wide = photos.astype(np.float32)
        yield "floats to 255 under a preset", seed, lambda w=wide: normalize_images(w, "imagenet")
        yield (
            "mean of 0 to 255 for bytes",
            seed,
            lambda p=photos: normalize_images(p, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        )
        yield "normalised twice", seed, lambda u=(unit - mean) / std: normalize_images(u, "imagenet")
        yield "mean of 0 to 255 for floats to 1", seed, lambda u=unit: normalize_images(u, 127.5, 127.5)


def _wrong_calibration() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(4):
        images, labels = some_digits(seed)
        other = some_digits(seed + 50, 40, "digits-train")[0]
        yield "calibration to 255", seed, lambda i=images, n=labels, o=other: simulate(i, n, o * 255)
        yield "test images to 255", seed, lambda i=images, n=labels, o=other: simulate(i * 255, n, o)
        yield "calibration without a picture", seed, lambda i=images, n=labels, o=other: simulate(i, n, 0 * o)
        yield "calibration reversed in brightness", seed, lambda i=images, n=labels, o=other: simulate(i, n, 1 - o)
        yield "calibration at -1 to 1", seed, lambda i=images, n=labels, o=other: simulate(i, n, 2 * o - 1)


def _wrong_labels() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(3):
        images, labels = some_digits(seed + 10)
        mixed = draw(seed).permutation(labels)
        names = np.argsort(np.argsort(draw(seed + 1).permutation(10)))  # classes in another order
        yield "labels from 1", seed, lambda i=images, n=labels: simulate(i, n + 1)
        yield "labels from -1", seed, lambda i=images, n=labels: simulate(i, n - 1)
        yield "one-hot labels", seed, lambda i=images, n=labels: simulate(i, np.eye(10)[n])
        yield "labels of other images", seed, lambda i=images, n=mixed: simulate(i, n)
        yield "classes in another order", seed, lambda i=images, n=names[labels]: simulate(i, n)


def _wrong_images() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(3):
        images, labels = some_digits(seed + 20)
        net, pictures, tones = colour_pictures(seed)
        last = np.moveaxis(pictures, 1, -1)
        yield "channels last", seed, lambda i=last, n=tones, w=net: simulate(i, n, network=w)
        yield "one channel, last", seed, lambda i=np.moveaxis(images, 1, -1), n=labels: simulate(i, n)
        yield "blue first", seed, lambda i=pictures[:, ::-1].copy(), n=tones, w=net: simulate(i, n, network=w)
        yield "reversed in brightness", seed, lambda i=1 - images, n=labels: simulate(i, n)
        yield "random weights", seed, lambda i=images, n=labels, s=seed: simulate(i, n, network=_untrained(s))


def _untrained(seed: int) -> Network:
    weight = draw(seed).normal(0, 0.1, (10, 64)).astype(np.float32)
    shapes = NetworkBuilder("untrained", (1, 8, 8))
    shapes.add("flatten", "flat")
    last = make_linear("fc", 64, 10, inputs=("flat",), weight=weight)
    return Network(name="untrained", nodes=(*shapes.build().nodes, last), input_shape=(1, 8, 8))


WRONG_KEYS = {
    "conductances in uS": {"device.g_on_siemens": 10.0, "device.g_off_siemens": 1.0},
    "conductances in uS, MRAM": {"device.g_on_siemens": 400.0, "device.g_off_siemens": 150.0},
    "conductances in nS": {"device.g_on_siemens": 10000.0, "device.g_off_siemens": 1000.0},
    "conductances in mS": {"device.g_on_siemens": 0.8, "device.g_off_siemens": 0.1},
    "resistances for conductances": {"device.g_on_siemens": 1e6, "device.g_off_siemens": 1e5},
    "on and off conductance exchanged": {"device.g_on_siemens": 1e-6, "device.g_off_siemens": 1e-5},
    "pulse in ns": {"timing.pulse_s": 10.0},
    "pulse in us": {"timing.pulse_s": 0.5},
    "write pulse in ns": {"device.write.pulse_s": 100.0},
    "write pulse in us": {"device.write.pulse_s": 10.0},
    "read voltage in mV": {"device.read_volt": 200.0},
    "write voltage in mV": {"device.write.volt": 2000.0},
    "clock in GHz": {"timing.clock_hz": 1.2},
    "clock in MHz": {"timing.clock_hz": 100.0},
    "wires in mohm": {"crossbar.r_wl_ohm": 2500.0, "crossbar.r_bl_ohm": 2500.0},
    "capacitance in fF": {"crossbar.c_wl_farad": 0.1, "crossbar.c_bl_farad": 0.1},
    "capacitance in pF": {"crossbar.c_wl_farad": 1e-4, "crossbar.c_bl_farad": 1e-4},
    "temperature in degrees": {"device.temperature_kelvin": 25.0},
    "programming error in percent": {"device.programming.sigma": 5.0},
    "read noise in percent": {"device.read_noise.sigma": 2.0},
    "gain error in percent": {"adc.gain_sigma": 1.0},
    "node in nm": {"process": {"node_m": 32.0, "supply_volt": 1.0}},
    "power of a buffer in mW": {"components.buffer.power_watt": 20.7},
    "energy of a buffer in pJ": {"components.buffer.energy_joule": 0.08},
    "energy of a buffer in fJ": {"components.buffer.energy_joule": 80.0},
    "area of a buffer in mm2": {"components.buffer.area_m2": 0.083},
    "area of a buffer in um2": {"components.buffer.area_m2": 83000.0},
    "rate in GHz": {"components.shift_add.rate_hz": 2.56},
}


def _wrong_keys() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for kind, changes in WRONG_KEYS.items():
        yield kind, 0, lambda c=changes: xs.estimate("digits", xs.load_hardware("reference", c))


WRONG_RESULTS = {
    "range of dark images": {"calibration": 0.15},
    "programming error of 300 %": {"device.programming.sigma": 3.0},
    "read noise of 200 %": {"device.read_noise.sigma": 2.0},
    "noise of a converter of 60 steps": {"adc.noise_lsb": 60.0},
    "cells all stuck": {"device.stuck.on_rate": 0.6},
    "converter of one bit": {"adc.bits": 1},
}


def _wrong_results() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for kind, changes in WRONG_RESULTS.items():
        images, labels = some_digits(30)
        given = {key: value for key, value in changes.items() if key != "calibration"}
        scale = changes.get("calibration")
        yield (
            kind,
            0,
            lambda i=images, n=labels, g=given, s=scale: simulate(
                i, n, None if s is None else i[:40] * np.float32(s), changes=g
            ),
        )


def _right_pixels() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(4):
        photos = draw_photos(seed + 100)
        unit = photos / np.float32(255)
        mean, std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
        yield "bytes under a preset", seed, lambda p=photos: normalize_images(p, "imagenet")
        yield "floats to 1 under a preset", seed, lambda u=unit: normalize_images(u, "imagenet")
        yield "normalised before", seed, lambda u=(unit - mean) / std: normalize_images(u)
        yield (
            "dark bytes under a preset",
            seed,
            lambda p=draw_photos(seed + 200, level=0.15): normalize_images(p, "imagenet"),
        )
        yield "bright bytes, own mean", seed, lambda p=draw_photos(seed + 300, level=0.9): normalize_images(p, 0.5, 0.5)
        yield (
            "floats to 255, mean of 0 to 255",
            seed,
            lambda w=unit * 255: normalize_images(w, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        )
        scan = draw(seed).gamma(2.0, 400.0, (8, 1, 16, 16)).clip(0, 4095).astype(np.float32)
        yield "scans of 12 bits", seed, lambda c=scan: normalize_images(c, 800.0, 560.0)
        trace = draw(seed).normal(0, 0.4, (8, 1, 180)).astype(np.float32)
        yield "signals around 0", seed, lambda t=trace: normalize_images(t, 0.0, 0.4)


def _right_calibration() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(4):
        images, labels = some_digits(seed + 60)
        other = some_digits(seed + 70, 40, "digits-train")[0]
        noisy = np.clip(other + draw(seed).normal(0, 0.08, other.shape), 0, 1).astype(np.float32)
        level = np.float32((0.85, 0.93, 1.07, 1.15)[seed])
        yield "calibration of training images", seed, lambda i=images, n=labels, o=other: simulate(i, n, o)
        yield "eight calibration images", seed, lambda i=images, n=labels, o=other: simulate(i, n, o[:8])
        yield "calibration with noise", seed, lambda i=images, n=labels, o=noisy: simulate(i, n, o)
        yield "calibration of other brightness", seed, lambda i=images, n=labels, o=other * level: simulate(i, n, o)


def _right_labels() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for seed in range(3):
        images, labels = some_digits(seed + 80, 300)
        few = labels > 0
        rare = (labels < 3) | (draw(seed).uniform(size=len(labels)) < 0.1)
        two = np.isin(labels, [3, 8])
        last = labels == 9
        yield "no image of class 0", seed, lambda i=images[few], n=labels[few]: simulate(i, n)
        yield "rare classes", seed, lambda i=images[rare], n=labels[rare]: simulate(i, n)
        yield "two classes of ten", seed, lambda i=images[two], n=labels[two]: simulate(i, n)
        yield "one class", seed, lambda i=images[last], n=labels[last]: simulate(i, n)
        rough = np.clip(images[:120] + draw(seed).normal(0, 0.35, (120, 1, 8, 8)), 0, 1).astype(np.float32)
        yield "hard images", seed, lambda i=rough, n=labels[:120]: simulate(i, n)
        net, pictures, tones = colour_pictures(seed)
        yield "red first", seed, lambda i=pictures, n=tones, w=net: simulate(i, n, network=w)
        grey = np.repeat(pictures.mean(axis=1, keepdims=True), 3, axis=1)
        yield "grey pictures", seed, lambda i=grey, n=name_classes(net, grey), w=net: simulate(i, n, network=w)


def name_classes(net: Network, images: np.ndarray) -> np.ndarray:
    """Return what a network says, so that labels are right by construction."""
    node = net.node("fc")
    return np.argmax(images.reshape(len(images), -1) @ node.weight.T + node.bias, axis=1)


RIGHT_KEYS = {
    "FeFET of nS": {"device.g_on_siemens": 1e-7, "device.g_off_siemens": 1e-10},
    "MRAM": {"device.g_on_siemens": 4e-4, "device.g_off_siemens": 1.5e-4},
    "PCM": {"device.g_on_siemens": 2.5e-5, "device.g_off_siemens": 1e-7},
    "RRAM of 2 kohm": {"device.g_on_siemens": 5e-4, "device.g_off_siemens": 5e-6},
    "ECRAM": {"device.g_on_siemens": 2e-7, "device.g_off_siemens": 2e-8},
    "pulse of 1 ns": {"timing.pulse_s": 1e-9},
    "pulse of 100 ns": {"timing.pulse_s": 1e-7},
    "write pulse of 1 ns": {"device.write.pulse_s": 1e-9},
    "write pulse of 1 ms": {"device.write.pulse_s": 1e-3},
    "read at 50 mV": {"device.read_volt": 0.05},
    "read at 1.2 V": {"device.read_volt": 1.2},
    "write at 18 V": {"device.write.volt": 18.0},
    "clock of 5 MHz": {"timing.clock_hz": 5e6},
    "clock of 3 GHz": {"timing.clock_hz": 3e9},
    "wires of 0.1 ohm": {"crossbar.r_wl_ohm": 0.1, "crossbar.r_bl_ohm": 0.1},
    "wires of 30 ohm": {"crossbar.r_wl_ohm": 30.0, "crossbar.r_bl_ohm": 30.0},
    "capacitance of 0.2 fF": {"crossbar.c_wl_farad": 2e-16, "crossbar.c_bl_farad": 2e-16},
    "77 K": {"device.temperature_kelvin": 77.0},
    "398 K": {"device.temperature_kelvin": 398.0},
    "programming error of 25 %": {"device.programming.sigma": 0.25},
    "no error": {"device.programming.sigma": 0.0},
    "large buffer": {"components.buffer.power_watt": 0.2, "components.buffer.area_m2": 8e-7},
    "small buffer": {"components.buffer.energy_joule": 3e-15},
}
SHIPPED = ("epim", "isaac", "mnsim", "nax", "neurram", "puma", "reference", "sram_7nm")


def _right_keys() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for kind, changes in RIGHT_KEYS.items():
        yield kind, 0, lambda c=changes: xs.estimate("digits", xs.load_hardware("reference", c))
    for name in SHIPPED:
        yield f"hardware {name}", 0, lambda n=name: xs.estimate("lenet5", n)


def _make() -> Iterator[PlausibleInput]:
    wrong = (_wrong_pixels, _wrong_calibration, _wrong_labels, _wrong_images, _wrong_keys, _wrong_results)
    right = (_right_pixels, _right_calibration, _right_labels, _right_keys)
    for makers in (wrong, right):
        for maker in makers:
            for kind, seed, run in maker():
                yield PlausibleInput(kind=kind, seed=seed, is_wrong=makers is wrong, run=run)


PLAUSIBLE_INPUTS = tuple(_make())


def print_answers(inputs: tuple[PlausibleInput, ...], is_whole: bool) -> None:
    """Print how many inputs were judged right, and what was said to the others, or to all."""
    for is_wrong in (True, False):
        cases = [case for case in inputs if case.is_wrong == is_wrong]
        answers = [find_answer(case) for case in cases]
        print(f"{'wrong' if is_wrong else 'right'}: {sum(map(bool, answers))} of {len(cases)} refused or warned of")
        for case, answer in zip(cases, answers, strict=True):
            if bool(answer) != is_wrong or is_whole:
                print(f"  {case.kind}, {case.seed}: {answer[:400] or 'passes'}", flush=True)


if __name__ == "__main__":
    print_answers(PLAUSIBLE_INPUTS, "-v" in sys.argv)
