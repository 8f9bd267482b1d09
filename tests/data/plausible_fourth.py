"""A fourth set of wrong and right inputs, generated, written without looking at the detectors (as of 4873b8d).

Whoever wrote them had the list of mistakes, the reference of keys and the shipped files, and neither the package nor
the other sets. These found 108 of the 112 wrong ones and doubted 3 of the 111 right ones: clocks of 52.6 GHz and of
32,768 Hz, and the power of an array of 12 nm pitch, whose ranges were widened afterwards.
``python tests/data/plausible_fourth.py`` prints which are not found, ``-v`` what each is told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from plausible_inputs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PlausibleInput,
    colour_pictures,
    draw,
    draw_photos,
    print_answers,
    simulate,
    some_digits,
)

import xbarsim as xs
from xbarsim.data import normalize_images
from xbarsim.network import Network, make_linear
from xbarsim.network.build import NetworkBuilder

MEAN, STD = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
FIRST = 4000  # smallest seed of this part


def photos(seed: int, level: float = 0.5) -> np.ndarray:
    """Colour pictures as floats from 0 to 1."""
    return draw_photos(seed, level=level).astype(np.float32) / np.float32(255)


def standardize(pixels: np.ndarray) -> np.ndarray:
    return ((pixels - MEAN[:, None, None]) / STD[:, None, None]).astype(np.float32)


def tint(seed: int, *factors: float) -> np.ndarray:
    return (draw_photos(seed) * np.array(factors)[:, None, None]).astype(np.uint8)


def mostly_white(seed: int) -> np.ndarray:
    """Products before white: only the middle of a picture differs."""
    pixels = np.full((16, 3, 32, 32), 255, np.uint8)
    pixels[:, :, 10:22, 10:22] = draw_photos(seed)[:, :, 10:22, 10:22]
    return pixels


# Arguments of normalize_images by seed.
WRONG_PIXELS: dict[str, Callable[[int], tuple]] = {
    "floats from 0 to 255, not divided, with imagenet": lambda s: (draw_photos(s).astype(np.float32), "imagenet"),
    "int64 from 0 to 255 (after a cast), with imagenet": lambda s: (draw_photos(s).astype(np.int64), "imagenet"),
    "already standardised, then imagenet again": lambda s: (standardize(photos(s)), "imagenet"),
    "pixels from -1 to 1 (TensorFlow), with imagenet": lambda s: (photos(s) * 2 - 1, "imagenet"),
    "divided by 255 twice": lambda s: (photos(s) / 255, "imagenet"),
    "divided by 255, then cast to uint8: all 0 or 1": lambda s: (photos(s).astype(np.uint8), "imagenet"),
    "cast to int8, bright pixels negative": lambda s: (draw_photos(s).astype(np.int8), "imagenet"),
    "channels last with imagenet": lambda s: (draw_photos(s).transpose(0, 2, 3, 1), "imagenet"),
    "mean and deviation of 0..255 for uint8": lambda s: (draw_photos(s), MEAN * 255, STD * 255),
    "mean of Caffe (0..255, deviation 1) for floats of 0..1": lambda s: (
        photos(s),
        (123.68, 116.78, 103.94),
        (1, 1, 1),
    ),
    "mean of 0..1 for floats of 0..255": lambda s: (draw_photos(s).astype(np.float32), MEAN, STD),
    "mean and deviation in percent": lambda s: (draw_photos(s), MEAN * 100, STD * 100),
    "deviation of 0..255 beside a mean of 0..1": lambda s: (draw_photos(s), MEAN, STD * 255),
    "mean of 0..255 beside a deviation of 0..1": lambda s: (draw_photos(s), MEAN * 255, STD),
    "MNIST's mean for grey floats of 0..255": lambda s: (some_digits(s)[0] * 255, 0.1307, 0.3081),
}
RIGHT_PIXELS: dict[str, Callable[[int], tuple]] = {
    "night pictures": lambda s: (draw_photos(s, level=0.1) // 3, "imagenet"),
    "fog: contrast of a tenth": lambda s: ((photos(s) * 0.1 + 0.6), "imagenet"),
    "under water: hardly any red": lambda s: (tint(s, 0.15, 0.7, 1.0), "imagenet"),
    "sunset: hardly any blue": lambda s: (tint(s, 1.0, 0.55, 0.15), "imagenet"),
    "grey pictures in three equal channels": lambda s: (draw_photos(s)[:, :1].repeat(3, axis=1), "imagenet"),
    "products before white": lambda s: (mostly_white(s), "imagenet"),
    "line drawings, only 0 and 255": lambda s: (
        (draw_photos(s)[:, :1] > 140).repeat(3, axis=1).astype(np.uint8) * 255,
        "imagenet",
    ),
    "one picture": lambda s: (draw_photos(s, count=1), "imagenet"),
    "bicubic resizing in float, overshoot of 2 %": lambda s: ((photos(s) - 0.5) * 1.04 + 0.5, "imagenet"),
    "CIFAR-10's mean and deviation": lambda s: (draw_photos(s), *CIFAR),
    "only the mean subtracted (CIFAR of ResNet 2015)": lambda s: (draw_photos(s), CIFAR[0], (1, 1, 1)),
    "not normalised": lambda s: (draw_photos(s), None),
    "standardised by the user, no preset": lambda s: (standardize(photos(s)), None),
    "floats of 0..255 with their own mean and deviation": lambda s: (
        draw_photos(s).astype(np.float32),
        MEAN * 255,
        STD * 255,
    ),
    "MNIST's mean for grey floats of 0..1": lambda s: (some_digits(s)[0], 0.1307, 0.3081),
    "grey scans, one channel, mean of one half": lambda s: (255 - draw_photos(s, level=0.1)[:, :1], 0.5, 0.5),
}

# Calibration images, of the test images, other images of the same data, and random numbers; test images are right.
WRONG_CALIBRATION: dict[str, Callable] = {
    "calibration from 0 to 255": lambda x, o, r: o * 255,
    "calibration from 0 to 16 (scikit-learn's raw digits)": lambda x, o, r: o * 16,
    "calibration divided by 255 twice": lambda x, o, r: o / 255,
    "calibration with MNIST's normalisation, test images without": lambda x, o, r: (o - 0.1307) / 0.3081,
    "calibration dark on white, test images white on dark": lambda x, o, r: 1 - o,
    "calibration of normal noise": lambda x, o, r: r.normal(0, 1, o.shape).astype(np.float32),
    "calibration of uniform noise": lambda x, o, r: r.uniform(0, 1, o.shape).astype(np.float32),
    "calibration of blank images": lambda x, o, r: np.zeros_like(o),
    "calibration at a tenth of the brightness": lambda x, o, r: o * np.float32(0.1),
    "calibration of photographs, test images of digits": lambda x, o, r: photos(int(r.integers(9999)))[:, :1, :8, :8],
}
RIGHT_CALIBRATION: dict[str, Callable] = {
    "calibration on 16 other images": lambda x, o, r: o[:16],
    "calibration on 40 other images": lambda x, o, r: o[:40],
    "calibration on the test images": lambda x, o, r: x,
    "calibration on a few test images, each twice": lambda x, o, r: x[:32].repeat(2, axis=0),
    "calibration with noise of 3 % as augmentation": lambda x, o, r: (
        (o + r.normal(0, 0.03, o.shape)).astype(np.float32).clip(0, 1)
    ),
    "calibration 5 % brighter": lambda x, o, r: (o[:100] * np.float32(1.05)).clip(0, 1),
}


def take_alphabetic(labels: np.ndarray) -> np.ndarray:
    """Index in the sorted names of the folders zero ... nine."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    return np.array([sorted(names).index(name) for name in names])[labels]


