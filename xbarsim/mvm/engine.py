"""The engine of one matrix on hardware: from integer inputs to integer results.

Every array read is modelled: an input stream drives the rows of an array, each column's sum is converted, and codes
are shifted and added over slices, streams and row blocks in integers. Results are in units of ``Engine.lsb``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config import Hardware
from xbarsim.converter import AdcRange, Streams, SumSample, needs_sums, place_levels
from xbarsim.errors import ShapeError
from xbarsim.mvm._records import LevelTables
from xbarsim.mvm.bank import Bank
from xbarsim.mvm.errors import ColumnErrors
from xbarsim.mvm.fused import FusedMatrix, Seen, multiply_fused, survey_fused
from xbarsim.mvm.grid import KINDS, Grids
from xbarsim.mvm.packing import PackedInputs, can_pack_pixels, pack_pixels
from xbarsim.mvm.product import multiply_collapsed, multiply_plain
from xbarsim.mvm.program import ProgrammedMatrix
from xbarsim.mvm.ranges import share_range
from xbarsim.mvm.recipe import Recipe
from xbarsim.mvm.sample import find_threshold_share, measure_fit, sample_reads, sample_sums
from xbarsim.mvm.statistics import Statistics
from xbarsim.mvm.steps import ScaledReads, Steps, choose_steps, has_own_steps, scale_reads
from xbarsim.mvm.window import Geometry, gather_windows, make_geometry

METHODS = ("auto", "collapsed", *KINDS, "product", "solved")
"""Ways to multiply; see :meth:`Engine.multiply`."""
WINDOW_CELLS = 1 << 25
"""Inputs of windows that are materialised at a time."""
SAMPLED_VECTORS = 1 << 14
"""Windows of whole images that thresholds are placed on, at most about."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """A programmed matrix with its converters; calls do not change it."""

    hardware: Hardware
    programmed: ProgrammedMatrix
    row_starts: NDArray[np.int64]
    streams: Streams
    adc: AdcRange
    recipe: Recipe
    """Weights of the codes."""
    grids: Grids
    """Grids to which kernels may round cells."""
    errors: ColumnErrors | None
    """Errors of converters and reads; None without errors."""
    constants: NDArray[np.int64]
    """(outputs,) digitally subtracted constants: weights times the constant of the streams."""
    steps: Steps
    """How much finer than that of the layer the steps of reads are, where that leaves them at one level or more."""
    bank: Bank
    """Physical converters."""
    tables: LevelTables | None = None
    """Thresholds of the converters; None for equal steps."""
    solves: bool = False
    """Whether every read is solved as a circuit of its own, in place of fitted responses."""

    @property
    def lsb(self) -> float:
        """Size of one unit of the result, in weight steps times input steps: the finest step [-]."""
        return self.adc.unit * 2.0**-self._scaled.depth

    @property
    def rows(self) -> int:
        """Inputs of a vector."""
        return int(self.programmed.matrix.shape[0])

    @property
    def outputs(self) -> int:
        """Outputs of a vector."""
        return self.recipe.outputs

    def with_lsb(self, lsb: float) -> Engine:
        """Return an engine with another ADC step [level units]."""
        return self.with_range(replace(self.adc, lsb=float(lsb)))

    def with_range(self, adc: AdcRange, sample: SumSample | None = None) -> Engine:
        """Return an engine with another ADC range; ``sample`` is what thresholds that follow the data are placed on."""
        placed = place_levels(self.hardware.adc, replace(adc, levels=None), sample)
        return replace(self, adc=placed, tables=self.bank.tabulate(placed))

    def suit_steps(self, sums: NDArray[np.float64], is_even: bool = False) -> Engine:
        """Return an engine whose steps suit ``sums``, (streams, planes, samples) [level units], or even ones."""
        per = "layer" if is_even else self.hardware.adc.step_per
        return replace(self, steps=choose_steps(sums, self.hardware, self.streams, self.recipe, self.adc, per))

    def calibrate(self, codes: ArrayLike, *, threads: int | None = None, **window: Any) -> Engine:
        """Return an engine whose ADC range calibration inputs ask for: :func:`~xbarsim.mvm.ranges.find_range`.

        Parameters
        ----------
        codes : array_like of int, (vectors, K) or (images, channels, height, width)
            Calibration inputs: vectors, or images where ``geometry`` is given.
        threads : int, optional
            Threads.
        **window
            ``geometry`` from :func:`make_geometry`, ``pad_code`` and ``row_order`` as in :meth:`convolve`.

        Returns
        -------
        Engine
            With a new ``lsb`` where the full scale is not ``whole`` and the ADC not ideal.
        """
        return share_range([(self, codes, window)], threads=threads)[0]

    def survey(self, codes: ArrayLike, *, threads: int | None = None, **window: Any) -> Statistics:
        """Return statistics of the converters for some inputs; arguments as in :meth:`calibrate`."""
        seen, conversions = self.observe(codes, bins=1, threads=threads, **window)
        matrix, vectors = self._matrix("float", 0), self._spread(codes, **window)
        full_scale = np.inf if self.adc.is_ideal else self.adc.highest * self.adc.lsb
        return Statistics(
            conversions=conversions,
            clipped_share=0.0 if self.adc.is_ideal else seen.clipped / max(1, conversions),
            used_range=max(seen.highest, -seen.lowest) / full_scale,
            threshold_share=find_threshold_share(matrix, vectors),
            lowest=seen.lowest,
            highest=seen.highest,
            fit=measure_fit(matrix, vectors),
        )

    def multiply(
        self, codes: ArrayLike, *, first_vector: int = 0, method: str = "auto", threads: int | None = None,
        is_raw: bool = False,
    ) -> NDArray[Any]:  # fmt: skip
        """Multiply vectors by the matrix as the hardware does.

        Parameters
        ----------
        codes : array_like of int, (vectors, K)
            Inputs within the range of ``streams``.
        first_vector : int
            Index of the first vector within the run; it keys the noise of single reads, so that batches do not.
        method : str
            ``auto``; or one of ``fixed`` and ``float`` (fused kernels, cells on a grid of 16 or of 24 bits),
            ``product`` (plain float64), ``solved`` (every read a circuit) and ``collapsed`` (one product, where
            nothing rounds, clips or adds).
        threads : int, optional
            Threads to use; the result does not depend on it.
        is_raw : bool
            Whether int32 is returned where it holds every result.

        Returns
        -------
        ndarray of int64, (vectors, outputs)
            Sums in units of ``lsb``; float64 where the ADC is ideal, and where a constant that is no multiple of a
            coarser step is taken off.

        Raises
        ------
        ShapeError
            If the inputs have the wrong shape, type or range, or the method does not apply.
        """
        x = self._check(codes)
        chosen = self.choose_method(method)
        matrix = self._matrix(chosen, first_vector)
        if chosen in ("product", "solved"):
            return self._take_off(multiply_plain(matrix, x))
        if chosen == "collapsed":
            result = self._take_off(multiply_collapsed(matrix, x))
            return result if self.adc.is_ideal else np.rint(result).astype(np.int64)
        result = self._take_off(multiply_fused(matrix, matrix.encode(x), threads))
        return result if is_raw else np.ascontiguousarray(result, dtype=np.result_type(result, np.int64))

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
        is_raw: bool = False,
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
            As in :meth:`multiply`; vectors are windows.
        is_raw : bool
            Whether int32 and any order in memory are returned where they save a copy.

        Returns
        -------
        ndarray of int64, (images, outputs, out height, out width)
            As :meth:`multiply`.
        """
        x = np.asarray(codes)
        geometry = make_geometry(x.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        self._check_windows(geometry)
        height, width = geometry.out_height, geometry.out_width
        chosen = self.choose_method(method)
        is_last = self._is_channels_last(row_order)
        windows = height * width
        if self._packs_pixels(chosen, geometry, is_last, len(x) * windows):
            x = self._check(x.reshape(len(x), -1), geometry).reshape(x.shape)
            packed = pack_pixels(x, geometry, self.row_starts, self.streams, pad_code)
            result = self._take_off(multiply_fused(self._matrix(chosen, first_vector), packed, threads))
        else:
            step = max(1, WINDOW_CELLS // (windows * geometry.rows))
            result = np.concatenate(
                [
                    self.multiply(
                        gather_windows(x[i : i + step], geometry, channels_last=is_last, pad_code=pad_code),
                        first_vector=first_vector + i * windows,
                        method=chosen,
                        threads=threads,
                        is_raw=is_raw,
                    )
                    for i in range(0, max(len(x), 1), step)
                ]
            )
        result = result.reshape(len(x), height, width, self.outputs).transpose(0, 3, 1, 2)
        return result if is_raw else np.ascontiguousarray(result, dtype=np.result_type(result, np.int64))

    def choose_method(self, method: str = "auto") -> str:
        """Return the method that :meth:`multiply` takes for ``method``."""
        if method not in METHODS:
            raise ShapeError(f"method: {method!r} is not one of {', '.join(METHODS)}")
        if method == "collapsed" and not self._collapses:
            raise ShapeError("method: collapsed needs converters that neither round nor clip, and no errors")
        if method == "solved" and self.programmed.solved is None:
            raise ShapeError("method: solved needs crossbar.method: exact, and a circuit that depends on its inputs")
        if method in ("collapsed", "product", "solved"):
            return method
        if method == "auto" and self.solves:
            return "solved"
        if method == "auto" and self._collapses:
            return "collapsed"
        # lanes count codes in int32, and hold sums in float32
        largest = self.adc.highest if self.tables is None else int(np.abs(self.tables.counts).max())
        if self.adc.is_ideal or largest * self._reach >= 2**31 or self.adc.highest >= 2**22:
            return "product"
        if method == "auto":
            return self.grids.choose(self.adc.lsb * 2.0**-self._scaled.depth).kind
        if method in KINDS and method not in self.grids.by_kind:
            raise ShapeError(
                f"method: {method} needs input streams of at most two bits and arrays of at most 1024 rows"
            )
        return method

    @property
    def _reach(self) -> float:
        """Largest multiple of a code that streams add up to."""
        return float(np.abs(self._scaled.streams.weights).sum()) + 1

    @cached_property
    def _scaled(self) -> ScaledReads:
        """What streams and planes count in units of the finest step; unequal steps of a converter are all the same."""
        lsb = 1.0 if self.adc.levels is not None else self.adc.lsb * self.adc.fineness
        return scale_reads(self.steps.fit(lsb), self.streams, self.recipe, self.programmed.matrix.shape[1])

    @cached_property
    def _collapses(self) -> bool:
        """Whether nothing rounds, clips or adds, so that streams and slices collapse into one product."""
        if self.errors is not None or self.programmed.bend is not None:
            return False
        grids, adc = self.grids, self.adc
        is_wide = adc.lsb == 1.0 and adc.lowest <= grids.lowest_sum and grids.highest_sum <= adc.highest
        return adc.is_ideal or (grids.is_whole and is_wide)

    @cached_property
    def _matrices(self) -> dict[str, FusedMatrix]:
        return {}

    def _matrix(self, method: str, first_vector: int) -> FusedMatrix:
        scale = None if self.errors is None else self.errors.scale
        errors = None if scale is None else scale(self.adc, self.tables, self.programmed, first_vector)
        if errors is None and method in self._matrices:
            return self._matrices[method]
        made = FusedMatrix(
            programmed=self.programmed,
            row_starts=self.row_starts,
            streams=self._scaled.streams,
            adc=self.adc,
            fine=self._scaled.fine,
            recipe=self._scaled.recipe,
            grid=self.grids.by_kind.get(method, self.grids.float32),
            errors=errors,
            solves=method == "solved",
        )
        return made if errors is not None else self._matrices.setdefault(method, made)

    def _take_off(self, result: NDArray[Any]) -> NDArray[Any]:
        """Take the constant of the streams times the weights from results."""
        if not self.streams.constant:
            return result
        taken: NDArray[Any] = result - (self.constants if self.lsb == 1.0 else self.constants / self.lsb)
        return taken

    def _packs_pixels(self, method: str, geometry: Geometry, is_last: bool, windows: int) -> bool:
        if method not in KINDS or not is_last or not can_pack_pixels(geometry, self.row_starts):
            return False
        return self._matrix(method, 0).takes_tables(windows)

    def observe(
        self,
        codes: ArrayLike,
        *,
        bins: int,
        bins_per_unit: float = 0.0,
        threads: int | None = None,
        geometry: Geometry | None = None,
        pad_code: int = 0,
        row_order: str = "auto",
    ) -> tuple[Seen, int]:
        """Return what converters see, and how many conversions that takes; inputs as in :meth:`calibrate`.

        ``bins`` and ``bins_per_unit`` are those of :func:`~xbarsim.mvm.fused.survey_fused`.
        """
        matrix = self._matrix(self.grids.choose(self.adc.lsb * 2.0**-self._scaled.depth).kind, 0)
        x = np.asarray(codes)
        inputs: PackedInputs | NDArray[Any]
        is_last = self._is_channels_last(row_order)
        if geometry is None:
            inputs, vectors = matrix.encode(self._check(x)), len(x)
        else:
            self._check_windows(geometry)
            vectors = len(x) * geometry.out_height * geometry.out_width
            if matrix.takes_tables(vectors) and is_last and can_pack_pixels(geometry, self.row_starts):
                self._check(x.reshape(len(x), -1), geometry)
                inputs = pack_pixels(x, geometry, self.row_starts, self.streams, pad_code)
            else:
                windows = gather_windows(x, geometry, channels_last=is_last, pad_code=pad_code)
                inputs = matrix.encode(self._check(windows))
        columns = self.outputs * self.programmed.planes + self.recipe.units.shape[1]
        seen = survey_fused(matrix, inputs, bins, bins_per_unit, threads)
        return seen, vectors * len(self.streams) * (len(self.row_starts) - 1) * columns

    def sample_sums(
        self, codes: ArrayLike, *, geometry: Geometry | None = None, pad_code: int = 0, row_order: str = "auto"
    ) -> SumSample | None:
        """Return column sums of inputs, shapes as in :meth:`calibrate`, before noise; None where none are needed."""
        if not needs_sums(self.hardware.adc) or self.adc.is_ideal:
            return None
        return sample_sums(self._matrix("float", 0), self._spread(codes, geometry, pad_code, row_order))

    def sample_reads(
        self, codes: ArrayLike, *, geometry: Geometry | None = None, pad_code: int = 0, row_order: str = "auto"
    ) -> NDArray[np.float64] | None:
        """Return column sums of inputs, (streams, planes, samples); None where steps of reads are not to be chosen."""
        is_chosen = self.hardware.adc.full_scale != "whole" and has_own_steps(self.hardware, self.streams)
        if not is_chosen or self.adc.is_ideal or self.adc.levels is not None:
            return None
        return sample_reads(self._matrix("float", 0), self._spread(codes, geometry, pad_code, row_order))

    def _spread(
        self, codes: ArrayLike, geometry: Geometry | None = None, pad_code: int = 0, row_order: str = "auto"
    ) -> NDArray[Any]:
        """Return inputs as checked vectors: all, or windows of some images."""
        x = np.asarray(codes)
        if geometry is not None:
            x = x[:: max(1, len(x) * geometry.out_height * geometry.out_width // SAMPLED_VECTORS)]
            is_last = self._is_channels_last(row_order)
            x = gather_windows(x, geometry, channels_last=is_last, pad_code=pad_code)
        return self._check(x)

    def _is_channels_last(self, row_order: str) -> bool:
        return self.hardware.mapping.rows == "packed" if row_order == "auto" else row_order == "channels_last"

    def _check_windows(self, geometry: Geometry) -> None:
        if geometry.rows != self.rows:
            raise ShapeError(f"codes: windows of {geometry.rows} inputs do not fit a matrix of {self.rows} rows")

    def _check(self, codes: ArrayLike, geometry: Geometry | None = None) -> NDArray[Any]:
        x = np.asarray(codes)
        needed = self.rows if geometry is None else geometry.channels * geometry.height * geometry.width
        if x.ndim != 2 or x.shape[1] != needed or x.dtype.kind not in "iu":
            raise ShapeError(f"codes: need integers of shape (vectors, {needed}), got {x.shape} of {x.dtype}")
        if x.size and (x.min() < self.streams.lowest or x.max() > self.streams.highest):
            raise ShapeError(
                f"codes: {x.min()} .. {x.max()} are not within {self.streams.lowest} .. {self.streams.highest}"
            )
        if not self.streams.has_zero and not x.all():
            raise ShapeError("codes: dac.signed: offset sends -1 and 1 of signed inputs of one bit, but not 0")
        return x
