"""Epitomes: small tensors from which the larger weight of a convolution is sampled by index.

An epitome has shape (Cout_e, Cin_e, p, q) with p >= kh and q >= kw. A sampler places patches of it side by side along
the output and input channels of a convolution until its weight (Cout, Cin, kh, kw) is complete; the last patch along
each is cropped. Patches may overlap in the epitome, so that one element is used for several weights. The operator is
that of Neural Epitome Search and EPIM (DAC 2024, arXiv 2311.07620), with fixed start indices in place of learned ones.

A weight that is not an exact sample becomes an epitome by least squares over all places where an element is used:
the mean of the weights there. What batch normalisation folds into a convolution after training, one factor for each
output, is stored separately as ``gain``; it takes no cells, because outputs are scaled after the arrays.

Neglected: learned samplers with fractional indices, and grouped convolutions.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.limits import check_limit
from xbarsim.names import suggest_or_list

Ints = NDArray[np.int64]
Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Epitome:
    """Shape of an epitome and how patches are taken from it.

    Attributes
    ----------
    rows : int
        Rows that it may take in arrays; input channels are ``floor(rows / (p * q))``.
    channels : int
        Output channels.
    height, width : int, optional
        p and q; the kernel's own if left out.
    patch : (int, int), optional
        Output and input channels of one patch; the whole epitome's if left out.
    step : (int, int), optional
        Output and input channels between two neighbouring patches inside the epitome; half a patch if left out.
        The last place is moved so that it ends with the epitome, then patches start over.

    Raises
    ------
    ConfigError
        If a number is below 1, or patches are larger than their epitome or leave holes in it.
    """

    rows: int = 1024
    channels: int = 256
    height: int | None = None
    width: int | None = None
    patch: tuple[int, int] | None = None
    step: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "channels", "height", "width"):
            value = getattr(self, name)
            if value is not None:
                _check_count(f"epitome: {name}", value)
        for name in ("patch", "step"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _check_channel_pair(name, value))

    @classmethod
    def from_mapping(cls, content: Any) -> Epitome:
        """Return the epitome that plain data describes: ``rows``, ``channels`` and further attributes by name.

        Raises
        ------
        ConfigError
            If a key is unknown, or a value wrong.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(content, Mapping):
            raise ConfigError(f"epitome: {content!r} is not a mapping of {', '.join(known)}")
        for key in content:
            if key not in known:
                raise ConfigError(f"epitome: {key}: unknown key{suggest_or_list(key, known)}")
        return cls(**content)

    def shape(self, kernel: Sequence[int]) -> Shape:
        """Return (Cout_e, Cin_e, p, q) for convolutions of a kernel size.

        Parameters
        ----------
        kernel : (int, int)
            Height and width of the kernel.

        Returns
        -------
        tuple of int
            Shape of the epitome.

        Raises
        ------
        ConfigError
            If the epitome is smaller than the kernel.
        """
        high, wide = kernel
        p, q = self.height or high, self.width or wide
        if p < high:
            raise ConfigError(
                f"epitome: height: {p} is smaller than the {high} x {wide} kernel; must be at least {high}"
            )
        if q < wide:
            raise ConfigError(
                f"epitome: width: {q} is smaller than the {high} x {wide} kernel; must be at least {wide}"
            )
        if self.rows < p * q:
            raise ConfigError(
                f"epitome: rows: {self.rows} is too few for one {p} x {q} input channel; must be at least {p * q}"
            )
        return self.channels, self.rows // (p * q), p, q

    def sample(self, weight_shape: Sequence[int]) -> EpitomeSampler:
        """Lay patches over a convolution weight.

        Parameters
        ----------
        weight_shape : (int, int, int, int)
            Cout, Cin, kh, kw.

        Returns
        -------
        EpitomeSampler
            Where every patch lies in the weight and in the epitome.

        Raises
        ------
        ConfigError
            If the epitome is smaller than the kernel, a patch larger than the epitome, or patches leave holes.
        """
        high, wide = weight_shape[2:]
        shape = self.shape((high, wide))
        _check_sizes(weight_shape, shape)
        outputs, inputs = (self._lay(axis, weight_shape[axis], shape[axis]) for axis in (0, 1))
        rows, cols = shape[2] - high + 1, shape[3] - wide + 1
        number = np.arange(len(outputs) * len(inputs)).reshape(len(outputs), len(inputs)) % (rows * cols)
        places = np.stack([number // cols, number % cols], axis=-1)
        return EpitomeSampler(
            weight_shape=_as_shape(weight_shape), epitome_shape=shape, outputs=outputs, inputs=inputs, places=places
        )

    def _lay(self, axis: int, count: int, size: int) -> Ints:
        """Return (first channel, end channel, first channel in the epitome) of every patch along one axis."""
        name = ("output", "input")[axis]
        patch = size if self.patch is None else self.patch[axis]
        if patch > size:
            raise ConfigError(
                f"epitome: patch: {patch} {name} channels exceed those of the epitome; must be at most {size}"
            )
        step = max(1, patch // 2) if self.step is None else self.step[axis]
        if step > patch and size > patch:
            raise ConfigError(
                f"epitome: step: {step} {name} channels leave gaps between patches; must be at most {patch}"
            )
        starts = np.r_[np.arange(0, size - patch, step), size - patch]
        first = np.arange(0, count, patch)
        return np.stack([first, np.minimum(first + patch, count), np.resize(starts, first.size)], axis=-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class EpitomeSampler:
    """Where the patches of a convolution weight lie in its epitome.

    Attributes
    ----------
    weight_shape : tuple of int
        Cout, Cin, kh, kw.
    epitome_shape : tuple of int
        Cout_e, Cin_e, p, q.
    outputs : ndarray of int64, (output patches, 3)
        First output channel of a patch, the one behind its last, and its first channel in the epitome.
    inputs : ndarray of int64, (input patches, 3)
        The same along input channels.
    places : ndarray of int64, (output patches, input patches, 2)
        Row and column inside the epitome where the kernel of a patch starts.

    Raises
    ------
    ConfigError
        If patches leave holes in the weight or reach beyond the epitome.
    """

    weight_shape: Shape
    epitome_shape: Shape
    outputs: Ints
    inputs: Ints
    places: Ints

    def __post_init__(self) -> None:
        _check_sizes(self.weight_shape, self.epitome_shape)
        for axis, name in enumerate(("outputs", "inputs")):
            patches = _frozen(getattr(self, name))
            object.__setattr__(self, name, patches)
            _check_patches(name[:-1], patches, self.weight_shape[axis], self.epitome_shape[axis])
        places = _frozen(self.places)
        object.__setattr__(self, "places", places)
        if places.shape != (len(self.outputs), len(self.inputs), 2):
            raise ConfigError(f"epitome: places: shape {places.shape} does not give one row and column for each patch")
        room = np.subtract(self.epitome_shape[2:], self.weight_shape[2:])
        if (places < 0).any() or (places > room).any():
            raise ConfigError(f"epitome: places: a patch exceeds the epitome; must be at most {tuple(room.tolist())}")

    @functools.cached_property
    def index(self) -> NDArray[np.int32]:
        """Position in the flattened epitome of every weight, (Cout, Cin, kh, kw)."""
        _, depth, p, q = self.epitome_shape
        kh, kw = self.weight_shape[2:]
        out, inp = _follow(self.outputs), _follow(self.inputs)
        place = np.repeat(np.repeat(self.places, _sizes(self.outputs), axis=0), _sizes(self.inputs), axis=1)
        row = place[..., 0, None, None] + np.arange(kh)[:, None]
        col = place[..., 1, None, None] + np.arange(kw)
        channel = (out[:, None] * depth + inp)[..., None, None]
        index: np.ndarray = ((channel * p + row) * q + col).astype(np.int32)
        index.flags.writeable = False
        return index

    @functools.cached_property
    def uses(self) -> Ints:
        """Number of weights that use each element, (Cout_e, Cin_e, p, q)."""
        size = int(np.prod(self.epitome_shape))
        return _frozen(np.bincount(self.index.ravel(), minlength=size).reshape(self.epitome_shape))

    @functools.cached_property
    def same_outputs(self) -> Ints:
        """By output patch: the widest patch that samples the same weights, the first of them, (output patches,)."""
        return _represent(self.outputs, self.places)

    @functools.cached_property
    def same_inputs(self) -> Ints:
        """By input patch: the widest patch that samples the same weights, the first of them, (input patches,)."""
        return _represent(self.inputs, self.places.transpose(1, 0, 2))

    def rebuild(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the convolution weight of an epitome.

        Parameters
        ----------
        values : ndarray, (Cout_e, Cin_e, p, q)
            The epitome.

        Returns
        -------
        ndarray, (Cout, Cin, kh, kw)
            Its samples, of the same type.
        """
        if values.shape != self.epitome_shape:
            raise ShapeError(f"epitome: expected shape {self.epitome_shape}, given {values.shape}")
        return values.reshape(-1)[self.index]

    def fit(self, weight: NDArray[Any], gain: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Return the epitome whose samples are closest to a weight in the least-squares sense.

        Parameters
        ----------
        weight : ndarray, (Cout, Cin, kh, kw)
            A trained weight.
        gain : ndarray, (Cout,), optional
            Factor of every output behind its samples; 1 if left out.

        Returns
        -------
        ndarray of float64, (Cout_e, Cin_e, p, q)
            Elements that serve no weight are zero.
        """
        if weight.shape != self.weight_shape:
            raise ShapeError(f"epitome: expected a weight of shape {self.weight_shape}, given {weight.shape}")
        size = int(np.prod(self.epitome_shape))
        factor = np.ones(len(weight)) if gain is None else np.asarray(gain, np.float64)
        factors = np.broadcast_to(factor[:, None, None, None], weight.shape)
        flat = self.index.ravel()
        total = np.bincount(flat, (weight.astype(np.float64) * factors).ravel(), size)
        power = np.bincount(flat, (factors**2).ravel(), size)
        return (total / np.where(power > 0, power, 1.0)).reshape(self.epitome_shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerEpitome:
    """The epitome of one convolution.

    Attributes
    ----------
    sampler : EpitomeSampler
        How the weight is rebuilt.
    values : ndarray of float32, (Cout_e, Cin_e, p, q), or None
        Read-only; None in networks that carry shapes only.
    gain : ndarray of float64, (Cout,), or None
        Factor of every output behind its samples; None counts as 1.
    """

    sampler: EpitomeSampler
    values: NDArray[np.float32] | None = None
    gain: NDArray[np.float64] | None = None

    def rebuild(self) -> NDArray[np.float32] | None:
        """Return the convolution weight, gains included; None without values."""
        if self.values is None:
            return None
        weight = self.sampler.rebuild(self.values)
        return weight if self.gain is None else (weight * self.gain[:, None, None, None]).astype(np.float32)


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ConfigError(f"{name}: {value!r} is not a whole number of at least 1")


def _check_sizes(*shapes: Sequence[int]) -> None:
    """Refuse shapes whose indices would fill the memory before any of them is built."""
    for shape in shapes:
        check_limit("epitome", math.prod(int(size) for size in shape), "epitome")


def _check_channel_pair(name: str, value: Any) -> tuple[int, int]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigError(f"epitome: {name}: {value!r} is not a pair of output and input channels")
    for each in value:
        _check_count(f"epitome: {name}", each)
    return int(value[0]), int(value[1])


def _check_patches(name: str, patches: Ints, count: int, size: int) -> None:
    if patches.ndim != 2 or patches.shape[1] != 3 or not len(patches):
        raise ConfigError(f"epitome: {name} patches: need first, end and source channel, given shape {patches.shape}")
    at = 0
    for first, end, start in patches.tolist():
        patch = f"epitome: {name} patch {first} to {end - 1}"
        if first > at:
            raise ConfigError(f"epitome: {name} patches do not cover channels {at} to {first - 1}; must start at {at}")
        if first < at or end <= first:
            raise ConfigError(f"{patch} does not follow channel {at - 1}")
        if start < 0 or start + end - first > size:
            raise ConfigError(f"{patch} exceeds the {size} channels of the epitome")
        at = end
    if at < count:
        raise ConfigError(f"epitome: {name} patches do not cover channels {at} to {count - 1}; must end at {count}")
    if at > count:
        raise ConfigError(f"epitome: {name} patches exceed the {count} channels of the weight")


def _represent(patches: Ints, places: Ints) -> Ints:
    """Return, for each patch, the first of the widest patches with the same source."""
    keys = [(start, place.tobytes()) for (_, _, start), place in zip(patches.tolist(), places)]
    sizes = _sizes(patches)
    widest: dict[Any, int] = {}
    for i, key in enumerate(keys):
        if key not in widest or sizes[i] > sizes[widest[key]]:
            widest[key] = i
    return np.array([widest[key] for key in keys], dtype=np.int64)


def _sizes(patches: Ints) -> Ints:
    return patches[:, 1] - patches[:, 0]


def _follow(patches: Ints) -> Ints:
    """Return the epitome channel of every channel of the weight."""
    return np.concatenate([np.arange(start, start + end - first) for first, end, start in patches])


def _frozen(values: Any) -> Ints:
    frozen = np.ascontiguousarray(values, dtype=np.int64)
    if frozen is values:
        frozen = frozen.copy()
    frozen.flags.writeable = False
    return frozen


def _as_shape(values: Sequence[int]) -> Shape:
    out, inp, high, wide = (int(value) for value in values)
    return out, inp, high, wide