# Labels of the digits; random numbers as the second argument.
WRONG_LABELS: dict[str, Callable] = {
    "labels from 1 to 10 (MATLAB)": lambda y, r: y + 1,
    "labels one too small, -1 for 0": lambda y, r: y - 1,
    "labels one further, 0 after 9": lambda y, r: (y + 1) % 10,
    "0 stored as 10, the others right (SVHN's .mat)": lambda y, r: np.where(y == 0, 10, y),
    "one-hot, floats": lambda y, r: np.eye(10, dtype=np.float32)[y],
    "one-hot with label smoothing": lambda y, r: 0.9 * np.eye(10)[y] + 0.01,
    "folders zero to nine in alphabetic order": lambda y, r: take_alphabetic(y),
    "shuffled without the images": lambda y, r: r.permutation(y),
    "labels one image late": lambda y, r: np.roll(y, 1),
    "labels sorted, images not": lambda y, r: np.sort(y),
    "coarse labels of pairs of classes": lambda y, r: y // 2,
}
RIGHT_LABELS: dict[str, Callable] = {
    "labels as uint8": lambda y, r: y.astype(np.uint8),
    "labels as a list": lambda y, r: y.tolist(),
    "no labels": lambda y, r: None,
    "a tenth mislabelled": lambda y, r: np.where(r.random(len(y)) < 0.1, r.integers(0, 10, len(y)), y),
    "a third mislabelled, as in data from the web": lambda y, r: np.where(
        r.random(len(y)) < 0.33, r.integers(0, 10, len(y)), y
    ),
}

