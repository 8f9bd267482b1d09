"""Converter steps that differ within a layer: by input stream, and by weight slice or column.

Steps differ by powers of two, so that the codes of all reads are combined by shifts. ``adc.step_per`` determines where
they may differ: one step for the layer, one for each slice, one for each slice and each stream (the step of a read
is then that of its stream times that of its slice), or one for each column of a matrix, the same in all its row blocks.
The read of a sign bit has one of its own in any case where others hold several bits, since its sums are smaller.

The steps are chosen on calibration sums. With ``adc.full_scale: quantile`` the range of a group covers that share of
its sums; otherwise its step has the least squared error of its sums, weighted as in shift-add. Neglected: errors of
converters and noise, which affect all steps similarly. The step of the layer itself is chosen afterwards; where it is
that of least error in the output, the others are then changed by the same measure (:mod:`xbarsim.inference.refine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.converter import AdcRange, Streams
from xbarsim.mvm._records import Fine
from xbarsim.mvm.recipe import Recipe

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_PLACES = 8
"""Binary places by which steps of a layer differ at most, by stream and by slice."""
CANDIDATES = 2.0 ** -np.arange(0, 2 * MOST_PLACES + 9, 0.5)
"""Steps that are compared, relative to the one that holds every sum: half an octave apart, as places are whole ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Binary places by which steps are finer than that of the layer."""

    streams: Ints
    """(streams,) of each stream."""
    planes: Ints
    """(planes,) of each plane of columns; where columns have steps of their own, the most of any in the layer."""
    columns: Ints | None = None
    """(planes, outputs) of each column; None: as their planes."""

    @property
    def depth(self) -> int:
        """Places of the finest step."""
        return int(self.streams.max() + self.planes.max())

    def fit(self, lsb: float) -> Steps:
        """Return the steps with none below one level, planes first, for a step of the layer [level units]."""
        room = max(0, int(np.floor(np.log2(lsb))))
        planes = np.minimum(self.planes, room)
        columns = None if self.columns is None else np.minimum(self.columns, room)
        return Steps(streams=np.minimum(self.streams, room - planes.max()), planes=planes, columns=columns)

    def widen(self) -> Steps:
        """Return the places of the same steps for a step of the layer twice as large; none beyond the most."""
        columns = None if self.columns is None else np.minimum(self.columns + 1, MOST_PLACES)
        return Steps(streams=self.streams, planes=np.minimum(self.planes + 1, MOST_PLACES), columns=columns)

    def by_column(self, outputs: int) -> Steps:
        """Return the same steps as those of single columns of a matrix with so many outputs."""
        columns = np.repeat(self.planes[:, np.newaxis], outputs, axis=1) if self.columns is None else self.columns
        return Steps(streams=self.streams, planes=self.planes, columns=columns)

    @property
    def places(self) -> Ints:
        """Of planes, (planes,), or of columns where they have steps of their own, (planes, outputs)."""
        return self.planes if self.columns is None else self.columns

    def tabulate(self, recipe: Recipe, columns: int) -> Fine:
        """Return the factors as kernels take them; ``columns`` counts all columns of the matrix."""
        by_column = np.ones(columns, dtype=np.float32)
        main = by_column[: recipe.planes * recipe.padded].reshape(recipe.planes, recipe.padded)
        main[:, : recipe.outputs] = 2.0 ** self.places.reshape(recipe.planes, -1)
        return Fine((2.0**self.streams).astype(np.float32), by_column, True, None)


class ScaledReads(NamedTuple):
    """Reads whose codes count in units of the finest step."""

    depth: int
    """Places of the finest step."""
    streams: Streams
    """What streams count."""
    recipe: Recipe
    """What planes count."""
    fine: Fine | None
    """Factors for kernels; None where all steps are equal."""


def scale_reads(steps: Steps, streams: Streams, recipe: Recipe, columns: int) -> ScaledReads:
    """Let codes count in units of the finest step; ``columns`` counts all columns of the matrix.

    Parameters
    ----------
    steps : Steps
        Steps of streams and planes.
    streams : Streams
        What streams count.
    recipe : Recipe
        What planes count.
    columns : int
        All columns of the matrix.

    Returns
    -------
    ScaledReads
    """
    if not steps.depth:
        return ScaledReads(0, streams, recipe, None)
    weights = streams.weights << (steps.streams.max() - steps.streams)
    scaled = recipe.scale(steps.places, int(steps.planes.max()))
    fine = steps.tabulate(recipe, columns)
    return ScaledReads(steps.depth, replace(streams, weights=weights), scaled, fine)


def has_own_steps(hardware: Hardware, streams: Streams) -> bool:
    """Return whether some reads of a layer may have another step than others."""
    return hardware.adc.step_per != "layer" or bool(streams.is_narrow.any())


def nominal_steps(hardware: Hardware, streams: Streams, planes: int) -> Steps:
    """Return the steps that hold every sum of ideal cells: that of a sign bit is finer than that of wider streams.

    Parameters
    ----------
    hardware : Hardware
        Width of a read.
    streams : Streams
        Reads of an input.
    planes : int
        Planes of columns.

    Returns
    -------
    Steps
    """
    places = np.where(streams.is_narrow, hardware.dac.bits - 1, 0).astype(np.int64)
    return Steps(streams=places, planes=np.zeros(planes, dtype=np.int64))


def choose_steps(sums: Floats, hardware: Hardware, streams: Streams, recipe: Recipe, adc: AdcRange, per: str) -> Steps:
    """Choose the steps of streams and planes.

    Parameters
    ----------
    sums : ndarray, (streams, planes, samples)
        Column sums of calibration inputs [level units].
    hardware : Hardware
        ``adc.full_scale`` and ``adc.quantile``.
    streams : Streams
        What streams count.
    recipe : Recipe
        What planes count.
    adc : AdcRange
        Codes of a converter.
    per : str
        As ``adc.step_per``.

    Returns
    -------
    Steps
        At least one stream and one plane have the step of the layer.
    """
    of_stream = np.arange(len(streams)) if per == "read" else streams.is_narrow.astype(np.int64)
    of_plane = np.arange(recipe.planes) if per in ("slice", "read") else np.zeros(recipe.planes, dtype=np.int64)
    top = float(np.abs(sums).max())
    if top == 0:
        return nominal_steps(hardware, streams, recipe.planes)
    candidates = top / adc.highest * CANDIDATES
    if hardware.adc.full_scale == "quantile":
        wanted = np.quantile(np.abs(sums), hardware.adc.quantile or 1.0, axis=2) / adc.highest
        error = np.where(candidates >= wanted[..., np.newaxis], candidates, np.inf)
        error[np.isinf(error).all(axis=2), 0] = 0.0
        join: Callable[..., Floats] = np.max
    else:
        counts = (streams.weights[:, np.newaxis] * recipe.columns[0]).astype(np.float64)
        error = np.stack([_square_error(sums, step, adc) for step in candidates], axis=2)
        error *= np.square(counts / counts.max())[..., np.newaxis]
        join = np.sum
    by_stream = _places(np.stack([join(error[of_stream == g], axis=(0, 1)) for g in np.unique(of_stream)]))
    own = by_stream[np.searchsorted(np.unique(of_stream), of_stream)]
    moved = np.full_like(error, np.inf)  # error of a plane at a step of the layer, given the places of streams
    for t, place in enumerate(own):
        moved[t, :, : error.shape[2] - 2 * place] = error[t, :, 2 * place :]
    by_plane = _places(np.stack([join(moved[:, of_plane == g], axis=(0, 1)) for g in np.unique(of_plane)]))
    return Steps(streams=own, planes=by_plane[of_plane])


class MatrixSums(NamedTuple):
    """A matrix of a layer whose columns get steps of their own."""

    sums: Floats
    """(streams, planes, samples) column sums, outputs fastest [level units]."""
    outputs: int
    """Outputs of the matrix."""


def choose_columns(
    matrices: Sequence[MatrixSums], steps: Steps, hardware: Hardware, streams: Streams, adc: AdcRange
) -> list[Steps]:
    """Choose a step for every column of the matrices of a layer.

    Every column takes the step with the least squared error of its own sums, weighted by the factors of streams, or
    the finest one whose range holds the share ``adc.quantile`` of them. Columns without sums have the finest step.

    Parameters
    ----------
    matrices : sequence of MatrixSums
        Sums of calibration inputs of every matrix.
    steps : Steps
        Steps of streams.
    hardware : Hardware
        ``adc.full_scale`` and ``adc.quantile``.
    streams : Streams
        What streams count.
    adc : AdcRange
        Codes of a converter.

    Returns
    -------
    list of Steps
        In the order of ``matrices``, all with the same unit of results; some column of some matrix has the step of the
        layer.
    """
    top = max(float(np.abs(each.sums).max()) for each in matrices)
    if top == 0:
        return [steps] * len(matrices)
    candidates = top / adc.highest * CANDIDATES
    weights = np.square(streams.weights / np.abs(streams.weights).max())[:, np.newaxis, np.newaxis]
    finer = 2.0 ** steps.streams[:, np.newaxis, np.newaxis, np.newaxis]
    best, live = [], []
    for sums, outputs in matrices:
        own = sums.reshape(*sums.shape[:2], -1, outputs) * finer  # as converters of equal steps would see them
        live.append(np.abs(own).max(axis=(0, 2)) > 0)
        if hardware.adc.full_scale == "quantile":
            share = hardware.adc.quantile or 1.0
            wanted = np.quantile(np.abs(own), share, axis=2).max(axis=0) / adc.highest
            best.append(np.count_nonzero(candidates >= wanted[..., np.newaxis], axis=-1).clip(1) - 1)
            continue
        least = np.full((sums.shape[1], outputs), np.inf)
        found = np.zeros_like(least, dtype=np.int64)
        for number, step in enumerate(candidates):
            codes = np.clip(np.rint(own / step), adc.lowest, adc.highest)
            error = (np.mean(np.square(codes * step - own), axis=2) / finer[:, :, 0] ** 2 * weights).sum(axis=0)
            found[error < least] = number
            least = np.minimum(least, error)
        best.append(found)
    base = min(int(each[own].min()) for each, own in zip(best, live) if own.any())
    places = [np.where(own, np.minimum((each - base + 1) // 2, MOST_PLACES), 0) for each, own in zip(best, live)]
    most = np.full_like(steps.planes, max(int(each.max()) for each in places))
    return [
        Steps(streams=steps.streams, planes=most, columns=np.where(own, each, most[0]).astype(np.int64))
        for each, own in zip(places, live)
    ]


def _square_error(sums: Floats, step: float, adc: AdcRange) -> Floats:
    """Return the mean squared error of sums behind a converter, (streams, planes)."""
    codes = np.clip(np.rint(sums / step), adc.lowest, adc.highest)
    error: Floats = np.mean(np.square(codes * step - sums), axis=2)
    return error


def _places(error: Floats) -> Ints:
    """Return the places of groups, (groups,), from their errors by candidate, (groups, candidates)."""
    best = error.argmin(axis=1)
    places: Ints = np.minimum((best - best.min() + 1) // 2, MOST_PLACES)
    return places.astype(np.int64)
