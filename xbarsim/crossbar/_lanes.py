"""A short vector of float64 as a value that kernels hold in registers.

Compilers vectorise a loop over sixteen or thirty-two neighbours only when they can prove that arrays do not overlap;
here the vector is a type of its own, so the question does not arise. ``zeros16()`` and ``zeros32()`` make a vector;
``load(array, index, like)`` reads one as long as ``like`` from a flat float64 array; ``store`` writes it back;
``scale(s, x)`` and ``multiply_add(s, x, y) = s x + y`` compute. Nothing checks bounds.

Without compilation (``NUMBA_DISABLE_JIT=1``) the same names work on plain arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic, models, register_model

_DOUBLE = ir.DoubleType()
_INT32 = ir.IntType(32)


class LanesType(types.Type):
    """Numba type of ``width`` float64 side by side."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")

    @property
    def vector(self) -> ir.VectorType:
        """The type that the compiler's back end sees."""
        return ir.VectorType(_DOUBLE, self.width)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: LanesType) -> None:
        super().__init__(manager, lanes, lanes.vector)


def _splat(builder: Any, scalar: Any, lanes: LanesType) -> Any:
    """Repeat a scalar over all lanes."""
    undefined = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, lanes.width), [0] * lanes.width))


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, lanes: LanesType) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(lanes.vector))


def _zeros(width: int) -> Any:
    lanes = LanesType(width)

    def make(typing_context: Any) -> Any:
        return lanes(), lambda context, builder, signature, args: ir.Constant(lanes.vector, [0.0] * width)

    return intrinsic(make)


def _load(typing_context: Any, array: Any, index: Any, like: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], signature.args[2])
        value = builder.load(address)
        value.align = 8
        return value

    return like(array, types.intp, like), generate


def _store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], signature.args[2])
        builder.store(args[2], address).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _scale(typing_context: Any, s: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(_splat(builder, args[0], signature.args[1]), args[1], flags=("contract",))

    return x(types.float64, x), generate


def _multiply_add(typing_context: Any, s: Any, x: Any, y: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(_splat(builder, args[0], signature.args[1]), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return x(types.float64, x, x), generate


zeros16: Any
zeros32: Any
load: Any
store: Any
scale: Any
multiply_add: Any

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def zeros16() -> Any:
        return np.zeros(16)

    def zeros32() -> Any:
        return np.zeros(32)

    def load(array: Any, index: int, like: Any) -> Any:
        return array[index : index + len(like)].copy()

    def store(array: Any, index: int, value: Any) -> None:
        array[index : index + len(value)] = value

    def scale(s: float, x: Any) -> Any:
        return s * x

    def multiply_add(s: float, x: Any, y: Any) -> Any:
        return s * x + y

else:
    zeros16, zeros32 = _zeros(16), _zeros(32)
    load, store = intrinsic(_load), intrinsic(_store)
    scale, multiply_add = intrinsic(_scale), intrinsic(_multiply_add)
