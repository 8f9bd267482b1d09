"""Name of what floats are computed with: processor, compiler, kernels of the BLAS, versions of libraries.

Costs from ``estimate`` do not depend on it. Outputs and accuracies do in their last digits: where a processor can, the
compiler makes one instruction of a product and a sum, and kernels of a BLAS add in different orders. Stored results
that hold outputs or accuracies therefore have this name in their keys.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import socket
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ModelRangeWarning


@functools.cache
def describe_target() -> str:
    """Return a name for what the floats of this process are computed with.

    Returns
    -------
    str
        Parts, separated by ``; ``: the processor that Numba compiles for and a hash of its features, NumPy's
        instructions, NumPy's BLAS with its kernel, the architecture, and versions. Equal in all processes of like
        machines.
    """
    import scipy

    parts = (
        _describe_numba(), f"numpy {np.__version__} {_list_instructions()}", _describe_blas(), platform.machine(),
        f"scipy {scipy.__version__}",
    )  # fmt: skip
    return "; ".join(parts)


def compare_target(planned: str) -> None:
    """Warn where this process computes floats with something else than what a task was planned for.

    Parameters
    ----------
    planned : str
        From :func:`describe_target` in the process that made the task.
    """
    here = describe_target()
    if here != planned:
        known = planned.split("; ")
        other = "; ".join(part for part in here.split("; ") if part not in known)[:160]
        warnings.warn(
            f"worker {socket.gethostname()}: computes floats with another target ({other}) than the process that "
            f"planned the task; outputs may differ in their last digits; use like machines with equal libraries",
            ModelRangeWarning, stacklevel=2,
        )  # fmt: skip


@functools.cache
def has_wide_registers() -> bool:
    """Return whether kernels are compiled for registers of 512 bits, of which a processor has 32 instead of 16."""
    import numba
    from numba.core.registry import cpu_target

    if vars(numba.config)["DISABLE_JIT"]:
        return False
    return "+avx512f" in str(cpu_target.target_context.codegen().magic_tuple()[2]).split(",")


def _describe_numba() -> str:
    """Return what kernels are compiled for, as Numba itself tells stored machine code apart."""
    import llvmlite
    import numba
    from numba.core.registry import cpu_target

    if vars(numba.config)["DISABLE_JIT"]:
        return "not compiled"
    _, processor, features = cpu_target.target_context.codegen().magic_tuple()
    digest = hashlib.sha256(str(features).encode()).hexdigest()[:8]
    return f"{processor} {digest} numba {numba.__version__} llvmlite {llvmlite.__version__}"


def _list_instructions() -> str:
    """Return the sets of instructions beyond the least ones that NumPy chooses its loops by."""
    module: Any = vars(np).get("_core") or vars(np)["core"]  # its name before NumPy 2
    umath = module._multiarray_umath
    used = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    return "+".join(used) or "baseline"


def _describe_blas() -> str:
    """Return NumPy's BLAS and its kernel; packages that load one of their own, at any time, do not count."""
    from threadpoolctl import threadpool_info

    root = Path(np.__file__).parent
    homes = (root, root.with_name("numpy.libs"))
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    own = [each for each in found if any(home in Path(each["filepath"]).parents for home in homes)]
    names = {f"{each['internal_api']} {each.get('architecture', '')} {each['version']}" for each in own or found}
    return "+".join(sorted(names)) or "blas unknown"
