"""The pages of keys are those of the schemas, and every key has a description."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import xbarsim as xs
import xbarsim.search.epitome
import xbarsim.sweep.file
from xbarsim.component import LAWS
from xbarsim.config import list_devices, list_hardware
from xbarsim.config.docstring import read_descriptions
from xbarsim.config.keys import list_sections, split_unit
from xbarsim.config.load import find_hardware
from xbarsim.config.record import Record
from xbarsim.config.schema import write_schema, write_whole_schema
from xbarsim.yaml_file import load_yaml

ROOT = Path(__file__).parents[2]
UNITS = {
    "siemens": "S", "ohm": "ohm", "volt": "V", "s": "s", "hz": "Hz", "joule": "J", "watt": "W", "m2": "m2",
    "ampere": "A", "kelvin": "K", "farad": "F", "m": "m", "ev": "eV",
}  # fmt: skip


@pytest.fixture
def writer(monkeypatch):
    """Import the writer of the pages."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "validation"))
    yield importlib.import_module("key_pages")
    sys.modules.pop("key_pages", None)


def records(cls=Record):
    for derived in cls.__subclasses__():
        if derived.__module__.startswith("xbarsim."):
            yield derived
        yield from records(derived)


def hardware_keys():
    return [key for section in list_sections(write_whole_schema()) for key in section.keys]


def test_the_pages_are_those_that_the_schemas_give(writer):
    for name in writer.PAGES:
        assert (ROOT / "docs" / "keys" / name).read_text() == writer.write_page(name), (
            "run python benchmarks/validation/key_pages.py"
        )


def test_the_page_of_networks_has_every_kind_and_its_example_loads(writer, tmp_path):
    page = (ROOT / "docs" / "keys" / "network.md").read_text()
    assert page == writer.write_network_page(), "run python benchmarks/validation/key_pages.py"
    (tmp_path / "block.yaml").write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    network = xs.load_network(tmp_path / "block.yaml")
    assert [node.name for node in network.layers] == ["conv1", "conv2", "fc"]
    assert network.output_shape == (10,)


def test_every_key_of_every_record_has_a_description():
    found = set(records()) | {LAWS[name] for name in LAWS}
    assert len(found) > 30
    for cls in found:
        assert issubclass(cls, BaseModel)
        described = read_descriptions(cls)
        without = [name for name in cls.model_fields if not described.get(name) and name != "kind"]
        assert without == [name for name in without if cls.model_fields[name].annotation.__doc__], (cls, without)


def test_every_key_of_the_schema_that_editors_read_has_a_description():
    schema = write_schema()
    nodes = [schema, *schema["$defs"].values(), *schema["properties"]["components"]["additionalProperties"]["anyOf"]]
    count = 0
    for node in nodes:
        for key, given in node.get("properties", {}).items():
            assert given.get("description"), (node.get("title"), key)
            count += 1
    assert count > 150


def test_a_key_whose_name_ends_with_a_unit_has_this_unit():
    for key in hardware_keys():
        ending = key.name.rpartition(".")[2].rpartition("_")[2]
        if "_" in key.name.rpartition(".")[2] and ending in UNITS:
            assert key.unit == UNITS[ending], key


def test_keys_of_widths_and_times_in_cycles_have_units():
    endings = {"bits": "bits", "cycles": "cycles"}
    found = [
        key for key in hardware_keys() if re.split(r"[._]", key.name)[-1] in endings and "settings" not in key.name
    ]
    assert len(found) > 12
    assert [key for key in found if key.unit != endings[re.split(r"[._]", key.name)[-1]]] == []


def test_descriptions_call_an_absent_value_as_files_do():
    keys = [key for key in hardware_keys() if "null" in key.values]
    assert sum("``null``" in key.meaning for key in keys) > 15
    assert [key.name for key in hardware_keys() if re.search(r"\bNone\b", key.meaning)] == []


def test_every_key_of_the_files_that_ship_stands_in_the_list():
    known = {key.name for key in hardware_keys()}
    # names of components, of sources and of table entries are free; laws and settings have keys of their own
    free = {"components": "components.NAME", "sources": None, "table": "components.NAME.table.NAME"}

    def walk(content, prefix):
        for key, value in content.items():
            name = f"{prefix}{key}"
            assert name in known, name
            if key == "sources":
                continue
            if key in free and isinstance(value, dict):
                for item in value.values():
                    walk(item, f"{free[key]}.")
            elif isinstance(value, dict):
                walk(value, f"{name}.")

    for name in list_hardware():
        walk(load_yaml(find_hardware(name)), "")
    assert len(list_hardware()) >= 8
    assert list_devices()


def test_the_keys_of_every_law_are_listed_once():
    names = [key.name for key in hardware_keys() if key.name.startswith("components.NAME.")]
    assert len(set(names)) == len(names)
    for law in LAWS:
        for field in LAWS[law].model_fields:
            assert f"components.NAME.{field}" in names


def test_a_description_is_divided_into_text_and_unit():
    assert split_unit("Area [m2].") == ("Area.", "m2")
    assert split_unit("Width of the\ntransition [V].") == ("Width of the transition.", "V")
    assert split_unit("Uses ``a[0]`` alone.") == ("Uses ``a[0]`` alone.", "")


def test_values_name_ranges_choices_and_what_must_be_given():
    found = {key.name: key for key in hardware_keys()}
    assert found["adc.bits"].values == "whole number, 1 to 16 or `auto`, `ideal`"
    assert found["chip.tiles"].values == "whole number, at least 1 or `auto`"
    assert found["crossbar.rows"].default == "required"
    assert found["components"].default == "{}"
    assert found["device.read_volt"][2:4] == ("0.2", "V")
    assert "device.relaxation.later[].time_s" in found