# Images and labels given to simulate, from right ones.
WRONG_IMAGES: dict[str, Callable] = {
    "digits from 0 to 255": lambda x, y, r: (x * 255, y),
    "digits from 0 to 16 (scikit-learn's raw digits)": lambda x, y, r: (x * 16, y),
    "digits divided by 255 twice": lambda x, y, r: (x / 255, y),
    "digits channels last": lambda x, y, r: (x.transpose(0, 2, 3, 1), y),
    "digits from -1 to 1": lambda x, y, r: (x * 2 - 1, y),
    "digits dark on white, network trained on white on dark": lambda x, y, r: (1 - x, y),
    "blank images (failed decoding)": lambda x, y, r: (np.zeros_like(x), y),
    "images shuffled without their labels": lambda x, y, r: (x[r.permutation(len(x))], y),
}
RIGHT_IMAGES: dict[str, Callable] = {
    "five images": lambda x, y, r: (x[:5], y[:5]),
    "twelve images": lambda x, y, r: (x[:12], y[:12]),
    "one class only": lambda x, y, r: (x[y == 3], y[y == 3]),
    "two classes only": lambda x, y, r: (x[(y == 0) | (y == 1)], y[(y == 0) | (y == 1)]),
    "nine tenths of one class": lambda x, y, r: (
        np.concatenate([x[y == 6].repeat(9, axis=0), x[y != 6][:12]]),
        np.concatenate([y[y == 6].repeat(9), y[y != 6][:12]]),
    ),
    "sorted by class, as a folder per class gives": lambda x, y, r: (x[np.argsort(y, kind="stable")], np.sort(y)),
    "noise of 10 %": lambda x, y, r: ((x + r.normal(0, 0.1, x.shape)).astype(np.float32).clip(0, 1), y),
    "noise of 15 %, doubles": lambda x, y, r: ((x + r.normal(0, 0.15, x.shape)).clip(0, 1), y),
    "dim pictures, 60 %": lambda x, y, r: (x * np.float32(0.6), y),
    "overexposed pictures": lambda x, y, r: ((x * np.float32(1.5)).clip(0, 1), y),
    "black and white only": lambda x, y, r: ((x > 0.5).astype(np.float32), y),
}
# The same with the network of colours, trained on pictures from 0 to 1: images, labels, calibration images.
WRONG_COLOURS: dict[str, Callable] = {
    "BGR for RGB": lambda x, y, r: (x[:, ::-1].copy(), y, None),
    "BGR for RGB, 30 pictures": lambda x, y, r: (x[:30, ::-1].copy(), y[:30], None),
    "channels last, reshaped in place of transposed": lambda x, y, r: (
        x.transpose(0, 2, 3, 1).reshape(x.shape),
        y,
        None,
    ),
    "grey pictures copied into three channels": lambda x, y, r: (
        x.mean(axis=1, keepdims=True).repeat(3, axis=1),
        y,
        None,
    ),
    "colours with labels from 1 to 6": lambda x, y, r: (x, y + 1, None),
    "colours with one-hot labels": lambda x, y, r: (x, np.eye(6)[y], None),
    "colours, shuffled labels": lambda x, y, r: (x, r.permutation(y), None),
    "colours calibrated on imagenet-normalised pictures": lambda x, y, r: (x, y, standardize(x[:40])),
    "colours calibrated on pictures from 0 to 255": lambda x, y, r: (x, y, x[:40] * 255),
}
RIGHT_COLOURS: dict[str, Callable] = {
    "colours in RGB": lambda x, y, r: (x, y, None),
    "mostly red pictures": lambda x, y, r: (x[(y == 0) | (y == 3)], y[(y == 0) | (y == 3)], None),
    "only blue pictures": lambda x, y, r: (x[y == 1], y[y == 1], None),
    "colours with noise": lambda x, y, r: ((x + r.normal(0, 0.1, x.shape)).astype(np.float32).clip(0, 1), y, None),
    "colours calibrated on 20 of them": lambda x, y, r: (x, y, x[-20:]),
    "colours at 85 % brightness": lambda x, y, r: (x * np.float32(0.85), y, None),
}

