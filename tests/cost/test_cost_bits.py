"""Costs have the same bits whatever the processor, the kernel of the BLAS and Python's ``sum``."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xbarsim

ROOT = Path(xbarsim.__file__).parent
FILES = [path for room in ("cost", "component", "timing") for path in sorted((ROOT / room).glob("*.py"))]
BLAS = ("dot", "vdot", "inner", "matmul", "tensordot", "einsum", "linalg", "vecdot", "exp", "log", "power")
"""Of NumPy: what adds in an order of the BLAS or of the processor, or computes with its own approximations."""

ESTIMATES = """
import xbarsim as xs
found = []
for chip in ("reference", "isaac", "mnsim", "nax", "neurram", "epim", "puma"):
    record = xs.load_hardware(chip)
    for changes in ({}, {"activity.mean_level": 0.3, "activity.input_activity": 0.2}, {"crossbar.r_bl_ohm": 60.0}):
        cost = xs.estimate("lenet5", record.override(changes)).cost
        found += [cost.energy_joule, cost.delay_s, cost.area_m2, cost.core_area_m2, cost.edap]
        found += [each.energy_joule for each in cost.layers] + [each.area_m2 for each in cost.components]
print([value.hex() for value in found])
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_cost_is_added_up_by_the_blas(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.MatMult), f"{path}: @"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            assert node.attr not in BLAS, f"{path}:{node.lineno}: np.{node.attr}"


@pytest.mark.slow
def test_costs_do_not_depend_on_the_processor():
    def estimate(**changes):
        environment = {**os.environ, **changes}
        done = subprocess.run([sys.executable, "-c", ESTIMATES], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    here = estimate()
    for kernel in ("Prescott", "Haswell", "SkylakeX"):
        assert estimate(OPENBLAS_CORETYPE=kernel) == here
    assert estimate(NPY_DISABLE_CPU_FEATURES="X86_V3,X86_V4,AVX512_ICL,AVX512_SPR,AVX2,AVX512F,AVX512_SKX") == here
