"""Quantisers of QONNX (Brevitas, FINN, hls4ml): Quant, IntQuant, BipolarQuant and Trunc.

They put out real values on a grid: ``(clip(round(x / scale + zero_point)) - zero_point) * scale``. One with a single
scale becomes a ``quantize`` node, whose grid the weight layers behind it take, as of QuantizeLinear; one on constants
becomes weights on a grid. All others (a scale for each channel, another rounding) are taken apart into operators of
ONNX. What they compute is what qonnx's own execution computes (fastmachinelearning/qonnx, ``custom_op/general``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.onnx_layers import Broken, CodeGrid, Operator, Unsupported

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader

QONNX_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
QUANTS = ("Quant", "IntQuant")
QUANTISERS = (*QUANTS, "BipolarQuant", "Trunc")

_ROUNDINGS: Mapping[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
"""Rounding mode -> function of real codes."""

_STEPS: Mapping[str, tuple[str, ...]] = {"ROUND": ("Round",), "HALF_EVEN": ("Round",), "CEIL": ("Ceil",),
                                         "FLOOR": ("Floor",)}  # fmt: skip
_APART: Mapping[str, tuple[str, float]] = {"UP": ("Ceil", 0.0), "DOWN": ("Floor", 0.0), "HALF_UP": ("Floor", 0.5),
                                           "HALF_DOWN": ("Ceil", -0.5)}  # fmt: skip
"""Rounding mode of magnitudes -> operator, and what is added before it."""


def code_limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Return the smallest and largest code of a width; ``narrow`` leaves out one at the end that has no opposite."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _read_width(graph: GraphReader, op: Operator, index: int) -> int:
    width = graph.required(op, index)
    if width.size != 1 or width.item() != int(width.item()) or not 1 <= width.item() <= 32:
        raise Broken("a bit width that is no whole number between 1 and 32")
    return int(width.item())


def _read_mode(op: Operator, default: str) -> str:
    mode = str(op.attributes.get("rounding_mode", default)).upper()
    if mode not in _ROUNDINGS:
        raise Broken(f"rounding_mode {mode[:20]!r}; it is one of {', '.join(_ROUNDINGS)}")
    return mode


def _limits(graph: GraphReader, op: Operator, index: int) -> tuple[int, int]:
    return code_limits(_read_width(graph, op, index), bool(op.attributes["signed"]), bool(op.attributes["narrow"]))


def _is_bipolar(graph: GraphReader, op: Operator) -> bool:
    """Whether a quantiser puts out -scale and +scale alone."""
    return op.kind == "BipolarQuant" or (
        op.kind in QUANTS and bool(op.attributes["signed"]) and _read_width(graph, op, 3) == 1
    )


# ---- constants


def quantize_constant(graph: GraphReader, op: Operator) -> tuple[np.ndarray, CodeGrid | None]:
    """Quantise a constant.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far.
    op : Operator
        The quantiser, every input constant.

    Returns
    -------
    ndarray of float32
        Real values, of the shape of the constant.
    CodeGrid or None
        Their codes where there is one scale, or one for each entry along one axis, and zero points are whole.
    """
    if op.kind == "Trunc":
        raise Unsupported("a Trunc of constants")
    values, scale = graph.required(op, 0), graph.required(op, 1)
    if _is_bipolar(graph, op):
        zero = np.zeros((), np.float32) if op.kind == "BipolarQuant" else graph.required(op, 2)
        whole = values if op.kind == "BipolarQuant" else values / scale + zero
        codes, bits = np.where(whole >= 0, np.float32(1), np.float32(-1)), 2
    else:
        zero, bits = graph.required(op, 2), _read_width(graph, op, 3)
        low, high = _limits(graph, op, 3)
        codes = _ROUNDINGS[_read_mode(op, "ROUND")](np.clip(values / scale + zero, low, high))
        bits += bits < 6 and bool((codes == -(2 ** (bits - 1))).any())  # arrays store magnitudes of bits - 1
    axes = [axis for axis, size in enumerate(scale.shape, values.ndim - scale.ndim) if size > 1]
    real = ((codes - zero) * scale).astype(np.float32)
    if len(axes) > 1 or zero.size not in (1, scale.size) or (zero != np.rint(zero)).any():
        return real, None
    fields = [field.reshape(-1 if field.size > 1 else ()) for field in (scale, zero)]
    grid = CodeGrid(codes.astype(np.int64), fields[0].astype(np.float32), fields[1].astype(np.int64),
                    axes[0] if axes else 0, int(bits))  # fmt: skip
    return real, grid


# ---- activations


def read_quant(graph: GraphReader, op: Operator) -> None:
    """Read a quantiser of activations with one scale, which rounds to the nearest code."""
    scale, zero = graph.required(op, 1), graph.required(op, 2)
    if scale.size != 1 or scale.item() <= 0 or zero.size != 1 or zero.item() % 2:
        raise Unsupported("scales by channel, or a zero point that is odd or no whole number")
    step, point, mode = float(scale.item()), int(zero.item()), _read_mode(op, "ROUND")
    if _is_bipolar(graph, op):
        if point:
            raise Unsupported("a zero point of a single bit")
        add_bipolar(graph, op, step)
        return
    if mode not in ("ROUND", "HALF_EVEN"):
        raise Unsupported("another rounding than to the nearest")
    bits, signed = _read_width(graph, op, 3), bool(op.attributes["signed"])
    low, high = _limits(graph, op, 3)
    tensor = op.inputs[0]
    if (low, high) != code_limits(bits, signed, False):
        graph.add(op, "clip", [tensor], {"min": (low - point) * step, "max": (high - point) * step})
        tensor = op.outputs[0]
    grid = {"scale": step, "zero_point": point, "bits": bits, "signed": signed}
    graph.add(op, "quantize", [tensor], grid)


def read_bipolar(graph: GraphReader, op: Operator) -> None:
    """Read a quantiser to two values."""
    scale = graph.required(op, 1)
    if scale.size != 1 or scale.item() <= 0:
        raise Unsupported("scales by channel")
    add_bipolar(graph, op, float(scale.item()))


def add_bipolar(graph: GraphReader, op: Operator, scale: float) -> None:
    """Add a node that puts out -scale below zero and +scale else: codes -1 and 1, of two bits."""
    graph.add(op, "bipolar", op.inputs[:1], {"scale": scale, "zero_point": 0, "bits": 2, "signed": True})


def read_trunc(graph: GraphReader, op: Operator) -> None:
    """Read a Trunc that rounds codes down or up when it takes their last bits away.

    Codes n are whole, so that ``floor(n / 2^t)`` is ``(n + 1/2 - 2^t / 2) / 2^t`` rounded to the nearest, never a tie.
    The older form clips nothing and does not say whether codes are signed: one more bit holds both signs where what
    comes before does not say either, and another one a largest code that is rounded up.
    """
    step, point, wide = graph.required(op, 1), graph.required(op, 2), _read_width(graph, op, 3)
    mode, is_new = _read_mode(op, "FLOOR"), len(op.inputs) > 5
    if step.size != 1 or step.item() <= 0 or point.any() or mode not in ("FLOOR", "CEIL"):
        raise Unsupported("scales by channel, a zero point, or a rounding to the nearest")
    bits = _read_width(graph, op, 6 if is_new else 4)
    scale = float(step.item())
    result = float(graph.required(op, 4).item()) if is_new else scale
    lost = round(float(np.log2(result / scale))) if is_new else wide - bits
    signed = bool(op.attributes.get("signed", 1)) if is_new else not graph.is_nonnegative(op.inputs[0])
    if not is_new:
        bits += (signed and not graph.is_signed(op.inputs[0])) + (mode == "CEIL" and lost > 0)
    low, high = code_limits(bits, signed, bool(op.attributes.get("narrow", 0)) and is_new)
    if lost < 0 or (low, high) != code_limits(bits, signed, False):
        raise Unsupported("codes that grow, or a narrow range")
    output = op.outputs[0]
    whole = {"scale": scale, "zero_point": 0, "bits": 32, "signed": True}
    graph.add(op, "quantize", op.inputs[:1], whole, name=f"{op.name}_whole")
    if lost:
        shift = (0.5 - 2.0 ** (lost - 1)) * (1 if mode == "FLOOR" else -1) * scale
        graph.add(op, "add", [output], {"constant": np.float32(shift), "reverse": False}, name=f"{op.name}_shift")
    grid = {"scale": scale * 2.0**lost, "zero_point": 0, "bits": bits, "signed": signed}
    graph.add(op, "quantize", [output], grid)
    if result != grid["scale"]:
        factor = np.float32(result / grid["scale"])
        graph.add(op, "mul", [output], {"constant": factor, "reverse": False}, name=f"{op.name}_scale")
        graph.add(op, "quantize", [output], {**grid, "scale": result}, name=f"{op.name}_codes")


# ---- all others, as operators of ONNX


def expand_quantiser(graph: GraphReader, op: Operator) -> list[Any]:
    """Take a quantiser of activations apart into operators of ONNX.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far; constants are added to it.
    op : Operator
        The quantiser.

    Returns
    -------
    list of onnx.NodeProto
        In the order to be computed in; the last gives the quantiser's output.
    """
    chain = _Chain(graph, op)
    if op.kind == "BipolarQuant":
        chain.split_signs()
        chain.then("Mul", op.inputs[1])
        return chain.close()
    chain.then("Div", op.inputs[1])
    chain.then("Add", op.inputs[2])
    zero, scale = op.inputs[2], op.inputs[1]
    if op.kind == "Trunc":
        zero, scale = _cut_bits(graph, op, chain)
    elif _is_bipolar(graph, op):
        chain.split_signs()
    else:
        chain.clip(*_limits(graph, op, 3))
        chain.round(_read_mode(op, "ROUND"))
    chain.then("Sub", zero)
    chain.then("Mul", scale)
    return chain.close()


def _cut_bits(graph: GraphReader, op: Operator, chain: _Chain) -> tuple[str, str]:
    """Add what a Trunc does to codes; return zero point and scale of the result."""
    chain.then("Round")
    zero, scale, is_new = op.inputs[2], op.inputs[1], len(op.inputs) > 5
    if is_new:
        ratio = 2.0 ** np.rint(np.log2(graph.required(op, 4) / graph.required(op, 1)))
        scale, zero = op.inputs[4], chain.constant(graph.required(op, 2) / ratio)
    else:
        ratio = np.float32(2.0 ** (_read_width(graph, op, 3) - _read_width(graph, op, 4)))
    chain.then("Div", chain.constant(ratio))
    if is_new:
        signed, narrow = bool(op.attributes.get("signed", 1)), bool(op.attributes.get("narrow", 0))
        chain.clip(*code_limits(_read_width(graph, op, 6), signed, narrow))
    chain.round(_read_mode(op, "FLOOR"))
    return zero, scale


class _Chain:
    """Operators of ONNX, each on the result of the one before."""

    def __init__(self, graph: GraphReader, op: Operator) -> None:
        self._graph, self._op, self._last = graph, op, op.inputs[0]
        self._nodes: list[Any] = []
        self._constants = 0

    def constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        self._constants += 1
        name = f"{self._op.outputs[0]}::c{self._constants}"
        self._graph.keep_constant(name, np.asarray(value, np.float32))
        return name

    def then(self, kind: str, *others: str, **attributes: Any) -> str:
        """Add an operator on the last result and return the name of its own."""
        import onnx

        name = f"{self._op.outputs[0]}::{len(self._nodes)}"
        self._nodes.append(onnx.helper.make_node(kind, [self._last, *others], [name], name=name, **attributes))
        self._last = name
        return name

    def clip(self, low: int, high: int) -> None:
        """Keep codes within limits."""
        if self._graph.opset < 11:
            self.then("Clip", min=float(low), max=float(high))
        else:
            self.then("Clip", self.constant(low), self.constant(high))

    def round(self, mode: str) -> None:
        """Round codes."""
        if mode in _STEPS:
            self.then(*_STEPS[mode])
            return
        start = self._last
        sign = self.then("Sign")
        self._last = start
        self.then("Abs")
        kind, offset = _APART[mode]
        if offset:
            self.then("Add", self.constant(offset))
        self.then(kind)
        self.then("Mul", sign)

    def split_signs(self) -> None:
        """Put out -1 below zero and 1 else."""
        self.then("BipolarQuant", self.constant(1.0), domain=QONNX_DOMAINS[0])

    def close(self) -> list[Any]:
        """Return the operators, the last of which gives the quantiser's output."""
        self._nodes[-1].output[0] = self._op.outputs[0]
        return self._nodes