# Two draws where chance could hide a mistake or raise a false alarm.
TWICE = ("five images", "one class only", "calibration on 16 other images", "BGR for RGB", "labels one image late")

G_ON, G_OFF = "device.g_on_siemens", "device.g_off_siemens"
WIRES = ("crossbar.r_wl_ohm", "crossbar.r_bl_ohm")
LINES = ("crossbar.c_wl_farad", "crossbar.c_bl_farad")


def cell(on: float, off: float, wire: float = 2.5, rows: int = 128, cols: int | None = None, **device: object) -> dict:
    """Overrides for a cell in an array."""
    size = {"crossbar.rows": rows, "crossbar.cols": cols or rows}
    return {
        G_ON: on,
        G_OFF: off,
        **dict.fromkeys(WIRES, wire),
        **size,
        **{f"device.{key}": value for key, value in device.items()},
    }


def drift(nu: float, time_s: float, **more: object) -> dict:
    return {
        "device.drift.nu": nu,
        "device.drift.time_s": time_s,
        **{f"device.drift.{key}": value for key, value in more.items()},
    }


def clock(hz: float, cycles: int, pulse_s: float | None = None) -> dict:
    return {"timing.clock_hz": hz, "timing.read_cycles": cycles, "timing.pulse_s": pulse_s}


