"""Code for operations on lanes: their types, and what LLVM is told; :mod:`xbarsim._simd` says what each of them does.

A definition is given the types of the arguments of a call, and returns the signature of the call with what generates
its code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils

from xbarsim._numba import (
    Lanes,
    array_place,
    array_values,
    deal_registers,
    has_feature,
    lane_vector,
    multiply_rounding,
    pack_halves,
    round_up_bits,
    splat_lanes,
    take_lanes,
)

LOADED = {"int16": "int32", "uint16": "float32"}
"""Type of an array -> type of lanes loaded from it; its own where it is not listed, and for lanes of int16.

uint16 holds bfloat16, the upper halves of float32: the first half of the lanes in the even places, the second half in
the odd ones, so that a mask or a shift of a register takes them apart."""


def _loaded_type(dtype: Any, like: Any) -> Any:
    return dtype if dtype == like or dtype.name not in LOADED else getattr(types, LOADED[dtype.name])


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
        values = cgutils.unpack_tuple(builder, args[0])
        pairs = zip(record.types, values, strict=True)
        pointers = [
            array_values(context, builder, *pair) if isinstance(pair[0], types.Array) else pair[1] for pair in pairs
        ]
        return context.make_tuple(builder, result, pointers)

    return result(record), generate


def _zeros(array: Any, count: Any) -> Definition:
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = Lanes(types.float32 if array.dtype == types.uint16 else array.dtype, count.literal_value)
    return result(array, count), lambda *_: ir.Constant(result.vector, None)


def _load(array: Any, index: Any, like: Any) -> Definition:
    result = Lanes(_loaded_type(array.dtype, like.dtype), like.count)

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
        elif result.dtype != array.dtype:
            value = builder.sext(value, result.vector)
        return value

    return result(array, types.intp, like), generate


def _gather(array: Any, index: Any, offsets: Any, at: Any, like: Any) -> Definition:
    result = Lanes(array.dtype, like.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = array_place(context, builder, array, args)
        places = builder.gep(array_values(context, builder, offsets, args[2]), [args[3]])
        value = ir.Constant(result.vector, ir.Undefined)
        for k in range(like.count):
            place = builder.gep(base, [builder.load(builder.gep(places, [ir.IntType(64)(k)]))])
            value = builder.insert_element(value, builder.load(place), ir.IntType(32)(k))
        return value

    return result(array, types.intp, offsets, types.intp, like), generate


def _store(array: Any, index: Any, lanes: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored, value = lane_vector(array.dtype, lanes.count), args[2]
        if array.dtype == types.uint16:
            wide, stored = lane_vector(types.uint32, lanes.count), lane_vector(types.uint32, lanes.count // 2)
            bits, half = round_up_bits(builder, value, wide), stored.count
            first, second = (take_lanes(builder, bits, range(at, at + half)) for at in (0, half))
            first = builder.lshr(first, ir.Constant(stored, [16] * half))
            value = builder.or_(first, builder.and_(second, ir.Constant(stored, [0xFFFF0000] * half)))
        elif isinstance(lanes.dtype, types.Float) and isinstance(array.dtype, types.Integer):
            value = builder.fptosi(value, stored)
        elif array.dtype.bitwidth < lanes.dtype.bitwidth:
            value = builder.trunc(value, stored)
        pointer = builder.bitcast(array_place(context, builder, array, args), stored.as_pointer())
        builder.store(value, pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _shorten(x: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = lane_vector(types.uint32, x.count)
        kept = builder.and_(round_up_bits(builder, args[0], wide), ir.Constant(wide, [0xFFFF0000] * x.count))
        return builder.bitcast(kept, x.vector)

    return x(x), generate


def _pack(array: Any, index: Any, lanes: Any, marks: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (_, _, values, marked), count, wide = args, lanes.count, ir.IntType(64)
        chosen = builder.icmp_unsigned("!=", marked, ir.Constant(marks.vector, None))
        place = array_place(context, builder, array, args)
        if has_feature(context, "ssse3") and count == 16:
            return pack_halves(builder, values, builder.bitcast(chosen, ir.IntType(count)), place)
        total = wide(0)
        for i in range(count):
            at = ir.IntType(32)(i)
            builder.store(builder.extract_element(values, at), builder.gep(place, [total]))
            total = builder.add(total, builder.zext(builder.extract_element(chosen, at), wide))
        return total

    return types.intp(array, types.intp, lanes, marks), generate


def _deal_bytes(array: Any, index: Any, x: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored = lane_vector(types.uint8, 8 * x.count)
        places = [8 * lane + byte for byte in range(8) for lane in range(x.count)]
        value = builder.bitcast(args[2], stored)
        if not has_feature(context, "avx512f") and x.count == 16:
            value = deal_registers(builder, value)
        else:
            wanted = ir.Constant(lane_vector(types.int32, len(places)), places)
            value = builder.shuffle_vector(value, ir.Constant(stored, ir.Undefined), wanted)
        builder.store(value, builder.bitcast(array_place(context, builder, array, args), stored.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(array, types.intp, x), generate


def _load_bytes(array: Any, index: Any, like: Any) -> Definition:
    result = Lanes(types.int16, like.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored = lane_vector(types.uint8, like.count)
        value = builder.load(builder.bitcast(array_place(context, builder, array, args), stored.as_pointer()))
        value.align = 1
        return builder.zext(value, result.vector)

    return result(array, types.intp, like), generate


def _widen(x: Any, like: Any) -> Definition:
    result = Lanes(like.dtype, x.count)
    if x.dtype == like.dtype:
        return result(x, like), lambda _, __, ___, args: args[0]
    return result(x, like), lambda _, builder, __, args: builder.sext(args[0], result.vector)


def _peek(array: Any, index: Any) -> Definition:
    signature = array.dtype(array, types.intp)
    return signature, lambda context, builder, _, args: builder.load(array_place(context, builder, array, args))


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
    signature, to = like(value, like), like.dtype
    return signature, lambda context, b, _, args: splat_lanes(b, context.cast(b, args[0], value, to), like.vector)


def _scale(s: Any, x: Any) -> Definition:
    return x(x.dtype, x), lambda _, b, __, args: b.fmul(splat_lanes(b, args[0], x.vector), args[1], flags=("contract",))


def _multiply_add(s: Any, x: Any, y: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(splat_lanes(builder, args[0], x.vector), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

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


def _multiply_halves(x: Any, y: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # LLVM knows this form as one instruction: pmaddwd, or dot products of AVX-512
        halves, wide = lane_vector(types.int16, 2 * x.count), lane_vector(types.int32, 2 * x.count)
        products = builder.mul(*(builder.sext(builder.bitcast(each, halves), wide) for each in args))
        return builder.add(*(take_lanes(builder, products, range(first, 2 * x.count, 2)) for first in (0, 1)))

    return x(x, x), generate


def _join_pairs(x: Any) -> Definition:
    if x.dtype != types.int16:
        return None
    result = Lanes(types.int32, x.count // 2)
    return result(x), lambda _, builder, __, args: builder.bitcast(args[0], result.vector)


def _interleave(x: Any, y: Any) -> Definition:
    result = Lanes(x.dtype, 2 * x.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = [lane + first for lane in range(x.count) for first in (0, x.count)]
        return builder.shuffle_vector(*args, ir.Constant(ir.VectorType(ir.IntType(32), 2 * x.count), places))

    return result(x, x), generate


def _divide(x: Any, y: Any) -> Definition:
    return x(x, x), lambda _, builder, __, args: builder.fdiv(*args)


def _unary(name: str) -> Callable[[Any], Definition]:
    """Define an elementwise LLVM intrinsic of float lanes."""

    def define(x: Any) -> Definition:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(x.vector, [x.vector])
            symbol = f"llvm.{name}.v{x.count}f{x.dtype.bitwidth}"
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), args)

        return x(x), generate

    return define


def _select(comparison: str) -> Callable[[Any, Any], Definition]:
    """Define the choice of the first of two lanes where the comparison holds."""

    def define(x: Any, y: Any) -> Definition:
        compare = "fcmp_ordered" if isinstance(x.dtype, types.Float) else "icmp_signed"
        return x(x, x), lambda _, b, __, args: b.select(getattr(b, compare)(comparison, *args), *args)

    return define


def _scale_even(x: Any, factor: Any) -> Definition:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        factors = splat_lanes(builder, args[1], x.vector)
        # the product moves the digit that decides halves to the place of the sign: -1 in odd lanes, 0 in even ones
        odd = builder.ashr(builder.mul(args[0], factors), ir.Constant(x.vector, [15] * x.count))
        lowered = builder.sub(builder.add(args[0], ir.Constant(x.vector, [-1] * x.count)), odd)
        return multiply_rounding(context, builder, lowered, factors)

    return x(x, types.int16), generate


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


CODE: dict[str, Callable[..., Definition]] = {
    "address": _address, "point": _point, "zeros": _zeros, "load": _load, "gather": _gather, "store": _store,
    "pack": _pack, "deal_bytes": _deal_bytes, "load_bytes": _load_bytes, "peek": _peek, "poke": _poke,
    "lane_count": _lane_count, "fill": _fill, "spread": _spread, "add": _binary("fadd", "add"),
    "add_clipped": _add_clipped, "mask": _binary("and_", "and_"), "multiply": _binary("fmul", "mul"),
    "multiply_halves": _multiply_halves, "join_pairs": _join_pairs, "interleave": _interleave, "divide": _divide,
    "scale": _scale, "multiply_add": _multiply_add,
    "shorten": _shorten, "round_even": _unary("rint"), "scale_even": _scale_even, "count_above": _count_above,
    "square_root": _unary("sqrt"), "smaller": _select("<"), "larger": _select(">"),
    "to_float": _convert(types.float32), "to_int32": _convert(types.int32),
    "widen": _widen,
}  # fmt: skip
"""Name of an operation -> types of its arguments to a signature and a generator of code."""
