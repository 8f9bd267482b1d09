"""Cost laws of components, one class each, in the table :data:`LAWS`.

A law is a record. Its fields are keys of components of this ``kind`` in the hardware file, in addition to those of all
components (``per``, ``count``, ``action``, ``source``, ...). Its method ``rate`` returns power, area, rate and energy
of one instance. ``xbarsim.register("component_law", name, cls)`` adds a law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import Field, field_validator

from xbarsim.component.action import ACTIONS
from xbarsim.component.converter_survey import converter_area, converter_energy
from xbarsim.component.energy import action_energy, read_energy, write_energy
from xbarsim.component.quantity import check_action
from xbarsim.component.scaling import scale_area, scale_energy
from xbarsim.component.supply import supply_rating
from xbarsim.component.survey import survey_area, survey_energy
from xbarsim.component.table import interpolate_rating
from xbarsim.config import Component, Hardware, Rating
from xbarsim.config.component import PricedComponent
from xbarsim.config.record import Positive
from xbarsim.errors import ConfigError
from xbarsim.plugin import Table

PRICES = (
    "energy_joule", "rate_hz", "power_watt", "leakage_watt", "table", "survey", "from_device", "parts", "step_hz",
)  # fmt: skip
"""Keys that give an action a price; a component with ``free: true`` has none of them."""


class OperatingPoint(NamedTuple):
    """Conditions that the rating of a component may depend on."""

    name: str
    """Key of the component in ``hardware.components``."""
    hardware: Hardware
    """Hardware of the layer."""
    mean_level: float
    """Mean level of the cells that hold weights, of both cells of pairs, as a fraction of the highest level [-]."""
    input_activity: float
    """Mean squared word-line voltage as a fraction of full scale squared [-]."""
    array_watt: float | None = None
    """Mean power of an array of the layer over the pulses of a read, of the rows that it drives [W]; None: of a full
    array without resistance in lines."""


class Rated(Protocol):
    """Interface of all laws."""

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the rating of one instance.

        Parameters
        ----------
        at : OperatingPoint
            Hardware, mean cell level and input activity.

        Returns
        -------
        Rating
            Power [W], area [m2], rate [Hz] and energy of one action [J].
        """
        ...


class CostLaw(Component):
    """Base class of cost laws: derived classes add fields and the method ``rate``."""

    @property
    def reads_arrays(self) -> bool:
        """Whether ``rate`` takes :attr:`OperatingPoint.array_watt`, which is then worked out layer by layer."""
        return False

    def check(self, name: str, hardware: Hardware) -> None:
        """Check that the component is charged for an action that is counted; ValueError where it is not."""
        acts = self.rate_hz is not None or self.energy_joule is not None or self.table is not None
        if acts or self.free or self.action not in (None, *ACTIONS):
            check_action(f"components.{name}.action", self.action or name)
        priced = next((key for key in PRICES if getattr(self, key, None)), None) if self.free else None
        if priced is not None:
            raise ValueError(f"components.{name}.free: true contradicts components.{name}.{priced}; give one of them")
        if self.supply is not None:
            if self.process is not None:
                raise ValueError(f"components.{name}.supply: contradicts components.{name}.process; give one of them")
            self.supply.check(f"components.{name}.supply", hardware.supply_volt)


