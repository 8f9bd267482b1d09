"""Base class and number types of the sections of a hardware description."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Record(BaseModel):
    """A frozen, keyword-only record that refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def check_name(value: Any, known: Collection[str]) -> str:
    """Refuse, within a pydantic validator, what is not one of the names of a table.

    Parameters
    ----------
    value : object
        What the hardware description says.
    known : collection of str
        The names.

    Returns
    -------
    str
        The name.

    Raises
    ------
    PydanticCustomError
        Of type ``literal_error``; its message lists the names.
    """
    if isinstance(value, str) and value in known:
        return value
    *names, last = (repr(name) for name in known)
    rule = f"Input should be {', '.join(names)} or {last}"
    raise PydanticCustomError("literal_error", "{rule}", {"rule": rule})
