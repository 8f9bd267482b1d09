"""The JSON schema of hardware files, checked by a validator that knows nothing of the records."""

from pathlib import Path

import pytest
from doc_pages import blocks_of

import xbarsim as xs
from xbarsim.component import LAWS, CostLaw
from xbarsim.config import list_hardware
from xbarsim.config.load import find_hardware
from xbarsim.config.schema import write_schema
from xbarsim.yaml_file import load_yaml, parse_yaml

Draft202012Validator = pytest.importorskip("jsonschema").Draft202012Validator


ROOT = Path(__file__).resolve().parents[2]


def errors_of(content, schema=None):
    return [error.message for error in Draft202012Validator(schema or write_schema()).iter_errors(content)]


def component(**keys):
    return {"base": "reference", "components": {"adc": {"per": "array", "source": "test", **keys}}}


def test_the_schema_is_one_and_takes_every_file_that_ships():
    Draft202012Validator.check_schema(write_schema())
    for name in list_hardware():
        assert not errors_of(load_yaml(find_hardware(name))), name


def test_the_schema_takes_devices_and_fragments_of_hardware():
    for path in (ROOT / "hwconfigs" / "devices").glob("*.yaml"):
        assert not errors_of(load_yaml(path)), path.name
    assert not errors_of({"base": "reference", "crossbar": {"r_wl_ohm": 5.0}, "sources": {"crossbar": "ours"}})
    assert not errors_of({"base": "reference"})
    assert not errors_of({"base": "isaac", "device": {"base": "devices/sram_binary", "g_on_siemens": 2e-5}})


def test_the_schema_takes_the_hardware_files_of_the_tutorials():
    blocks = [
        content
        for page in (ROOT / "docs" / "tutorials").glob("*.md")
        for kind, content in blocks_of(page.read_text())
        if kind == "yaml" and "\nbase: " in content
    ]
    assert len(blocks) >= 5
    for content in blocks:
        assert not errors_of(parse_yaml(content, "tutorial")), content


def list_properties(part, path=""):
    """Yield the path and the schema of every key, however deep."""
    if isinstance(part, dict):
        for name, key in part.get("properties", {}).items():
            yield f"{path}.{name}", key
        for name, inner in part.items():
            yield from list_properties(inner, f"{path}/{name}")
    elif isinstance(part, list):
        for number, inner in enumerate(part):
            yield from list_properties(inner, f"{path}/{number}")


def test_every_key_has_text_for_the_pointer_in_an_editor():
    found = dict(list_properties(write_schema()))
    assert len(found) > 100
    assert [path for path, key in found.items() if len(key.get("description", "")) < 10] == []


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"crossbar": {"rwos": 64}}, "rwos"),
        ({"adc": {"bits": 0}}, "0"),
        (component(powr_watt=1.0), "adc"),
        (component(kind="constant", stages=3), "adc"),
    ],
)
def test_what_records_refuse_the_schema_marks(content, key):
    assert any(key in message or "is not valid" in message for message in errors_of(content))


@pytest.mark.parametrize("keys", [{"kind": "per_value", "value_bits": 8}, {"kind": "ramp", "step_hz": 1e9}])
def test_the_schema_takes_the_keys_of_a_law_that_ships_under_this_law_alone(keys):
    assert not errors_of(component(**keys))
    assert not errors_of(component(kind=keys["kind"]))  # the others may be inherited
    assert errors_of(component(**{**keys, "kind": "table"}))


def test_keys_of_a_law_that_is_not_loaded_are_free():
    assert not errors_of(component(kind="pipelined_adc", stages=3))
    assert errors_of(component(kind="pipelined_adc", power_watt="much"))


def test_keys_of_a_law_that_is_loaded_are_its_own(monkeypatch):
    class PipelinedAdc(CostLaw):
        stages: int

        def rate(self, at):
            return self

    monkeypatch.setattr(LAWS, "_classes", dict(LAWS._classes))
    monkeypatch.setattr(LAWS, "_added", dict(LAWS._added))
    xs.register("component_law", "pipelined_adc", PipelinedAdc)
    Draft202012Validator.check_schema(write_schema())
    assert not errors_of(component(kind="pipelined_adc", stages=3))
    assert errors_of(component(kind="pipelined_adc", stages="three"))
    assert errors_of(component(kind="pipelined_adc", stage=3))