class ConstantLaw(CostLaw):
    """Constant numbers of the hardware file."""

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the numbers of the file, scaled to technology and cells; see :class:`Rated`."""
        return fit_rating(self, self, at.hardware)


class TableLaw(CostLaw):
    """Ratings by resolution or by the rows of the array; needs ``table``."""

    def check(self, name: str, hardware: Hardware) -> None:
        """Check action and table; ValueError where one is wrong."""
        CostLaw.check(self, name, hardware)
        if not self.table:
            raise ValueError(f"components.{name}.table: needed for kind table")

    def rate(self, at: OperatingPoint) -> Rating:
        """Look up or interpolate, then scale to technology and cells; see :class:`Rated`."""
        return fit_rating(_look_up(self, at), self, at.hardware)


class SurveyLaw(CostLaw):
    """A converter like the published ones at its resolution and ``rate_hz``.

    ``survey: true`` takes the converters of macros (:mod:`xbarsim.component.converter_survey`), ``survey: best`` the
    best stand-alone ones (:mod:`xbarsim.component.survey`).
    """

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the published converters of macros that cost less; 0.5: a typical one [-]."""

    def check(self, name: str, hardware: Hardware) -> None:
        """Check action, rate and technology; ValueError where one is wrong."""
        CostLaw.check(self, name, hardware)
        if self.rate_hz is None or not (self.process or hardware.process):
            raise ValueError(f"components.{name}.survey: needs its rate_hz, and a process here or of the hardware")
        if self.supply is not None:
            raise ValueError(f"components.{name}.supply: contradicts components.{name}.survey, which knows the supply")
        if self.survey == "best" and "quantile" in self.model_fields_set:
            raise ValueError(f"components.{name}.quantile: only with survey: true; the best converters have no spread")

    def rate(self, at: OperatingPoint) -> Rating:
        """Return energy and area of the survey's converter, in its own technology; see :class:`Rated`."""
        process = self.process or at.hardware.process
        assert self.rate_hz is not None
        assert process is not None
        bits = _count_bits(self.action or at.name, at.hardware)
        if self.survey == "best":
            energy, area = survey_energy(bits, self.rate_hz), survey_area(bits, self.rate_hz, process.node_m)
        else:
            energy = converter_energy(bits, self.rate_hz, process.supply_volt, self.quantile)
            area = converter_area(bits, self.quantile)
        rating = Rating.model_construct(
            power_watt=energy * self.rate_hz + self.leakage_watt, area_m2=area, rate_hz=self.rate_hz,
            energy_joule=energy, leakage_watt=self.leakage_watt,
        )  # fmt: skip
        scale = _cell_scale(self, at.hardware)
        return scale_rating(rating, scale, scale)


class ArrayReadLaw(CostLaw):
    """Cells of an array: energy from conductances, voltage and pulse; power and area as in the file."""

    @property
    def reads_arrays(self) -> bool:
        """Whether its energy is that of array reads: yes."""
        return True

    def check(self, name: str, hardware: Hardware) -> None:
        """Check the action, and that the energy has one origin; ValueError where it is not so."""
        CostLaw.check(self, name, hardware)
        if self.survey:
            raise ValueError(f"components.{name}.survey: cannot be combined with from_device")

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the file's numbers (or its table's) with the energy of one read; see :class:`Rated`."""
        rating = fit_rating(_look_up(self, at) if self.table else self, self, at.hardware)
        return _with_energy(rating, read_energy(at.hardware, at.mean_level, at.input_activity, at.array_watt))


class WriteLaw(CostLaw):
    """Writing a cell: energy from conductance and the pulses of ``device.write``; power and area as in the file."""

    action: str | None = "write"
    """Action that the component is charged for."""

    def check(self, name: str, hardware: Hardware) -> None:
        """Check action and device; ValueError where one is wrong."""
        CostLaw.check(self, name, hardware)
        if hardware.device.write is None:
            raise ValueError(f"components.{name}.kind: write needs device.write")

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the file's numbers with the energy of writing one cell; see :class:`Rated`."""
        rating = fit_rating(self, self, at.hardware)
        return _with_energy(rating, write_energy(at.hardware, at.mean_level))


class PerValueLaw(CostLaw):
    """A digital component that processes values: power, area and energy are proportional to ``activation_bits``."""

    value_bits: Annotated[int, Field(ge=1)]
    """Bits of a value for which the numbers are given [bits]."""

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the file's numbers in proportion to the bits of a value; see :class:`Rated`."""
        scale = at.hardware.activation_bits / self.value_bits
        return scale_rating(fit_rating(self, self, at.hardware), scale, scale)


