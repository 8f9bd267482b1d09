"""Descriptions of fields are read from sources when a schema is written."""

from xbarsim.config.docstring import read_descriptions
from xbarsim.config.record import Record


class Plain(Record):
    """A record."""

    first: int
    """Text of the first field,
    on two lines."""
    second: float = 1.0


class Derived(Plain):
    """A record with one field more."""

    third: int = 3
    """Third."""


def test_a_field_is_described_by_the_string_below_it_and_a_base_class_counts():
    assert read_descriptions(Derived) == {"first": "Text of the first field,\non two lines.", "third": "Third."}


def test_the_schema_of_a_record_has_the_descriptions():
    fields = Derived.model_json_schema()["properties"]
    assert fields["first"]["description"].startswith("Text of the first")
    assert "description" not in fields["second"]
    assert fields["third"]["description"] == "Third."


def test_a_class_without_source_has_none():
    made = {}
    exec("class Lost:\n    x: int\n    'below'\n", {"__name__": "nowhere"}, made)
    assert read_descriptions(made["Lost"]) == {}