# Overrides of the reference, priced by estimate. Figures: the shipped device files, and table of ISAAC.
WRONG_KEYS: dict[str, dict] = {
    "PCM of 25 and 0.1 uS, in uS": {G_ON: 25, G_OFF: 0.1},
    "NeuRRAM's 40 and 1 uS, in uS": {G_ON: 40, G_OFF: 1},
    "0.9 and 0.1 mS, in mS": {G_ON: 0.9, G_OFF: 0.1},
    "resistances of 10 kohm and 1 Mohm for conductances": {G_ON: 1e4, G_OFF: 1e6},
    "resistances, the larger one as on": {G_ON: 1e6, G_OFF: 1e4},
    "on and off exchanged": {G_ON: 1e-6, G_OFF: 1e-5},
    "uS converted twice": {G_ON: 2.5e-17, G_OFF: 1e-19},
    "read voltage 200 mV, in mV": {"device.read_volt": 200},
    "write voltage 2500 mV, in mV": {"device.write.volt": 2500},
    "write pulse 100 ns, in ns": {"device.write.pulse_s": 100},
    "tolerance of verification 5 %, in percent": {
        "device.write.verify.tolerance": 5,
        "device.write.verify.max_pulses": 20,
    },
    "programming error 10 %, in percent": {"device.programming.sigma": 10},
    "aihwkit's PCM coefficients in uS": {
        **cell(2.5e-5, 0.0),
        "device.programming.sigma_siemens": [0.26348, 1.965, -1.1731],
    },
    "read noise 2 %, in percent": {"device.read_noise.sigma": 2},
    "integration of 250 ns, in ns": {
        **drift(0.05, 20.0),
        "device.read_noise.sigma": 0.0088,
        "device.read_noise.integration_s": 250,
    },
    "drift exponent 5 %, in percent": drift(5, 1e5),
    "25 degrees Celsius as kelvin": {"device.temperature_kelvin": 25, **drift(0.05, 1e6, activation_ev=0.24)},
    "85 degrees Celsius as kelvin": {"device.temperature_kelvin": 85, **drift(0.05, 1e6, activation_ev=0.24)},
    "drift measured at 27 degrees Celsius, as kelvin": drift(0.05, 1e5, activation_ev=0.24, reference_kelvin=27),
    "activation energy 240 meV, in meV": {"device.temperature_kelvin": 358, **drift(0.05, 1e5, activation_ev=240)},
    "1 % of stuck cells, in percent": {"device.stuck.on_rate": 1},
    "yield of 99 % for the share of stuck cells": {"device.stuck.off_rate": 0.99},
    "wires of 2.5 ohm in mohm": dict.fromkeys(WIRES, 2500),
    "drivers of 500 ohm in mohm": {"crossbar.r_source_ohm": 5e5},
    "segments of 0.2 fF, in fF": {**dict.fromkeys(LINES, 0.2), "timing.pulse_s": "settled"},
    "leakage of 0.5 nS, in nS": {"crossbar.topology": "1t1r_gate", "crossbar.g_leak_siemens": 0.5},
    "gain error of 2 %, in percent": {"adc.gain_sigma": 2},
    "converter noise of 250 uV for LSB": {"adc.noise_lsb": 250},
    "saturation at 20 uA, in uA": {"adc.saturation_ampere": 20},
    "clock of 1280 MHz, in MHz": {"timing.clock_hz": 1280},
    "clock of 1.28 GHz, in GHz": {"timing.clock_hz": 1.28},
    "period of 0.78 ns for the clock": {"timing.clock_hz": 7.8e-10},
    "pulse of 10 ns, in ns": {"timing.pulse_s": 10},
    "pulse of 10 ns, converted twice": {"timing.pulse_s": 1e-17},
    "bus at 0.054 pJ, in pJ": {"components.bus.energy_joule": 0.054},
    "buffer at 80 fJ, in fJ": {"components.buffer.energy_joule": 80},
    "input register of 1.24 mW, in mW": {"components.input_register.power_watt": 1.24},
    "shift-and-add of 50 uW, in uW": {"components.shift_add.power_watt": 50},
    "buffer of 0.083 mm2, in mm2": {"components.buffer.area_m2": 0.083},
    "input register of 2100 um2, in um2": {"components.input_register.area_m2": 2100},
    "off-chip link of 22.88 mm2, in mm2": {"components.off_chip.area_m2": 22.88},
    "shift-and-add at 2.56 GHz, in GHz": {"components.shift_add.rate_hz": 2.56},
    "sample-and-hold at 10 MHz, in MHz": {"components.sample_hold.rate_hz": 10},
}
# The same with sram_7nm, whose converter has one rating.
WRONG_SRAM: dict[str, dict] = {
    "flash converter at 0.21 pJ, in pJ": {"components.adc.energy_joule": 0.21},
    "flash converter of 99.75 um2, in um2": {"components.adc.area_m2": 99.75},
    "supply of 800 mV, in mV": {"process.supply_volt": 800},
    "node of 7 nm, in nm": {"process.node_m": 7},
}
RIGHT_KEYS: dict[str, dict] = {
    "PCM of Nandakumar 2019, 25 uS, fully off": cell(2.5e-5, 0.0, 0.5, cell_bits=4),
    "Ta/HfO2 1T1R of Li 2018, 0.1 to 1 mS, wide wires": cell(1e-3, 1e-4, 0.1, 128, 64, cell_bits=4),
    "TaOx cells of Rao 2023, up to 4.1 mS, in small arrays": cell(4.144e-3, 5e-5, 0.1, 32, cell_bits=6),
    "1T1R of Yao 2020, 2 to 20 uS, 128 x 16": cell(2e-5, 2e-6, 1.0, 128, 16, cell_bits=3),
    "Al2O3/TiO2 of Prezioso 2015, 10 to 100 uS, 12 x 12": cell(1e-4, 1e-5, 2.5, 12, cell_bits=4, read_volt=0.1),
    "HP's TiO2 as modelled by Biolek 2009, 100 ohm and 16 kohm": cell(1e-2, 6.25e-5, 0.0, 16, cell_bits=1),
    "CMO/HfOx of IBM Zurich, 9 to 88 uS": cell(8.82e-5, 9e-6, 0.5, 64, cell_bits=4),
    "STT-MRAM of NVSim, 6 and 12 kohm": cell(1.67e-4, 8.33e-5, 0.1, 64, cell_bits=1, read_volt=0.25),
    "SOT-MRAM with MTJ of 3 and 6 Mohm (imec 2020)": cell(3.3e-7, 1.67e-7, cell_bits=1),
    "FeFET of NVSim, 1 and 10 Mohm, read at 50 mV": cell(1e-6, 1e-7, cell_bits=1, read_volt=0.05),
    "FeFET with an on-off ratio of a million (28 nm)": cell(1e-5, 1e-11, 0.5, cell_bits=1),
    "ferroelectric tunnel junctions of 1 nS, slow reads": {**cell(1e-9, 1e-10, cell_bits=1), **clock(1e6, 100, 5e-5)},
    "NOR flash in subthreshold, 100 nA at 1 V (Guo 2017)": cell(1e-7, 1e-11, cell_bits=4, read_volt=1.0),
    "3D NAND string of 2 nA at 0.2 V": {**cell(1e-8, 1e-12, cell_bits=1), **clock(1e8, 1000, 5e-6)},
    "SONOS of 1.6 uA at 0.1 V (CrossSim)": cell(1.6e-5, 1e-9, 0.5, cell_bits=4, read_volt=0.1),
    "organic ECRAM of about 1 mS, low ratio (van de Burgt 2017)": cell(1.1e-3, 6e-4, 0.1, 16, cell_bits=4),
    "RPU of Gokmen 2016: 4096 x 4096, 24 Mohm": {**cell(7.4e-8, 9.3e-9, 0.3, 4096), "adc.bits": 9, "adc.per_array": 64},
    "binary SRAM cell read at 1 V": cell(1e-5, 0.0, 0.5, cell_bits=1, read_volt=1.0),
    "CIMU of 1152 x 256 (Jia 2022)": cell(1e-6, 0.0, 0.0, 1152, 256, cell_bits=1),
    "wires of 10 ohm at 10 nm half-pitch": cell(1e-6, 1e-8, 10.0, 64),
    "1T1R with 5 kohm transistors": {"crossbar.topology": "1t1r", "crossbar.r_access_ohm": 5e3},
    "gates that leak 1 pS": {
        "crossbar.topology": "1t1r_gate",
        "crossbar.r_sl_ohm": 2.5,
        "crossbar.g_leak_siemens": 1e-12,
    },
    "lines of 0.05 fF a cell, settled": {**dict.fromkeys(LINES, 5e-17), "timing.pulse_s": "settled"},
    "lines of 2 fF a cell, 130 nm 1T1R": {**dict.fromkeys(LINES, 2e-15), "timing.pulse_s": "settled"},
    "liquid nitrogen": {"device.temperature_kelvin": 77, "device.read_noise.bandwidth_hz": 1e7},
    "liquid helium": {"device.temperature_kelvin": 4.2, "device.read_noise.bandwidth_hz": 1e7},
    "arctic at -40 degrees Celsius": {"device.temperature_kelvin": 233.15},
    "ten years of drift": drift(0.05, 3.15e8, reference_s=20.0, nu_sigma=0.01),
    "stuck cells of Chen 2014, 9.04 and 1.75 %": {"device.stuck.on_rate": 0.0904, "device.stuck.off_rate": 0.0175},
    "SOT-MRAM written in 210 ps": {
        "device.write.pulse_s": 2.1e-10,
        "device.write.volt": 0.8,
        "device.write.endurance": 1e15,
    },
    "TaOx written in 105 ps (Torrezan 2011)": {"device.write.pulse_s": 1.05e-10},
    "NAND programmed at 20 V in 15 us": {
        "device.write.volt": 20,
        "device.write.pulse_s": 1.5e-5,
        "device.write.endurance": 1e5,
    },
    "organic ECRAM written in 5 ms at 0.5 V": {
        "device.write.volt": 0.5,
        "device.write.pulse_s": 5e-3,
        "device.write.pulses": 100,
    },
    "HERMES: 1 GHz, read of 130 ns": clock(1e9, 130, 1e-7),
    "SFQ chip at 52.6 GHz and 4.2 K (SuperNPU)": {
        **clock(5.26e10, 526, 5e-9),
        "device.temperature_kelvin": 4.2,
        "adc.per_array": 16,
    },
    "5 GHz, read of 1 ns, a converter for each column": {**clock(5e9, 5, 5e-10), "adc.per_array": 128},
    "watch crystal of 32768 Hz": clock(32768, 2, 1e-6),
    "microcontroller of 1 MHz": clock(1e6, 1, 1e-7),
    "a converter for 8 arrays": {"adc.per_array": 0.125},
    "adders of superconducting logic, 20 aJ": {"components.vector.energy_joule": 2e-17},
    "off-chip link of Bluetooth Low Energy, 10 nJ a bit": {"components.off_chip.energy_joule": 1e-8},
    "array of 12 nm pitch (Pi 2019), 2.4 um2": {"components.array.area_m2": 2.36e-12},
    "printed array, 1000 um2 a cell": {"components.array.area_m2": 1.6e-5},
    "registers that leak 1 nW": {"components.input_register.leakage_watt": 1e-9},
    "sparse inputs after ReLU, mostly low levels": {"activity.input_activity": 0.05, "activity.mean_level": 0.1},
}
RIGHT_SRAM: dict[str, dict] = {
    "sense amplifiers as 1-bit converters, 3 fJ": {"adc.bits": 1, "components.adc.energy_joule": 3e-15},
    "16-bit converters, 100 pJ, 1 us a read": {
        "adc.bits": 16,
        "components.adc.energy_joule": 1e-10,
        "timing.read_cycles": 2000,
    },
    "old node of 130 nm at 1.2 V": {"process.node_m": 1.3e-7, "process.supply_volt": 1.2, **clock(2e8, 2, 5e-9)},
    "28 nm near threshold, 0.5 V": {"process.node_m": 2.8e-8, "process.supply_volt": 0.5, **clock(1e8, 1, 5e-9)},
    "7 nm at 1.0 V": {"process.supply_volt": 1.0},
}

