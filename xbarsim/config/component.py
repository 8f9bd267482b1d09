"""The section ``components``: number, cost and cost law of each component.

The keys that the shipped laws use stand in :class:`Component`. The laws themselves are classes of the table
``component_law`` (:mod:`xbarsim.component.law`), each a :class:`Component` with keys of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from xbarsim.config.process import Process
from xbarsim.config.record import NonNegative, Positive, Record
from xbarsim.config.supply import Supply
from xbarsim.names import suggest_or_list
from xbarsim.plugin import find_table

if TYPE_CHECKING:
    from xbarsim.config.hardware import Hardware


class Rating(Record):
    """Power, area and speed of one instance of a component."""

    power_watt: NonNegative = 0.0
    """Power at ``rate_hz``, including leakage; always on if neither rate nor energy is given [W]."""
    area_m2: NonNegative = 0.0
    """Area [m2]."""
    rate_hz: Positive | None = None
    """Actions per second at that power [Hz]."""
    energy_joule: Positive | None = None
    """Energy of one action; None: ``(power_watt - leakage_watt) / rate_hz`` [J]."""
    leakage_watt: NonNegative = 0.0
    """Static part of the power [W]."""


class Component(Rating):
    """A component: how many instances there are, and the cost of one."""

    per: Literal["row", "col", "adc", "array", "core", "tile", "chip"]
    """Unit to which ``count`` refers; ``adc`` is one converter, of which an array has ``adc.per_array``."""
    count: NonNegative = 1.0
    """Instances for each ``per``; for example 0.25 if four tiles share one."""
    kind: str | None = None
    """Name of the cost law. None: ``array_read`` with ``from_device``, else ``survey`` or ``table`` where these are
    given, ``compound`` with ``parts``, else ``constant``."""
    action: str | None = None
    """Action that the component is charged for, or a formula over counts, such as ``adc / 8 + reads * columns``; None:
    the name of the component."""
    from_device: bool = False
    """Compute the energy of an array read from conductances, voltage and pulse length."""
    cells: Annotated[int, Field(ge=1)] | None = None
    """Number of cells for which the rating is given; power, area and energy are proportional to it. None: no
    scaling."""
    by: Literal["bits", "rows"] = "bits"
    """Meaning of the keys of ``table``: resolution (ADC, DAC) or number of rows of the array."""
    table: dict[Annotated[int, Field(ge=1)], Rating] | None = None
    """Ratings for several values of ``by``, interpolated geometrically: by equal factors for each bit, and as powers of
    the number of rows; replace those of the component."""
    process: Process | None = None
    """Technology for which the numbers are given; they are scaled to that of the hardware. None: no scaling."""
    supply: Supply | None = None
    """Dependence of energy and rate on ``process.supply_volt``. None: none, or that of ``process``."""
    free: bool = False
    """Whether its action is meant to cost nothing; counted actions without a price are otherwise listed in reports."""
    survey: bool | Literal["best"] = False
    """Compute the cost of a converter from a fit over published ones, at its resolution and ``rate_hz``. true:
    converters of macros; ``best``: the best stand-alone converters."""
    source: Annotated[str, Field(min_length=1)]
    """Source of the numbers."""

    def check(self, name: str, hardware: Hardware) -> None:
        """Check what depends on the rest of the hardware.

        Parameters
        ----------
        name : str
            Its key in ``hardware.components``.
        hardware : Hardware
            What it is part of.

        Raises
        ------
        ValueError
            If its law cannot price it there; the message begins with the dotted key.
        """


def name_law(keys: Mapping[str, Any]) -> Any:
    """Return the name of the cost law of a component.

    Parameters
    ----------
    keys : mapping
        The component's keys as they stand in the file.

    Returns
    -------
    str
        Key of the table ``component_law``; anything else where ``kind`` is no name.
    """
    if keys.get("kind") is not None:
        return keys["kind"]
    if keys.get("from_device"):
        return "array_read"
    if keys.get("survey"):
        return "survey"
    if keys.get("parts") is not None:
        return "compound"
    return "constant" if keys.get("table") is None else "table"


def find_law(value: Any) -> Any:
    """Return a component as a record of its law's class; what is no component is left as it is.

    Parameters
    ----------
    value : mapping or Component
        What stands in the file, or a record.

    Returns
    -------
    Component
        Of the class that the table ``component_law`` has for its ``kind`` or its keys.

    Raises
    ------
    pydantic.ValidationError
        If there is no such law, or a key is unknown to it or breaks a rule.
    """
    keys = value.model_dump() if isinstance(value, Component) else value
    if not isinstance(keys, Mapping):
        return value
    laws, name = find_table("component_law"), name_law(keys)
    if name not in laws:
        rule = f"the name of a component law{suggest_or_list(str(name), laws)}"
        unknown = PydanticCustomError("unknown_law", "{rule}", {"rule": rule})
        error = InitErrorDetails(type=unknown, loc=("kind",), input=name)
        raise ValidationError.from_exception_data("Component", [error])
    law = laws[name]
    if type(value) is law:
        return value
    record = law.model_validate(keys)
    meant = name_law(vars(record))  # "no" and 0 are False only once they are validated
    return record if meant == name else laws[meant].model_validate(keys)


PricedComponent = Annotated[SerializeAsAny[Component], BeforeValidator(find_law)]
"""A component in the class of its law."""
