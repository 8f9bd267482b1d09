"""Power of array reads that ``estimate`` assumes: rows in use at random inputs, cells at random levels.

A read takes the mean power of its array times the length of its pulses. The power counts what is driven and conducts:
every cell of a driven row, cells without a weight at the off conductance; rows at rest and unused rows are at 0 V.

Levels of cells and inputs are independent draws, each from the distribution of the largest entropy that has the mean
that the hardware file assumes (``activity``): it is uniform for ``mean_level: 0.5``. Of a differential pair, one cell
holds the digit and the other is off. The mean power then has a closed form, lines included to first order. Where lines
take more, or cells and gates make the circuit depend on its inputs, one array with random levels is solved for 16
random reads, and the closed form without lines is multiplied by what they take. Both are kept by hardware and filling.

Neglected: correlations between inputs. ``simulate`` measures levels and inputs instead.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.component import CostLaw
from xbarsim.config import Hardware
from xbarsim.config.encoding import ENCODINGS, CellFormat
from xbarsim.crossbar import describe_circuit, find_power
from xbarsim.crossbar.power import FIRST_ORDER
from xbarsim.mapping import LayerPlan
from xbarsim.mapping.partition import ArrayFill
from xbarsim.mvm.layout import FLOAT_BITS, count_slices, usable_columns
from xbarsim.rng import stream

Floats = NDArray[np.float64]

READS = 16
"""Random reads that are solved side by side."""
HALVINGS = 60
"""Steps of the bisection that finds a distribution."""
DIGITS = 9
"""Digits kept of what solved reads take; those behind depend on the instructions of the processor."""


class AssumedReads:
    """Mean power of reads on some hardware, with the levels and inputs that its file assumes.

    Parameters
    ----------
    hardware : Hardware
        Array, device, encoding and assumptions.
    """

    def __init__(self, hardware: Hardware) -> None:
        self.circuit = describe_circuit(hardware)
        device, activity = hardware.device, hardware.activity
        self._rows, self._cols = hardware.crossbar.rows, usable_columns(hardware)
        levels = np.arange(device.levels) / (device.levels - 1)
        self._siemens = device.g_off_siemens + levels * (device.g_on_siemens - device.g_off_siemens)
        chances = spread_mean(levels, activity.mean_level) / hardware.arrays_per_crossbar
        chances[0] += 1.0 - 1.0 / hardware.arrays_per_crossbar
        self._chances = chances
        cells = CellFormat(weight_bits=hardware.weight_bits, cell_bits=device.cell_bits, slices=count_slices(hardware))
        self._zeros = _encode_zeros(hardware, cells)
        self._has_unit, self._has_reference = hardware.has_unit_column, hardware.has_reference_column
        self._inputs = np.arange(1 << hardware.dac.bits) / ((1 << hardware.dac.bits) - 1)
        powers = np.array([value**hardware.dac.power for value in self._inputs.tolist()])
        self._input_chances = spread_mean(powers, activity.input_activity)
        self._known: dict[ArrayFill, float] = {}

    @property
    def width(self) -> int:
        """Bit lines of an array, unit column and reference column included."""
        return self._cols + self._has_unit + self._has_reference

    def find_watt(self, fill: ArrayFill) -> float:
        """Return the mean power of an array over the pulses of a read.

        Parameters
        ----------
        fill : ArrayFill
            What it holds, and what is driven.

        Returns
        -------
        float
            Power [W].
        """
        if fill not in self._known:
            self._known[fill] = self._find_watt(fill)
        return self._known[fill]

    def _find_watt(self, fill: ArrayFill) -> float:
        columns = self._average_columns(fill, self.circuit.conduct(self._siemens))
        share = math.fsum(self._input_chances * self.circuit.weigh(self._inputs))
        ideal = self.circuit.full_watt * share * fill.driven * float(columns[0].sum())
        if self.circuit.lines.g_leak_siemens:
            ideal += self.circuit.full_watt * self._leak(fill, fill.driven * share)
        if self.circuit.is_ideal or not ideal:
            return ideal
        if self.circuit.has_first_order:
            lost = self._lose(fill, columns) / ideal
            if lost <= FIRST_ORDER:
                return ideal / (1.0 + lost)
        return ideal * self._solve(fill)

    def _leak(self, fill: ArrayFill, opened: float) -> float:
        """Return what cells behind closed gates conduct, while ``opened`` of the rows with weights are open [S]."""
        cells = self.circuit.leak(self._siemens)
        bare = (self._rows - fill.rows) * self.width * float(cells[0])
        return bare + (fill.rows - opened) * float(self._average_columns(fill, cells)[0].sum())

    def _average_columns(self, fill: ArrayFill, cells: Floats) -> Floats:
        """Return mean and mean square of the conductance of a cell of each column in a row with weights, (2, width).

        ``cells`` (levels,) is the conductance of a cell by its level [S].
        """
        found = np.full((2, self.width), cells[0])
        own = 1.0 / fill.groups
        for power, row in enumerate(found, start=1):
            row[:] = cells[0] ** power
            weights, zeros = math.fsum(self._chances * cells**power), cells[self._zeros] ** power
            if self._has_unit:
                row[self._cols] = cells[1] ** power
            row[: fill.cols] = own * weights + (1.0 - own) * float(zeros.mean())
        return found

    def _lose(self, fill: ArrayFill, columns: Floats) -> float:
        """Return the mean power that the ideal currents of a read would dissipate in lines [W]."""
        wires, layout, rows = self.circuit.lines.wires, self.circuit.topology, self._rows
        mean, variance = columns[0], columns[1] - columns[0] ** 2
        along = slice(None, None, 1 if layout.drive == "far" else -1)
        tails, spread = np.cumsum(mean[along]), np.cumsum(variance[along])
        word = wires.r_wl_ohm * float((tails**2 + spread).sum()) + wires.r_source_ohm * float(tails[-1] ** 2)
        second, crossed = self._square_volts()
        word *= fill.driven * second
        share = fill.driven / fill.rows
        passed = np.minimum(np.arange(1, rows + 1), fill.rows) if layout.sense == "far" else np.maximum(
            fill.rows - np.arange(rows), 0
        )  # fmt: skip
        pair = share**2 * crossed * float((mean**2).sum())  # of the currents of two rows, summed over columns
        squares = passed * share * second * float(columns[1].sum()) + passed * (passed - 1) * pair
        whole = float(squares.max())  # every row with weights passes the sensor
        return word + wires.r_bl_ohm * float(squares.sum()) + wires.r_sink_ohm * whole

    def _square_volts(self) -> tuple[float, float]:
        """Return the mean square of the voltage of an input, and the mean product of two, over pulses [V2]."""
        chances, full = self._input_chances, self.circuit.read_volt**2
        if self.circuit.pulses == 1:
            return full * math.fsum(chances * self._inputs**2), full * math.fsum(chances * self._inputs) ** 2
        sent = 1.0 - np.cumsum(chances)[:-1]  # chance that a pulse is sent
        return full * float(sent.mean()), full * float((sent**2).mean())

    def _solve(self, fill: ArrayFill) -> float:
        """Return the power of random reads of a random array relative to that without lines [-]."""
        rng = stream(0, "cost.array_read", f"{fill.rows}x{fill.cols}", f"{fill.driven:.6g}/{fill.groups}")
        rows, width = self._rows, self.width
        levels = np.zeros((rows, width), dtype=np.int64)
        drawn = rng.choice(len(self._chances), size=(fill.rows, fill.cols), p=self._chances)
        is_own = np.arange(fill.rows)[:, np.newaxis] * fill.groups // fill.rows == (
            np.arange(fill.cols) * fill.groups // fill.cols
        )
        zeros = self._zeros[np.arange(fill.cols) % len(self._zeros)]
        levels[: fill.rows, : fill.cols] = np.where(is_own, drawn, zeros)
        if self._has_unit:
            levels[: fill.rows, self._cols] = 1
        opening = np.zeros((READS, rows))
        sent = rng.choice(self._inputs, size=(READS, fill.rows), p=self._input_chances)
        opening[:, : fill.rows] = sent * (rng.random((READS, fill.rows)) < fill.driven / fill.rows)
        opening[~opening.any(axis=1), 0] = 1.0
        found = find_power(self._siemens[levels][np.newaxis], opening, self.circuit, threads=1)
        ratio = math.fsum(found.watt.ravel()) / math.fsum(found.ideal_watt.ravel())
        return float(f"{ratio:.{DIGITS}g}")


def assume_reads(hardware: Hardware) -> AssumedReads:
    """Return the assumed reads of some hardware, the same object for records that agree in what counts.

    Parameters
    ----------
    hardware : Hardware
        Hardware of a layer.

    Returns
    -------
    AssumedReads
        With what it has found so far.
    """
    device, adc = hardware.device, hardware.adc
    cells = (device.g_on_siemens, device.g_off_siemens, device.cell_bits, device.read_volt, device.iv)
    turned = (hardware.encoding, hardware.weight_bits, adc.off_current, adc.subtract, hardware.mapping)
    return _keep_reads((hardware.crossbar, hardware.dac, hardware.activity, *cells, *turned), _Unkeyed(hardware))


class _Unkeyed:
    """A hardware record that does not count in the key of a cache."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unkeyed)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=256)
