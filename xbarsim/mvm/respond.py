"""Arrays of a chunk -> what their columns do, in level units.

Where one operator holds for every input, columns answer by it alone. Elsewhere the operator is taken at the mean input
of the layer, and reads of the layer's own inputs are solved exactly beside it, for a curve that is fitted behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.crossbar import Lines, Wires, solve_operator, solve_patterns
from xbarsim.device import program_cells, read_variance, trap_stream
from xbarsim.mvm.height import Amplitudes, amplify, find_amplitudes, solve_height
from xbarsim.mvm.place import Chunk

WIRES = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
"""Resistances of ``hardware.crossbar``."""

TOLERANCE = 1e-6
"""Error of a read that is solved, relative to full scale: a thousandth of a step of any converter. Our choice."""

Floats = NDArray[np.float64]


class ColumnPart(NamedTuple):
    """What columns of arrays do, (array, column, row), in level units: one polarity, or the difference of two."""

    response: NDArray[Any]
    """Response to a row."""
    digits: NDArray[Any]
    """Response that ideal cells would have."""
    noise: NDArray[Any]
    """Variance of a read for the square of an input."""
    shot: NDArray[Any]
    """Variance of a read for an input."""
    still: NDArray[Any]
    """Variance of a read whatever its inputs."""
    load: NDArray[Any]
    """Current of all cells that load the lines of the columns, for a row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkArrays:
    """The programmed arrays of a chunk."""

    chunk: Chunk
    """Digits and places."""
    g: Floats
    """(array, polarity, row, column) conductances of the cells [S]."""
    hardware: Hardware
    """Device, wires and array size."""
    key: tuple[int, int]
    """Seed and trial of the device's random streams."""
    threads: int | None
    """Threads to solve circuits on; the result does not depend on it."""

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """Digits, (array, polarity, row, column)."""
        return self.chunk.digits.transpose(0, 2, 3, 1)

    @cached_property
    def lines(self) -> Lines:
        """Resistances of the lines."""
        return find_lines(self.hardware)

    def respond(self, drive: Floats | None) -> list[ColumnPart]:
        """Return what columns do, by polarity, or merged where currents are subtracted.

        Parameters
        ----------
        drive : ndarray, (rows of the row block,), or None
            Mean input of each row, at which the operator is taken where the circuit depends on its input [-].
        """
        t = self._solve(drive)
        hardware, seed, trial = self.hardware, *self.key
        step = hardware.device.g_step_siemens
        variances = _read_variances(t, hardware, self.chunk.key, seed=seed, trial=trial)
        sums = self._subtract(t, np.ones(t.shape[-2]))
        if hardware.has_signed_sums:
            signed = self.levels.astype(np.int16)
            noise, shot, still = (values[:, 0] + values[:, 1] for values in variances)
            parts = [ColumnPart(sums[0], signed[:, 0] - signed[:, 1], noise, shot, still, t.sum(axis=1) / step)]
        else:
            if self.chunk.reference is not None:
                variances = [values + self._of_reference(values) for values in variances]
            parts = [
                ColumnPart(each, self.levels[:, p], *(values[:, p] for values in (*variances, t / step)))
                for p, each in enumerate(sums)
            ]
        return [ColumnPart(*(values.transpose(0, 2, 1) for values in part)) for part in parts]

    def respond_low(self, drive: Floats, amplitudes: Amplitudes) -> list[Floats]:
        """Return what rows add at the lowest input beyond its amplitude, (array, column, row), in level units, by part.

        Parameters
        ----------
        drive : ndarray, (rows of the row block,)
            As in :meth:`respond`.
        amplitudes : Amplitudes
            What inputs count; not empty.
        """
        full, last = amplitudes.full, len(amplitudes.full) - 1
        low, high = (self._solve_height(drive, full, height) for height in (1, last))
        found = self._subtract(low - high, np.zeros(low.shape[-2]))  # off-currents of both are the same
        return [each.transpose(0, 2, 1) for each in found]

    def sense(self, inputs: NDArray[np.int64]) -> list[Floats]:
        """Solve reads and return what columns sense, (array, column, read), in level units, by part.

        Parameters
        ----------
        inputs : ndarray of int, (reads, rows of the row block)
            Inputs in steps of a driver.
        """
        device, highest = self.hardware.device, (1 << self.hardware.dac.bits) - 1
        leaks = self.lines.g_leak_siemens > 0
        opening = np.zeros((len(inputs) + leaks, self.hardware.crossbar.rows))
        opening[: len(inputs), : inputs.shape[1]] = inputs / highest
        currents = solve_patterns(
            self.g, self.lines, opening, topology=self.hardware.crossbar.layout, iv=device.iv,
            read_volt=device.read_volt, pulses=self.hardware.dac.pulses, tol=TOLERANCE,
            threads=self.threads,
        )  # fmt: skip
        if leaks:  # converters are zeroed with all gates closed
            currents = currents[..., :-1, :] - currents[..., -1:, :]
        per_step = currents * (highest / (device.read_volt * device.secant))
        driven = amplify(inputs, find_amplitudes(self.hardware)).sum(axis=1)
        return [each.transpose(0, 2, 1) for each in self._subtract(per_step, driven)]

    def _solve(self, drive: Floats | None) -> Floats:
        """Return the operator of every array over the secant of its cells, (array, polarity, row, column) [S]."""
        if drive is not None:
            return self._solve_height(drive, np.zeros(0, dtype=np.float32), 0)
        crossbar, secant = self.hardware.crossbar, self.hardware.device.secant
        g = self.g if secant == 1.0 else self.g * secant
        t = solve_operator(g, self.lines, topology=crossbar.layout, method=crossbar.method, threads=self.threads)
        return t if secant == 1.0 else t / secant  # levels are told by the conductances that cells are written to

    def _solve_height(self, drive: Floats, full: NDArray[np.float32], height: int) -> Floats:
        """Return what :func:`solve_height` does over the secant of the cells, (array, polarity, row, column) [S]."""
        mean, secant = np.zeros(self.hardware.crossbar.rows), self.hardware.device.secant
        mean[: len(drive)] = drive
        t = solve_height(self.g, self.lines, self.hardware, mean, full, height, self.threads)
        return t if secant == 1.0 else t / secant

    def _of_reference(self, values: Floats) -> Floats:
        """Return the values of the reference column of every array, the axis of columns kept."""
        assert self.chunk.reference is not None
        return np.take_along_axis(values, self.chunk.reference[:, np.newaxis, np.newaxis, np.newaxis], axis=3)

    def _subtract(self, values: Floats, inputs: Floats) -> list[Floats]:
        """Take the other polarity, or the off-current, from what columns do, and divide by a level step.

        ``values`` is (array, polarity, row or read, column) [S], ``inputs`` what each row or read drives in all.
        """
        step = self.hardware.device.g_step_siemens
        if self.hardware.has_signed_sums:
            return [(values[:, 0] - values[:, 1]) / step]
        off: Any = self.hardware.device.g_off_siemens * inputs[:, np.newaxis]
        if self.chunk.reference is not None:
            off = self._of_reference(values)
        return [each / step for each in (values - off).swapaxes(0, 1)]


