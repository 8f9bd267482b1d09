"""The record of an operator kind: everything that the package knows about it, every field required.

Shapes leave the batch out; ``axis`` attributes count it: axis 1 is the first axis of a shape.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from xbarsim.network.graph import Node
    from xbarsim.network.onnx_layers import Operator
    from xbarsim.network.onnx_reader import GraphReader
    from xbarsim.network.write_onnx import GraphWriter

Shape = tuple[int, ...]
Moments = tuple[float, float]
ShapeRule = Callable[["Node", Sequence[Shape]], Shape]
SignRule = Callable[["Node", Sequence[bool]], bool]
Operation = Callable[["Node", Sequence[np.ndarray]], np.ndarray]
TorchOperation = Callable[[Any, "Node", Sequence[Any]], Any]
MomentsRule = Callable[[Sequence[Moments]], Moments]
AttributesRule = Callable[[dict[str, Any], Shape], dict[str, Any]]
Reader = Callable[["GraphReader", "Operator"], None]
Writer = Callable[["GraphWriter", "Node", Sequence[str]], None]


class TimingClass(enum.Enum):
    """Which part of the machine computes an operator."""

    LAYER = "layer"
    """The arrays: a step of its own."""
    POOL = "pool"
    """The pooling unit: a step of its own."""
    BINARY = "binary"
    """The vector unit, on two or more operands: a step of its own. With a constant operand, as ``VALUES``."""
    PRODUCT = "product"
    """The vector unit, a product of two activations: a step of its own."""
    VECTOR = "vector"
    """The vector unit, several passes over a vector: a step of its own."""
    WRITE = "write"
    """The write drivers of arrays, which hold an operand of a product: a step of its own."""
    VALUES = "values"
    """The activation unit, on single values: part of the step that produces them."""
    MOVE = "move"
    """No unit: values keep their bits and only change their place."""


class Reach(enum.Enum):
    """Which windows of its inputs one window of an operator needs."""

    OWN = "own"
    """The window at the same place; where the numbers of windows differ, the last one."""
    KERNEL = "kernel"
    """The windows under the attributes ``kernel``, ``stride``, ``padding`` and ``dilation``."""
    RANGES = "ranges"
    """The window that the attribute ``ranges`` takes."""
    PADS = "pads"
    """The window inside the attribute ``pads``; nothing in front of the first."""
    LAST = "last"
    """The last window of every input."""
    ROW = "row"
    """All windows in the same row of every input; windows of other than three axes are rows."""
    ROW_AND_ALL = "row and all"
    """All windows in the same row of the first input and all windows of the others."""
    ALL = "all"
    """All windows."""


class Codes(enum.Enum):
    """What an operator does in a quantised network."""

    MULTIPLIES = "multiplies"
    """A weight layer: computed in integers."""
    SETS = "sets"
    """Its output lies on a grid that its attributes ``scale``, ``zero_point``, ``bits`` and ``signed`` fix."""
    KEEPS = "keeps"
    """Its output takes values of its input only: codes stay codes of the same grid."""
    LOSES = "loses"
    """Computed in float32: its output lies on no known grid."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Factors:
    """Sizes of a product of two activations, matrices or stacks of them."""

    stacks: int
    """Pairs of matrices."""
    rows: int
    """Rows of the first matrix and of the result."""
    inner: int
    """Columns of the first matrix, and rows of the second."""
    cols: int
    """Columns of the second matrix and of the result."""

    def count_reads(self, kept: int, tiles: int = 1) -> int:
        """Return the numbers that all rows read, with a store that keeps some of them from row to row.

        The rows of the result are computed one after the other. The second matrix is read once if it fits into the
        store, else once for each block of rows of the first matrix that fit, which is one row if none does.

        Parameters
        ----------
        kept : int
            Numbers that the store of a tile holds.
        tiles : int
            Tiles that take the rows in turn, each with a store.

        Returns
        -------
        int
            Numbers of both operands, all stacks together.
        """
        rows, more = divmod(self.rows, tiles)
        block = max(1, self.rows if kept >= self.inner * self.cols else kept // self.inner)
        passes = more * -(-(rows + 1) // block) + (tiles - more) * -(-rows // block)
        return self.stacks * self.inner * (self.rows + passes * self.cols)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """Work of one window of a step."""

    operands: int
    """Numbers that the step reads from its buffer."""
    operations: int
    """Operations on the step's unit."""
    activations: int
    """Operations of the activation unit for each number that the producing step puts out."""
    factors: Factors | None
    """Sizes of a product of activations, whose operands may be read several times; ``operands`` counts each once."""


WorkRule = Callable[["Node", Sequence[Shape]], Work]
ReachRule = Callable[["Node", Sequence[Shape]], Reach]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of a kind in the YAML form of a network."""

    default: Any
    """Its value if left out, :data:`REQUIRED` where it must be given."""
    read: Callable[[Any], Any]
    """Checks and converts a value; raises ValueError with the rule."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerQuery:
    """How a weight layer is asked for on its own, without a network."""

    keys: Mapping[str, Setting]
    """Keys of its shape; :data:`REQUIRED` where a key must be given."""
    describe: Callable[[Node, Shape], dict[str, Any]]
    """``(node, shape of its input) -> keys`` of a layer of a network."""
    build: Callable[[Mapping[str, Any]], tuple[dict[str, Any], Shape]]
    """``all keys -> attributes of the node and shape of its input``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerRule:
    """What a weight layer is to arrays."""

    rows: Callable[[Node], int]
    """Weights that one output sums over: the flattened kernel of one group."""
    inputs: str
    """Attribute that counts inputs of one vector, all groups together."""
    outputs: str
    """Attribute that counts outputs, all groups together."""
    windows: Callable[[Node], int]
    """Input vectors of one inference."""
    weight_shape: Callable[[Node], Shape]
    """Shape of the weight: outputs, inputs of one group, then the axes of the kernel if there is one."""
    geometry: tuple[str, ...]
    """Attributes that say how a kernel slides over an image; :data:`NO_KERNEL` where inputs are vectors already."""
    resize: Callable[[Node, int], Mapping[str, Any]]
    """``(node, kernel) -> attributes`` that change with the kernel while the output keeps its size; ConfigError where
    they cannot."""
    query: LayerQuery
    """How the layer is asked for on its own."""
    output_axis: int
    """Axis of the inputs in what the layer reads and of the outputs in its result, batch counted."""
    scratch: Callable[[Node], int]
    """Numbers that the float executor holds for one image beside the result."""
    multiply: Callable[[Node, np.ndarray, np.ndarray, float], np.ndarray]
    """``(node, codes, weight, pad_value) -> sums``, exact where the type is wide enough."""
    torch: Callable[[Any, Node, Any, Any, Any, float], Any]
    """``(PyTorch, node, inputs, weight, bias or None, pad_value) -> output`` on tensors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """An operator kind."""

    name: str
    """What nodes and YAML call it."""
    inputs: tuple[int, int | None]
    """Fewest and most inputs; :data:`ONE`, :data:`TWO` or :data:`MANY`."""
    shape: ShapeRule
    """``(node, input shapes) -> output shape``; ConfigError where they do not fit."""
    sign: SignRule
    """``(node, for each input whether it is never negative) -> whether the output is never negative``."""
    run: Operation
    """``(node, inputs) -> output`` in float32; elementwise or image by image."""
    torch: TorchOperation | None
    """``(PyTorch, node, inputs) -> output``, the same on tensors; :data:`NO_TORCH` where training cannot pass it."""
    codes: Codes
    """What it does in a quantised network."""
    moments: MomentsRule
    """``(mean and variance of each input) -> mean and variance``, for random weights of a sensible size."""
    layer: LayerRule | None
    """What it is to arrays; :data:`NO_LAYER` for all but weight layers."""
    timing: TimingClass
    """Which part of the machine computes it."""
    work: WorkRule
    """``(node, input shapes) -> Work`` of one window."""
    reach: ReachRule
    """``(node, input shapes) -> Reach``."""
    settings: Mapping[str, Setting] | None
    """Settings in YAML by name; :data:`NOT_IN_YAML` for a kind that only imported networks have."""
    attributes: AttributesRule
    """``(settings, shape of the first input) -> attributes`` of the node."""
    onnx_read: Mapping[str, Reader]
    """ONNX operator -> what reads it; :data:`NOT_READ` where none becomes this kind."""
    onnx_write: Writer | None
    """What writes it as ONNX; :data:`NOT_WRITTEN` where it cannot be written."""

    def __post_init__(self) -> None:
        wanted = {
            "name": str, "codes": Codes, "timing": TimingClass, "layer": (LayerRule, type(NO_LAYER)), "inputs": tuple,
            "settings": (Mapping, type(NOT_IN_YAML)), "onnx_read": Mapping,
        }  # fmt: skip
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            fits = (
                isinstance(value, wanted[field.name])  # type: ignore[arg-type]
                if field.name in wanted
                else callable(value) or (field.name in ("onnx_write", "torch") and value is None)
            )
            if not fits:
                raise TypeError(f"kind {self.name!r}: {field.name}: {value!r} does not fit this field")
        if (self.timing is TimingClass.LAYER) != (self.layer is not NO_LAYER):
            raise TypeError(f"kind {self.name!r}: layer: given for weight layers, and for them alone")


ONE: tuple[int, int | None] = (1, 1)
TWO: tuple[int, int | None] = (2, 2)
MANY: tuple[int, int | None] = (1, None)
REQUIRED = object()
"""Default of a setting that must be given."""
NOT_ASKED = LayerQuery(keys={}, describe=lambda node, source: {}, build=lambda shape: ({}, ()))
"""Of a layer that is never asked for on its own."""
NO_KERNEL: tuple[str, ...] = ()
"""Of a weight layer that multiplies vectors as they are."""
NO_LAYER = None
"""Of a kind that holds no weights in arrays."""
NO_TORCH = None
"""Of a kind that cannot be trained through, and of weight layers, whose :class:`LayerRule` takes the weights."""
NOT_IN_YAML = None
"""Of a kind that YAML does not offer."""
NOT_READ: Mapping[str, Reader] = {}
"""Of a kind that no ONNX operator becomes."""
NOT_WRITTEN = None
"""Of a kind that is not written as ONNX."""
