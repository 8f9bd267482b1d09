"""The section ``components``: how many there are of each, what one costs, and by which law that is worked out.

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
from xbarsim.names import suggest_or_list
from xbarsim.plugin import find_table

if TYPE_CHECKING:
    from xbarsim.config.hardware import Hardware


class Rating(Record):
    """Power, area and speed of one instance of a component."""

    power_watt: NonNegative = 0.0
    """Power when acting at ``rate_hz``, leakage included; always on where there is neither rate nor energy [W]."""
    area_m2: NonNegative = 0.0
    """Area [m2]."""
    rate_hz: Positive | None = None
    """Actions a second at that power [Hz]."""
    energy_joule: Positive | None = None
    """Energy of one action; None derives it as (power - leakage) / rate [J]."""
    leakage_watt: NonNegative = 0.0
    """Part of the power that is drawn whether or not it acts [W]."""


class Component(Rating):
    """A kind of component: how many there are, and what one of them costs."""

    per: Literal["row", "col", "adc", "array", "core", "tile", "chip"]
    """What ``count`` is counted for; ``adc``: for each converter, of which an array has ``adc.per_array``."""
    count: NonNegative = 1.0
    """Instances for each ``per``; 0.25 where four tiles share one."""
    kind: str | None = None
    """Law that prices it, by name. None: ``array_read`` where ``from_device``, else ``survey`` or ``table`` where these
    are given, else ``constant``."""
    action: str | None = None
    """Counted action that it is charged for; None is the component's own name."""
    from_device: bool = False
    """Energy of an array read from conductances, voltage and pulse, in place of a constant."""
    cells: Annotated[int, Field(ge=1)] | None = None
    """Cells of the array that the rating holds for; power, area and energy grow in proportion. None: no scaling."""
    by: Literal["bits", "rows"] = "bits"
    """What the keys of ``table`` are: resolution (ADC, DAC) or word lines of the array."""
    table: dict[int, Rating] | None = None
    """Ratings by ``by``, in place of the component's own; geometric interpolation in between."""
    process: Process | None = None
    """Technology that the numbers hold for; they are scaled to that of the hardware. None: no scaling."""
    survey: bool = False
    """A converter priced by a regression over published ones, at its resolution and ``rate_hz``."""
    source: Annotated[str, Field(min_length=1)]
    """Where the numbers come from."""

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
    """Return the name of the law that prices a component.

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
    return "table" if keys.get("table") else "constant"


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
