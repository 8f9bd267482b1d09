"""The house of kernels: one table, and machine code that is never older than any source it is made from."""

import ast
import os
import pickle
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.kernels import KERNELS

from xbarsim._numba import find_sources

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "xbarsim"
SQUARE = """
import numpy as np
from xbarsim.crossbar import _kernels
out = np.zeros(16)
_kernels.multiply_square(np.arange(16.0), np.eye(16).ravel(), out)
print(int(out[3]), sum(_kernels.multiply_square.stats.cache_hits.values()))
"""
CONSTANT = """
from xbarsim import constants
from xbarsim.kernels import triple
(record,) = (each for name, each in vars(constants).items() if name in ("Pair", "Both"))
print(triple(record(2, 3)), sum(triple.stats.cache_hits.values()))
"""

CALLED = """
from xbarsim.constants import Pair
from xbarsim.kernels import triple, twice
print(twice(Pair(2, 3)), len(triple.overloads), len(triple.called.overloads), triple(Pair(2, 3)))
"""


LOADED = """
import sys
from xbarsim.constants import Pair
from xbarsim.kernels import triple
print(triple(Pair(2, 3)), int("numba.np.arraymath" in sys.modules))
"""


@pytest.fixture
def copied(tmp_path):
    """A copy of the package with two files more: a kernel, and a constant and a record that it imports."""
    shutil.copytree(PACKAGE, tmp_path / "xbarsim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "xbarsim" / "constants.py").write_text(
        "from typing import NamedTuple\n\nFACTOR = 3\n\n\nclass Pair(NamedTuple):\n    a: int\n    b: int\n"
    )
    (tmp_path / "xbarsim" / "kernels.py").write_text(
        "from xbarsim._numba import kernel\nfrom xbarsim.constants import (\n    FACTOR,\n)\n\n\n"
        "@kernel\ndef triple(pair):\n    return FACTOR * (pair.a + pair.b)\n\n\n"
        "@kernel\ndef twice(pair):\n    return 2 * triple(pair)\n"
    )
    return tmp_path / "xbarsim"


def run(copied, code):
    """Run code in a new process with the copy; return the numbers that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(copied.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith("NUMBA_")}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, cwd=copied.parent, capture_output=True, text=True, check=True)
    return [int(word) for word in result.stdout.split()]


def edit(path, old, new):
    """Replace the one place where a text stands in a file."""
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name}: {old}"
    path.write_text(text.replace(old, new))


def test_an_edited_operation_compiles_kernels_again(copied):
    assert run(copied, SQUARE) == [3, 0]
    assert run(copied, SQUARE) == [3, 1]
    edit(copied / "_lanes.py", "return builder.fadd(product, args[2]", "return builder.fsub(args[2], product")
    assert run(copied, SQUARE) == [-3, 0]
    assert run(copied, SQUARE) == [-3, 1]


def test_an_edited_constant_or_record_of_another_module_compiles_kernels_again(copied):
    assert run(copied, CONSTANT) == [15, 0]
    edit(copied / "constants.py", "FACTOR = 3", "FACTOR = 4")
    assert run(copied, CONSTANT) == [20, 0]
    edit(copied / "errors.py", "The exceptions and warnings", "Exceptions and warnings")
    assert run(copied, CONSTANT) == [20, 1]
    edit(copied / "constants.py", "class Pair", "class Both")
    assert run(copied, CONSTANT) == [20, 0]


def test_a_kernel_that_kernels_call_is_compiled_for_python_only_where_python_calls_it(copied):
    assert run(copied, CALLED) == [30, 0, 1, 15]
    assert run(copied, CALLED) == [30, 0, 0, 15]  # machine code that was found holds all that it calls


def written_kernels():
    """Return the module and name of every function of the package that is compiled."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
                if names & {"kernel", "separate_kernel", "parallel_kernel", "inlined"}:
                    found.add(f"{module}.{node.name}")
    return found


def test_every_kernel_stands_in_the_table():
    assert {case.name for case in KERNELS} == written_kernels()


@pytest.mark.parametrize("case", KERNELS, ids=[f"{case.name}-{n}" for n, case in enumerate(KERNELS)])
def test_a_kernel_equals_its_twin(case):
    compiled, _ = case.run(case.call)
    expected, _ = case.run(case.twin)
    assert len(compiled) == len(expected) > 0
    for x, y in zip(compiled, expected):
        atol = case.rtol * np.abs(y).max() if case.rtol else 0.0
        np.testing.assert_allclose(x, y, rtol=case.rtol, atol=atol)


def test_kernels_are_made_from_few_sources():
    modules = {PACKAGE.parent.joinpath(*name.split(".")[:-1]).with_suffix(".py") for name in written_kernels()}
    for path in modules:
        assert len(find_sources(path)) <= 8, f"{path.name}: every edit of what it imports compiles its kernels again"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="no processor without fused multiply-add")
def test_interpreted_kernels_give_the_bits_of_compiled_ones(tmp_path):
    found = []
    # a processor without fused multiply-add rounds every product, as Python does
    settings = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_DISABLE_JIT": "1"}
    for number, changes in enumerate(settings):
        path = tmp_path / f"{number}.pickle"
        environment = {**os.environ, **changes, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        command = [sys.executable, "-W", "ignore", "-m", "reference.kernels", str(path)]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
        found.append(pickle.loads(path.read_bytes()))
    for (name, compiled), (other, interpreted) in zip(*found, strict=True):
        assert name == other
        for part in range(2):
            for x, y in zip(compiled[part], interpreted[part], strict=True):
                np.testing.assert_array_equal(x, y, err_msg=name)


def test_machine_code_is_loaded_without_what_only_compiling_needs(copied):
    assert run(copied, LOADED) == [15, 1]
    assert run(copied, LOADED) == [15, 0]