# Overrides of the reference for accuracy, as the points of a sweep.
WRONG_RESULTS: dict[str, dict] = {
    "programming error 5 %, in percent": {"device.programming.sigma": 5},
    "resistance of a whole line for that of a segment": dict.fromkeys(WIRES, 320),
    "every cell stuck (1 for 1 %)": {"device.stuck.on_rate": 1},
    "yield of 98 % for stuck cells": {"device.stuck.off_rate": 0.98},
    "converter noise of 300 LSB": {"adc.noise_lsb": 300},
    "quantile that clips nearly half": {"adc.quantile": 0.52},
    "sense amplifiers of a nA design, columns of uA": {"adc.saturation_ampere": 5e-9},
    "drift exponent 6 %, in percent": drift(6, 1e6),
}
RIGHT_RESULTS: dict[str, tuple[str, dict]] = {
    "isaac as shipped": ("isaac", {}),
    "nax as shipped": ("nax", {}),
    "mnsim as shipped": ("mnsim", {}),
    "epim as shipped": ("epim", {}),
    "puma with 64 rows": ("puma", {"crossbar.rows": 64, "crossbar.cols": 64}),
    "converters of 5 bits": ("reference", {"adc.bits": 5}),
    "converters of 10 bits over the whole range": ("reference", {"adc.bits": 10, "adc.full_scale": "whole"}),
    "quantile that clips half a percent": ("reference", {"adc.quantile": 0.995}),
    "programming error of 20 %": ("reference", {"device.programming.sigma": 0.2}),
    "no errors at all": ("reference", {"device.programming.sigma": 0, **dict.fromkeys(WIRES, 0)}),
    "PCM after a day": ("reference", {**cell(2.5e-5, 0.0, 0.5), **drift(0.05, 86400, reference_s=20.0)}),
    "MRAM with an on-off ratio of 2": ("reference", cell(1.67e-4, 8.33e-5, 0.1, 64, cell_bits=1)),
    "tunnel junctions of 1 nS in an accuracy": (
        "reference",
        {**cell(1e-9, 1e-10, cell_bits=1), **clock(1e6, 100, 5e-5)},
    ),
    "thermal noise at 77 K": ("reference", {"device.temperature_kelvin": 77, "device.read_noise.bandwidth_hz": 1e7}),
}


