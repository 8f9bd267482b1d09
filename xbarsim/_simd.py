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
from numba import types
from numba.extending import lower_builtin, type_callable
from numpy.typing import NDArray

from xbarsim._lanes import CODE, LOADED, Definition

LANES = 16
"""Values that are worked on side by side; one 512-bit register of float32 [-]."""
WIDE = 4 * LANES
"""Columns that are read at a time where there are enough [-]."""

Array: TypeAlias = NDArray[Any]
Vector: TypeAlias = NDArray[Any]
"""Lanes, as the plain functions see them."""

Index: TypeAlias = "int | np.integer[Any]"

Record = TypeVar("Record", bound="tuple[Any, ...]")


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


def zeros(array: Array, count: int) -> Vector:
    """Return ``count`` lanes of zeros, of an array's type, float32 for bfloat16; ``count`` is a constant."""
    return np.zeros(count, dtype=np.float32 if array.dtype == np.uint16 else array.dtype)


def load(array: Array, index: Index, like: Vector) -> Vector:
    """Load as many values as ``like`` has: bfloat16 (kept as uint16) widened to float32, int16 to int32 but for lanes
    of int16."""
    values = array[index : index + like.size]
    if index < 0 or values.size != like.size:
        raise IndexError(f"load: {like.size} values from {index} on, of {array.size}")
    if array.dtype == np.uint16:
        return (np.concatenate([values[::2], values[1::2]]).astype(np.uint32) << 16).view(np.float32)
    return values.astype(array.dtype if array.dtype == like.dtype else LOADED.get(array.dtype.name, array.dtype))


def gather(array: Array, index: Index, offsets: Array, at: Index, like: Vector) -> Vector:
    """Load as many values as ``like`` has from ``index + offsets[at]``, ``index + offsets[at + 1]``, and so on."""
    return array[index + load(offsets, at, np.zeros(like.size, dtype=offsets.dtype))]


def store(array: Array, index: Index, lanes: Vector) -> None:
    """Store lanes into an array, narrowed to its type: floats are cut to whole numbers, or rounded to bfloat16 for
    uint16."""
    if index < 0 or index + lanes.size > array.size:
        raise IndexError(f"store: {lanes.size} values from {index} on, of {array.size}")
    if array.dtype == np.uint16:
        lanes = (shorten(lanes).view(np.uint32) >> 16).reshape(2, -1).T.ravel()
    array[index : index + lanes.size] = lanes.astype(array.dtype)


def pack(array: Array, index: Index, lanes: Vector, marks: Vector) -> int:
    """Store the int16 lanes whose mark is not zero side by side, and return how many; the places behind them, as many
    as there are lanes in all, may be overwritten."""
    if index < 0 or index + lanes.size > array.size:
        raise IndexError(f"pack: {lanes.size} values from {index} on, of {array.size}")
    kept = lanes[marks != 0]
    array[index : index + kept.size] = kept
    return int(kept.size)


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


def mask(x: Vector, y: Vector) -> Vector:
    """Return the bits that two integer lanes share."""
    return x & y


def multiply(x: Vector, y: Vector) -> Vector:
    """Return ``x y``."""
    return np.multiply(x, y)


def multiply_halves(x: Vector, y: Vector) -> Vector:
    """Return the products of the lower and of the upper halves of int32 lanes, two numbers of 16 bits, added."""
    products = np.multiply(x.view(np.int16), y.view(np.int16), dtype=np.int32)
    return np.add(products[::2], products[1::2])


def join_pairs(x: Vector) -> Vector:
    """Return int16 lanes as half as many of int32: of every two, the first is the lower half of a lane."""
    return x.view(np.int32)


def interleave(x: Vector, y: Vector) -> Vector:
    """Return the lanes of two in turn: the first of ``x``, the first of ``y``, the second of ``x``, ..."""
    return np.stack([x, y], axis=1).ravel()


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


def scale_even(x: Vector, factor: np.int16) -> Vector:
    """Multiply int16 lanes by ``factor / 2^15``, 0 < factor < 2^15 a power of two, and round halves to even numbers.

    No lane is -2^15.
    """
    return np.rint(x * (int(factor) / 2**15)).astype(np.int16)


def shorten(x: Vector) -> Vector:
    """Round float32 lanes of zero or more to bfloat16, which has eight binary digits; halves go up."""
    return ((x.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def square_root(x: Vector) -> Vector:
    """Return the square roots of float lanes."""
    return np.asarray(np.sqrt(x))


def smaller(x: Vector, y: Vector) -> Vector:
    """Return the smaller of two lanes, ``y`` where they do not compare."""
    return np.where(x < y, x, y)


def larger(x: Vector, y: Vector) -> Vector:
    """Return the larger of two lanes, ``y`` where they do not compare."""
    return np.where(x > y, x, y)


def count_above(x: Vector, y: Vector) -> int:
    """Return in how many of two float lanes the first is the larger one."""
    return int(np.count_nonzero(x > y))


def deal_bytes(array: Array, index: Index, x: Vector) -> None:
    """Store the bytes of lanes of uint64 into an array of uint8: the lowest of all lanes, the next of all lanes, ..."""
    store(array, index, x.view(np.uint8).reshape(-1, 8).T.ravel())


def load_bytes(array: Array, index: Index, like: Vector) -> Vector:
    """Load as many values of an array of uint8 as ``like`` has, as int16."""
    return load(array, index, like).astype(np.int16)


def to_float(x: Vector) -> Vector:
    """Convert lanes to float32."""
    return x.astype(np.float32)


def to_int32(x: Vector) -> Vector:
    """Convert lanes to int32; floats are cut toward zero."""
    return x.astype(np.int32)


def widen(x: Vector, like: Vector) -> Vector:
    """Convert integer lanes to the type of others, which has as many bits or more."""
    return x.astype(like.dtype)


# --- compiled ------------------------------------------------------------------------------------------------------
COMPILED: dict[Callable[..., Any], Callable[..., Definition]] = {
    plain: CODE[plain.__name__]
    for plain in (
        address, point, zeros, load, gather, store, pack, deal_bytes, load_bytes, peek, poke, lane_count, fill, spread,
        add, add_clipped, mask, multiply, multiply_halves, join_pairs, interleave, divide, scale, multiply_add,
        shorten, round_even, scale_even, count_above, square_root, smaller, larger, to_float, to_int32, widen,
    )
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
