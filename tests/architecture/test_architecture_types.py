"""Type checkers see the front door: what users import has a type, and wrong use is an error."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xbarsim

pytest.importorskip("mypy")

ROOT = Path(__file__).resolve().parents[2]

RIGHT = """
import xbarsim as xs
from xbarsim.report import CostReport, Report

report: CostReport = xs.estimate("resnet20", "reference")
edap: float = report.cost.edap
hardware: xs.Hardware = xs.load_hardware("reference").override({"adc.bits": 6})
oracle = xs.CostOracle(hardware)
again: float = oracle.cost(xs.load_network("lenet5")).energy_joule


def accuracy(report: Report) -> float:
    return 0.0 if report.accuracy is None else report.accuracy.hardware
"""

WRONG = """
import xbarsim as xs

report = xs.estimate("resnet20", "reference")
reveal_type(report)
bad: str = report.cost.edap
xs.estimate(3.5, "reference")
xs.estimate("resnet20", "reference", layer={})
xs.no_such_name
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Run ``mypy --strict`` on the text of a user's file; return exit code and output."""
    cache = tmp_path_factory.mktemp("mypy")

    def run(text):
        path = cache / "user.py"
        path.write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
        result = subprocess.run(
            [*command, "--cache-dir", str(cache), str(path)],
            cwd=cache,
            env={**os.environ, "MYPYPATH": str(ROOT)},  # mypy does not follow the import hook of an editable install
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stdout + result.stderr

    return run


@pytest.mark.slow
def test_a_users_file_with_right_types_passes(check):
    code, output = check(RIGHT)
    assert code == 0, output


@pytest.mark.slow
def test_a_users_file_with_wrong_types_fails_line_by_line(check):
    code, output = check(WRONG)
    assert code == 1
    assert 'Revealed type is "xbarsim.report.record.CostReport"' in output
    for line in (6, 7, 8, 9):
        assert f"user.py:{line}: error" in output, output


def test_type_checkers_see_the_names_that_load_at_run_time():
    source = ast.parse(Path(xbarsim.__file__).read_text())
    guarded = next(node for node in source.body if isinstance(node, ast.If) and not isinstance(node.test, ast.UnaryOp))
    seen = {}
    for node in guarded.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {alias.asname: node.module for alias in node.names}
    assert set(seen) == set(xbarsim.__all__) - {"__version__"}
    for name, module in seen.items():
        loaded = getattr(xbarsim, name)
        expected = importlib.import_module(module)
        assert loaded is getattr(expected, name)
