"""Extensions of Numba: compile flags, a cache of machine code, and a type for vector lanes.

``kernel`` is for sequential code, ``separate_kernel`` for code that has the bits of NumPy, ``parallel_kernel`` for
code whose ``prange`` iterations write disjoint outputs, ``inlined`` for helpers of hot loops that must leave no call
behind (a call spills vector registers, and counts a reference for every array that it is handed). All release the
interpreter lock and cache machine code on disk.
Division by zero follows IEEE instead of raising, so kernels stay vectorisable; wrappers check inputs before they call.

``fastmath`` is off: it breaks ``isnan`` and lets the compiler reorder sums, so that the same input could
give different last digits after an innocent edit. Kernels that profit pick single flags here by name:
``contract`` (fused multiply-add) keeps NaN and the order of operations.

Numba's own cache notices edits of the file that a kernel stands in, and of no other. Here machine code is stale as
soon as any module changes that the kernel's module imports from the package, directly or through others: the operations
on lanes in :mod:`xbarsim._simd`, constants, kernels that it calls. A module of kernels therefore imports few others,
since every edit of what it imports compiles its kernels again.

A kernel that kernels call is compiled apart from one that Python calls, without the code that takes Python's arguments
apart: for tuples of some dozens of arrays that code takes a third of the time of the compiler.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.datamodel.models import PrimitiveModel
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.extending import register_model

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
    """Machine code on disk, beside the source of a kernel or where Numba is told to put it.

    Code that is found is loaded as it is. Numba would first read its tables of what can be compiled (NumPy's functions,
    strings, linear algebra of SciPy), which takes a third of the time of a whole estimate; they are read when a kernel
    has to be compiled.
    """

    def __init__(self, function: Callable[..., Any], mark: str = "") -> None:
        super().__init__(function)
        stamp = hash_sources(Path(inspect.getfile(function)))
        self._cache_file = KernelIndex(self._cache_path, self._impl.filename_base + mark, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for some types of arguments, None where there is none."""
        rtsys.initialize(target_context)  # machine code calls Numba's runtime
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class KernelDispatcher(CPUDispatcher):
    """What a decorated function becomes: compiled for the types that it is called with, here by Python.

    Calls from kernels go to ``called``, a second dispatcher, whose machine code Python cannot call.
    """

    def __init__(self, py_func: Callable[..., Any], locals: Any = None, targetoptions: Any = None) -> None:
        options = {"no_cfunc_wrapper": True, **(targetoptions or {})}  # no kernel is an argument of another
        super().__init__(py_func, locals or {}, options)
        self._cache = KernelCache(py_func)
        self.called = CPUDispatcher(py_func, locals or {}, {"no_cpython_wrapper": True, **options})
        self.called._cache = KernelCache(py_func, "-called")

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile for a call from a kernel; return Numba's record of the types."""
        return self.called.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """Return what was compiled for a call from a kernel."""
        return self.called.get_overload(sig)

    def compile(self, sig: Any) -> Any:
        """Compile for some types, without pauses to look for garbage: there is little until the end, and searching
        the compiler's many objects takes a twentieth of its time."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if was_enabled:
                gc.enable()


def _make_decorator(**flags: Any) -> Callable[[Function], Function]:
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}, "nopython": True, **flags}

    def compile_kernel(function: Function) -> Function:
        if config.DISABLE_JIT:
            return function
        compiled: Any = KernelDispatcher(function, targetoptions={"boundscheck": None, **options})
        kernel: Function = compiled
        return kernel

    return compile_kernel


kernel = _make_decorator()
separate_kernel = _make_decorator(fastmath=False)
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


# --- the type of lanes, and the LLVM code that operations on them share; ``_simd`` has the operations -----------------


class Lanes(types.Type):
    """Numba's type of a fixed number of values in vector registers."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")

    @property
    def vector(self) -> ir.VectorType:
        """The LLVM type."""
        return lane_vector(self.dtype, self.count)


@register_model(Lanes)
class LanesModel(PrimitiveModel):
    """How lanes are kept: as LLVM's vector."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)


_FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}


def lane_vector(dtype: Any, count: int) -> ir.VectorType:
    """Return the LLVM type of some lanes."""
    return ir.VectorType(_FLOATS[dtype.name] if dtype.name in _FLOATS else ir.IntType(dtype.bitwidth), count)


def has_feature(context: Any, name: str) -> bool:
    """Return whether code is generated for a processor with a feature, in the terms of LLVM."""
    return f"+{name}" in context.codegen()._tm_features.split(",")


def array_values(context: Any, builder: Any, array: Any, value: Any) -> Any:
    """Point to the values of an array, or take the pointer that it is."""
    return value if isinstance(array, types.CPointer) else context.make_array(array)(context, builder, value).data


def array_place(context: Any, builder: Any, array: Any, args: Any) -> Any:
    """Point to the element that the first two arguments, an array and an index, name."""
    return builder.gep(array_values(context, builder, array, args[0]), [args[1]])


def splat_lanes(builder: Any, scalar: Any, vector: ir.VectorType) -> Any:
    """Repeat a scalar over all lanes."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def take_lanes(builder: Any, value: Any, places: range) -> Any:
    """Take some lanes of a vector."""
    wanted = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), wanted)


