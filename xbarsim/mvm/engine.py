"""The engine of one matrix on hardware: inputs in, integers out.

Every array read is modelled: an input stream drives the rows of an array, each column's sum is converted, and codes
are shifted and added over slices, streams and row blocks in integers. Results are in units of ``Engine.lsb``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Hardware
from xbarsim.converter import AdcRange, Streams, calibrate_range, encode_streams, nominal_range
from xbarsim.errors import ShapeError
from xbarsim.mvm.encoding import columns_per_weight, encode_weights
from xbarsim.mvm.fused import (
    FIXED_ERROR,
    FLOAT_TABLES,
    PackedInputs,
    Tables,
    can_pack_pixels,
    choose_tables,
    multiply_fused,
    pack_pixels,
    pack_vectors,
)
from xbarsim.mvm.layout import layout_columns
from xbarsim.mvm.product import multiply_plain, stream_sums
from xbarsim.mvm.program import ProgrammedMatrix, program_arrays
from xbarsim.mvm.recipe import Recipe, make_recipe
from xbarsim.mvm.window import Geometry, gather_windows, make_geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """A programmed matrix with its converters; calls do not change it."""

    hardware: Hardware
    programmed: ProgrammedMatrix
    row_starts: NDArray[np.int64]
    streams: Streams
    adc: AdcRange
    recipe: Recipe
    """What codes count."""
    tables: Tables
    """Grid of fixed-point tables."""

    @property
    def lsb(self) -> float:
        """What one unit of the result stands for, in weight steps times input steps [-]."""
        return self.adc.lsb

    @property
    def rows(self) -> int:
        """Inputs of a vector."""
        return self.programmed.matrix.shape[0]

    @property
    def outputs(self) -> int:
        """Outputs of a vector."""
        return self.recipe.outputs

    def calibrate(self, codes: ArrayLike) -> Engine:
        """Return an engine whose ADC range fits what calibration vectors show.

        Parameters
        ----------
        codes : array_like of int, (vectors, K)
            Calibration inputs.

        Returns
        -------
        Engine
            With a new ``lsb``; this one where the full scale is ``whole`` or the ADC ideal.
        """
        if self.hardware.adc.full_scale == "whole" or self.adc.is_ideal:
            return self
        x = self._check(codes)
        sums = stream_sums(x, self.programmed.matrix, self.row_starts, self.streams)
        found = np.sort(np.concatenate([np.abs(part).ravel() for *_, part in sums]))
        adc = calibrate_range(self.adc, np.ones(found.size, dtype=np.int64), found, self.hardware.adc.quantile)
        return replace(self, adc=adc)

    def with_lsb(self, lsb: float) -> Engine:
        """Return an engine with another ADC step [level units]."""
        return replace(self, adc=replace(self.adc, lsb=float(lsb)))

    def multiply(
        self, codes: ArrayLike, *, first_vector: int = 0, method: str = "auto", threads: int | None = None
    ) -> NDArray[Any]:
        """Multiply vectors by the matrix as the hardware would.

        Parameters
        ----------
        codes : array_like of int, (vectors, K)
            Inputs within the range of ``streams``.
        first_vector : int
            Index of the first vector within the run; it keys the noise of single reads, so that batches do not.
        method : str
            ``auto``; or one of ``fixed`` and ``float`` (fused kernels on 16-bit fixed-point and on float32 tables)
            and ``product`` (plain float64).
        threads : int, optional
            Threads to use; the result does not depend on it.

        Returns
        -------
        ndarray of int64, (vectors, outputs)
            Sums in units of ``lsb``; float64 where the ADC is ideal.

        Raises
        ------
        ShapeError
            If the inputs have the wrong shape, type or range.
        """
        x = self._check(codes)
        if self._choose(method) == "product":
            return self._multiply_plain(x)
        return self._multiply_fused(pack_vectors(x, self.row_starts, self.streams), method, threads)

    def convolve(
        self,
        codes: ArrayLike,
        kernel: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        *,
        pad_code: int = 0,
        row_order: str = "auto",
        first_vector: int = 0,
        method: str = "auto",
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Convolve images with the kernels stored in the matrix.

        Parameters
        ----------
        codes : array_like of int, (images, channels, height, width)
            Inputs.
        kernel, stride, padding, dilation : int or sequence
            Geometry; padding may be (top, left, bottom, right).
        pad_code : int
            Input that padding drives.
        row_order : str
            ``channels_last`` where rows are (kh, kw, channel), ``channels_first`` where they are (channel, kh, kw);
            ``auto`` is the former for ``mapping.rows: packed``.
        first_vector, method, threads : int, str, int
            As in :meth:`multiply`.

        Returns
        -------
        ndarray of int64, (images, outputs, out height, out width)
            As :meth:`multiply`.
        """
        x = np.asarray(codes)
        geometry = make_geometry(x.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        last = self.hardware.mapping.rows == "packed" if row_order == "auto" else row_order == "channels_last"
        if self._choose(method) != "product" and last and can_pack_pixels(geometry, self.row_starts):
            x = self._check(x.reshape(x.shape[0], -1), geometry).reshape(x.shape)
            packed = pack_pixels(x, geometry, self.row_starts, self.streams, pad_code)
            result = self._multiply_fused(packed, method, threads)
        else:
            windows = gather_windows(x, geometry, channels_last=last, pad_code=pad_code)
            result = self.multiply(windows, first_vector=first_vector, method=method, threads=threads)
        shape = (x.shape[0], geometry.out_height, geometry.out_width, self.outputs)
        return np.ascontiguousarray(result.reshape(shape).transpose(0, 3, 1, 2))

    def _choose(self, method: str) -> str:
        """Name the tables to use: ``fixed``, ``float`` or ``product``."""
        if method not in ("auto", "fixed", "float", "product"):
            raise ShapeError(f"method: {method!r} is not auto, fixed, float or product")
        # lanes count codes in int32, and hold sums in float32
        overflows = self.adc.highest * 2.0**self.streams.bits >= 2**31 or self.hardware.highest_sum >= 2**23
        if self.adc.is_ideal or overflows or method == "product":
            return "product"
        if method != "auto":
            return method
        return "fixed" if self.tables.rms_error <= FIXED_ERROR * self.adc.lsb else "float"

    def _multiply_fused(self, inputs: PackedInputs, method: str, threads: int | None) -> NDArray[np.int64]:
        tables = self.tables if self._choose(method) == "fixed" else FLOAT_TABLES
        return multiply_fused(
            inputs, self.programmed.matrix, self.row_starts, self.streams, self.adc, self.recipe, tables, threads
        )

    def _multiply_plain(self, codes: NDArray[Any]) -> NDArray[Any]:
        matrix = self.programmed.matrix
        gain = np.full((len(self.row_starts) - 1, matrix.shape[1]), 1 / self.adc.lsb, dtype=np.float32)
        offset = np.zeros_like(gain)
        return multiply_plain(codes, matrix, self.row_starts, self.streams, self.adc, gain, offset, self.recipe)

    def _check(self, codes: ArrayLike, geometry: Geometry | None = None) -> NDArray[Any]:
        x = np.asarray(codes)
        needed = self.rows if geometry is None else geometry.channels * geometry.height * geometry.width
        if geometry is not None and geometry.rows != self.rows:
            raise ShapeError(f"codes: windows of {geometry.rows} inputs do not fit a matrix of {self.rows} rows")
        if x.ndim != 2 or x.shape[1] != needed or x.dtype.kind not in "iu":
            raise ShapeError(f"codes: need integers of shape (vectors, {needed}), got {x.shape} of {x.dtype}")
        if x.size and (x.min() < self.streams.lowest or x.max() > self.streams.highest):
            raise ShapeError(
                f"codes: {x.min()} .. {x.max()} are not within {self.streams.lowest} .. {self.streams.highest}"
            )
        return x


def program_matrix(
    weights: ArrayLike,
    hardware: Hardware,
    *,
    weight_bits: int,
    activation_bits: int,
    signed: bool = False,
    row_starts: ArrayLike | None = None,
    seed: int = 0,
    trial: int = 0,
    layer: str = "",
    threads: int | None = None,
) -> Engine:
    """Program a matrix of signed integers into crossbars.

    Parameters
    ----------
    weights : array_like of int, (K, N)
        Inputs by outputs.
    hardware : Hardware
        Encoding, device, array, converters.
    weight_bits, activation_bits : int
        Bits of a weight (sign included) and of an input.
    signed : bool
        Whether inputs are two's complement.
    row_starts : array_like of int, (row blocks + 1,), optional
        First row of every array, and K; arrays filled one after the other by default.
    seed, trial, layer : int, int, str
        Key of the device's random streams.
    threads : int, optional
        Threads to use.

    Returns
    -------
    Engine
        Ready for :meth:`Engine.calibrate`, :meth:`Engine.multiply` and :meth:`Engine.convolve`.

    Raises
    ------
    ShapeError
        If a weight or a row block does not fit.
    """
    w = np.asarray(weights)
    if w.ndim != 2 or 0 in w.shape:
        raise ShapeError(f"weights: need a matrix, got shape {w.shape}")
    rows, cell_bits = hardware.crossbar.rows, hardware.device.cell_bits
    starts = np.r_[np.arange(0, w.shape[0], rows), w.shape[0]] if row_starts is None else np.asarray(row_starts)
    sizes = np.diff(starts)
    if starts[0] != 0 or starts[-1] != w.shape[0] or sizes.min() < 1 or sizes.max() > rows:
        raise ShapeError(f"row_starts: {starts} do not cut {w.shape[0]} rows into arrays of at most {rows}")
    starts = starts.astype(np.int64)
    encoded = encode_weights(w, hardware.encoding, weight_bits=weight_bits, cell_bits=cell_bits, row_starts=starts)
    slices = columns_per_weight(hardware.encoding, weight_bits, cell_bits)
    layout = layout_columns(w.shape[1], slices, hardware.crossbar.cols, hardware.mapping.slices == "separate")
    programmed = program_arrays(encoded, layout, starts, hardware, seed=seed, trial=trial, layer=layer)
    return Engine(
        hardware=hardware,
        programmed=programmed,
        row_starts=starts,
        streams=encode_streams(activation_bits, hardware.dac.bits, signed),
        adc=nominal_range(hardware),
        recipe=make_recipe(
            encoded, layout, planes=programmed.planes, row_blocks=len(starts) - 1, level=hardware.device.levels - 1
        ),
        tables=choose_tables(programmed.matrix, starts, hardware.dac.bits),
    )