class ColumnStepsLaw(CostLaw):
    """A memory of the steps of columns: it costs nothing unless ``adc.step_per`` is ``column``."""

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the file's numbers where columns have steps of their own, else zeros; see :class:`Rated`."""
        scale = float(at.hardware.adc.step_per == "column")
        return scale_rating(fit_rating(self, self, at.hardware), scale, scale)


class RampLaw(CostLaw):
    """A counting converter: a conversion takes ``2**bits`` steps of its ramp, each with its time and energy."""

    step_hz: Positive
    """Steps of the ramp in a second; a conversion takes two to the power of ``adc.bits`` [Hz]."""
    step_joule: Positive | None = None
    """Energy of one step of one converter; None: derived from ``power_watt`` minus leakage [J]."""

    def check(self, name: str, hardware: Hardware) -> None:
        """Check the action, and that rate and energy are those of steps; ValueError where it is not so."""
        CostLaw.check(self, name, hardware)
        for key in ("rate_hz", "energy_joule", "table"):
            if getattr(self, key) is not None:
                given = f"components.{name}.{key}: cannot be combined with kind: ramp"
                raise ValueError(f"{given}, whose conversions take 2**bits steps; give step_hz and step_joule")
        if (self.action or name) != "adc":
            raise ValueError(f"components.{name}.action: {self.action or name!r}; kind: ramp prices conversions (adc)")

    def rate(self, at: OperatingPoint) -> Rating:
        """Return rate and energy of whole conversions; see :class:`Rated`."""
        steps = 2 ** _count_bits("adc", at.hardware)
        rating = Rating.model_construct(
            power_watt=self.power_watt, area_m2=self.area_m2, rate_hz=self.step_hz / steps,
            energy_joule=None if self.step_joule is None else self.step_joule * steps,
            leakage_watt=self.leakage_watt,
        )  # fmt: skip
        return fit_rating(rating, self, at.hardware)


