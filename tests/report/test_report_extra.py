"""Figures that only some designs have stand in the terminal's table and on the page."""

import re

import pytest
from rich.console import Console

import xbarsim as xs
from xbarsim.cli import _tables
from xbarsim.report.extra import list_extras
from xbarsim.report.page import _cost_table

SMALL = {"chip.tiles": 1, "chip.count": 1, "mapping.reload": "turns", "chip.cores_per_tile": 4}


def draw(report):
    console = Console(width=80, record=True, file=open("/dev/null", "w"), markup=False)  # noqa: SIM115
    console.print(_tables.cost_table(report.cost, report.provenance))
    return console.export_text()


def test_a_design_without_them_has_none():
    assert list_extras(xs.estimate("lenet5", "isaac").cost) == []


def test_programming_is_shown_apart_where_it_happens_once():
    cost = xs.estimate("lenet5", "reference").cost
    extras = list_extras(cost)
    assert [extra.name for extra in extras] == ["programming time", "programming energy"]
    assert all("not part of" in extra.note for extra in extras)


def test_turns_show_their_loads_and_the_life_of_the_cells():
    report = xs.estimate("resnet20", xs.load_hardware("reference").override(SMALL))
    shown = {extra.name: extra.text for extra in list_extras(report.cost)}
    assert shown["turns"] == str(report.cost.turns)
    assert shown["life in inferences"] == f"{report.cost.lifetime_inferences:,.0f}"
    text = draw(report)
    assert all(name in text and value in text for name, value in shown.items())
    assert "…" not in text


def test_index_look_ups_and_their_energy_stand_in_the_terminal_and_on_the_page():
    network = xs.load_network("resnet20").with_epitomes({"layer3.*": xs.Epitome(rows=144, channels=32)})
    report = xs.estimate(network, "epim")
    table = next(component for component in report.cost.components if component.action == "index_table")
    shown = {extra.name: extra.text for extra in list_extras(report.cost)}
    value, unit = shown["index look-ups"].split()
    assert float(value) * {"kbit": 1e3, "Mbit": 1e6}[unit] == pytest.approx(table.actions, rel=0.01)
    assert "look-up energy" in draw(report)
    page = _cost_table(report)
    assert re.search(rf'>{re.escape(value)}</td><td class="text"[^>]*>{unit}</td>', page)
    assert "programming energy" in page