def run_data(group: str, make: Callable, seed: int) -> object:
    if group == "pixels":
        return normalize_images(*make(seed))
    rng = draw(seed + 1)
    if group == "colours":
        network, images, labels = colour_pictures(seed)
        images, labels, calibration = make(images, labels, rng)
        return simulate(images, labels, calibration=calibration, network=network)
    images, labels = some_digits(seed, 420)
    images, others, labels = images[:120], images[120:], labels[:120]
    if group == "calibration":
        return simulate(images, labels, calibration=make(images, others, rng))
    return simulate(images, make(labels, rng)) if group == "labels" else simulate(*make(images, labels, rng))


def run_untrained(scale: float, seed: int) -> object:
    """A network whose weights were never loaded: small random numbers, or zeros."""
    _, images, labels = colour_pictures(seed)
    weight = (draw(seed + 1).normal(0, 1, (6, 192)) * scale).astype(np.float32)
    net = NetworkBuilder("untrained", (3, 8, 8))
    net.add("flatten", "flat")
    last = make_linear("fc", 192, 6, inputs=("flat",), weight=weight, bias=np.zeros(6, np.float32))
    return simulate(
        images, labels, network=Network(name="untrained", nodes=(*net.build().nodes, last), input_shape=(3, 8, 8))
    )


