"""The one place that chooses compile flags.

``kernel`` is for sequential code, ``parallel_kernel`` for code whose ``prange`` iterations write disjoint
outputs, ``inlined`` for helpers of hot loops that must leave no call behind (a call spills vector registers, and
counts a reference for every array that it is handed). All release the interpreter lock and cache machine code on disk.
Division by zero follows IEEE instead of raising, so kernels stay vectorisable; wrappers check inputs before they call.

``fastmath`` is off: it breaks ``isnan`` and lets the compiler reorder sums, so that the same input could
give different last digits after an innocent edit. Kernels that profit pick single flags here by name:
``contract`` (fused multiply-add) keeps NaN and the order of operations.

Numba's own cache notices edits of the file that a kernel stands in, and of no other. Here machine code is stale as
soon as any module changes that the kernel's module imports from the package, directly or through others: the operations
on lanes in :mod:`xbarsim._simd`, constants, kernels that it calls. A module of kernels therefore imports few others,
since every edit of what it imports compiles its kernels again.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOT = Path(__file__).parent
_IMPORT = re.compile(rf"^(?:from|import) ({_ROOT.name}(?:\.\w+)*)(?: import (\([^)]*\)|.*))?", re.M)


@functools.cache
def find_sources(path: Path) -> frozenset[Path]:
    """Return the files of the package that a module is made from.

    Parameters
    ----------
    path : Path
        File of a module.

    Returns
    -------
    frozenset of Path
        The file, the modules of the package that its import statements name, what those import, and so on.
    """
    found: set[Path] = set()
    ahead = [path]
    while ahead:
        file = ahead.pop()
        if file in found or not file.is_file():
            continue
        found.add(file)
        for module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
            place = _ROOT.parent.joinpath(*module.split("."))
            inside = [place / f"{name}.py" for name in re.findall(r"\w+", names)]
            ahead += [place.with_suffix(".py"), *inside]
            if not all(each.is_file() for each in inside):
                ahead.append(place / "__init__.py")
    return frozenset(found)


@functools.cache
def hash_sources(path: Path) -> str:
    """Return the SHA-256, in hexadecimal digits, of the files from :func:`find_sources`."""
    digest = hashlib.sha256()
    for file in sorted(find_sources(path)):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class KernelIndex(IndexDataCacheFile):
    """List of the machine code of one kernel, by types of its arguments."""

    def _load_index(self) -> dict[Any, str]:
        try:
            found: dict[Any, str] = super()._load_index()
        except (AttributeError, ImportError):  # it names a class that the sources of today do not have
            return {}
        return found


class KernelCache(FunctionCache):
    """Machine code on disk, beside the source of a kernel or where Numba is told to put it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = hash_sources(Path(inspect.getfile(function)))
        self._cache_file = KernelIndex(self._cache_path, self._impl.filename_base, stamp)


def _make_decorator(**flags: bool) -> Callable[[Function], Function]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}, **flags}
    decorate = numba.njit(**options)

    def compile_kernel(function: Function) -> Function:
        compiled: Any = decorate(function)
        if compiled is not function:  # as it is with NUMBA_DISABLE_JIT=1
            compiled._cache = KernelCache(function)
        kernel: Function = compiled
        return kernel

    return compile_kernel


kernel = _make_decorator()
parallel_kernel = _make_decorator(parallel=True)
inlined = _make_decorator(forceinline=True)


@contextmanager
def limit_threads(threads: int | None) -> Iterator[None]:
    """Run parallel kernels on ``threads`` threads (None: as many as before), at most all, and restore the number."""
    if threads is None:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, int(vars(numba.config)["NUMBA_NUM_THREADS"])))
    try:
        yield
    finally:
        numba.set_num_threads(before)
