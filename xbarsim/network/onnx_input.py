"""Inputs of an ONNX graph: sizes, batch, and several inputs packed into one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.network.graph import Node
from xbarsim.network.onnx_value import FLOATS, GraphValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphInputs:
    """The inputs of a graph as a network sees them."""

    shape: tuple[int, ...]
    """Shape of one image; of all inputs side by side where there are several."""
    tensors: Mapping[str, GraphValue]
    """Input -> what is known of it."""
    nodes: tuple[Node, ...]
    """Nodes that take several inputs apart."""
    sources: Mapping[str, str]
    """Input -> the node that gives it, where there are several."""
    times: int
    """The second batch size: that of the file where it fixes one, else two."""
    is_fixed: bool
    """Whether the file fixes the batch."""


def read_inputs(graph: Any, constants: set[str], asked: Any) -> GraphInputs:
    """Read the inputs of a graph.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph.
    constants : set of str
        Names of initializers, which some files list as inputs too.
    asked : tuple of int, mapping or None
        Sizes for free axes: of the one input, or by name.

    Returns
    -------
    GraphInputs

    Raises
    ------
    ConfigError
        If there is no input, a size is missing, or sizes contradict the file.
    """
    values = [value for value in graph.input if value.name not in constants]
    if not values:
        raise ConfigError("has no input")
    if isinstance(asked, Mapping):
        unknown = set(asked) - {value.name for value in values}
        if unknown:
            raise ConfigError(f"input_shape: no input {sorted(unknown)[0]!r}; inputs: {_names(values)}")
    elif asked is not None and len(values) > 1:
        raise ConfigError(f"input_shape: give one shape for each of the inputs, by name: {_names(values)}")
    tensors, batches = {}, set()
    for value in values:
        wanted = asked.get(value.name) if isinstance(asked, Mapping) else asked
        sizes, batch = _read_sizes(value, wanted)
        batches.add(batch)
        kind = value.type.tensor_type.elem_type
        tensors[value.name] = (1 if kind in FLOATS else kind, sizes, batch)
    fixed = {batch for batch in batches if batch}
    if len(fixed) > 1 or (0 in batches and len(batches) > 1):
        raise ConfigError(f"inputs {_names(values)} have batches of different sizes; they need one")
    whole = batches == {0}
    times = 1 if whole else next(iter(fixed), 2)
    known = {
        name: GraphValue(kind=kind, shape=sizes if whole else (1, *sizes), wide=sizes if whole else (times, *sizes))
        for name, (kind, sizes, _) in tensors.items()
    }
    if len(known) == 1:
        (tensor,) = known.values()
        return _make(tensor.value_shape, known, (), {}, times, bool(fixed) or whole)
    nodes, sources, start = [], {}, 0
    total = sum(math.prod(tensor.value_shape) for tensor in known.values())
    for name, tensor in known.items():
        size = math.prod(tensor.value_shape)
        part = Node(name=f"{name}_part", kind="slice", attributes={"ranges": ((start, start + size, 1),)})
        shaped = Node(
            name=f"{name}_value", kind="reshape", inputs=(part.name,), attributes={"shape": tensor.value_shape}
        )
        nodes += [part, shaped]
        sources[name] = shaped.name
        start += size
    return _make((total,), known, tuple(nodes), sources, times, bool(fixed) or whole)


def _make(shape: Any, tensors: Any, nodes: Any, sources: Any, times: int, is_fixed: bool) -> GraphInputs:
    return GraphInputs(shape=shape, tensors=tensors, nodes=nodes, sources=sources, times=times, is_fixed=is_fixed)


def _names(values: list[Any]) -> str:
    return ", ".join(value.name for value in values)[:120]


def _read_sizes(value: Any, asked: Any) -> tuple[tuple[int, ...], int | None]:
    """Return the sizes of one image and the batch: None where it is free, 0 where the input is one image as a whole."""
    # some converters write a size that is free as -1 or 0
    given = [dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim]
    wanted = None if asked is None else tuple(int(size) for size in asked)
    if wanted is not None and len(wanted) == len(given):
        batch: int | None = 0
        sizes = given
    elif len(given) < 2:
        raise ConfigError(
            f"input {value.name} needs a batch axis and at least one other; otherwise name all axes with input_shape="
        )
    else:
        batch, sizes = given[0], given[1:]
    if wanted is not None and len(wanted) != len(sizes):
        raise ConfigError(f"input_shape: {wanted} for input {value.name} of {len(given)} axes, the batch among them")
    found = []
    for axis, size in enumerate(sizes):
        size = size or None
        if wanted is not None:
            if size is not None and size != wanted[axis]:
                raise ConfigError(f"input_shape: {wanted}: the file fixes axis {axis} to {size} (input {value.name})")
            size = wanted[axis]
        if size is None or size < 1:
            free = ", ".join(str(each or "?") for each in sizes)
            raise ConfigError(
                f"input {value.name}: axis {axis + len(given) - len(sizes)} has no fixed size; "
                f"give it: input_shape=({free})"
            )
        found.append(int(size))
    return tuple(found), batch
