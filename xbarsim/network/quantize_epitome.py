"""Quantisation of epitomes: arrays store the codes of the small tensor, not of the rebuilt weight.

An error of an element affects all weights that use it, so clipping ranges are chosen by the squared error of the
rebuilt weight: every element's error times its uses (and times the squared gains of its outputs). ``array`` gives every
array a scale of its own, as EPIM does (DAC 2024; its range weighs often-used elements too, its formula is not known to
us). Partial sums of arrays in one column must add up in integers, so the scales of the row blocks differ by powers of
two, which the shift-adder applies. ``column`` gives every output column a scale. ``min_max`` has one scale for the
layer, which covers its largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError
from xbarsim.network.epitome import EpitomeSampler, LayerEpitome

_FRACTIONS = np.linspace(1.0, 0.3, 36)
"""Scales that are compared, relative to the one that clips no weight [-]. Our choice."""
_SHIFTS = 3
"""Binary orders of magnitude by which scales of the row blocks of one column may differ."""

Floats = NDArray[np.float64]
Cuts = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedEpitome:
    """An epitome in integers.

    Attributes
    ----------
    sampler : EpitomeSampler
        How the weight is rebuilt.
    codes : ndarray of int32, (rows, Cout_e)
        What the cells hold, within +-(2^(bits-1) - 1); rows are (Cin_e, p, q).
    row_starts : ndarray of int64, (row blocks + 1,)
        Rows between which ``shift`` is constant.
    shift : ndarray of int64, (row blocks, Cout_e)
        Binary places that the partial sums of a row block are shifted up by.
    """

    sampler: EpitomeSampler
    codes: NDArray[np.int32]
    row_starts: NDArray[np.int64]
    shift: NDArray[np.int64]

    def rebuild(self) -> NDArray[np.int32]:
        """Return the integer convolution weight, shifts included, (Cout, Cin, kh, kw)."""
        shifted = self.codes << np.repeat(self.shift, np.diff(self.row_starts), axis=0).astype(np.int32)
        return self.sampler.rebuild(np.ascontiguousarray(shifted.T).reshape(self.sampler.epitome_shape))


def quantize_epitome(
    epitome: LayerEpitome,
    bits: int,
    *,
    quantization: str = "column",
    row_starts: Sequence[int] | None = None,
    column_starts: Sequence[int] | None = None,
) -> tuple[QuantizedEpitome, Floats]:
    """Quantise an epitome.

    Parameters
    ----------
    epitome : LayerEpitome
        With values.
    bits : int
        Width; the largest code is 2^(bits-1) - 1.
    quantization : str
        ``array``, ``column`` or ``min_max``.
    row_starts, column_starts : sequence of int, optional
        Boundaries of the arrays along rows and output columns; one array if left out.

    Returns
    -------
    quantized : QuantizedEpitome
        Codes and shifts.
    scale : ndarray, (Cout,)
        Real value of one step of the rebuilt weight, gains included.
    """
    chosen = _choose(epitome, bits, quantization, row_starts, column_starts)
    places, sampler = chosen.places, epitome.sampler
    deepest = places.max(axis=0)
    quantized = QuantizedEpitome(
        sampler=sampler,
        codes=_round(chosen.values, chosen.steps, 2 ** (bits - 1) - 1).astype(np.int32),
        row_starts=chosen.rows,
        shift=deepest - places,
    )
    sizes = sampler.outputs[:, 1] - sampler.outputs[:, 0]
    column = np.concatenate([start + np.arange(size) for start, size in zip(sampler.outputs[:, 2], sizes)])
    gain = 1.0 if epitome.gain is None else epitome.gain
    return quantized, np.ldexp(chosen.scale, -deepest)[column] * gain


def choose_steps(
    epitome: LayerEpitome,
    bits: int,
    *,
    quantization: str = "column",
    row_starts: Sequence[int] | None = None,
    column_starts: Sequence[int] | None = None,
) -> Floats:
    """Return the real value of one step for every element, (Cout_e, Cin_e, p, q); arguments as above."""
    steps = _choose(epitome, bits, quantization, row_starts, column_starts).steps
    return np.ascontiguousarray(steps.T).reshape(epitome.sampler.epitome_shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Chosen:
    """Scales of an epitome as the matrix that arrays hold."""

    values: Floats
    """(rows, Cout_e), zero where an element serves no weight."""
    rows: Cuts
    """Boundaries of the arrays along rows."""
    scale: Floats
    """(Cout_e,) step of every column."""
    places: Cuts
    """(row blocks, Cout_e) binary places by which the step of a row block is finer."""

    @property
    def steps(self) -> Floats:
        """Step of every element, (rows, Cout_e)."""
        return np.repeat(np.ldexp(self.scale, -self.places), np.diff(self.rows), axis=0)


def _choose(
    epitome: LayerEpitome,
    bits: int,
    quantization: str,
    row_starts: Sequence[int] | None,
    column_starts: Sequence[int] | None,
) -> _Chosen:
    try:
        choose = METHODS[quantization]
    except KeyError:
        raise ConfigError(f"epitome.quantization: {quantization!r} is not one of {', '.join(METHODS)}") from None
    assert epitome.values is not None
    rows, columns = epitome.values[0].size, len(epitome.values)
    row_cuts = np.array([0, rows] if row_starts is None else row_starts, dtype=np.int64)
    column_cuts = np.array([0, columns] if column_starts is None else column_starts, dtype=np.int64)
    values = epitome.values.reshape(columns, rows).T.astype(np.float64)
    power = _power(epitome).reshape(columns, rows).T
    values = np.where(power > 0, values, 0.0)
    scale, places = choose(values, power, 2 ** (bits - 1) - 1, row_cuts, column_cuts)
    return _Chosen(values=values, rows=row_cuts, scale=scale, places=places)


def _power(epitome: LayerEpitome) -> Floats:
    """Return the uses of every element, each weighted by the squared gain of its output."""
    sampler = epitome.sampler
    if epitome.gain is None:
        return sampler.uses.astype(np.float64)
    weights = np.broadcast_to((epitome.gain**2)[:, None, None, None], sampler.weight_shape)
    found = np.bincount(sampler.index.ravel(), weights.ravel(), sampler.uses.size)
    return np.asarray(found, np.float64)


def _round(values: Floats, steps: Floats, limit: int) -> Floats:
    return np.asarray(np.clip(np.rint(values / steps), -limit, limit))


def _full(values: Floats, limit: int) -> float:
    top = float(np.abs(values).max(initial=0.0))
    return (top or 1.0) / limit


Choice = tuple[Floats, Cuts]


def _choose_min_max(values: Floats, power: Floats, limit: int, rows: Cuts, columns: Cuts) -> Choice:
    shape = (len(rows) - 1, values.shape[1])
    return np.full(shape[1], _full(values, limit)), np.zeros(shape, dtype=np.int64)


def _choose_column(values: Floats, power: Floats, limit: int, rows: Cuts, columns: Cuts) -> Choice:
    top = np.abs(values).max(axis=0)
    full = np.where(top > 0, top, 1.0) / limit
    scale, least = full, np.full(full.size, np.inf)
    for fraction in _FRACTIONS:
        trial = full * fraction
        error = (power * (values - _round(values, trial, limit) * trial) ** 2).sum(axis=0)
        scale, least = np.where(error < least, trial, scale), np.minimum(error, least)
    return scale, np.zeros((len(rows) - 1, full.size), dtype=np.int64)


def _choose_array(values: Floats, power: Floats, limit: int, rows: Cuts, columns: Cuts) -> Choice:
    scale = np.empty(values.shape[1])
    places = np.zeros((len(rows) - 1, values.shape[1]), dtype=np.int64)
    for first, end in pairwise(columns.tolist()):
        if first == end:
            continue
        parts = [(values[low:high, first:end], power[low:high, first:end]) for low, high in pairwise(rows.tolist())]
        full, least = _full(values[:, first:end], limit), np.inf
        for fraction in _FRACTIONS:
            trial = full * fraction
            errors = np.array([[_error(*part, trial * 2.0**-n, limit) for n in range(_SHIFTS + 1)] for part in parts])
            total = float(errors.min(axis=1).sum())
            if total < least:
                least, scale[first:end] = total, trial
                places[:, first:end] = errors.argmin(axis=1)[:, None]
    return scale, places


def _error(values: Floats, power: Floats, step: float, limit: int) -> float:
    residue = values - np.clip(np.rint(values / step), -limit, limit) * step
    return float(np.einsum("ij,ij,ij->", power, residue, residue))


METHODS: Mapping[str, Callable[[Floats, Floats, int, Cuts, Cuts], Choice]] = {
    "array": _choose_array,
    "column": _choose_column,
    "min_max": _choose_min_max,
}


def find_settings(layers: Mapping[str, Mapping[str, Any]] | None, name: str) -> Mapping[str, Any]:
    """Return what :func:`quantize_epitome` is told for one layer: the ``epitome`` entry under its name."""
    settings: Mapping[str, Any] = (layers or {}).get(name, {}).get("epitome", {})
    return settings
