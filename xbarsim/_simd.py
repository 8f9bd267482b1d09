"""Vectors in registers, for kernels: plain functions on short NumPy arrays, which Numba compiles to LLVM vectors.

Numba keeps no arrays in registers, and vectorises a loop only where it can prove that arrays do not overlap. Lanes are
a type of their own, so the question does not arise: ``zeros(table, LANES)`` makes them, ``load`` and ``store`` move
them, the other functions compute. ``zeros(float32_array, 64)`` is 64 floats: four 512-bit registers, or eight of 256
bits. Every operation is elementwise, so results do not depend on the width of the machine's registers. Integers wrap.
Compiled code checks no bounds.

Each operation is defined by a plain function, which runs as it stands where nothing is compiled
(``NUMBA_DISABLE_JIT=1``), and an entry of ``COMPILED``, which says how calls from kernels are typed and compiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable
from numpy.typing import NDArray

from xbarsim._numba import Lanes, array_place, array_values, lane_vector, round_up_bits, splat_lanes, take_lanes

LANES = 16
"""Values that are worked on side by side; one 512-bit register of float32 [-]."""
WIDE = 4 * LANES
"""Columns that are read at a time where there are enough [-]."""

Array: TypeAlias = NDArray[Any]
Vector: TypeAlias = NDArray[Any]
"""Lanes, as the plain functions see them."""

Index: TypeAlias = "int | np.integer[Any]"

Record = TypeVar("Record", bound="tuple[Any, ...]")

_SUMS = {"int16": "int32", "uint16": "float32"}
"""Type of a table -> type in which its rows are summed; the table's own where it is not listed. uint16 holds bfloat16,
the upper halves of float32: the first half of the lanes in the even places, the second half in the odd ones, so that a
mask or a shift of a register takes them apart."""


def address(array: Array) -> Array:
    """Return a bare pointer to an array's values, for :func:`load`, :func:`peek`, :func:`store` and :func:`poke`.

    Arrays count their references, atomically and at every call that they are handed to; pointers do not.
    """
    if not array.flags.c_contiguous:
        raise ValueError("address: the array is not contiguous")
    return array.reshape(-1)


def point(record: Record) -> Record:
    """Return a named tuple with a bare pointer in the place of every array; see :func:`address`."""
    return type(record)(*(address(value) if isinstance(value, np.ndarray) else value for value in record))


def zeros(table: Array, count: int) -> Vector:
    """Return ``count`` lanes of zeros, of the type in which rows of ``table`` are summed; ``count`` is a constant."""
    return np.zeros(count, dtype=_SUMS.get(table.dtype.name, table.dtype))


def load(array: Array, index: Index, like: Vector) -> Vector:
    """Load as many values as ``like`` has: int16 widened to int32, bfloat16 (kept as uint16) to float32."""
    values = array[index : index + like.size]
    if index < 0 or values.size != like.size:
        raise IndexError(f"load: {like.size} values from {index} on, of {array.size}")
    if array.dtype == np.uint16:
        return (np.concatenate([values[::2], values[1::2]]).astype(np.uint32) << 16).view(np.float32)
    return values.astype(_SUMS.get(array.dtype.name, array.dtype))


def store(array: Array, index: Index, lanes: Vector) -> None:
    """Store lanes into an array, narrowed to its type; floats in uint16 are rounded to bfloat16."""
    if index < 0 or index + lanes.size > array.size:
        raise IndexError(f"store: {lanes.size} values from {index} on, of {array.size}")
    if array.dtype == np.uint16:
        lanes = (shorten(lanes).view(np.uint32) >> 16).reshape(2, -1).T.ravel()
    array[index : index + lanes.size] = lanes.astype(array.dtype)


def peek(array: Array, index: Index) -> Any:
    """Return one value of an array at an index that is never negative, so that none is spent on wrapping it around."""
    return array[index]


def poke(array: Array, index: Index, value: Any) -> None:
    """Set one value of an array at an index that is never negative."""
    array[index] = value


def lane_count(lanes: Vector) -> int:
    """Return how many values lanes hold."""
    return lanes.size


def fill(value: Any, like: Vector) -> Vector:
    """Return lanes that all hold ``value``, of its type, as many as ``like`` has."""
    return np.full(like.size, value)


def spread(value: float, like: Vector) -> Vector:
    """Return lanes like ``like`` that all hold a value, cast to their type."""
    return np.full(like.size, value, dtype=like.dtype)


def add(x: Vector, y: Vector) -> Vector:
    """Return ``x + y``."""
    return np.add(x, y)


def add_clipped(x: Vector, y: Vector) -> Vector:
    """Return ``x + y`` of uint8 lanes, 255 where that is more."""
    return np.minimum(x.astype(np.uint16) + y, 255).astype(np.uint8)


def multiply(x: Vector, y: Vector) -> Vector:
    """Return ``x y``."""
    return np.multiply(x, y)


def divide(x: Vector, y: Vector) -> Vector:
    """Return ``x / y`` of float lanes."""
    return np.divide(x, y)


def scale(s: float, x: Vector) -> Vector:
    """Return ``s x``."""
    return multiply(fill(x.dtype.type(s), x), x)


def multiply_add(s: float, x: Vector, y: Vector) -> Vector:
    """Return ``s x + y``."""
    return add(scale(s, x), y)


def round_even(x: Vector) -> Vector:
    """Round float lanes to whole numbers, halves to even ones."""
    return np.asarray(np.rint(x))


def shorten(x: Vector) -> Vector:
    """Round float32 lanes of zero or more to bfloat16, which has eight binary digits; halves go up."""
    return ((x.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def square_root(x: Vector) -> Vector:
    """Return the square roots of float lanes."""
    return np.asarray(np.sqrt(x))


def smaller(x: Vector, y: Vector) -> Vector:
    """Return the smaller of two float lanes, ``y`` where they do not compare."""
    return np.where(x < y, x, y)


def larger(x: Vector, y: Vector) -> Vector:
    """Return the larger of two float lanes, ``y`` where they do not compare."""
    return np.where(x > y, x, y)


def count_above(x: Vector, y: Vector) -> int:
    """Return in how many of two float lanes the first is the larger one."""
    return int(np.count_nonzero(x > y))


def to_float(x: Vector) -> Vector:
    """Convert lanes to float32."""
    return x.astype(np.float32)


def to_int32(x: Vector) -> Vector:
    """Convert lanes to int32; floats are cut toward zero."""
    return x.astype(np.int32)


def to_int64(x: Vector) -> Vector:
    """Convert lanes to int64; floats are cut toward zero."""
    return x.astype(np.int64)


def _sum_type(dtype: Any) -> Any:
    return getattr(types, _SUMS[dtype.name]) if dtype.name in _SUMS else dtype


Definition: TypeAlias = "tuple[Any, Callable[[Any, Any, Any, Any], Any]] | None"
"""Signature of a call, and what generates its code; None where the types do not serve."""


def _address(array: Any) -> Definition:
    return types.CPointer(array.dtype)(array), lambda context, builder, _, args: array_values(
        context, builder, array, args[0]
    )


def _point(record: Any) -> Definition:
    kinds = [types.CPointer(kind.dtype) if isinstance(kind, types.Array) else kind for kind in record.types]
    result = types.BaseTuple.from_types(kinds, record.instance_class)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pairs = zip(record.types, cgutils.unpack_tuple(builder, args[0]), strict=True)
        pointers = [
            array_values(context, builder, *pair) if isinstance(pair[0], types.Array) else pair[1] for pair in pairs
        ]
        return context.make_tuple(builder, result, pointers)

    return result(record), generate


def _zeros(table: Any, count: Any) -> Definition:
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = Lanes(_sum_type(table.dtype), count.literal_value)
    return result(table, count), lambda *_: ir.Constant(result.vector, None)


def _load(array: Any, index: Any, like: Any) -> Definition:
    result = Lanes(_sum_type(array.dtype), like.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        is_short = array.dtype == types.uint16
        stored = lane_vector(types.uint32, like.count // 2) if is_short else lane_vector(array.dtype, like.count)
        value = builder.load(builder.bitcast(array_place(context, builder, array, args), stored.as_pointer()))
        value.align = array.dtype.bitwidth // 8
        if is_short:
            first = builder.shl(value, ir.Constant(stored, [16] * stored.count))
            second = builder.and_(value, ir.Constant(stored, [0xFFFF0000] * stored.count))
            places = ir.Constant(ir.VectorType(ir.IntType(32), like.count), list(range(like.count)))
            value = builder.bitcast(builder.shuffle_vector(first, second, places), result.vector)
        elif array.dtype.name in _SUMS:
            value = builder.sext(value, result.vector)
        return value

    return result(array, types.intp, like), generate


def _store(array: Any, index: Any, lanes: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored, value = lane_vector(array.dtype, lanes.count), args[2]
        if array.dtype == types.uint16:
            wide, stored = lane_vector(types.uint32, lanes.count), lane_vector(types.uint32, lanes.count // 2)
            bits, half = round_up_bits(builder, value, wide), stored.count
            first, second = (take_lanes(builder, bits, range(at, at + half)) for at in (0, half))
            first = builder.lshr(first, ir.Constant(stored, [16] * half))
            value = builder.or_(first, builder.and_(second, ir.Constant(stored, [0xFFFF0000] * half)))
        elif array.dtype.bitwidth < lanes.dtype.bitwidth:
            value = builder.trunc(value, stored)
        pointer = builder.bitcast(array_place(context, builder, array, args), stored.as_pointer())
        builder.store(value, pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _shorten(x: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, mask = lane_vector(types.uint32, x.count), [0xFFFF0000] * x.count
        return builder.bitcast(builder.and_(round_up_bits(builder, args[0], wide), ir.Constant(wide, mask)), x.vector)

    return x(x), generate


def _peek(array: Any, index: Any) -> Definition:
    return array.dtype(array, types.intp), lambda c, b, _, args: b.load(array_place(c, b, array, args))


def _poke(array: Any, index: Any, value: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(context.cast(builder, args[2], value, array.dtype), array_place(context, builder, array, args))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _lane_count(lanes: Any) -> Definition:
    return types.intp(lanes), lambda *_: ir.IntType(64)(lanes.count)


def _fill(value: Any, like: Any) -> Definition:
    result = Lanes(types.unliteral(value), like.count)
    return result(result.dtype, like), lambda _, builder, __, args: splat_lanes(builder, args[0], result.vector)


def _spread(value: Any, like: Any) -> Definition:
    return like(value, like), lambda c, b, _, args: splat_lanes(b, c.cast(b, args[0], value, like.dtype), like.vector)


def _scale(s: Any, x: Any) -> Definition:
    return x(x.dtype, x), lambda _, b, __, args: b.fmul(splat_lanes(b, args[0], x.vector), args[1], flags=("contract",))


def _multiply_add(s: Any, x: Any, y: Any) -> Definition:
    def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
        product = b.fmul(splat_lanes(b, args[0], x.vector), args[1], flags=("contract",))
        return b.fadd(product, args[2], flags=("contract",))

    return x(x.dtype, x, x), generate


def _binary(on_float: str, on_integer: str) -> Callable[[Any, Any], Definition]:
    """Define an elementwise operation of two lanes of one type."""

    def define(x: Any, y: Any) -> Definition:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if isinstance(x.dtype, types.Float):
                return getattr(builder, on_float)(*args, flags=("contract",))
            return getattr(builder, on_integer)(*args)

        return x(x, x), generate

    return define


def _add_clipped(x: Any, y: Any) -> Definition:
    symbol, kind = f"llvm.uadd.sat.v{x.count}i{x.dtype.bitwidth}", ir.FunctionType(x.vector, [x.vector] * 2)
    return x(x, x), lambda _, b, __, args: b.call(cgutils.get_or_insert_function(b.module, kind, symbol), args)


def _divide(x: Any, y: Any) -> Definition:
    return x(x, x), lambda _, builder, __, args: builder.fdiv(*args)


def _unary(name: str) -> Callable[[Any], Definition]:
    """Define an elementwise LLVM intrinsic of float lanes."""

    def define(x: Any) -> Definition:
        symbol, kind = f"llvm.{name}.v{x.count}f{x.dtype.bitwidth}", ir.FunctionType(x.vector, [x.vector])
        return x(x), lambda _, b, __, args: b.call(cgutils.get_or_insert_function(b.module, kind, symbol), args)

    return define


def _select(comparison: str) -> Callable[[Any, Any], Definition]:
    """Define the choice of the first of two float lanes where the comparison holds."""

    def define(x: Any, y: Any) -> Definition:
        return x(x, x), lambda _, builder, __, args: builder.select(builder.fcmp_ordered(comparison, *args), *args)

    return define


def _count_above(x: Any, y: Any) -> Definition:
    return types.intp(x, x), lambda _, b, __, args: b.zext(
        b.ctpop(b.bitcast(b.fcmp_ordered(">", *args), ir.IntType(x.count))), ir.IntType(64)
    )


def _convert(target: Any) -> Callable[[Any], Definition]:
    """Define the conversion of lanes to another type."""

    def define(x: Any) -> Definition:
        result = Lanes(target, x.count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if x.dtype == target:
                return args[0]
            change = builder.fptosi if isinstance(x.dtype, types.Float) else builder.sext
            if target == types.float32:
                change = builder.sitofp if x.dtype.signed else builder.uitofp
            return change(args[0], result.vector)

        return result(x), generate

    return define


COMPILED: dict[Callable[..., Any], Callable[..., Definition]] = {
    address: _address, point: _point, zeros: _zeros, load: _load, store: _store, peek: _peek, poke: _poke,
    lane_count: _lane_count, fill: _fill, spread: _spread, add: _binary("fadd", "add"), add_clipped: _add_clipped,
    multiply: _binary("fmul", "mul"), divide: _divide, scale: _scale, multiply_add: _multiply_add, shorten: _shorten,
    round_even: _unary("rint"), count_above: _count_above, square_root: _unary("sqrt"), smaller: _select("<"),
    larger: _select(">"), to_float: _convert(types.float32), to_int32: _convert(types.int32),
    to_int64: _convert(types.int64),
}  # fmt: skip
"""Plain function -> types of its arguments to a signature and a generator of code."""


def _register(plain: Callable[..., Any], define: Callable[..., Definition]) -> None:
    """Tell Numba how to type and to compile calls of a plain function."""

    @functools.wraps(define)
    def type_call(*args: Any) -> Any:
        return (define(*args) or (None,))[0]

    def lower_call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = define(*signature.args)
        assert found is not None
        return found[1](context, builder, signature, args)

    type_callable(plain)(lambda context: type_call)
    lower_builtin(plain, types.VarArg(types.Any))(lower_call)


for _plain, _define in COMPILED.items():
    _register(_plain, _define)
