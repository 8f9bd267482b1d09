"""A fifth set of wrong and right inputs, generated, written without looking at the detectors (as of ae4fd6f).

Whoever wrote them had the list of mistakes, the reference of keys and the shipped files, and neither the package nor
the other sets. These found 107 of the 109 wrong ones and doubted 8 of the 108 right ones. Two of the 8 were wrong
(drivers with 100 times the power of their source; corrected here), one is a result near chance, and five were edges:
pulses of 40 ms, reads above the writing voltage, a ratio of 3e12, reads of 4 ms, converters of 1 kHz. The five and the
two misses were given detectors afterwards. ``python tests/data/plausible_fifth.py`` prints which are not found, ``-v``
what each is told.
"""

import functools
import sys
from collections.abc import Callable

import numpy as np
from plausible_inputs import PlausibleInput, colour_pictures, draw, draw_photos, print_answers, simulate, some_digits
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import xbarsim as xs
from xbarsim.data import normalize_images
from xbarsim.network import Network, make_linear
from xbarsim.network.build import NetworkBuilder

# Published means and standard deviations.
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CIFAR = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
MNIST = 0.1307, 0.3081
CAFFE = 103.939, 116.779, 123.68
PHOTO = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # MEAN and STD times 255, as in mmdet's files


def unit(p: np.ndarray) -> np.ndarray:
    """Floats from 0 to 1 of uint8 pictures."""
    return p.astype(np.float32) / 255


def last(p: np.ndarray) -> np.ndarray:
    """Channels last."""
    return np.ascontiguousarray(p.transpose(0, 2, 3, 1))


def photo_norm(x: np.ndarray) -> np.ndarray:
    """ImageNet's normalisation of pictures from 0 to 1."""
    return ((x - MEAN[:, None, None]) / STD[:, None, None]).astype(np.float32)


