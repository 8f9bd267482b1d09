"""The one place that chooses compile flags.

``kernel`` is for sequential code, ``parallel_kernel`` for code whose ``prange`` iterations write disjoint
outputs, ``inlined`` for helpers of hot loops that must leave no call behind (a call spills vector registers, and
counts a reference for every array that it is handed). All release the interpreter lock and cache machine code on disk.
Division by zero follows IEEE instead of raising, so kernels stay vectorisable; wrappers check inputs before they call.

``fastmath`` is off: it breaks ``isnan`` and lets the compiler reorder sums, so that the same input could
give different last digits after an innocent edit. Kernels that profit pick single flags here by name:
``contract`` (fused multiply-add) keeps NaN and the order of operations.

Numba's cache does not notice edits in *another* file: a kernel and everything it calls share one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba

kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
parallel_kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, parallel=True)
inlined = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)


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
