"""The name of what floats are computed with: equal in like processes, another one for each compiler target and BLAS."""

import os
import subprocess
import sys
import warnings

import pytest

from xbarsim.errors import ModelRangeWarning
from xbarsim.target import compare_target, describe_target

NAME = "from xbarsim.target import describe_target; print(describe_target())"


def describe_elsewhere(code=NAME, **changes):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **changes}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_like_process_has_the_same_name_whatever_it_loads_before():
    assert describe_elsewhere(f"import scipy.linalg, sklearn.cluster; {NAME}") == describe_target()


def test_another_compiler_target_has_another_name():
    found = describe_elsewhere(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert found != describe_target()
    assert "generic" in found


def test_another_kernel_of_the_blas_has_another_name():
    if "openblas" not in describe_target() or "x86_64" not in describe_target():
        pytest.skip("no OpenBLAS for x86-64")
    found = {describe_elsewhere(OPENBLAS_CORETYPE=name) for name in ("Prescott", "Nehalem")}
    assert len(found) == 2


def test_interpreted_kernels_have_another_name():
    assert describe_elsewhere(NUMBA_DISABLE_JIT="1") != describe_target()


def test_a_worker_of_another_target_says_so_in_one_line():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_target(describe_target())
    with pytest.warns(ModelRangeWarning, match="another target") as caught:
        compare_target("z15 0a1b; numpy 2.0.0 VXE; blas unknown; s390x; scipy 1.11")
    assert len(str(caught[0].message)) <= 400