# ---- Pixels: uint8 photos (16, 3, 32, 32) -> arguments of normalize_images.
IN = ("imagenet",)
PIXELS_WRONG: dict[str, Callable] = {
    "float pixels up to 255 with the imagenet preset": lambda p: (p.astype("f4"), *IN),
    "pixels divided by 255 twice, imagenet": lambda p: (unit(p) / 255, *IN),
    "imagenet preset applied twice": lambda p: (photo_norm(unit(p)), *IN),
    "pixels from -1 to 1 (TensorFlow) with the imagenet preset": lambda p: (unit(p) * 2 - 1, *IN),
    "channels last, uint8, imagenet": lambda p: (last(p), *IN),
    "height, width, channel, picture as in SVHN's mat files": lambda p: (p.transpose(2, 3, 1, 0), *IN),
    "channel axis before the batch axis": lambda p: (p.transpose(1, 0, 2, 3), *IN),
    "alpha channel left in": lambda p: (np.concatenate([p, np.full_like(p[:, :1], 255)], 1), *IN),
    "mmdet's mean and deviation of 0..255 on uint8 that is divided": lambda p: (p, *PHOTO),
    "Caffe's mean of 0..255 with deviation 1 on uint8": lambda p: (p, PHOTO[0], (1.0, 1.0, 1.0)),
    "mean as a fraction, deviation of 0..255": lambda p: (p, tuple(MEAN), PHOTO[1]),
    "mean and deviation in percent": lambda p: (p, tuple(100 * MEAN), tuple(100 * STD)),
    "variance given as deviation": lambda p: (p, tuple(MEAN), tuple(STD**2)),
    "mean and deviation exchanged": lambda p: (p, tuple(STD), tuple(MEAN)),
    "inverse normalisation: -mean/std and 1/std": lambda p: (p, tuple(-MEAN / STD), tuple(1 / STD)),
    "ncnn's factors (1 / 58.4) given as deviation": lambda p: (p, PHOTO[0], (0.0171, 0.0175, 0.0174)),
    "TFLite's int8 pixels, -128 to 127, imagenet": lambda p: ((p.astype(int) - 128).astype(np.int8), *IN),
    "floats from 0 to 1 cast to uint8: all black": lambda p: (unit(p).astype(np.uint8), *IN),
    "normalised floats cast to uint8, wrapped": lambda p: (photo_norm(unit(p)).astype(int).astype(np.uint8), *IN),
    "channels last reshaped in place of transposed": lambda p: (last(p).reshape(p.shape), *IN),
}
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# BigEarthNet's B04, B03, B02: reflectance times 10,000
LAND = (590.23569706, 614.21682446, 429.9430203), (675.88746967, 582.87945694, 572.41639287)
PIXELS_RIGHT: dict[str, Callable] = {
    "dark photos": lambda p: ((p * 0.3).astype(np.uint8), *IN),
    "bright photos": lambda p: ((255 - p * 0.3).astype(np.uint8), *IN),
    "fog: all pixels from 150 to 190": lambda p: ((150 + p * (40 / 255)).astype(np.uint8), *IN),
    "one photo": lambda p: (p[:1], *IN),
    "CIFAR-10's mean and deviation": lambda p: (p, *CIFAR),
    "grey photos with MNIST's mean and deviation": lambda p: (p[:, :1], *MNIST),
    "Inception's mean and deviation 0.5": lambda p: (p, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "CLIP's mean and deviation": lambda p: (p, *CLIP),
    "bicubic resampling overshoots 0 and 1 a little": lambda p: (unit(p) * 1.06 - 0.03, *IN),
    "mmdet: floats up to 255 with mean and deviation of 0..255": lambda p: (p.astype("f4"), *PHOTO),
    "Keras' Caffe mode: BGR floats less the mean": lambda p: (p[:, ::-1].astype("f4"), CAFFE, (1.0, 1.0, 1.0)),
    "normalised before, mean 0 and deviation 1": lambda p: (photo_norm(unit(p)), 0.0, 1.0),
    "normalised before, no preset": lambda p: (photo_norm(unit(p)), None),
    "star field: black but for a few pixels": lambda p: (np.where(p > 235, p, p // 40), *IN),
    "X-ray, one channel three times": lambda p: (np.repeat(p[:, :1], 3, 1), *IN),
    "binarised scan, 0 or 255": lambda p: (np.where(p[:, :1] > 127, 255, 0).astype(np.uint8), 0.5, 0.5),
    "grainy photos": lambda p: (np.clip(p + draw(7).normal(0, 40, p.shape), 0, 255).astype(np.uint8), *IN),
    "log-mel filter banks with AST's negative mean": lambda p: (unit(p[:, :1]) * 16 - 14, -4.2677393, 9.1379948),
    "Sentinel-2 reflectance with BigEarthNet's statistics": lambda p: (p.astype("f4") * 9 + 40, *LAND),
}


# ---- Networks with a bias that matters.
def fit_network(name: str, x: np.ndarray, y: np.ndarray) -> Network:
    """Linear network fitted to images."""
    spread = float(x.std())
    fit = LogisticRegression(max_iter=1000, C=10).fit((x.reshape(len(x), -1) - x.mean()) / spread, y)
    weight = (fit.coef_ / spread).astype(np.float32)
    bias = (fit.intercept_ - weight.sum(1) * float(x.mean())).astype(np.float32)
    net = NetworkBuilder(name, x.shape[1:])
    net.add("flatten", "flat")
    fc = make_linear("fc", weight.shape[1], len(weight), inputs=("flat",), weight=weight, bias=bias)
    return Network(name=name, nodes=(*net.build().nodes, fc), input_shape=x.shape[1:])


@functools.cache
def grades(seed: int, scale: float = 1.0, shift: float = 0.0) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network that grades the brightness of a sample in five steps, 384 samples from 0 to 1, and their grades."""
    rng = draw(5000 + seed)
    y = rng.integers(0, 5, 784)
    x = np.array([0.14, 0.32, 0.5, 0.68, 0.86])[y][:, None, None, None] + rng.normal(0, 0.1, (784, 1, 8, 8))
    x = (np.clip(x, 0, 1) * scale + shift).astype(np.float32)
    return fit_network("grades", x[:400], y[:400]), x[400:], y[400:]


@functools.cache
def digits_net(seed: int, scale: float = 1.0, shift: float = 0.0) -> tuple:
    """A linear network of digits whose pixels lie from shift to shift + scale, with other images and labels."""
    data = load_digits()
    kept = draw(6000 + seed).permutation(1797)
    x, y = (data.images[kept, None] / 16 * scale + shift).astype(np.float32), data.target[kept]
    return fit_network("linear_digits", x[:900], y[:900]), x[900:], y[900:]


def own(build: Callable | None, change: Callable, **options) -> Callable:
    """Task: network, images x, labels y, other images c and a generator r -> arguments of simulate; None: shipped."""

    def task(seed: int) -> dict:
        if build is None:
            (x, y), c, given = some_digits(seed), some_digits(seed + 900, 64)[0], {}
        else:
            net, x, y = build(seed, **options)
            count = min(120, len(x) * 2 // 3)
            x, y, c, given = x[:count], y[:count], x[count:][:64], {"network": net}
        return given | {"images": x, "labels": y} | change(x, y, c, draw(seed + 70))

    return task


shipped = functools.partial(own, None)


def calibrate(f: Callable, build: Callable | None = None, changes: dict | None = None, **options) -> Callable:
    return own(build, lambda x, y, c, r: {"calibration": f(c, r), "changes": changes}, **options)


def show(f: Callable, build: Callable | None = None) -> Callable:
    return own(build, lambda x, y, c, r: {"images": f(x, r)})


def choose(f: Callable) -> Callable:
    return shipped(lambda x, y, c, r: {"images": x[f(y, r)], "labels": y[f(y, r)]})


def name(f: Callable) -> Callable:
    return shipped(lambda x, y, c, r: {"labels": f(y, r)})


def noisy(x: np.ndarray, sigma: float, r: np.random.Generator) -> np.ndarray:
    return np.clip(x + r.normal(0, sigma, x.shape), 0, 1).astype("f4")


STANDARD = {"scale": 1 / MNIST[1], "shift": -MNIST[0] / MNIST[1]}
ADC_4 = {"adc.bits": 4}
CALIBRATION_WRONG = {
    "calibration up to 255, images up to 1": calibrate(lambda c, r: c * 255),
    "calibration divided by 255 once more": calibrate(lambda c, r: c / 255),
    "MNIST's normalisation, images without": calibrate(lambda c, r: c / 0.3081 - 0.4242, changes=ADC_4),
    "calibration from -1 to 1, images from 0": calibrate(lambda c, r: c * 2 - 1, changes=ADC_4),
    "calibration 0 to 16 as sklearn ships it": calibrate(lambda c, r: c * 16),
    "calibration inverted, black on white": calibrate(lambda c, r: 1 - c),
    "calibration on zeros, a tensor for tracing": calibrate(lambda c, r: np.zeros_like(c)),
    "calibration on ones, a tensor for tracing": calibrate(lambda c, r: np.ones_like(c)),
    "calibration on torch.randn": calibrate(lambda c, r: r.normal(size=c.shape).astype("f4"), changes=ADC_4),
    "calibration channels last": calibrate(lambda c, r: last(c)),
    "calibration of int8 zero point: -128 to 127": calibrate(lambda c, r: c * 255 - 128),
    "calibration with the lens cap on": calibrate(lambda c, r: np.abs(r.normal(0, 0.01, c.shape)).astype("f4")),
    "imagenet's normalisation, colours without": calibrate(lambda c, r: photo_norm(c), colour_pictures, changes=ADC_4),
    "images normalised, calibration from 0 to 1": calibrate(lambda c, r: c * 0.3081 + 0.1307, digits_net, **STANDARD),
    "network of pixels up to 255, calibration up to 1": calibrate(lambda c, r: c / 255, digits_net, scale=255),
}
CALIBRATION_RIGHT = {
    "calibration on the test images": shipped(lambda x, y, c, r: {"calibration": x}),
    "calibration on 8 others": calibrate(lambda c, r: c[:8]),
    "calibration with a little noise": calibrate(lambda c, r: noisy(c, 0.05, r)),
    "calibration shifted by a pixel": calibrate(lambda c, r: np.roll(c, 1, 2)),
    "calibration under a lamp 10 % dimmer": calibrate(lambda c, r: (c * 0.9).astype("f4")),
    "digits 0 to 4 only": shipped(lambda x, y, c, r: {"calibration": x[y < 5][:32]}),
    "calibration in double precision": calibrate(lambda c, r: c.astype(float)),
    "clean calibration, noisy images": shipped(lambda x, y, c, r: {"calibration": c, "images": noisy(x, 0.1, r)}),
    "calibration on 300 images": calibrate(lambda c, r: some_digits(77, 300)[0]),
    "images and calibration normalised": calibrate(lambda c, r: c, digits_net, **STANDARD),
    "images and calibration up to 255": calibrate(lambda c, r: c, digits_net, scale=255),
    "images and calibration from -1 to 1": calibrate(lambda c, r: c[:24], digits_net, scale=2, shift=-1),
    "colours, others mirrored": calibrate(lambda c, r: c[..., ::-1], colour_pictures),
}

# ---- Labels. Number of the class where folders are sorted by the names of the digits:
FOLDERS = np.argsort(np.argsort(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))
LABELS_WRONG = {
    "labels from 1, Matlab": name(lambda y, r: y + 1),
    "labels less 1 twice": name(lambda y, r: y - 1),
    "labels one further, cyclic": name(lambda y, r: (y + 1) % 10),
    "0 written as 10 as in SVHN's mat files": name(lambda y, r: np.where(y == 0, 10, y)),
    "one-hot floats": name(lambda y, r: np.eye(10, dtype=np.float32)[y]),
    "smoothed one-hot labels": name(lambda y, r: np.eye(10)[y] * 0.9 + 0.01),
    "argmax over the wrong axis of one-hot labels": name(lambda y, r: np.eye(10)[y].argmax(0)),
    "images shuffled, labels not": name(lambda y, r: r.permutation(y)),
    "folders sorted by the names of the digits": name(lambda y, r: FOLDERS[y]),
    "classes counted from the end": name(lambda y, r: 9 - y),
    "labels of another split": name(lambda y, r: some_digits(4321)[1]),
    "coarse labels for fine ones (CIFAR-100)": name(lambda y, r: y // 2),
    "labels one image late: a header line lost": name(lambda y, r: np.roll(y, 1)),
    "idx header read as labels": name(lambda y, r: np.concatenate([[0, 0, 8, 1, 0, 0, 0, 120], y])[:120]),
    "test set without labels, all 0": name(lambda y, r: np.zeros_like(y)),
    "numbers of another list (ILSVRC for synsets)": name(lambda y, r: np.array([7, 4, 9, 0, 8, 2, 3, 1, 5, 6])[y]),
}
LABELS_RIGHT = {
    "one class only: how many sevens are found": choose(lambda y, r: y == 7),
    "two classes of ten": choose(lambda y, r: y < 2),
    "no nines": choose(lambda y, r: y < 9),
    "most are ones": choose(lambda y, r: np.r_[np.repeat(np.flatnonzero(y == 1), 9), 0:50]),
    "long tail of classes": choose(lambda y, r: draw(3).random(120) < 0.7**y),
    "sorted by class, calibrated on others": shipped(
        lambda x, y, c, r: {"images": x[np.argsort(y)], "labels": np.sort(y), "calibration": c}
    ),
    "uint8 labels of an idx file": name(lambda y, r: y.astype(np.uint8)),
    "a list of Python numbers": name(lambda y, r: y.tolist()),
    "a tenth of the labels wrong": name(lambda y, r: np.where(r.random(120) < 0.1, 9 - y, y)),
    "a quarter drawn at random, crowd": name(lambda y, r: np.where(r.random(120) < 0.25, r.integers(0, 10, 120), y)),
    "no labels": name(lambda y, r: None),
    "24 images": choose(lambda y, r: slice(24)),
    "every image twice": choose(lambda y, r: np.repeat(np.arange(60), 2)),
    "even digits only": choose(lambda y, r: y % 2 == 0),
}

IMAGES_WRONG = {
    "grades: pixels up to 255 for a network of 0 to 1": show(lambda x, r: x * 255, grades),
    "grades: divided by 255 twice": show(lambda x, r: x / 255, grades),
    "grades: pixels up to 1 for a network of 0 to 255": own(grades, lambda x, y, c, r: {"images": x / 255}, scale=255),
    "grades: not normalised": own(grades, lambda x, y, c, r: {"images": x / 5 + 0.8}, scale=5, shift=-4),
    "grades: all black, decoding failed": show(lambda x, r: np.zeros_like(x), grades),
    "grades: negative": show(lambda x, r: 1 - x, grades),
    "grades: each picture standardised": show(lambda x, r: (x - x.mean((1, 2, 3), keepdims=True)) / 0.1, grades),
    "colours: BGR of OpenCV": show(lambda x, r: x[:, ::-1].copy(), colour_pictures),
    "colours: channels last": show(lambda x, r: last(x), colour_pictures),
    "colours: channels last, reshaped": show(lambda x, r: last(x).reshape(x.shape), colour_pictures),
    "colours: batch and channel axes exchanged": show(lambda x, r: x.transpose(1, 0, 2, 3), colour_pictures),
    "colours: negative": show(lambda x, r: 1 - x, colour_pictures),
    "digits: channels last": show(lambda x, r: last(x)),
    "digits: images of another loader": show(lambda x, r: some_digits(888)[0]),
    "digits: black on white": show(lambda x, r: 1 - x, digits_net),
}
plain = functools.partial(calibrate, lambda c, r: None)
IMAGES_RIGHT = {
    "noisy digits": show(lambda x, r: noisy(x, 0.15, r)),
    "dim digits": show(lambda x, r: (x * 0.7).astype("f4")),
    "digits thresholded to 0 and 1": show(lambda x, r: (x > 0.45).astype("f4")),
    "digits with gamma 0.8": show(lambda x, r: (x**0.8).astype("f4")),
    "3 % of pixels dead": show(lambda x, r: np.where(r.random(x.shape) < 0.03, 0, x).astype("f4")),
    "double precision, backwards": shipped(lambda x, y, c, r: {"images": x[::-1].astype(float), "labels": y[::-1]}),
    "three images": choose(lambda y, r: slice(3)),
    "network of raw digits, 0 to 16": plain(digits_net, scale=16),
    "network of pixels up to 255 (Keras without rescaling)": plain(digits_net, scale=255),
    "network of normalised digits": plain(digits_net, **STANDARD),
    "network of black digits on white": plain(digits_net, scale=-1, shift=1),
    "network of dark samples": plain(grades, scale=0.1),
    "network of bright samples with little contrast": plain(grades, scale=0.2, shift=0.8),
    "colours, grainy": show(lambda x, r: noisy(x, 0.1, r), colour_pictures),
}


# ---- Keys of the hardware, on `reference` or the file named first.
def cell(on: float, off: float, bits: int = 1, read: float = 0.2, /, **write: float) -> dict:
    """Cell with its conductances, bits, read voltage and write pulses."""
    keys = {"g_on_siemens": on, "g_off_siemens": off, "cell_bits": bits, "read_volt": read}
    return {f"device.{k}": v for k, v in keys.items()} | {f"device.write.{k}": v for k, v in write.items()}


def part(name: str, **values: float | None) -> dict:
    units = {"power": "power_watt", "area": "area_m2", "rate": "rate_hz", "energy": "energy_joule"}
    return {f"components.{name}.{units.get(k, k)}": v for k, v in values.items()}


def converter(bits: int, number: float, power: float, rate: float, area: float) -> dict:
    """Converter of its own in place of the table."""
    return {"adc.bits": bits, "adc.per_array": number} | part("adc", table=None, power=power, rate=rate, area=area)


def clock(hertz: float, cycles: int, pulse: float) -> dict:
    return {"timing.clock_hz": hertz, "timing.read_cycles": cycles, "timing.pulse_s": pulse}


def array(rows: int, cols: int, wire: float = 0.0) -> dict:
    return {"crossbar.rows": rows, "crossbar.cols": cols, "crossbar.r_wl_ohm": wire, "crossbar.r_bl_ohm": wire}


def stay(error: list, **later: float) -> dict:
    """Errors after programming, and what happens later."""
    keys = {"nu": "drift.nu", "time": "drift.time_s", "start": "drift.reference_s", "relax": "relaxation.sigma_siemens"}
    return {"device.programming.sigma_siemens": error} | {f"device.{keys[k]}": v for k, v in later.items()}


NANDAKUMAR = [2.6348e-7, 1.965e-6, -1.1731e-6]
PCM = cell(2.5e-5, 0.0, 4) | array(128, 128, 1.0)
KEYS_WRONG: dict[str, dict] = {
    "PCM of 25 uS typed as 25": cell(25, 0, 4),
    "Yao's 20 and 2 uS typed as 20 and 2": cell(20, 2, 5),
    "0.1 and 0.001 mS typed as such": cell(0.1, 0.001, 1),
    "resistances 10 kohm and 1 Mohm for conductances": cell(1e4, 1e6, 1),
    "resistances, the larger one called on": cell(24e6, 240e3, 1),
    "stuck cells 9.04 and 1.75 %, typed as such": {"device.stuck.on_rate": 1.75, "device.stuck.off_rate": 9.04},
    "input activity of 25 %": {"activity.input_activity": 25},
    "quantile 99.9 %": {"adc.quantile": 99.9},
    "read voltage of 200 mV": {"device.read_volt": 200},
    "MNSIM's 150 mV": cell(1e-4, 1e-6, 1, 150),
    "write voltage of 2000 mV": {"device.write.volt": 2000, "device.write.pulse_s": 1e-7},
    "supply of 800 mV": {"": "sram_7nm", "process.supply_volt": 800},
    "node of 16 nm": {"": "sram_7nm", "process.node_m": 16},
    "read pulse of 10 ns": {"timing.pulse_s": 10},
    "read pulse of 0.01 us": {"timing.pulse_s": 0.01},
    "write pulse of 100 ns": {"device.write.pulse_s": 100},
    "clock of 1280 MHz": {"timing.clock_hz": 1280},
    "clock of 1.28 GHz": {"timing.clock_hz": 1.28},
    "clock of 100 MHz, a read of ten cycles": {"timing.clock_hz": 100, "timing.read_cycles": 10},
    "cells of 0.15 fF": {"timing.pulse_s": "settled", "crossbar.c_wl_farad": 0.15, "crossbar.c_bl_farad": 0.15},
    "area of a converter in um2": converter(8, 1, 2e-3, 1.28e9, 1200),
    "power of a converter in mW": converter(8, 1, 2, 1.28e9, 1.2e-9),
    "rate of a converter in MHz": converter(8, 1, 2e-3, 1280, 1.2e-9),
    "buffer energy of a bit in pJ": part("buffer", energy=0.0799),
    "router energy of 256 bits in pJ": part("router", energy=20.74),
    "off-chip energy of 4 pJ a bit": part("off_chip", energy=3.9),
    "area of an array of 25 um2": part("array", area=25),
    "area of a router of 0.151 mm2": part("router", area=0.151),
    "power of a buffer of 20.7 mW": part("buffer", power=20.7),
    "energy of an operation of 39 fJ": part("vector", energy=39.0625),
}
# drivers and samplers of ISAAC's energy at 1 GHz
FAST = part("dac", table=None, power=3.9e-6, rate=1e9, area=1.66e-13) | part("sample_hold", power=9.8e-7, rate=1e9)
KEYS_RIGHT: dict[str, dict] = {
    "NeuroSim's Ag:a-Si: 26 Mohm, ratio 12.5, 3.2 V, 300 us": cell(3.85e-8, 3.08e-9, 6, 0.5, volt=3.2, pulse_s=3e-4),
    "TaOx/TiO2: 5 Mohm, ratio 2, 3 V, 40 ms": cell(2e-7, 1e-7, 6, 0.5, volt=3.0, pulse_s=4e-2),
    "EpiRAM: 81 kohm, ratio 50.2, 5 V, 5 us": cell(1.235e-5, 2.46e-7, 6, 0.5, volt=5.0, pulse_s=5e-6),
    "FeFET: 559 kohm, ratio 45, 3.65 V, 75 ns": cell(1.788e-6, 3.97e-8, 5, 0.5, volt=3.65, pulse_s=7.5e-8),
    "PCM, 90 nm: 25 uS, after a month": PCM | stay(NANDAKUMAR, nu=0.05, start=20.0, time=2.6e6),
    "HfO2, 900 and 100 uS (Li 2018)": cell(9e-4, 1e-4, 6, volt=2.5, pulse_s=5e-7) | array(128, 64, 0.3),
    "TaOx/HfOx of 128 x 16, 20 and 2 uS (Yao 2020)": cell(2e-5, 2e-6, 5, volt=2.0, pulse_s=5e-8) | array(128, 16, 1.0),
    "STT-MRAM: 6 and 12 kohm (NVSim)": cell(1 / 6000, 1 / 12000, 1, 0.25, volt=1.0, pulse_s=1e-8, endurance=1e12),
    "SOT-MRAM: pillars above 1 Mohm (imec 2020)": cell(1e-6, 5e-7, 1, 0.2, volt=0.8, pulse_s=1e-9, endurance=1e14),
    "ionic floating gate, below 10 nA, a billion writes (Fuller 2019)": cell(
        1e-7, 3e-8, 5, 0.1, volt=1.0, pulse_s=1e-6, endurance=1e9
    ),
    "8T SRAM, 10 uA at 1 V": cell(1e-5, 0.0, 1, 1.0, volt=0.9, pulse_s=1e-9, endurance=1e16),
    "IGZO 2T0C DRAM, 3e-19 A off (Belmonte 2020)": cell(1e-6, 3e-19, 1, 1.0, volt=1.5, pulse_s=1e-8, endurance=1e11),
    "NOR flash below threshold, 100 nA to 0.1 nA": cell(1e-7, 1e-10, 5, 1.0, volt=10.0, pulse_s=5e-6, endurance=1e5),
    "SONOS, 1.6 uA at 0.1 V": cell(1.6e-5, 1e-9, 6, 0.1, volt=7.5, pulse_s=2e-3) | array(1024, 128),
    "passive 12 x 12 (Prezioso 2015)": cell(1e-4, 1e-5, 4, 0.1, volt=1.3, pulse_s=5e-4) | array(12, 12, 1.0),
    "liquid helium, thermal noise in 10 MHz": {"device.temperature_kelvin": 4.2, "device.read_noise.bandwidth_hz": 1e7},
    "motor compartment, 125 C": {"device.temperature_kelvin": 398.15, "device.drift.nu": 0.01},
    "PlasticARM's 29 kHz, silicon SAR": clock(2.9e4, 128, 1e-5) | converter(10, 1, 1.9e-6, 1e6, 2.6e-8),
    "watch crystal, 32.768 kHz": clock(32768, 1, 1e-6),
    "flux quanta, 52.6 GHz (SuperNPU), 2e-19 J a junction": clock(5.26e10, 5260, 1e-8)
    | part("tile_register", energy=1.2e-18, power=1e-7, area=1.2e-6)
    | part("accumulate", power=1e-5, rate=5.26e10, area=1e-7),
    "reads of 1 ns with a flash converter a column": clock(1e9, 1, 1e-9) | converter(4, 128, 7.9e-4, 1e9, 5e-10) | FAST,
    "1-bit sense amplifiers, 10 fJ": converter(1, 128, 1e-5, 1e9, 2e-11),
    "16-bit SAR, 1 MS/s, 7 mW, as AD7980": clock(1e6, 128, 1e-6) | converter(16, 1, 7e-3, 1e6, 1e-6),
    "90 GS/s, 667 mW, 0.45 mm2 (Kull 2014)": clock(5e8, 1, 1e-10) | converter(8, 1, 0.667, 9e10, 4.5e-7) | FAST,
    "1.9 uW SAR at 1 MS/s (van Elzakker 2008)": clock(1e6, 128, 1e-6) | converter(10, 1, 1.9e-6, 1e6, 2.6e-8),
    "53 nW SAR at 1 kS/s of an implant (Zhang 2012)": clock(1e6, 1000, 1e-5) | converter(10, 128, 5.3e-8, 1e3, 1.9e-7),
    "HBM2, 3.9 pJ a bit, 92 mm2": part("off_chip", energy=3.9e-12, power=5.0, area=9.2e-5),
    "Bluetooth radio, 14.4 nJ a bit": part("off_chip", energy=1.44e-8, power=1.44e-2, area=4e-6),
    "7 nm SRAM buffer, 8.5 pJ for 64 bits (Jouppi 2021)": part("buffer", energy=1.3e-13, power=2e-3, area=2e-8),
    "SRAM macro carried to 16 nm": {"": "sram_7nm", "process.node_m": 1.6e-8, "process.supply_volt": 0.8},
    "4 x 4 arrays": array(4, 4, 2.5),
    "PCM of 512 x 2048 (Ambrogio 2023)": cell(2.5e-5, 0.0, 4) | array(512, 2048) | {"adc.per_array": 16},
    "0.1 fF a cell": {"timing.pulse_s": "settled", "crossbar.c_wl_farad": 1e-16, "crossbar.c_bl_farad": 1e-16},
}

# ---- Accuracy of single points.
CMO = cell(8.82e-5, 9e-6, 4) | array(128, 128, 0.3)
RESULTS_WRONG: dict[str, dict] = {
    "error of 10 % typed as 10": {"device.programming.sigma": 10},
    "noise of 3 %, typed as 3": {"device.read_noise.relative_to": "range", "device.read_noise.sigma": 3},
    "PCM with errors in uS": PCM | stay([0.26348, 1.965, -1.1731]),
    "CMO/HfOx relaxed for a day, in uS": CMO | stay([0.0112, 0.9958], relax=0.4118, time=86400.0),
    "drift exponent of 5 % typed as 5": {"device.drift.nu": 5, "device.drift.time_s": 86400.0},
    "noise of a converter in uV": {"adc.noise_lsb": 250},
    "offset of a converter in uV": {"adc.offset_sigma_lsb": 3000},
    "gain error of 5 % typed as 5": {"adc.gain_sigma": 5},
    "saturation at 20 uA typed with e-12": {"adc.saturation_ampere": 20e-12},
    "wires of 2500 mohm": {"crossbar.r_wl_ohm": 2500, "crossbar.r_bl_ohm": 2500},
    "feedback resistor of the amplifier given as its input": {"crossbar.r_sink_ohm": 1e6},
    "leak of a gate in nS": {"crossbar.topology": "1t1r_gate", "crossbar.g_leak_siemens": 1.5},
    "yield of 99 % given as rate of stuck cells": {"device.stuck.off_rate": 0.99},
}
RESULTS_RIGHT: dict[str, dict] = {
    "5-bit converters": {"adc.bits": 5},
    "PCM an hour after writing": PCM | stay(NANDAKUMAR, nu=0.05, start=20.0, time=3600.0),
    "CMO/HfOx after an hour": CMO | stay([1.12185391e-8, 9.958022e-7], relax=4.1183342e-7, time=3600.0),
    "variation of 20 %": {"device.programming.sigma": 0.2},
    "half a percent of cells stuck": {"device.stuck.on_rate": 0.002, "device.stuck.off_rate": 0.003},
    "perfect cells, wires and converters": {"device.programming.sigma": 0.0, "adc.bits": "ideal"} | array(128, 128),
    "converters with noise and gain error": {"adc.noise_lsb": 0.5, "adc.gain_sigma": 0.02},
    "telegraph noise of 10 % in a third of cells": {"device.telegraph.amplitude": 0.1, "device.telegraph.share": 0.3},
    "range of 99.9 % of the sums": {"adc.quantile": 0.999},
    "FeFET of 559 kohm at 20 % variation": cell(1.788e-6, 3.97e-8, 2, 0.1) | {"device.programming.sigma": 0.2},
    "16 x 16 arrays": array(16, 16, 2.5),
    "NeuRRAM as shipped": {"": "neurram"},
    "MNSIM as shipped": {"": "mnsim"},
    "NAX as shipped": {"": "nax"},
    "SRAM macro as shipped": {"": "sram_7nm"},
}


def described(changes: dict) -> tuple[str, dict]:
    return changes.get("", "reference"), {key: value for key, value in changes.items() if key}


def point(changes: dict, seed: int) -> object:
    (hardware, keys), (x, y) = described(changes), some_digits(seed)
    return simulate(x, y, hardware=hardware, changes=keys)


TABLES = (
    ("pixels", PIXELS_WRONG, PIXELS_RIGHT, lambda f, s: normalize_images(*f(draw_photos(s)))),
    ("calibration", CALIBRATION_WRONG, CALIBRATION_RIGHT, lambda task, s: simulate(**task(s))),
    ("labels", LABELS_WRONG, LABELS_RIGHT, lambda task, s: simulate(**task(s))),
    ("images", IMAGES_WRONG, IMAGES_RIGHT, lambda task, s: simulate(**task(s))),
    ("keys", KEYS_WRONG, KEYS_RIGHT, lambda keys, s: xs.estimate("digits", xs.load_hardware(*described(keys)))),
    ("results", RESULTS_WRONG, RESULTS_RIGHT, point),
)
FIFTH_INPUTS: tuple[PlausibleInput, ...] = tuple(
    PlausibleInput(kind=f"{topic}: {kind}", seed=seed, is_wrong=wrong, run=functools.partial(run, given, seed))
    for start, (topic, wrongs, rights, run) in zip(range(500, 1100, 100), TABLES, strict=True)
    for first, wrong, table in ((start, True, wrongs), (start + 50, False, rights))
    for seed, (kind, given) in enumerate(table.items(), first)
)

if __name__ == "__main__":
    print_answers(FIFTH_INPUTS, "-v" in sys.argv)