def find_lines(hardware: Hardware) -> Lines:
    """Return the resistances of the lines of arrays."""
    crossbar = hardware.crossbar
    wires = Wires(**{name: getattr(crossbar, name) for name in WIRES})
    access, leak = crossbar.r_access_ohm, crossbar.g_leak_siemens
    return Lines(wires=wires, r_sl_ohm=crossbar.r_sl_ohm, r_access_ohm=access, g_leak_siemens=leak)


def program_chunk(
    chunk: Chunk, measured: Floats | None, hardware: Hardware, *, seed: int, trial: int, threads: int | None
) -> ChunkArrays:
    """Program the arrays of a chunk.

    Parameters
    ----------
    chunk : Chunk
        Digits and places.
    measured : ndarray, (array, polarity, row, column), or None
        Conductances to take as they are [S].
    hardware : Hardware
        Device, wires and array size.
    seed, trial : int
        Key of the device's random streams.
    threads : int or None
        Threads to solve circuits on.

    Returns
    -------
    ChunkArrays
        With the conductances that cells have reached.
    """
    whole = np.ascontiguousarray(chunk.digits.transpose(0, 2, 3, 1))
    g = measured
    if g is None:
        g = program_cells(whole, hardware.device, seed=seed, trial=trial, layer=chunk.key)
    return ChunkArrays(chunk=chunk, g=g, hardware=hardware, key=(seed, trial), threads=threads)


def _read_variances(
    t: NDArray[np.float64], hardware: Hardware, key: str, *, seed: int, trial: int
) -> list[NDArray[np.float64]]:
    """Return the variances of reads for the square of an input, for an input, and whatever inputs, in level units.

    An input of 1 is the smallest step of voltage, or one pulse at full voltage, whose noise is that of a read and
    independent of that of other pulses; ``t`` is the response of arrays [S].
    """
    device = hardware.device
    if not device.has_noisy_reads:
        return [np.zeros_like(t)] * 3
    found = read_variance(t, device, trap_stream(seed, trial, key))
    if (pulses := hardware.dac.pulses) > 1:
        step = device.g_step_siemens * device.read_volt
        a_pulse = found.squared / device.g_step_siemens**2 + found.linear * device.read_volt / step**2
        return [np.zeros_like(t), a_pulse, pulses * found.still / step**2]
    volt = device.read_volt / ((1 << hardware.dac.bits) - 1)
    step = device.g_step_siemens * volt
    return [found.squared / device.g_step_siemens**2, found.linear * volt / step**2, found.still / step**2]
