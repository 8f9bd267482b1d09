"""The page of constants is that of the modules, and every constant says what it is."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = {"_HZ": "Hz", "_OHM": "ohm", "_DB": "dB", "_BYTES": "bytes", "_NM": "nm", "_SIEMENS": "S", "_COULOMB": "C",
         "_EV": "eV/K", "_WATT": "W"}  # fmt: skip
"""End of a name -> unit in its description."""


@pytest.fixture
def writer(monkeypatch):
    """Import the writer of the page."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "validation"))
    yield importlib.import_module("constants")
    sys.modules.pop("constants", None)


def test_the_page_is_that_of_the_modules(writer):
    assert writer.PAGE.read_text() == writer.write_page(), "run python benchmarks/validation/constants.py"


def test_every_constant_has_a_description_and_a_source(writer):
    found = list(writer.list_constants())
    assert len(found) > 300
    assert [f"{each.module}.{each.name}" for each in found if not each.about or not each.source] == []


def test_units_are_those_of_the_names(writer):
    ends = [(each, unit) for each in writer.list_constants() for end, unit in UNITS.items() if each.name.endswith(end)]
    assert len(ends) > 10
    assert [(each.name, each.unit) for each, unit in ends if each.unit != unit] == []


def test_physical_constants_are_those_of_the_si(writer):
    values = {each.name: each.value.strip("`") for each in writer.list_constants() if each.source.startswith("SI")}
    assert {name: float(value) for name, value in values.items()} == {
        "BOLTZMANN": 1.380649e-23, "ELECTRON_COULOMB": 1.602176634e-19,
        "BOLTZMANN_EV": pytest.approx(1.380649e-23 / 1.602176634e-19, rel=1e-9),
    }  # fmt: skip


def test_what_names_things_is_still_there(writer, monkeypatch):
    listed, naming = {f"{each.module}.{each.name}" for each in writer.list_constants()}, set(writer.NAMING)
    monkeypatch.setattr(writer, "NAMING", {})
    assert {f"{each.module}.{each.name}" for each in writer.list_constants()} == listed | naming


@pytest.mark.parametrize(
    ("text", "is_number"),
    [("1e-3", True), ("-1", True), ("1 << 16", True), ("(0.5, 1.0)", True), ("64 * np.finfo(np.float64).eps", True),
     ("16 + 8 * LANES", True), ("KeptResults(16)", False), ("('a', 1)", False), ("True", False), ("{1: 2}", False)],
)  # fmt: skip
def test_numbers_are_told_from_other_values(writer, text, is_number):
    assert writer.is_number(ast.parse(text, mode="eval").body) == is_number


def test_a_source_ends_a_description(writer):
    each = writer.Constant("room.module", "RATE", "`1`", "A rate [Hz]. Source: A. Author, Journal 1 (2020) 1-2.")
    assert (each.unit, each.meaning, each.source) == ("Hz", "A rate.", "A. Author, Journal 1 (2020) 1-2")