class CompoundLaw(CostLaw):
    """A component made of parts that act together: powers, areas and energies add up, and the slowest part counts."""

    parts: Annotated[dict[str, PricedComponent], Field(min_length=1)]
    """Parts by name; ``count`` is their number in one instance, the other keys are those of components. ``per`` and
    ``action`` are those of the whole."""

    @property
    def reads_arrays(self) -> bool:
        """Whether the energy of a part is that of array reads."""
        return any(isinstance(part, CostLaw) and part.reads_arrays for part in self.parts.values())

    @field_validator("parts", mode="before")
    @classmethod
    def _complete(cls, parts: Any) -> Any:
        """Give the parts the key that they share with the whole."""
        if not isinstance(parts, Mapping):
            return parts
        given = {name: dict(part) if isinstance(part, Component) else part for name, part in parts.items()}
        return {name: {"per": "array", **part} if isinstance(part, Mapping) else part for name, part in given.items()}

    def check(self, name: str, hardware: Hardware) -> None:
        """Check the action, and every part by its own law; ValueError where one is wrong."""
        CostLaw.check(self, name, hardware)
        check_action(f"components.{name}.action", self.action or name)
        for key in ("power_watt", "area_m2", "rate_hz", "energy_joule", "leakage_watt", "table", "process"):
            if getattr(self, key):
                raise ValueError(f"components.{name}.{key}: cannot be combined with parts; give it to one of the parts")
        for each, part in self.parts.items():
            if part.action is not None:
                key = f"components.{name}.parts.{each}.action"
                raise ValueError(f"{key}: {part.action!r}; parts act with the whole; make it a component of its own")
            if part.per not in ("array", self.per):
                key = f"components.{name}.parts.{each}.per"
                raise ValueError(f"{key}: {part.per!r}; leave it out; count is the number in one instance")
            if isinstance(part, CostLaw):
                law: CostLaw = part.model_copy(update={"action": self.action or name})
                law.check(f"{name}.parts.{each}", hardware)

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the sum over the parts, each by its own law; see :class:`Rated`."""
        power = area = energy = leakage = 0.0
        rates, acts = [], False
        for each, part in self.parts.items():
            law: Any = part if part.action is not None else part.model_copy(update={"action": self.action or at.name})
            rating = supply_rating(law.rate(at._replace(name=f"{at.name}.parts.{each}")), part, at.hardware)
            always_on = rating.energy_joule is None and rating.rate_hz is None
            power += part.count * rating.power_watt
            area += part.count * rating.area_m2
            energy += part.count * action_energy(rating)
            leakage += part.count * (rating.power_watt if always_on else rating.leakage_watt)
            acts = acts or not always_on
            rates += [rating.rate_hz] if rating.rate_hz is not None else []
        return Rating.model_construct(
            power_watt=power, area_m2=area, rate_hz=min(rates) if rates else None,
            energy_joule=energy if acts else None, leakage_watt=leakage,
        )  # fmt: skip


def fit_rating(rating: Rating, component: Component, hardware: Hardware) -> Rating:
    """Scale a rating from the technology and number of cells of a component to those of the hardware.

    Parameters
    ----------
    rating : Rating
        Power [W], area [m2] and energy [J] as in the file.
    component : Component
        ``process`` and ``cells``; what is left out is not scaled.
    hardware : Hardware
        Its technology and array size.

    Returns
    -------
    Rating
        Scaled; the rate stays.
    """
    old, new = component.process, hardware.process
    if old and new and old != new:
        rating = scale_rating(rating, scale_energy(old, new), scale_area(old, new))
    scale = _cell_scale(component, hardware)
    return scale_rating(rating, scale, scale)


def scale_rating(rating: Rating, energy_scale: float, area_scale: float) -> Rating:
    """Return a rating with power and energy times one factor, area times another.

    Parameters
    ----------
    rating : Rating
        Power [W], area [m2] and energy [J].
    energy_scale, area_scale : float
        Factors [-].

    Returns
    -------
    Rating
        Scaled; the rate stays.
    """
    if energy_scale == area_scale == 1.0:
        return rating
    return Rating.model_construct(
        power_watt=rating.power_watt * energy_scale,
        area_m2=rating.area_m2 * area_scale,
        rate_hz=rating.rate_hz,
        energy_joule=None if rating.energy_joule is None else rating.energy_joule * energy_scale,
        leakage_watt=rating.leakage_watt * energy_scale,
    )


def _with_energy(rating: Rating, energy_joule: float) -> Rating:
    return Rating.model_construct(
        power_watt=rating.power_watt, area_m2=rating.area_m2, rate_hz=rating.rate_hz,
        energy_joule=energy_joule, leakage_watt=rating.leakage_watt,
    )  # fmt: skip


def _look_up(component: Component, at: OperatingPoint) -> Rating:
    """Return the entry of a component's table for the hardware."""
    assert component.table is not None
    by_rows = component.by == "rows"
    key = at.hardware.crossbar.rows if by_rows else _count_bits(component.action or at.name, at.hardware)
    return interpolate_rating(component.table, key, f"components.{at.name}", by_size=by_rows)


def _cell_scale(component: Component, hardware: Hardware) -> float:
    return 1.0 if component.cells is None else hardware.crossbar.rows * hardware.crossbar.cols / component.cells


def _count_bits(action: str, hardware: Hardware) -> int:
    """Return the resolution that a converter's table is looked up for."""
    if action == "dac":
        return hardware.dac.driver_bits
    return hardware.adc_bits or 16  # ideal converters are priced as the widest


def _check_law(name: str, cls: type[Any]) -> None:
    if not issubclass(cls, CostLaw):
        raise ConfigError(f"component_law {name!r}: {cls.__name__} is not derived from xbarsim.component.CostLaw")


LAWS = Table("component_law", methods=("rate",), check=_check_law)
"""Name in ``components.X.kind`` -> law."""
for _name, _law in {
    "constant": ConstantLaw,
    "table": TableLaw,
    "survey": SurveyLaw,
    "array_read": ArrayReadLaw,
    "write": WriteLaw,
    "per_value": PerValueLaw,
    "column_steps": ColumnStepsLaw,
    "ramp": RampLaw,
    "compound": CompoundLaw,
}.items():
    LAWS.add(_name, _law)
