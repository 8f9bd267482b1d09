"""Every number and boolean of every record is read strictly, wherever it stands in the schema."""

import pytest

import xbarsim.search.task
import xbarsim.sweep  # noqa: F401
from xbarsim.config.record import _OPAQUE, Record


def list_records(parent=Record):
    """Every class of records, those of searches and sweeps too."""
    return {cls for child in parent.__subclasses__() for cls in (child, *list_records(child))}


def find_loose(schema):
    """Return the kinds of scalars that would take other types."""
    if isinstance(schema, (list, tuple)):
        return [kind for item in schema for kind in find_loose(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["type"]] if schema.get("type") in ("int", "float", "bool") and not schema.get("strict") else []
    return own + [kind for key, value in schema.items() if key not in _OPAQUE for kind in find_loose(value)]


@pytest.mark.parametrize("record", sorted(list_records(), key=lambda cls: f"{cls.__module__}.{cls.__name__}"))
def test_scalars_of_a_record_are_strict(record):
    assert record.__pydantic_core_schema__
    assert not find_loose(record.__pydantic_core_schema__)
