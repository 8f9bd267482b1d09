"""A sixth set of wrong and right inputs, generated, written without looking at the detectors (as of f838416).

Whoever wrote them had the list of mistakes, the reference of keys and the shipped files, and neither the package nor
the other sets. All 108 wrong ones were found, and none of the 106 right ones was doubted, at the first run.
``python tests/data/plausible_sixth.py`` prints which are not found, ``-v`` what each is told.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from plausible_inputs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PlausibleInput,
    draw,
    draw_photos,
    print_answers,
    simulate,
    some_digits,
)
from sklearn.linear_model import LogisticRegression

import xbarsim as xs
from xbarsim.data import normalize_images
from xbarsim.network import Network, make_linear
from xbarsim.network.build import NetworkBuilder

Maker = Callable[[int], object]
MEAN, STD = (np.reshape(each, (3, 1, 1)) for each in (IMAGENET_MEAN, IMAGENET_STD))
MEAN255, STD255 = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
SVHN = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
TONES = np.array([[0.8, 0.2, 0.2], [0.2, 0.2, 0.8], [0.2, 0.8, 0.2], [0.8, 0.8, 0.2], [0.2, 0.8, 0.8], [0.6, 0.5, 0.4]])


def same(x, *_):
    return x


def f32(x):
    return np.ascontiguousarray(x, dtype=np.float32)


def standardise(x):
    return f32((x - MEAN) / STD)


def pixels(change=same, *norm, level: float = 0.5, count: int = 16) -> Maker:
    return lambda seed: normalize_images(change(draw_photos(seed, count, level)), *norm)


def digits(images=same, labels=same, calibration=None, hardware="reference", keep=None, **given) -> Maker:
    """Run on digits; each change is a function of an array and a generator, keep of the labels gives indices."""

    def run(seed: int) -> object:
        x, y = some_digits(seed)
        if keep is not None:
            chosen = keep(y)
            x, y = x[chosen], y[chosen]
        other = None if calibration is None else calibration(some_digits(seed + 5000, 64)[0], draw(seed + 1))
        return simulate(images(x, draw(seed + 2)), labels(y, draw(seed + 3)), other, hardware=hardware, **given)

    return run


def hard(changes: Mapping, **given) -> Maker:
    return digits(changes=dict(changes), **given)


def estimate(changes: Mapping, hardware: str = "reference") -> Maker:
    return lambda seed: xs.estimate("digits", xs.load_hardware(hardware, dict(changes)))


def settled(farad: float) -> dict:
    return {"timing.pulse_s": "settled", "crossbar.c_wl_farad": farad, "crossbar.c_bl_farad": 2 * farad}


def make_network(weight, bias) -> Network:
    net = NetworkBuilder("pictures", (3, 8, 8))
    net.add("flatten", "flat")
    last = make_linear("fc", 192, len(bias), inputs=("flat",), weight=f32(weight), bias=f32(bias))
    return Network(name="pictures", nodes=(*net.build().nodes, last), input_shape=(3, 8, 8))


@functools.cache
def draw_task(name: str, seed: int) -> tuple[np.ndarray, ...]:
    """Weights, bias, training and test pictures and labels: exposure (5 levels of light), colours or close colours."""
    rng = draw(7000 + seed)
    labels = rng.integers(0, 5 if name == "exposure" else 6, 390)
    if name == "exposure":
        base, noise, wide = np.repeat(np.linspace(0.1, 0.9, 5)[:, None], 3, axis=1), 0.08, 0.025
    elif name == "close":
        base, noise, wide = 0.5 + 0.5 * (TONES - 0.5), 0.25, 0.09
    else:
        base, noise, wide = TONES, 0.15, 0.08
    x = base[labels][:, :, None, None] + rng.normal(0, noise, (390, 3, 8, 8)) + rng.normal(0, wide, (390, 3, 1, 1))
    x = f32(np.clip(x, 0, 1))
    x = standardise(x) if name == "standard" else x
    fit = LogisticRegression(max_iter=5000, C=1000 if name == "exposure" else 1)
    fit.fit(x[:300].reshape(300, -1), labels[:300])
    return fit.coef_, fit.intercept_, x[:300], x[300:], labels[300:]


def task(name, images=same, labels=same, calibration=None, weights=lambda w, b, rng: (w, b), changes=None) -> Maker:
    def run(seed: int) -> object:
        w, b, train, x, y = draw_task(name, seed)
        other = None if calibration is None else calibration(train[:64], draw(seed + 1))
        network = make_network(*weights(w, b, draw(seed + 4)))
        x, y = f32(images(x, draw(seed + 2))), labels(y, draw(seed + 3))
        return simulate(x, y, other, network=network, changes=changes)

    return run


def scale(factor: float):
    return lambda x, *_: f32(x * factor)


def bgr(x, *_):
    return f32(x[:, ::-1])


def last(x, *_):
    return f32(x.transpose(0, 2, 3, 1))


def unscaled(x, *_):
    """Pictures before they were standardised, 0 to 1."""
    return f32(x * STD + MEAN)


def noisy(sigma: float):
    return lambda x, rng: f32(np.clip(x + rng.normal(0, sigma, x.shape), 0, 1))


# Class of each digit where classes are folders in the order of their names: eight, five, four, ...
ALPHABET = np.argsort(np.argsort(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))

WRONG_PIXELS = {
    "float pixels 0..255, imagenet": pixels(f32, "imagenet"),
    "float pixels 0..255, CIFAR's mean and std": pixels(f32, *CIFAR),
    "float pixels 0..255, mean and std of 0.5": pixels(f32, 0.5, 0.5),
    "grey float pixels 0..255, MNIST's mean and std": pixels(lambda x: f32(x[:, :1]), 0.1307, 0.3081),
    "imagenet applied twice": pixels(lambda x: standardise(x / 255), "imagenet"),
    "standardised by themselves, then imagenet": pixels(lambda x: f32((x - x.mean()) / x.std()), "imagenet"),
    "divided by 255 twice, imagenet": pixels(lambda x: f32(x / 255 / 255), "imagenet"),
    "0..1 cut to uint8, imagenet": pixels(lambda x: (x / 255).astype(np.uint8), "imagenet"),
    "uint8 with mean and std for 0..255": pixels(same, MEAN255, STD255),
    "uint8 with std for 0..255": pixels(same, IMAGENET_MEAN, STD255),
    "0..1 with mean for 0..255": pixels(lambda x: f32(x / 255), MEAN255, IMAGENET_STD),
    "-1..1 as for TensorFlow, imagenet": pixels(lambda x: f32(x / 127.5 - 1), "imagenet"),
    "pixels read as signed bytes, imagenet": pixels(lambda x: f32(x.astype(np.int8)), "imagenet"),
    "centred as for Caffe, imagenet": pixels(lambda x: f32(x - 255 * MEAN), "imagenet"),
    "16-bit pictures as floats, imagenet": pixels(lambda x: f32(x) * 257, "imagenet"),
    "channels last, uint8, imagenet": pixels(lambda x: x.transpose(0, 2, 3, 1), "imagenet"),
    "channels last, 0..1, CIFAR's mean and std": pixels(lambda x: last(x / 255), *CIFAR),
}
WRONG_CALIBRATION = {
    "calibration 0..255, test 0..1": digits(calibration=scale(255)),
    "calibration 0..1, test 0..255": digits(scale(255), calibration=same),
    "calibration 0..1, test of raw grey levels 0..16": digits(scale(16), calibration=same),
    "calibration of raw grey levels 0..16, 6 bits": digits(calibration=scale(16), changes={"adc.bits": 6}),
    "calibration divided by 255 twice": digits(calibration=scale(1 / 255)),
    "calibration of zeros as a placeholder": digits(calibration=scale(0)),
    "calibration of dark frames": digits(calibration=lambda x, rng: f32(np.abs(rng.normal(0, 0.004, x.shape)))),
    "calibration not normalised, test with imagenet": task("standard", calibration=unscaled),
    "calibration 0..255, test with imagenet": task("standard", calibration=lambda x, rng: 255 * unscaled(x)),
    "calibration with std for 0..255": task("standard", calibration=scale(1 / 255)),
    "calibration with channels last": task("colours", calibration=last),
}
WRONG_LABELS = {
    "labels from 1": digits(labels=lambda y, rng: y + 1),
    "labels from -1": digits(labels=lambda y, rng: y - 1),
    "labels one further, last to 0": digits(labels=lambda y, rng: (y + 1) % 10),
    "labels from 1, cut at the last class": digits(labels=lambda y, rng: np.minimum(y + 1, 9)),
    "one-hot labels, float": digits(labels=lambda y, rng: np.eye(10, dtype=np.float32)[y]),
    "one-hot labels, integers": digits(labels=lambda y, rng: np.eye(10, dtype=np.int64)[y]),
    "labels shuffled without the images": digits(labels=lambda y, rng: rng.permutation(y)),
    "labels of another file": digits(labels=lambda y, rng: some_digits(int(rng.integers(9000, 9999)))[1]),
    "zeros as a placeholder for labels": digits(labels=lambda y, rng: np.zeros_like(y)),
    "classes in the order of their names": digits(labels=lambda y, rng: ALPHABET[y]),
    "labels as character codes": digits(labels=lambda y, rng: y + 48),
    "0 stored as 10, as in SVHN": digits(labels=lambda y, rng: np.where(y == 0, 10, y)),
    "labels from 1, colours": task("colours", labels=lambda y, rng: y + 1),
    "one-hot labels, colours": task("colours", labels=lambda y, rng: np.eye(6)[y]),
}
WRONG_IMAGES = {
    "channels last, grey": digits(last),
    "channels last, colours": task("colours", last),
    "channels last reshaped to channels first": task("colours", lambda x, rng: last(x).reshape(x.shape)),
    "black on white for white on black": digits(lambda x, rng: 1 - x),
    "columns for rows": digits(lambda x, rng: f32(x.transpose(0, 1, 3, 2))),
    "one picture again and again": digits(lambda x, rng: np.repeat(x[:1], len(x), axis=0)),
    "noise as a placeholder": digits(lambda x, rng: f32(rng.random(x.shape))),
    "BGR for RGB": task("colours", bgr),
    "BGR for RGB before normalisation": task("standard", lambda x, rng: standardise(bgr(unscaled(x)))),
    "BGR for RGB, normalised": task("standard", bgr),
    "grey copied to three channels": task("colours", lambda x, rng: np.repeat(x.mean(1, keepdims=True), 3, 1)),
    "0..255 for 0..1, exposure": task("exposure", scale(255)),
    "divided by 255 twice, exposure": task("exposure", scale(1 / 255)),
    "not normalised for a network with imagenet": task("standard", unscaled),
    "0..255 for a network with imagenet": task("standard", lambda x, rng: 255 * unscaled(x)),
}
CMOS = {"node_m": 3.2e-8, "supply_volt": 0.9}
WRONG_KEYS = {
    "conductances in uS, RRAM": estimate({"device.g_on_siemens": 10, "device.g_off_siemens": 1}),
    "conductances in uS, PCM": hard({"device.g_on_siemens": 25, "device.g_off_siemens": 0.1}),
    "on conductance alone in uS": estimate({"device.g_on_siemens": 40}),
    "off conductance alone in uS": estimate({"device.g_off_siemens": 0.1}),
    "resistances in ohm, RRAM": estimate({"device.g_on_siemens": 1e4, "device.g_off_siemens": 1e6}),
    "resistances in kohm, MRAM": estimate({"device.g_on_siemens": 6, "device.g_off_siemens": 12}),
    "programming error in uS": hard({"device.programming.sigma_siemens": [0.263, 1.965, -1.173]}),
    "relaxation in uS": hard({"device.relaxation.sigma_siemens": 0.41, "device.drift.time_s": 3600}),
    "read voltage in mV": estimate({"device.read_volt": 200}),
    "write voltage in mV": estimate({"device.write.volt": 2000}),
    "length of write pulses in ns": estimate({"device.write.pulse_s": 100}),
    "programming error in percent": hard({"device.programming.sigma": 5}),
    "read noise in percent": hard({"device.read_noise.sigma": 3}),
    "stuck cells in percent": hard({"device.stuck.on_rate": 1}),
    "drift exponent in percent": hard({"device.drift.nu": 5, "device.drift.time_s": 86400}),
    "wires in mohm": hard({"crossbar.r_wl_ohm": 2500, "crossbar.r_bl_ohm": 2500}),
    "resistance of whole lines for that of segments": hard({"crossbar.r_wl_ohm": 320, "crossbar.r_bl_ohm": 320}),
    "drivers of 500 kohm for 500 ohm": hard({"crossbar.r_source_ohm": 5e5}),
    "access transistors in mohm": hard({"crossbar.topology": "1t1r", "crossbar.r_access_ohm": 5e6}),
    "capacitances in fF": estimate(settled(0.1)),
    "capacitances in pF": estimate(settled(1e-4)),
    "range of a converter in percent": estimate({"adc.full_scale": "quantile", "adc.quantile": 99.9}),
    "almost half of the sums clipped": hard({"adc.full_scale": "quantile", "adc.quantile": 0.55}),
    "gain error in percent": hard({"adc.gain_sigma": 2}),
    "converter noise in hundredths of a step": hard({"adc.noise_lsb": 50}),
    "saturation current of 10 uA as 10e-9 A": hard({"adc.saturation_ampere": 1e-8}),
    "input activity in percent": estimate({"activity.input_activity": 25}),
    "clock in MHz": estimate({"timing.clock_hz": 1280}),
    "clock in GHz": estimate({"timing.clock_hz": 1.28}),
    "period for the frequency of the clock": estimate({"timing.clock_hz": 7.8125e-10}),
    "read pulse in ns": estimate({"timing.pulse_s": 10}),
    "read pulse in us": estimate({"timing.pulse_s": 0.01}),
    "node in nm": estimate({"process": {**CMOS, "node_m": 32}}),
    "supply of the file in mV": estimate({"process": CMOS, "timing.supply": {"volt": 900}}),
}


def parts(name: str, hardware: str = "reference", **values) -> Maker:
    """Costs of one component; a table of the file gives way to one rating."""
    table = {f"components.{name}.table": None} if name in ("adc", "dac") else {}
    return estimate({**table, **{f"components.{name}.{key}": value for key, value in values.items()}}, hardware)


WRONG_PARTS = {
    "buffer energy in pJ": parts("buffer", energy_joule=0.08),
    "bus energy in pJ": parts("bus", energy_joule=0.054),
    "router energy in pJ": parts("router", energy_joule=0.081),
    "off-chip energy in pJ": parts("off_chip", energy_joule=4),
    "converter energy in pJ": parts("adc", energy_joule=1.97, area_m2=1.2e-9, rate_hz=1.28e9),
    "converter power in mW": parts("adc", power_watt=2, area_m2=1.2e-9, rate_hz=1.28e9),
    "converter area in um2": parts("adc", power_watt=2e-3, area_m2=1200, rate_hz=1.28e9),
    "converter rate in MS/s": parts("adc", power_watt=2e-3, area_m2=1.2e-9, rate_hz=1280),
    "area of an array in um2": parts("array", area_m2=25),
    "area of a buffer in mm2": parts("buffer", area_m2=0.083),
    "area of the off-chip link in mm2": parts("off_chip", area_m2=22.88),
    "rate of an activation unit in MHz": parts("activation", rate_hz=1280),
}
WRONG_RESULTS = {
    "random weights, file not loaded": task("colours", weights=lambda w, b, rng: (rng.normal(0, 0.07, w.shape), 0 * b)),
    "classes of the network in another order": task("colours", weights=lambda w, b, rng: (w[::-1], b[::-1])),
    "bias lost in the export": task("exposure", weights=lambda w, b, rng: (w, 0 * b)),
    "weights in the order of channels last": task(
        "colours", weights=lambda w, b, rng: (w.reshape(6, 3, 64).transpose(0, 2, 1).reshape(6, 192), b)
    ),
    "integer weights, no scale": task("exposure", weights=lambda w, b, rng: (np.round(w / abs(w).max() * 99), b)),
}

RIGHT_PIXELS = {
    "uint8 photos, imagenet": pixels(same, "imagenet"),
    "photos 0..1, imagenet": pixels(lambda x: f32(x / 255), "imagenet"),
    "night pictures, imagenet": pixels(lambda x: (x * 0.25).astype(np.uint8), "imagenet", level=0.35),
    "pictures of snow, imagenet": pixels(same, "imagenet", level=0.8),
    "pictures in fog, imagenet": pixels(lambda x: (150 + 0.25 * x).astype(np.uint8), "imagenet"),
    "a single photo, imagenet": pixels(same, "imagenet", count=1),
    "grey photos in three channels, imagenet": pixels(lambda x: np.repeat(x[:, :1], 3, axis=1), "imagenet"),
    "photos with black bars, imagenet": pixels(lambda x: x * np.uint8(abs(np.arange(32) - 15.5) < 12), "imagenet"),
    "scanned pages, mostly white, imagenet": pixels(lambda x: np.where(x < 60, x, 250).astype(np.uint8), "imagenet"),
    "uint8 photos, CIFAR's mean and std": pixels(same, *CIFAR),
    "uint8 photos, CLIP's mean and std": pixels(same, *CLIP),
    "uint8 house numbers, SVHN's mean and std": pixels(same, *SVHN),
    "uint8 photos to -1..1": pixels(same, 0.5, 0.5),
    "float photos 0..255 with mean and std of 0..255": pixels(f32, MEAN255, STD255),
    "float photos 0..255 divided by 255 through std": pixels(f32, 0.0, 255.0),
    "float photos 0..255 to -1..1": pixels(f32, 127.5, 127.5),
    "grey uint8, MNIST's mean and std": pixels(lambda x: x[:, :1], 0.1307, 0.3081),
    "grey uint8, Fashion-MNIST's mean and std": pixels(lambda x: x[:, :1], 0.2860, 0.3530),
    "uint8 photos, not normalised": pixels(same, None),
}
RIGHT_CALIBRATION = {
    "calibration on 64 other digits": digits(calibration=same),
    "calibration on 32 other digits": digits(calibration=lambda x, rng: x[:32]),
    "calibration on 16 other digits": digits(calibration=lambda x, rng: x[:16]),
    "calibration with sensor noise": digits(calibration=noisy(0.05)),
    "calibration a little darker": digits(calibration=scale(0.9)),
    "calibration shifted by a pixel": digits(calibration=lambda x, rng: f32(np.roll(x, 1, axis=3))),
    "calibration for few test images": digits(calibration=same, keep=lambda y: np.arange(8)),
    "calibration for 6-bit converters": digits(calibration=same, changes={"adc.bits": 6}),
    "calibration on training pictures, normalised": task("standard", calibration=same),
    "calibration on training pictures": task("colours", calibration=same),
}
RIGHT_LABELS = {
    "labels of 8 bits, unsigned": digits(labels=lambda y, rng: y.astype(np.uint8)),
    "labels of 64 bits": digits(labels=lambda y, rng: y.astype(np.int64)),
    "no labels": digits(labels=lambda y, rng: None),
    "no image of class 0": digits(keep=lambda y: np.flatnonzero(y > 0)),
    "no image of class 9": digits(keep=lambda y: np.flatnonzero(y < 9)),
    "classes 0 to 4 only": digits(keep=lambda y: np.flatnonzero(y < 5)),
    "images sorted by class": digits(keep=lambda y: np.argsort(y, kind="stable")),
    "one class mostly": digits(keep=lambda y: np.r_[np.flatnonzero(y == 3), np.flatnonzero(y != 3)[:5]]),
    "even digits only": digits(keep=lambda y: np.flatnonzero(y % 2 == 0)),
    "ten images": digits(keep=lambda y: np.arange(10)),
    "labels of 16 bits, colours": task("colours", labels=lambda y, rng: y.astype(np.int16)),
}
RIGHT_IMAGES = {
    "digits with sensor noise": digits(noisy(0.1)),
    "digits with strong noise": digits(noisy(0.2)),
    "dim digits": digits(scale(0.7)),
    "digits of five grey levels": digits(lambda x, rng: f32(np.round(x * 4) / 4)),
    "digits with a gamma of 2": digits(lambda x, rng: x**2),
    "digits in double precision": digits(lambda x, rng: x.astype(np.float64)),
    "colours as trained": task("colours"),
    "colours with noise": task("colours", lambda x, rng: f32(np.clip(x + rng.normal(0, 0.15, x.shape), 0, 1))),
    "colours of less contrast": task("colours", lambda x, rng: f32(0.1 + 0.8 * x)),
    "dark colours": task("colours", scale(0.85)),
    "bright colours": task("colours", lambda x, rng: f32(np.clip(x + 0.08, 0, 1))),
    "colours normalised with imagenet, as trained": task("standard"),
    "close colours, a task with many errors": task("close"),
}


def cell(on: float, off: float, bits: int, volt: float = 0.2) -> dict:
    """A cell from its resistances [ohm]."""
    conductances = {"device.g_on_siemens": 1 / on, "device.g_off_siemens": 1 / off}
    return {**conductances, "device.cell_bits": bits, "device.read_volt": volt}


def array(rows: int, cols: int, ohm: float) -> dict:
    wires = {"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm}
    return {"crossbar.rows": rows, "crossbar.cols": cols, **wires}


def clock(hertz: float, cycles: int) -> dict:
    """A clock with digital units that follow it, at the same energy of an action."""
    units = {"activation": 2.6e-4, "accumulate": 5e-5, "pooling": 4e-4}
    scaled = {f"components.{name}.power_watt": watt * hertz / 1.28e9 for name, watt in units.items()}
    rates = {f"components.{name}.rate_hz": hertz for name in units}
    return {"timing.clock_hz": hertz, "timing.read_cycles": cycles, **scaled, **rates}


def write(volt: float, pulse: float, pulses: int, endurance: float) -> dict:
    values = {"volt": volt, "pulse_s": pulse, "pulses": pulses, "endurance": endurance}
    return {f"device.write.{key}": value for key, value in values.items()}


PCM = {"device.programming.sigma_siemens": [2.6348e-7, 1.965e-6, -1.1731e-6], "device.g_off_siemens": 0.0}
PCM |= {"device.g_on_siemens": 2.5e-5, "device.cell_bits": 4, "device.drift.reference_s": 20.0}
DAY = {"device.drift.nu": 0.05, "device.drift.nu_sigma": 0.01, "device.drift.time_s": 86400}
MRAM = write(0.7, 5e-9, 1, 1e12)
COLD = {"device.read_noise.bandwidth_hz": 1e8}
RIGHT_KEYS = {
    "PCM of Nandakumar 2019": hard({**PCM, **array(64, 64, 1)}),
    "PCM of Nandakumar 2019 after a day": hard({**PCM, **DAY, **array(64, 64, 1)}),
    "RRAM of NeuRRAM, 25 kohm to 1 Mohm": estimate(cell(25e3, 1e6, 3, 0.5)),
    "RRAM of IBM Zurich, CMO/HfOx": estimate({**cell(1 / 8.82e-5, 1 / 9e-6, 4), **array(64, 64, 0.5)}),
    "RRAM of NeuroSim, TaOx/HfOx": estimate(cell(100e3, 1e6, 4)),
    "RRAM of NeuroSim, EpiRAM": estimate(cell(81e3, 81e3 * 50.2, 5)),
    "RRAM of NeuroSim, Ag:a-Si": estimate(cell(26e6, 26e6 * 12.5, 4)),
    "RRAM of Yao 2020, 2.5 to 20 uS, 128 x 16": hard({**cell(5e4, 4e5, 4), **array(128, 16, 1)}),
    "RRAM of Prezioso 2015, 12 x 12": estimate({**cell(1e4, 1e5, 4, 0.1), **array(12, 12, 2)}),
    "STT-MRAM of NVSim, 6 and 12 kohm": estimate({**cell(6e3, 12e3, 1, 0.25), **array(64, 64, 0.5), **MRAM}),
    "SOT-MRAM of 5 and 10 Mohm": estimate({**cell(5e6, 1e7, 1, 0.2), **MRAM}),
    "FeFET of NVSim": estimate(cell(1e6, 1e7, 1, 0.05)),
    "FeFET of NeuroSim, 559 kohm, ratio 45": estimate({**cell(559.28e3, 559.28e3 * 45, 4), **write(4, 1e-7, 4, 1e6)}),
    "FeFET with a resistor of 1 Mohm": estimate(cell(1e6, 1e10, 1, 0.2)),
    "ECRAM of 10 to 100 nS": estimate({**cell(1e7, 1e8, 4, 0.1), **write(1, 1e-5, 10, 1e8)}),
    "NOR flash of 1 uA at 0.5 V": estimate({**cell(5e5, 5e10, 4, 0.5), **write(9, 1e-5, 10, 1e5)}),
    "SRAM with a read port, 10 uA at 0.8 V": hard({**cell(8e4, np.inf, 1, 0.8), "device.programming.sigma": 0.02}),
    "variation of 30 percent": hard({"device.programming.sigma": 0.3, **array(64, 64, 1)}),
    "stuck cells, 0.5 percent": hard({"device.stuck.on_rate": 0.002, "device.stuck.off_rate": 0.003}),
    "telegraph noise of 10 percent": hard({"device.telegraph.amplitude": 0.1, "device.telegraph.share": 0.2}),
    "read voltage of 0.05 V": estimate({"device.read_volt": 0.05}),
    "read voltage of 0.5 V": estimate({"device.read_volt": 0.5}),
    "liquid helium, 4 K": hard({**COLD, "device.temperature_kelvin": 4}),
    "liquid nitrogen, 77 K": hard({**COLD, "device.temperature_kelvin": 77}),
    "wires of 0.5 ohm": hard(array(128, 128, 0.5)),
    "wires of 5 ohm, 64 x 64": hard(array(64, 64, 5)),
    "wires of 20 ohm, 32 x 32": hard(array(32, 32, 20)),
    "drivers of 500 ohm, as NAX": hard({**array(64, 64, 2.5), "crossbar.r_source_ohm": 500}),
    "arrays of 16 x 16": estimate(array(16, 16, 2.5)),
    "arrays of 1024 x 1024, 10 Mohm cells": estimate(
        {**cell(1e7, 1e8, 1), **array(1024, 1024, 1), "timing.read_cycles": 1024, "adc.bits": 10}
    ),
    "access transistors of 5 kohm": estimate({"crossbar.topology": "1t1r", "crossbar.r_access_ohm": 5e3}),
    "reads as long as lines of 0.1 and 0.2 fF settle": estimate(settled(1e-16)),
    "10 bits of conversion": hard({"adc.bits": 10}),
    "a range for 99.9 percent of the sums": hard({"adc.full_scale": "quantile", "adc.quantile": 0.999}),
    "gain error of 1 percent, offset and noise of half a step": hard(
        {"adc.gain_sigma": 0.01, "adc.offset_sigma_lsb": 0.5, "adc.noise_lsb": 0.5}
    ),
    "clock of 1 MHz": estimate(clock(1e6, 1)),
    "clock of 100 MHz": estimate(clock(1e8, 10)),
    "clock of 2.5 GHz": estimate(clock(2.5e9, 250)),
    "clock of 5 GHz": estimate(clock(5e9, 500)),
    "read pulse of 1 ns": estimate({"timing.pulse_s": 1e-9}),
    "sparse inputs and small weights": estimate({"activity.mean_level": 0.15, "activity.input_activity": 0.1}),
    "7 nm SRAM macro at 0.9 V": estimate({"process.supply_volt": 0.9}, "sram_7nm"),
    "ISAAC as published": estimate({}, "isaac"),
    "NAX with arrays of 32 x 32": estimate({"crossbar.rows": 32, "crossbar.cols": 32}, "nax"),
    "NeuRRAM with 8 bits of conversion": estimate({"adc.bits": 8}, "neurram"),
}
RIGHT_PARTS = {
    # 12 bits at 20 fJ a step: 82 pJ, 100 MS/s; one converter for 16 columns takes the 160 ns of the read.
    "12-bit SAR converter, 100 MS/s": estimate(
        {
            "adc.bits": 12,
            "adc.per_array": 8,
            "timing.read_cycles": 205,
            "components.adc.table": None,
            "components.adc.power_watt": 8.2e-3,
            "components.adc.area_m2": 3e-8,
            "components.adc.rate_hz": 1e8,
        }
    ),
    "3-bit flash converter, 1 GS/s, 0.2 mW, 300 um2": estimate(
        {
            "adc.bits": 3,
            "components.adc.table": None,
            "components.adc.power_watt": 2e-4,
            "components.adc.area_m2": 3e-10,
            "components.adc.rate_hz": 1e9,
            "timing.read_cycles": 164,
        }
    ),
    "8-bit SAR converter of Kull 2013": parts("adc", power_watt=3.1e-3, area_m2=1.5e-9, rate_hz=1.2e9),
    "1T1R cells of 12 F2 at 28 nm": parts("array", area_m2=16384 * 12 * 28e-9**2),
    "cells of 4 F2 at 22 nm": parts("array", area_m2=16384 * 4 * 22e-9**2),
    "word-line drivers of 0.1 pJ, 2 um2": parts("dac", power_watt=1e-6, area_m2=2e-12, rate_hz=1e7),
    "SRAM buffer of 0.2 pJ a bit, 0.25 mm2": parts("buffer", energy_joule=2e-13, area_m2=2.5e-7, power_watt=3e-2),
    "off-chip memory of 4 pJ a bit, 205 Gbit/s": parts("off_chip", energy_joule=4e-12, power_watt=0.82, area_m2=5e-6),
}

WRONG = (WRONG_PIXELS, WRONG_CALIBRATION, WRONG_LABELS, WRONG_IMAGES, WRONG_KEYS, WRONG_PARTS, WRONG_RESULTS)
RIGHT = (RIGHT_PIXELS, RIGHT_CALIBRATION, RIGHT_LABELS, RIGHT_IMAGES, RIGHT_KEYS, RIGHT_PARTS)


def make_inputs() -> Iterator[PlausibleInput]:
    for is_wrong, first, tables in ((True, 6001, WRONG), (False, 6501, RIGHT)):
        makers = {kind: maker for table in tables for kind, maker in table.items()}
        for seed, (kind, maker) in enumerate(makers.items(), first):
            yield PlausibleInput(kind=kind, seed=seed, is_wrong=is_wrong, run=functools.partial(maker, seed))


SIXTH_INPUTS: tuple[PlausibleInput, ...] = tuple(make_inputs())

if __name__ == "__main__":
    print_answers(SIXTH_INPUTS, "-v" in sys.argv)
