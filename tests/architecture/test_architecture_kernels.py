"""The house of kernels: one table, and machine code that is never older than any source it is made from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "xbarsim"
SQUARE = """
import numpy as np
from xbarsim.crossbar import _kernels
out = np.zeros(16)
_kernels.multiply(np.arange(16.0), np.eye(16).ravel(), out)
print(int(out[3]), sum(_kernels.multiply.stats.cache_hits.values()))
"""
CONSTANT = """
from xbarsim.kernels import triple
print(triple(5), sum(triple.stats.cache_hits.values()))
"""


@pytest.fixture
def copied(tmp_path):
    """A copy of the package with two files more: a kernel, and a constant that it imports."""
    shutil.copytree(PACKAGE, tmp_path / "xbarsim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "xbarsim" / "constants.py").write_text("FACTOR = 3\n")
    (tmp_path / "xbarsim" / "kernels.py").write_text(
        "from xbarsim._numba import kernel\nfrom xbarsim.constants import (\n    FACTOR,\n)\n\n\n"
        "@kernel\ndef triple(x):\n    return FACTOR * x\n"
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
    edit(copied / "_simd.py", "return builder.fadd(product, args[2]", "return builder.fsub(args[2], product")
    assert run(copied, SQUARE) == [-3, 0]
    assert run(copied, SQUARE) == [-3, 1]


def test_an_edited_constant_of_another_module_compiles_kernels_again(copied):
    assert run(copied, CONSTANT) == [15, 0]
    edit(copied / "constants.py", "3", "4")
    assert run(copied, CONSTANT) == [20, 0]
    edit(copied / "errors.py", "The exceptions and warnings", "Exceptions and warnings")
    assert run(copied, CONSTANT) == [20, 1]