def _keep_reads(key: Hashable, record: _Unkeyed) -> AssumedReads:
    return AssumedReads(record.hardware)


def assume_full_watt(hardware: Hardware) -> float | None:
    """Return the mean power of a full array over the pulses of a read.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.

    Returns
    -------
    float or None
        Power; None where no price depends on it [W].
    """
    if not any(isinstance(law, CostLaw) and law.reads_arrays for law in hardware.components.values()):
        return None
    rows, cols = hardware.crossbar.rows, usable_columns(hardware)
    return assume_reads(hardware).find_watt(ArrayFill(rows, cols, float(rows), 1))


def describe_reads(hardware: Hardware, images: int | None = None) -> str | None:
    """Say in one line where the energy of array reads comes from.

    Parameters
    ----------
    hardware : Hardware
        The accelerator.
    images : int, optional
        Calibration images on which it was measured; None: it is assumed.

    Returns
    -------
    str or None
        None where no price depends on the power of array reads.
    """
    if not any(isinstance(law, CostLaw) and law.reads_arrays for law in hardware.components.values()):
        return None
    circuit, activity = describe_circuit(hardware), hardware.activity
    found = f"measured on the programmed arrays with {images} calibration images, for the rows in use"
    if images is None:
        kind = "mean square" if hardware.dac.power == 2 else "mean"
        found = (
            f"assumes random levels (mean {hardware.assumed_level:g} of all cells with weights) and random inputs "
            f"({kind} {activity.input_activity:g}), for the rows in use"
        )
    if circuit.is_ideal:
        return f"{found}; the lines have no resistance"
    if circuit.has_first_order:
        return f"{found}; losses in lines to first order, or solved where they exceed {FIRST_ORDER:.0%}"
    return f"{found}; losses in lines and transistors are taken from solved reads"


