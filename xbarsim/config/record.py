"""Base class and number types of the sections of a hardware description."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from xbarsim.config.docstring import read_descriptions

Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
LARGEST = 2**63 - 1
"""Largest whole number of a key."""
LARGEST_NUMBER = 1e30
"""Largest number of a key, in any unit: its products stay finite."""


_OPAQUE = ("metadata", "serialization", "cls", "config", "keys_schema")
"""Parts of a schema that contain no schema of a value, and keys of mappings: dotted keys name them as text."""


def _read_strictly(schema: Any, owner: type[Any]) -> Any:
    """Make the numbers and booleans of the schema of a record strict; other records in it have been made so already."""
    if isinstance(schema, list):
        return [_read_strictly(item, owner) for item in schema]
    if isinstance(schema, tuple):
        return tuple(_read_strictly(item, owner) for item in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind == "model" and schema["cls"] is not owner and issubclass(schema["cls"], Record):
        return schema
    if kind == "function-before" and schema["function"]["function"] in (_read_whole, _read_number):
        return schema
    if kind == "bool":
        return {**schema, "strict": True}
    if kind in ("int", "float"):
        read = _read_whole if kind == "int" else _read_number
        return core_schema.no_info_before_validator_function(read, {**schema, "strict": True})
    return {key: value if key in _OPAQUE else _read_strictly(value, owner) for key, value in schema.items()}


def _read_whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    number: Any = value
    if not isinstance(value, numbers.Integral) and not float(value).is_integer():
        return value
    if not -LARGEST <= number <= LARGEST:
        raise PydanticCustomError("whole_range", "Input should be below 2**63")
    return int(number)


def _read_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    number = int(value) if isinstance(value, numbers.Integral) else float(value)
    if LARGEST_NUMBER < abs(number) < math.inf:
        raise PydanticCustomError("number_range", "Input should be below 1e30")
    return number


class Record(BaseModel):
    """A frozen, keyword-only record that refuses unknown keys, NaN and infinity, and reads scalars strictly.

    A number is neither text (``"8"``) nor true or false, a whole number has no fraction, and true and false are not
    written ``yes``, ``on`` or ``1``. Numbers of NumPy and whole floats (``64.0``) are taken as what they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Build the schema of the record, with strict scalars in every field."""
        return cast(CoreSchema, _read_strictly(handler(source), cls))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the fields by the strings below them, which are read here: a program that asks for no schema does
        without the sources of all records."""
        found = handler(schema)
        fields = handler.resolve_ref_schema(found).get("properties", {})
        for field, text in read_descriptions(cls).items():
            name = (cls.model_fields[field].alias or field) if field in cls.model_fields else field
            if name in fields and handler.resolve_ref_schema(fields[name]).get("description") != text:
                fields[name].setdefault("description", text)
        return found


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
