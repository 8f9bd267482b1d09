"""The section ``adc``: bit-line converters and their errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from xbarsim.config.kind import build_kind, check_kind
from xbarsim.config.record import NonNegative, Positive, Record
from xbarsim.plugin import find_table


class Adc(Record):
    """Bit-line converters."""

    kind: str = "uniform"
    """Circuit: ``uniform`` (ideal thresholds), ``sar`` (successive approximation with capacitor mismatch), ``ramp`` (a
    ramp shared by an array), or a name added by ``xbarsim.register("converter", NAME, CLASS)``."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the circuit; see docs/converters.md."""
    thresholds: Literal["uniform", "quantile", "least_error"] = "uniform"
    """Placement of the thresholds: in equal steps; so that all codes receive equal shares of the calibration sums; or
    with the least squared error of the sums, weighted by their factors in the result (Lloyd and Max)."""
    saturation_ampere: Positive | None = None
    """Saturation current S of the sense amplifier before the converter, which delivers S tanh(I / S) for a column
    current I above that of off cells; None is a linear amplifier [A]."""
    bits: Annotated[int, Field(ge=1, le=16)] | Literal["auto", "ideal"] = 8
    """Resolution; ``auto`` has a code for every sum that can occur, ``ideal`` neither rounds nor clips [bits]."""
    full_scale: Literal["whole", "calibrated", "quantile"] = "calibrated"
    """Range of the converter: ``whole`` covers every sum that can occur, ``calibrated`` uses the step with the least
    error in the layer's output on the calibration images, ``quantile`` covers the share ``quantile`` of their sums."""
    step_per: Literal["layer", "slice", "read", "column"] = "layer"
    """Where converter steps may differ, by powers of two: not within a layer (except for the read of a sign bit),
    between weight slices, between weight slices and input streams, or between columns."""
    quantile: Annotated[float, Field(gt=0.5, le=1)] | None = None
    """Share of the calibration sums that lie within the range; setting it implies ``full_scale: quantile`` [-]."""
    subtract: Literal["analog", "digital"] = "analog"
    """Differential pairs: subtract the currents and convert once, or convert both columns and subtract the codes."""
    off_current: Literal["known", "column"] = "known"
    """Off-current subtracted from a single column before conversion: the known off-current of an array with ideal
    wires, or the current of an additional column of off cells in the same array, which IR drop reduces too. Not used
    for analog differences."""
    sign: Literal["included", "extra"] = "included"
    """The sign of an analog difference is one of ``bits``, or comes from an additional comparator."""
    clips: bool = True
    """False disables clipping: codes continue beyond the range with the same step. For analysis of errors only."""
    rounds: bool = True
    """False disables rounding within the range. For analysis of errors only."""
    gain_sigma: NonNegative = 0.0
    """Standard deviation of a converter's gain, one draw per column, relative [-]."""
    offset_sigma_lsb: NonNegative = 0.0
    """Standard deviation of a converter's offset, one draw per column, in least significant bits [-]."""
    noise_lsb: NonNegative = 0.0
    """Standard deviation of thermal noise, one draw per conversion, in least significant bits [-]."""
    inl_lsb: tuple[float, ...] = ()
    """Integral nonlinearity at points spread evenly over the codes, interpolated between, in least significant bits."""
    gain_correction: bool = False
    """Adjust the analog gain of each column to compensate its mean loss in the wires (a remedy for IR drop)."""
    output_correction: bool = False
    """Fit a digital gain and offset for each output of a layer to the calibration images, like a recalibrated batch
    normalisation (a remedy for errors that shift or scale outputs)."""
    correction_inputs: Literal["exact", "hardware"] = "exact"
    """Inputs of a layer while ``output_correction`` is fitted: ``exact``, those of the integer network; ``hardware``,
    the results of the corrected layers before it on this chip. With ``hardware``, the mean and standard deviation of
    every output are matched, as in batch normalisation, instead of a least-squares fit."""
    correction_chips: Annotated[int, Field(ge=1, le=64)] | None = None
    """Number of other chips to which one common ``output_correction`` is fitted; it then needs no measurement of the
    simulated chip. None fits a correction to every chip."""
    per_array: Annotated[float, Field(ge=1e-6)] = 1.0
    """Number of converters of an array; below 1 several arrays share one."""

    @model_validator(mode="before")
    @classmethod
    def _take_quantile(cls, given: Any) -> Any:
        """Let a quantile without ``full_scale`` choose the range by quantile."""
        if isinstance(given, dict) and given.get("quantile") is not None:
            return {"full_scale": "quantile", **given}
        return given

    @model_validator(mode="after")
    def _check_settings(self) -> Adc:
        if self.kind != "uniform" or self.settings:
            check_kind("converter", self.kind, self.settings, prefix="settings.")
        has_levels = self.kind != "uniform" or self.thresholds != "uniform" or self.saturation_ampere is not None
        if has_levels and not (self.clips and self.rounds):
            key = "rounds" if self.clips else "clips"
            raise ValueError(
                f"adc.{key}: false needs converters of equal steps (adc.kind, adc.thresholds: uniform, no "
                "adc.saturation_ampere); adc.bits: ideal disables both errors"
            )
        if self.step_per != "layer" and (has_levels or self.full_scale == "whole"):
            raise ValueError(
                f"adc.step_per: {self.step_per} needs converters of equal steps (adc.kind, adc.thresholds: uniform, no "
                "adc.saturation_ampere) and calibration inputs (adc.full_scale: calibrated or quantile)"
            )
        if self.thresholds != "uniform":
            self._check_thresholds()
        self._check_correction()
        return self

    @property
    def is_random(self) -> bool:
        """Whether two converters, or two conversions of the same sum, may differ."""
        if self.gain_sigma or self.offset_sigma_lsb or self.noise_lsb:
            return True
        if self.bits == "ideal" or not hasattr(find_table("converter")[self.kind], "sample_thresholds"):
            return False
        return bool(getattr(build_kind("converter", self.kind, self.settings), "is_random", True))

    def _check_correction(self) -> None:
        """Refuse ways of fitting a correction that is off, or that exclude each other."""
        why = None
        if self.correction_inputs == "hardware" and self.correction_chips is not None:
            why = "correction_chips: a correction for all chips cannot be fitted to one chip's activations (adc."
            why += "correction_inputs: hardware); leave one of them out"
        elif not self.output_correction and self.correction_inputs == "hardware":
            why = "correction_inputs: hardware needs adc.output_correction: true"
        elif not self.output_correction and self.correction_chips is not None:
            why = f"correction_chips: {self.correction_chips} needs adc.output_correction: true"
        if why is not None:
            raise PydanticCustomError("kind", "{message}", {"message": why})

    def _check_thresholds(self) -> None:
        """Refuse thresholds that nothing can place."""
        why = None
        if not getattr(find_table("converter")[self.kind], "takes_thresholds", False):
            why = f"adc.kind: {self.kind}, whose thresholds are fixed by its circuit; leave one of them out"
        elif self.full_scale == "whole":
            why = "adc.full_scale: whole, which uses no calibration sums; choose calibrated or quantile"
        if why is not None:
            message = f"thresholds: {self.thresholds} contradicts {why}"
            raise PydanticCustomError("kind", "{message}", {"message": message})