def round_up_bits(builder: Any, value: Any, wide: ir.VectorType) -> Any:
    """Add half of the last binary digit of a bfloat16 to the bits of float32 lanes."""
    return builder.add(builder.bitcast(value, wide), ir.Constant(wide, [0x8000] * wide.count))


def join_lanes(builder: Any, parts: list[Any]) -> Any:
    """Put vectors of one type, a power of two of them, side by side."""
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        whole = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count)))
        parts = [builder.shuffle_vector(a, b, whole) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


_ROUNDING = (
    ("avx512bw", 32, "llvm.x86.avx512.pmul.hr.sw.512"),
    ("avx2", 16, "llvm.x86.avx2.pmul.hr.sw"),
)
"""Products of int16 that are rounded: feature, lanes of a register, instruction."""


def multiply_rounding(context: Any, builder: Any, x: Any, y: Any) -> Any:
    """Return ``x y / 2^15`` of int16 lanes, rounded to whole numbers, halves up."""
    count = x.type.count
    for feature, size, name in _ROUNDING:
        if has_feature(context, feature) and count % size == 0:
            kind = ir.VectorType(ir.IntType(16), size)
            product = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, kind]), name)
            places = [range(at, at + size) for at in range(0, count, size)]
            pairs = [(take_lanes(builder, x, each), take_lanes(builder, y, each)) for each in places]
            return join_lanes(builder, [builder.call(product, pair) for pair in pairs])
    wide = ir.VectorType(ir.IntType(32), count)
    found = builder.mul(builder.sext(x, wide), builder.sext(y, wide))
    found = builder.ashr(builder.add(found, ir.Constant(wide, [1 << 14] * count)), ir.Constant(wide, [15] * count))
    return builder.trunc(found, x.type)


def pack_halves(builder: Any, values: Any, mask: Any, place: Any) -> Any:
    """Store those of sixteen int16 lanes whose bit of a mask is set side by side; return how many.

    A register of eight moves bytes by a table, which has the bytes that each of 256 masks keeps.
    """
    byte, wide, half = ir.IntType(8), ir.IntType(64), ir.VectorType(ir.IntType(16), 8)
    row = ir.VectorType(byte, 16)
    table = builder.module.globals.get("kept_lanes")
    if table is None:
        kept = [[2 * k + part for k in range(8) if mark >> k & 1 for part in (0, 1)] for mark in range(256)]
        rows = [ir.Constant(row, places + [0] * (16 - len(places))) for places in kept]
        kind = ir.ArrayType(row, 256)
        table = ir.GlobalVariable(builder.module, kind, "kept_lanes")
        table.linkage, table.global_constant, table.initializer = "internal", True, ir.Constant(kind, rows)
    move = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(row, [row, row]), "llvm.x86.ssse3.pshuf.b.128"
    )
    total = wide(0)
    for first in (0, 8):
        mark = builder.trunc(builder.lshr(mask, mask.type(first)), byte)
        places = builder.load(builder.gep(table, [wide(0), builder.zext(mark, wide)], inbounds=True))
        lanes = builder.bitcast(take_lanes(builder, values, range(first, first + 8)), row)
        packed = builder.bitcast(builder.call(move, [lanes, places]), half)
        builder.store(packed, builder.bitcast(builder.gep(place, [total]), half.as_pointer())).align = 2
        total = builder.add(total, builder.zext(builder.ctpop(mark), wide))
    return total


def deal_registers(builder: Any, value: Any) -> Any:
    """Reorder the bytes of sixteen words to the lowest of all, the next of all, ...: four times the halves are
    interleaved, byte by byte, as registers of 128 bits do in one instruction."""
    size = 16
    parts = [take_lanes(builder, value, range(at, at + size)) for at in range(0, value.type.count, size)]
    for _ in range(4):
        pairs = list(zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True))
        parts = [_interleave(builder, low, high, first) for low, high in pairs for first in (0, size // 2)]
    return join_lanes(builder, parts)


def _interleave(builder: Any, low: Any, high: Any, first: int) -> Any:
    """Interleave half of the lanes of two vectors, from a lane on."""
    count = low.type.count
    places = [place + k * count for place in range(first, first + count // 2) for k in (0, 1)]
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(ir.IntType(32), count), places))