def run_keys(hardware: str, changes: dict) -> object:
    return xs.estimate("digits", xs.load_hardware(hardware, changes))


def run_results(hardware: str, changes: dict, seed: int) -> object:
    return simulate(*some_digits(seed), hardware=hardware, changes=changes)


def build_inputs() -> tuple[PlausibleInput, ...]:
    found: list[PlausibleInput] = []

    def add(kind: str, is_wrong: bool, run: Callable, *arguments: object, seeded: bool = True) -> None:
        seed = FIRST + len(found)
        call = partial(run, *arguments, seed) if seeded else partial(run, *arguments)
        found.append(PlausibleInput(kind=kind, seed=seed, is_wrong=is_wrong, run=call))

    for group, wrong, right in (
        ("pixels", WRONG_PIXELS, RIGHT_PIXELS),
        ("calibration", WRONG_CALIBRATION, RIGHT_CALIBRATION),
        ("labels", WRONG_LABELS, RIGHT_LABELS),
        ("images", WRONG_IMAGES, RIGHT_IMAGES),
        ("colours", WRONG_COLOURS, RIGHT_COLOURS),
    ):
        for is_wrong, makers in ((True, wrong), (False, right)):
            for kind, make in makers.items():
                for _ in range(2 if kind in TWICE else 1):
                    add(kind, is_wrong, run_data, group, make)
    for scale in (0.05, 0.0):
        add("random weights, never trained" if scale else "weights all zero, never loaded", True, run_untrained, scale)
    for hardware, wrong, right in (("reference", WRONG_KEYS, RIGHT_KEYS), ("sram_7nm", WRONG_SRAM, RIGHT_SRAM)):
        for is_wrong, table in ((True, wrong), (False, right)):
            for kind, changes in table.items():
                add(kind, is_wrong, run_keys, hardware, changes, seeded=False)
    for kind, changes in WRONG_RESULTS.items():
        add(kind, True, run_results, "reference", changes)
    for kind, (hardware, changes) in RIGHT_RESULTS.items():
        add(kind, False, run_results, hardware, changes)
    return tuple(found)


FOURTH_INPUTS: tuple[PlausibleInput, ...] = build_inputs()

if __name__ == "__main__":
    print_answers(FOURTH_INPUTS, "-v" in sys.argv)