def assume_layer_watt(layer: LayerPlan, reads: AssumedReads) -> float:
    """Return the mean power of the arrays of a layer over the pulses of a read.

    Parameters
    ----------
    layer : LayerPlan
        A mapped layer.
    reads : AssumedReads
        Those of its hardware.

    Returns
    -------
    float
        Mean over its arrays and reads [W].
    """
    fills = layer.partition.fills if layer.epitome is None else _count_epitome(layer)
    total = math.fsum(count * reads.find_watt(fill) for fill, count in fills.items())
    return total / sum(fills.values())


def _count_epitome(layer: LayerPlan) -> Counter[ArrayFill]:
    """Count the reads of arrays by filling, for one stream of one window: only arrays that a round needs are read."""
    epitome = layer.epitome
    assert epitome is not None
    driven, wanted = epitome.driven(layer.row_starts), layer.wanted_columns
    rows, used = np.diff(layer.row_starts), layer.columns.used
    found: Counter[ArrayFill] = Counter()
    for lines, columns in zip(driven, wanted):
        for block in np.flatnonzero(lines).tolist():
            for col in np.flatnonzero(columns).tolist():
                found[ArrayFill(int(rows[block]), int(used[col]), float(lines[block]), 1)] += 1
    return found


def spread_mean(values: Floats, mean: float) -> Floats:
    """Return the distribution of the largest entropy that has a mean.

    Parameters
    ----------
    values : ndarray, (values,)
        From 0 to 1, in increasing order [-].
    mean : float
        Between the first and the last of them [-].

    Returns
    -------
    ndarray, (values,)
        Probabilities, proportional to a power of one number with ``values`` as exponents [-].
    """
    chances: Floats = np.zeros(len(values))
    if mean <= values[0] or mean >= values[-1]:
        chances[0 if mean <= values[0] else -1] = 1.0
        return chances
    low, high = -200.0, 200.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        exponents = middle * (values - (1.0 if middle > 0 else 0.0))
        chances = np.array([math.exp(exponent) for exponent in exponents.tolist()])
        chances /= math.fsum(chances)
        low, high = (middle, high) if math.fsum(chances * values) < mean else (low, middle)
    return chances


def _encode_zeros(hardware: Hardware, cells: CellFormat) -> NDArray[np.int64]:
    """Return the levels of a weight of zero, slice by slice; off where groups are read in turn or bits are stored."""
    if hardware.mapping.groups == "serial" or hardware.weight_bits == FLOAT_BITS:
        return np.zeros(1, dtype=np.int64)
    starts = np.array([0, 1])
    encoded: Any = ENCODINGS[hardware.encoding].encode(np.zeros((1, 1), dtype=np.int64), cells, starts)
    return np.asarray(encoded.digits[0, :, 0, 0]).astype(np.int64)
