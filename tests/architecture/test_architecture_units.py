"""Joules and square metres are worked out in component and cost alone.

``config`` has them as keys; the rooms that show, store or search results pass them on. No other room defines a
function, a class field or a variable in joules or square metres, nor a function of an energy or an area.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "xbarsim"
WORKED_OUT = {"component", "cost"}
KEYS = {"config"}
SHOWN = {"report", "search", "sweep", "cli"}
ELSEWHERE = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in WORKED_OUT | KEYS | SHOWN
)
UNIT = re.compile(r"_(joule|m2)$")
QUANTITY = re.compile(r"(^|_)(energy|energies|area|areas)(_|$)")


def defined_names(tree):
    """Yield (line, name, is a function) of what a module defines: functions, parameters, fields and variables."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name, True
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg, False
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id, False
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr, False


def find_wrong(tree):
    """Return one line for each name that belongs to component or cost."""
    return [
        f"line {line}: {name}"
        for line, name, is_function in defined_names(tree)
        if UNIT.search(name) or (is_function and QUANTITY.search(name))
    ]


def test_the_check_sees_functions_parameters_fields_and_variables():
    source = """
class Thing:
    core_m2: float
    def energy_of(self, each_joule): ...
def f(x):
    total_joule = x.energy_joule
    y = x.area_m2
    return area_budget
def measure_areas(): ...
"""
    found = [line.split(": ")[1] for line in find_wrong(ast.parse(source))]
    assert sorted(found) == ["core_m2", "each_joule", "energy_of", "measure_areas", "total_joule"]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_rooms_that_compute_values_and_time_know_no_joules_and_no_square_metres(path):
    assert not find_wrong(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((PACKAGE / "config").glob("*.py")), ids=lambda path: path.name)
def test_the_hardware_file_holds_figures_and_no_function_that_works_them_out(path):
    found = [
        name
        for _, name, is_function in defined_names(ast.parse(path.read_text(encoding="utf-8")))
        if is_function and (UNIT.search(name) or QUANTITY.search(name))
    ]
    assert found == []
