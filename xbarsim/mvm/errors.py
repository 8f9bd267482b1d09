"""Errors of converters and reads in the column sums of one layer, drawn once and scaled to the ADC step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Adc, Hardware
from xbarsim.converter import AdcRange, sample_column_errors, tabulate_nonlinearity
from xbarsim.mvm._records import Errors, LevelTables
from xbarsim.mvm.noise import make_pool, make_turns
from xbarsim.mvm.program import ProgrammedMatrix
from xbarsim.rng import stream, stream_key


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnErrors:
    """Errors of a layer, independent of the ADC's step."""

    gain: NDArray[np.float32]
    """(row blocks, columns) relative gain of a column, correction included [-]."""
    offset_lsb: NDArray[np.float32]
    """(row blocks, columns) offset of a column's converter [lsb]."""
    adc: Adc
    """Nonlinearity and thermal noise."""
    pool: NDArray[np.float32]
    """Normal numbers from which the noise of single conversions is derived; empty without noise."""
    key: int
    """64-bit key of the noise of single conversions."""

    def scale(
        self, adc: AdcRange, tables: LevelTables | None, programmed: ProgrammedMatrix, first_vector: int
    ) -> Errors:
        """Return the errors in units of the ADC's step, as the kernels take them.

        Read noise passes through the converter's gain; an ideal converter adds nothing of its own.
        """
        tables = no_tables(len(self.gain)) if tables is None else tables
        is_noisy = programmed.noise.size > 0 or (self.adc.noise_lsb > 0 and not adc.is_ideal)
        own = 0.0 if adc.is_ideal else adc.fineness
        read_noise = np.zeros(self.gain.shape if is_noisy else (0, 0), dtype=np.float32)
        read_noise[:] = (self.gain / adc.lsb) ** 2 if is_noisy else 0.0
        still = programmed.still if programmed.still.size else np.zeros_like(read_noise)
        inl = tabulate_nonlinearity(self.adc, adc) if own else np.zeros(0)
        return Errors(
            self.gain,
            self.offset_lsb * np.float32(own),
            inl.astype(np.float32),
            np.float32((own * self.adc.noise_lsb) ** 2),
            still,
            read_noise,
            self.pool,
            make_turns(),
            tables,
            tables.is_silent
            and not programmed.still.size
            and not (own and (self.adc.offset_sigma_lsb or self.adc.noise_lsb or inl.size)),
            np.uint64(self.key),
            first_vector,
        )


def sample_errors(
    hardware: Hardware, programmed: ProgrammedMatrix, *, seed: int, trial: int, layer: str
) -> ColumnErrors | None:
    """Draw the errors of every column of a layer.

    Parameters
    ----------
    hardware : Hardware
        ``adc`` and what makes reads of ``device`` noisy.
    programmed : ProgrammedMatrix
        Columns, and their loss for ``adc.gain_correction``.
    seed, trial, layer : int, int, str
        Key of the random streams ``converter.columns``, ``mvm.reads`` and ``mvm.conversions``.

    Returns
    -------
    ColumnErrors or None
        None where nothing is added.
    """
    adc = hardware.adc
    sizes = (adc.gain_sigma, adc.offset_sigma_lsb, adc.noise_lsb)
    varies = any(sizes) or hardware.device.has_noisy_reads
    if not varies and not any(adc.inl_lsb) and not adc.gain_correction and not _has_levels(adc):
        return None
    shape = programmed.loss.shape
    drawn = sample_column_errors(adc, shape, stream(seed, "converter.columns", trial, layer))
    gain, offset = (values[:, programmed.converters] for values in drawn)
    if adc.gain_correction:
        gain = gain * programmed.loss
    is_noisy = adc.noise_lsb > 0 or programmed.noise.size > 0
    pool = make_pool(shape[1], stream(seed, "mvm.reads", trial, layer)) if is_noisy else np.zeros(0, dtype=np.float32)
    return ColumnErrors(
        gain=np.ascontiguousarray(gain, dtype=np.float32),  # kernels take rows by their address
        offset_lsb=np.ascontiguousarray(offset, dtype=np.float32),
        adc=adc,
        pool=pool,
        key=stream_key(seed, "mvm.conversions", trial, layer) & (2**64 - 1),
    )


def _has_levels(adc: Adc) -> bool:
    """Return whether converters may look up codes instead of rounding."""
    return adc.bits != "ideal" and (
        adc.kind != "uniform" or adc.thresholds != "uniform" or adc.saturation_ampere is not None
    )


def no_tables(row_blocks: int) -> LevelTables:
    """Return the tables of converters that round."""
    return LevelTables(
        thresholds=np.zeros((0, 0), dtype=np.float32),
        first=np.zeros((0, 0), dtype=np.int32),
        lowest=np.float32(0.0),
        per_unit=np.float32(1.0),
        counts=np.zeros(0, dtype=np.int32),
        converter=np.zeros((row_blocks, 1), dtype=np.int32),
        is_silent=True,
    )
