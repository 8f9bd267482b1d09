"""A short vector of float64 as a value that kernels hold in registers.

Compilers vectorise a loop over sixteen neighbours only when they can prove that arrays do not overlap; here the vector
is a type of its own, so the question does not arise. ``zero_lanes()`` makes one, ``load(array, index)`` reads one from
a flat float64 array, ``store(array, index, x)`` writes it back; ``scale(s, x)`` and ``multiply_add(s, x, y) = s x + y``
compute. Nothing checks bounds.

Without compilation (``NUMBA_DISABLE_JIT=1``) the same names work on plain arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic, models, register_model

WIDTH = 16
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INT32 = ir.IntType(32)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)


class LanesType(types.Type):
    """Numba type of sixteen float64 side by side."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES_TYPE = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: LanesType) -> None:
        super().__init__(manager, lanes, _VECTOR)


def _splat(builder: Any, scalar: Any) -> Any:
    """Repeat a scalar over all lanes."""
    first = builder.insert_element(_UNDEFINED, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, _UNDEFINED, ir.Constant(ir.VectorType(_INT32, WIDTH), [0] * WIDTH))


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(_VECTOR))


def _zero_lanes(typing_context: Any) -> Any:
    return LANES_TYPE(), lambda context, builder, signature, args: ir.Constant(_VECTOR, [0.0] * WIDTH)


def _load(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, signature.args[0], *args))
        value.align = 8
        return value

    return LANES_TYPE(array, types.intp), generate


def _store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, signature.args[0], *args[:2])).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES_TYPE), generate


def _scale(typing_context: Any, s: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(_splat(builder, args[0]), args[1], flags=("contract",))

    return LANES_TYPE(types.float64, LANES_TYPE), generate


def _multiply_add(typing_context: Any, s: Any, x: Any, y: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(_splat(builder, args[0]), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return LANES_TYPE(types.float64, LANES_TYPE, LANES_TYPE), generate


zero_lanes: Any
load: Any
store: Any
scale: Any
multiply_add: Any

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def zero_lanes() -> Any:
        return np.zeros(WIDTH)

    def load(array: Any, index: int) -> Any:
        return array[index : index + WIDTH].copy()

    def store(array: Any, index: int, value: Any) -> None:
        array[index : index + WIDTH] = value

    def scale(s: float, x: Any) -> Any:
        return s * x

    def multiply_add(s: float, x: Any, y: Any) -> Any:
        return s * x + y

else:
    zero_lanes = intrinsic(_zero_lanes)
    load, store = intrinsic(_load), intrinsic(_store)
    scale, multiply_add = intrinsic(_scale), intrinsic(_multiply_add)
