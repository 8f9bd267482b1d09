"""Inputs and results that are possible but probably not meant: images, labels, units, and errors out of reason.

A :class:`Detector` looks at :class:`Facts` and returns a :class:`Finding` with the figure and the way out. What is
certain is refused by a ConfigError; what is likely gives one :class:`~xbarsim.errors.PlausibilityWarning`. Limits are
wide: a warning should be read, so a right input must not cause one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.data.doubt_answers import (
    find_accuracy_doubt,
    find_exchanged_classes,
    find_one_class,
    find_other_order,
    find_output_doubt,
)
from xbarsim.data.doubt_images import find_calibration_doubt, find_pixel_doubt
from xbarsim.data.key_range import find_range_doubt
from xbarsim.data.key_relation import find_relation_doubt
from xbarsim.errors import ConfigError, PlausibilityWarning
from xbarsim.kept import KeptResults

FEWEST = 4
"""Images that a comparison of sets needs."""

_KEPT: KeptResults[tuple[Finding | None]] = KeptResults(1024)


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What detectors may look at; None where it is not known yet."""

    pixels: np.ndarray | None = None
    """Images as stored, (images, channels, ...)."""
    mean: np.ndarray | None = None
    """Mean that is subtracted from them, by channel; pixels of uint8 are divided by 255 first."""
    std: np.ndarray | None = None
    """Deviation that they are divided by, by channel."""
    images: np.ndarray | None = None
    """Test images as the network takes them, (images, ...)."""
    calibration: np.ndarray | None = None
    """Calibration images, likewise."""
    labels: np.ndarray | None = None
    """Class of each image, (images,) int64; None where labels are something else."""
    outputs: np.ndarray | None = None
    """Outputs of the float network, (images, classes)."""
    rerun: Callable[[np.ndarray], np.ndarray] | None = None
    """Images -> outputs of the float network."""
    hardware: Any = None
    """A Hardware record."""
    layers: Sequence[Any] | None = None
    """Errors of layers on hardware: ``name``, ``snr_db``, ``clipped_share``."""
    accuracy: Any = None
    """Accuracies in float, in integers and on hardware: ``reference``, ``quantized``, ``hardware``, ``images``."""
    classes: int | None = None
    """Classes of the network."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is probably not meant."""

    text: str
    """What, with its figure and the way out; one line."""
    certain: bool = False
    """Whether it cannot be meant."""


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One kind of wrong but possible input."""

    name: str
    """What it finds."""
    needs: tuple[str, ...]
    """Fields of :class:`Facts` that must be known."""
    look: Callable[[Any], Finding | None]
    """Returns what it finds in facts, None where all is well."""


def check_plausible(facts: Facts) -> None:
    """Refuse or warn of what is probably not meant.

    Parameters
    ----------
    facts : Facts
        What is known.

    Raises
    ------
    ConfigError
        If something cannot be meant.
    """
    for finding in find_doubts(facts):
        if finding.certain:
            raise ConfigError(finding.text)
        warnings.warn(finding.text, PlausibilityWarning, stacklevel=3)


def find_doubts(facts: Facts) -> list[Finding]:
    """Return what every detector finds in facts.

    Parameters
    ----------
    facts : Facts
        What is known; detectors that need more are left out.

    Returns
    -------
    list of Finding
        In the order of :data:`DETECTORS`.
    """
    known = (each for each in DETECTORS if all(getattr(facts, name) is not None for name in each.needs))
    return [finding for each in known if (finding := _look(each, facts)) is not None]


def _look(detector: Detector, facts: Facts) -> Finding | None:
    """Let a detector look at facts; what it finds in hardware alone is kept, since searches ask for each design."""
    if detector.needs != ("hardware",):
        return detector.look(facts)
    key = (detector.name, id(facts.hardware))
    found = _KEPT.get(key)
    if found is None:
        found = _KEPT.put(key, (facts.hardware,), (detector.look(facts),))
    return found[0]


def _pixel_range(facts: Any) -> Finding | None:
    x, mean, std = facts.pixels, float(np.max(facts.mean)), float(np.max(facts.std))
    if not x.size:
        return None
    low, high = float(x.min()), float(x.max())
    is_scaled, shown = (0 < mean < 1 and std < 1), f"{low:.4g} to {high:.4g}"
    if x.dtype == np.uint8:
        if max(mean, std) > 5:
            name, value = ("mean", mean) if mean > 5 else ("std", std)
            text = f"{name}: {value:.4g} is for pixels of 0..255, but uint8 pixels are divided by 255 first"
            return Finding(text=f"{text}; divide mean and std by 255", certain=True)
        if high == 1:
            way = "keep them as 0..255, or give floats of 0..1"
            return Finding(text=f"images: uint8 values of {shown}, which are divided by 255 all the same; {way}")
    elif is_scaled and high > 20:
        way = "store uint8 pixels, or divide by " + ("65535" if x.dtype.kind in "iu" and high > 4095 else "255")
        return Finding(text=f"images: values of {shown}, but mean and std are for pixels of 0..1; {way}", certain=True)
    elif is_scaled and low < -0.2:
        way = "leave mean, std or the preset out if the images are normalised already"
        return Finding(text=f"images: values of {shown} before mean and std for pixels of 0..1; {way}")
    elif mean > 2 and high <= 1.001 and low >= 0:
        return Finding(
            text=f"mean: {mean:.4g} is for pixels of 0..255, but the images hold {shown}; divide it by 255",
            certain=True,
        )
    elif is_scaled and 0 < high < 1.1 / 255:
        return Finding(text=f"images: values of {shown}, for a mean and std of 0..1; divided by 255 twice?")
    return _wide_pixels(facts, high) if is_scaled else None


def _wide_pixels(facts: Any, high: float) -> Finding | None:
    """Pixels of 0..1, of which even black or white pages have a deviation below 3 under the usual presets."""
    x = facts.pixels.astype(np.float32) / np.float32(255 if facts.pixels.dtype == np.uint8 else 1)
    size = float(np.sqrt(np.mean(np.square((x - facts.mean) / facts.std, dtype=np.float64))))
    if size <= 3 or high > 255:
        return None
    return Finding(
        text=f"std: normalised images have a root mean square of {size:.3g}, where 1 is usual; give the deviation, "
        "not the variance, of pixels of 0..1"
    )


def _calibration_scale(facts: Any) -> Finding | None:
    test, known = facts.images, facts.calibration
    if min(len(test), len(known)) < FEWEST or test is known:
        return None
    spreads = [float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (test, known)]
    if spreads[0] == 0:
        return None
    if not np.any(known != np.ravel(known)[0]):
        same = f"{float(np.ravel(known)[0]):.4g}"
        return Finding(text=f"calibration: its images hold nothing but {same}; give images like the test images")
    ratio = spreads[1] / spreads[0]
    text = (
        f"calibration: its images are {ratio:.3g} times as large as the test images (root mean square {spreads[1]:.3g} "
        f"and {spreads[0]:.3g}); scale both in the same way"
    )
    if not 1 / 20 < ratio < 20:
        return Finding(text=text, certain=True)
    if not 0.4 < ratio < 2.5:
        return Finding(text=text)
    below = [float(np.quantile(x[:256], 0.05)) / spread for x, spread in zip((test, known), spreads, strict=True)]
    least = [float(x.min()) for x in (test, known)]
    if (least[0] >= 0 and below[1] < -0.3) or (least[1] >= 0 and below[0] < -0.3):
        return Finding(
            text=f"calibration: its values begin at {least[1]:.3g}, those of the test images at {least[0]:.3g}; "
            "normalise both in the same way"
        )
    means, deviation = (
        [float(np.mean(x, dtype=np.float64)) for x in (test, known)],
        float(np.std(test, dtype=np.float64)),
    )
    if deviation and abs(means[1] - means[0]) > 1.5 * deviation:
        return Finding(
            text=f"calibration: its images have a mean of {means[1]:.3g}, the test images of {means[0]:.3g} with a "
            f"deviation of {deviation:.3g}; normalise both in the same way"
        )
    return None


def _reversed_brightness(facts: Any) -> Finding | None:
    """Mean images tell where what is shown has its place in every image, which halves of the test images confirm."""
    test, known = facts.images, facts.calibration
    if test.ndim != 4 or test is known or min(len(test), len(known)) < 2 * FEWEST or test.shape[1:] != known.shape[1:]:
        return None
    half = len(test) // 2
    parts = [np.mean(x, axis=0, dtype=np.float64).ravel() for x in (test[:half], test[half:], test, known)]
    if min(float(np.ptp(part)) for part in parts) <= 0:
        return None
    agreed, found = float(np.corrcoef(parts[0], parts[1])[0, 1]), float(np.corrcoef(parts[2], parts[3])[0, 1])
    if agreed < 0.8 or found > -0.8:
        return None
    return Finding(
        text=f"calibration: the mean of its images is bright where that of the test images is dark (correlation "
        f"{found:.2f}); take 1 - x where black and white are exchanged"
    )


def _labels_from_one(facts: Any) -> Finding | None:
    labels, outputs = facts.labels, facts.outputs
    count = outputs.shape[-1]
    if outputs.ndim != 2 or len(labels) < 20 or count < 3:
        return None
    best = outputs.argmax(axis=1)
    own = float(np.mean(best == labels))
    for shift, way in ((1, "subtract 1 from the labels"), (-1, "add 1 to the labels")):
        other = float(np.mean(best + shift == labels))
        if other > 0.4 and other > own + 0.3:
            return Finding(
                text=f"labels: {100 * own:.1f} % of the float network's answers agree with them, and "
                f"{100 * other:.1f} % with labels moved by one; {way}"
            )
    return None


def _near_chance(facts: Any) -> Finding | None:
    labels, outputs = facts.labels, facts.outputs
    if outputs.ndim != 2 or outputs.shape[1] < 2 or len(labels) < 50:
        return None
    share, chance = float(np.mean(outputs.argmax(axis=1) == labels)), 1 / outputs.shape[1]
    most = float(np.unique(labels, return_counts=True)[1].max()) / len(labels) if outputs.shape[1] < 50 else chance
    chance = min(max(most, chance), 2 * chance)
    if share <= chance + 2.5 * np.sqrt(chance * (1 - chance) / len(labels)) and share < 0.7:
        return Finding(
            text=f"accuracy: the float network classifies {100 * share:.1f} % of {len(labels)} images, near chance "
            f"({100 / outputs.shape[1]:.1f} %); check the normalisation, the order of channels and the labels"
        )
    return None


def _conductance_unit(facts: Any) -> Finding | None:
    g_on = float(facts.hardware.device.g_on_siemens)
    if g_on <= 0.03:
        return None
    text = f"device.g_on_siemens: {g_on:.4g} S is the conductance of a wire; {g_on:.4g} uS is written {g_on * 1e-6:.4g}"
    return Finding(text=text, certain=g_on > 1)


def _time_unit(facts: Any) -> Finding | None:
    timing, write = facts.hardware.timing, facts.hardware.device.write
    clock = float(timing.clock_hz)
    if clock < 2e4:  # printed circuits and watch crystals have 30 kHz
        text = (
            f"timing.clock_hz: {clock:.4g} Hz; {clock:.4g} MHz is written {clock * 1e6:.4g}, {clock:.4g} GHz "
            f"{clock * 1e9:.4g}"
        )
        return Finding(text=text, certain=clock < 5e3)
    pulses = {
        "timing.pulse_s": (timing.pulse_seconds, 1e-2),
        "device.write.pulse_s": (getattr(write, "pulse_s", None), 0.045),  # interface cells are written in 40 ms
    }
    for key, (value, longest) in pulses.items():
        if isinstance(value, float) and value > longest:
            text = f"{key}: {value:.4g} s; {value:.4g} ns is written {value * 1e-9:.4g}"
            return Finding(text=text, certain=value > 0.5)
    return None


def _price_unit(facts: Any) -> Finding | None:
    for name, component in facts.hardware.components.items():
        energy, area = getattr(component, "energy_joule", None), getattr(component, "area_m2", None)
        if isinstance(energy, (int, float)) and energy > 1e-6:
            key = f"components.{name}.energy_joule"
            text = f"{key}: {energy:.4g} J for one action; {energy:.4g} pJ is written {energy * 1e-12:.4g}"
            return Finding(text=text, certain=energy > 1e-2)
        if isinstance(area, (int, float)) and area > 1e-2:
            text = (
                f"components.{name}.area_m2: {area:.4g} m2; {area:.4g} um2 is written {area * 1e-12:.4g}, "
                f"mm2 {area * 1e-6:.4g}"
            )
            return Finding(text=text, certain=area > 1)
    return None


def _say(look: Callable[[Any], str]) -> Callable[[Any], Finding | None]:
    """Turn what returns one line, or nothing, into what a detector looks with; the finding is no certain one."""
    return lambda facts: Finding(text=text) if (text := look(facts)) else None


def _clipped_share(facts: Any) -> Finding | None:
    worst = max(facts.layers, key=lambda layer: layer.clipped_share, default=None)
    if worst is None or worst.clipped_share <= 0.25:
        return None
    return Finding(
        text=f"layer {worst.name}: {100 * worst.clipped_share:.0f} % of the conversions clip; "
        "calibrate on images like the test images, or choose adc.full_scale: calibrated"
    )


def _low_snr(facts: Any) -> Finding | None:
    known = [layer for layer in facts.layers if layer.snr_db is not None]
    worst = min(known, key=lambda layer: layer.snr_db, default=None)
    if worst is None or worst.snr_db >= -3:
        return None
    return Finding(
        text=f"layer {worst.name}: its error is larger than its result (SNR {worst.snr_db:.1f} dB); "
        "xbarsim explain names the causes"
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(name="range of pixels", needs=("pixels", "mean", "std"), look=_pixel_range),
    Detector(name="mean, deviation and layout of pixels", needs=("pixels", "mean", "std"),
             look=_say(find_pixel_doubt)),
    Detector(name="scale of calibration images", needs=("images", "calibration"), look=_calibration_scale),
    Detector(name="calibration reversed in brightness", needs=("images", "calibration"), look=_reversed_brightness),
    Detector(name="content of calibration images", needs=("images", "calibration"),
             look=_say(find_calibration_doubt)),
    Detector(name="calibration images of one class", needs=("calibration", "outputs", "labels", "rerun"),
             look=_say(find_one_class)),
    Detector(name="labels off by one", needs=("labels", "outputs"), look=_labels_from_one),
    Detector(name="order and scale of images", needs=("images", "labels", "outputs", "rerun"),
             look=_say(find_other_order)),
    Detector(name="exchanged classes", needs=("labels", "outputs"), look=_say(find_exchanged_classes)),
    Detector(name="outputs of the float network", needs=("outputs",), look=_say(find_output_doubt)),
    Detector(name="accuracy near chance", needs=("labels", "outputs"), look=_near_chance),
    Detector(name="unit of conductances", needs=("hardware",), look=_conductance_unit),
    Detector(name="unit of times", needs=("hardware",), look=_time_unit),
    Detector(name="unit of prices", needs=("hardware",), look=_price_unit),
    Detector(name="ranges of keys", needs=("hardware",), look=_say(lambda facts: find_range_doubt(facts.hardware))),
    Detector(
        name="relations of keys", needs=("hardware",),
        look=_say(lambda facts: find_relation_doubt(facts.hardware)),
    ),
    Detector(name="clipped conversions", needs=("layers",), look=_clipped_share),
    Detector(name="signal below its error", needs=("layers",), look=_low_snr),
    Detector(name="accuracy lost", needs=("accuracy", "classes"), look=_say(find_accuracy_doubt)),
)  # fmt: skip
"""All detectors, in the order in which they are asked."""
