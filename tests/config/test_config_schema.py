"""The JSON schema of hardware files, checked by a validator that knows nothing of the records."""

import pytest

import xbarsim as xs
from xbarsim.component import LAWS, CostLaw
from xbarsim.config import list_hardware
from xbarsim.config.load import find_hardware
from xbarsim.config.schema import write_schema
from xbarsim.yaml_file import load_yaml

Draft202012Validator = pytest.importorskip("jsonschema").Draft202012Validator


def errors_of(content, schema=None):
    return [error.message for error in Draft202012Validator(schema or write_schema()).iter_errors(content)]


def component(**keys):
    return {"base": "reference", "components": {"adc": {"per": "array", "source": "test", **keys}}}


def test_the_schema_is_one_and_takes_every_file_that_ships():
    Draft202012Validator.check_schema(write_schema())
    for name in list_hardware():
        assert not errors_of(load_yaml(find_hardware(name))), name


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
