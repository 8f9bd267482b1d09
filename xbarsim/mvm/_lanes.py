"""Vector registers for kernels: LLVM's fixed vectors as a Numba type.

Numba keeps no arrays in registers. ``Lanes(float32, 64)`` is 64 floats: four 512-bit registers, or eight of 256 bits.
Every operation is elementwise, so results do not depend on the width of the machine's registers. Integers wrap.

The cache of compiled kernels does not notice edits here: touch ``_kernels.py`` after one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic as _typed_intrinsic
from numba.extending import register_model

intrinsic: Any = _typed_intrinsic  # it drops the first parameter, which type checkers do not see


class Lanes(types.Type):
    """A fixed number of values in vector registers."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")

    @property
    def vector(self) -> ir.VectorType:
        """The LLVM type."""
        return _vector(self.dtype, self.count)


def _vector(dtype: Any, count: int) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if dtype == types.float32 else ir.IntType(dtype.bitwidth), count)


@register_model(Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.vector)


# a table's type -> the type that its rows are summed in
_SUMS: dict[Any, Any] = {types.int16: types.int32, types.uint8: types.int16}


def _pointer(context: Any, builder: Any, array: Any, value: Any, index: Any, vector: ir.VectorType) -> Any:
    return builder.bitcast(builder.gep(_data(context, builder, array, value), [index]), vector.as_pointer())


def _data(context: Any, builder: Any, array: Any, value: Any) -> Any:
    return value if isinstance(array, types.CPointer) else context.make_array(array)(context, builder, value).data


@intrinsic
def address(typing_context, array):  # type: ignore[no-untyped-def]
    """Return a bare pointer to an array's values, for :func:`load`, :func:`peek` and :func:`store`.

    Arrays count their references, atomically and at every call that they are handed to; pointers do not.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _data(context, builder, array, args[0])

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def load(typing_context, array, index, like):  # type: ignore[no-untyped-def]
    """Load as many values as ``like`` has: int16 widened to int32, uint8 to int16, or to floats where ``like`` is."""
    result = Lanes(_SUMS.get(array.dtype, array.dtype), like.count)
    if array.dtype == types.uint8 and like.dtype == types.float32:
        result = like

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        stored = _vector(array.dtype, like.count)
        value = builder.load(_pointer(context, builder, array, args[0], args[1], stored))
        value.align = array.dtype.bitwidth // 8
        if array.dtype in _SUMS and result.dtype == types.float32:
            value = builder.uitofp(value, result.vector)
        elif array.dtype in _SUMS:
            value = (builder.sext if array.dtype.signed else builder.zext)(value, result.vector)
        return value

    return result(array, types.intp, like), generate


@intrinsic
def peek(typing_context, array, index):  # type: ignore[no-untyped-def]
    """One value of an array at an index that is never negative, so that none is spent on wrapping it around."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load(builder.gep(_data(context, builder, array, args[0]), [args[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def poke(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """Set one value of an array at an index that is never negative."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        cast = context.cast(builder, args[2], value, array.dtype)
        builder.store(cast, builder.gep(_data(context, builder, array, args[0]), [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def store(typing_context, array, index, lanes):  # type: ignore[no-untyped-def]
    """Store lanes into an array, narrowed to its type."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        stored, value = _vector(array.dtype, lanes.count), args[2]
        if array.dtype.bitwidth < lanes.dtype.bitwidth:
            value = builder.trunc(value, stored)
        pointer = _pointer(context, builder, array, args[0], args[1], stored)
        builder.store(value, pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _zeros(count: int) -> Any:
    @intrinsic
    def zeros(typing_context, table):  # type: ignore[no-untyped-def]
        """Lanes of zeros, of the type in which rows of ``table`` are summed."""
        result = Lanes(_SUMS.get(table.dtype, table.dtype), count)
        return result(table), lambda *_: ir.Constant(result.vector, None)

    return zeros


zeros16, zeros32, zeros64 = _zeros(16), _zeros(32), _zeros(64)


@intrinsic
def lane_count(typing_context, lanes):  # type: ignore[no-untyped-def]
    """How many values lanes hold."""
    return types.intp(lanes), lambda *_: ir.IntType(64)(lanes.count)


@intrinsic
def fill(typing_context, value, like):  # type: ignore[no-untyped-def]
    """Lanes that all hold ``value``, as many as ``like`` has."""
    result = Lanes(value, like.count)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        one = builder.insert_element(ir.Constant(result.vector, ir.Undefined), args[0], ir.IntType(32)(0))
        zero = ir.Constant(ir.VectorType(ir.IntType(32), like.count), None)
        return builder.shuffle_vector(one, one, zero)

    return result(value, like), generate


@intrinsic
def spread(typing_context, value, like):  # type: ignore[no-untyped-def]
    """Lanes like ``like`` that all hold an integer value, cast to their type."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        cast = context.cast(builder, args[0], value, like.dtype)
        one = builder.insert_element(ir.Constant(like.vector, ir.Undefined), cast, ir.IntType(32)(0))
        zero = ir.Constant(ir.VectorType(ir.IntType(32), like.count), None)
        return builder.shuffle_vector(one, one, zero)

    return like(value, like), generate


def _binary(on_float: str, on_integer: str) -> Any:
    @intrinsic
    def operation(typing_context, x, y):  # type: ignore[no-untyped-def]
        """An elementwise operation of two lanes of one type."""

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            if x.dtype == types.float32:
                return getattr(builder, on_float)(*args, flags=["contract"])
            return getattr(builder, on_integer)(*args)

        return x(x, y), generate

    return operation


add, multiply = _binary("fadd", "add"), _binary("fmul", "mul")


def _unary(name: str) -> Any:
    @intrinsic
    def operation(typing_context, x):  # type: ignore[no-untyped-def]
        """An elementwise LLVM intrinsic of float lanes."""

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            kind = ir.FunctionType(x.vector, [x.vector])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{x.count}f32")
            return builder.call(function, args)

        return x(x), generate

    return operation


round_even, square_root = _unary("rint"), _unary("sqrt")


def _select(comparison: str) -> Any:
    @intrinsic
    def operation(typing_context, x, y):  # type: ignore[no-untyped-def]
        """The elementwise smaller or larger of two float lanes."""

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.select(builder.fcmp_ordered(comparison, *args), *args)

        return x(x, y), generate

    return operation


smaller, larger = _select("<"), _select(">")


def _convert(target: types.Type) -> Any:
    @intrinsic
    def operation(typing_context, x):  # type: ignore[no-untyped-def]
        """Convert lanes to another type; floats are cut toward zero."""
        result = Lanes(target, x.count)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            if x.dtype == target:
                return args[0]
            if target == types.float32:
                return builder.sitofp(args[0], result.vector)
            change = builder.fptosi if x.dtype == types.float32 else builder.sext
            return change(args[0], result.vector)

        return result(x), generate

    return operation


to_float, to_int32, to_int64 = _convert(types.float32), _convert(types.int32), _convert(types.int64)
