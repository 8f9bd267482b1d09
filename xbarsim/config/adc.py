"""The section ``adc``: bit-line converters, and what they add."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from xbarsim.config.kind import check_kind
from xbarsim.config.record import NonNegative, Positive, Record
from xbarsim.plugin import find_table


class Adc(Record):
    """Bit-line converters."""

    kind: str = "uniform"
    """Circuit: ``uniform`` (thresholds as they should be), ``sar`` (capacitors that do not match), ``ramp`` (a ramp for
    each array), or a name that ``xbarsim.register("converter", NAME, CLASS)`` added."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the circuit; see docs/converters.md."""
    thresholds: Literal["uniform", "quantile", "least_error"] = "uniform"
    """Where thresholds should lie: in equal steps; so that calibration sums fall into all codes alike; or with the
    least squared error of the sums, each weighed by what it counts in the result (Lloyd and Max)."""
    saturation_ampere: Positive | None = None
    """Current that the sense amplifier before the converter gives at most: S tanh(I / S) for a column's current I above
    that of off cells; None is linear [A]."""
    bits: Annotated[int, Field(ge=1, le=16)] | Literal["auto", "ideal"] = 8
    """Resolution; ``auto`` has a code for every sum that could occur, ``ideal`` neither rounds nor clips."""
    full_scale: Literal["whole", "calibrated", "quantile"] = "calibrated"
    """Range: every sum that could occur; the step with the least error in the layer's output on the calibration images;
    or what holds the share ``quantile`` of the sums that they show."""
    step_per: Literal["layer", "slice", "read"] = "layer"
    """Where converter steps may differ, by powers of two: nowhere within a layer (but for the read of a sign bit), from
    slice to slice of weights, or from slice to slice and from input stream to input stream."""
    quantile: Annotated[float, Field(gt=0.5, le=1)] | None = None
    """Share of the calibration samples that the range holds without clipping; setting it means
    ``full_scale: quantile`` [-]."""
    subtract: Literal["analog", "digital"] = "analog"
    """Differential pairs: subtract currents and convert once, or convert both and subtract."""
    off_current: Literal["known", "column"] = "known"
    """What is taken from a column before it is converted alone: the off-current that ideal wires would give, or the
    current of a column of off cells behind the others of its array, which wires shrink alike. An analog difference
    needs neither."""
    sign: Literal["included", "extra"] = "included"
    """The sign of an analog difference takes one of ``bits``, or comes from a comparator beyond them."""
    clips: bool = True
    """False leaves the ends of the range out: codes go on at the same step. For telling causes apart, not a design."""
    rounds: bool = True
    """False leaves the rounding within the range out. For telling causes apart, not a design."""
    gain_sigma: NonNegative = 0.0
    """Standard deviation of a converter's gain, one draw per column, relative [-]."""
    offset_sigma_lsb: NonNegative = 0.0
    """Standard deviation of a converter's offset, one draw per column, in least significant bits [-]."""
    noise_lsb: NonNegative = 0.0
    """Standard deviation of thermal noise, one draw per conversion, in least significant bits [-]."""
    inl_lsb: tuple[float, ...] = ()
    """Integral nonlinearity at points spread evenly over the codes, interpolated between, in least significant bits."""
    gain_correction: bool = False
    """Trim each column's gain so that it undoes the mean loss of that column in the wires (a remedy for IR drop)."""
    output_correction: bool = False
    """Fit a digital gain and offset for each output of a layer to the calibration images, as recalibrating a batch
    normalisation would (a remedy for anything that shifts or shrinks outputs)."""
    correction_inputs: Literal["exact", "hardware"] = "exact"
    """What layers are fed while ``output_correction`` is fitted: what the exact integer network gives, each by itself;
    or what the corrected layers before give on this chip; mean and spread of every output are then matched, as batch
    normalisation does, in place of least squares."""
    correction_chips: Annotated[int, Field(ge=1, le=64)] | None = None
    """One ``output_correction`` for all chips, fitted to so many other chips together (it needs no measurement of the
    chip at hand); None fits one to every chip."""
    per_array: Annotated[float, Field(gt=0)] = 1.0
    """Converters of one array; below 1 several arrays share one."""

    @model_validator(mode="before")
    @classmethod
    def _take_quantile(cls, given: Any) -> Any:
        """A quantile beside no other choice of the range chooses it."""
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
