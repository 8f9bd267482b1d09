"""Numba's type of lanes, and the LLVM code that operations on them share; :mod:`xbarsim._simd` has the operations."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import register_model


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
