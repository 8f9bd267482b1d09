"""One random image, or as many as the file's batch holds, through the network and through ONNX Runtime at load.

A difference is an error: a network that computes something else than its file must not go unnoticed. Where ONNX Runtime
is not installed or cannot run the file, there is nothing to compare with.

Sums in another order differ in their last bits, and where a network rounds (codes, casts, comparisons) such a bit can
move a value to its neighbour. How far that goes is measured on the network itself: it runs again with the input and the
results of all layers moved by a hundred times as much, and what then differs is what rounding may explain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.execute import run_network
from xbarsim.network.graph import Network, Node
from xbarsim.network.kinds import KINDS
from xbarsim.network.kinds.opaque import lift_weights, run_session, start_session
from xbarsim.network.onnx_input import GraphInputs
from xbarsim.rng import stream

TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    **{
        f"tensor({name})": np.dtype(name)
        for name in ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
    },
}  # fmt: skip
_TOLERANCE, _HALF = 1e-3, 2e-2
"""Largest difference relative to the largest result: of float32; of float16 and bfloat16, which the network computes in
float32."""
_HALVES = (10, 16)
"""Element types float16 and bfloat16."""
_SHIFT, _TRIALS = 1e-5, 6
"""Relative change that stands for another order of sums, a hundred times what sums really differ by, and how often it
is tried: a value that ONNX Runtime rounds the other way moves in one trial of two, in none of six with 1.6 %."""


_BLOCK = 1 << 18
"""Numbers that are compared at a time."""


def find_tolerance(model: Any) -> float:
    """Return by how much results of an ``onnx.ModelProto`` may differ, relative to the largest."""
    graph = model.graph
    kinds = {each.data_type for each in graph.initializer}
    kinds |= {each.type.tensor_type.elem_type for each in (*graph.input, *graph.value_info, *graph.output)}
    kinds |= {each.i for node in graph.node if node.op_type == "Cast" for each in node.attribute if each.name == "to"}
    return _TOLERANCE if kinds.isdisjoint(_HALVES) else _HALF


def check_network(
    network: Network, path: Path, inputs: GraphInputs, outputs: Sequence[str], tolerance: float = _TOLERANCE
) -> None:
    """Compare a network with its file.

    Parameters
    ----------
    network : Network
        As it was read.
    path : Path
        The file.
    inputs : GraphInputs
        What the file takes.
    outputs : sequence of str
        The file's outputs that the network computes.
    tolerance : float
        Difference that is allowed, relative to the largest result, of :func:`find_tolerance`.

    Raises
    ------
    ConfigError
        If results differ.
    """
    rng = stream(0, "network.onnx_check")
    count, allowed = inputs.times, tolerance
    feeds: dict[str, np.ndarray] = {}
    expected = _run_file(str(path), inputs, outputs, feeds, rng)
    if expected is None:
        return
    parts = [value.reshape(count, -1) for value in feeds.values()]
    moves = np.concatenate([np.full(part.shape, part.dtype.kind == "f") for part in parts], axis=1)
    x = np.concatenate([part.astype(np.float32) for part in parts], axis=1).reshape(count, *network.input_shape)
    found = run_network(network, x, threads=1, block=1).reshape(count, -1)
    ends = np.cumsum([value.shape[1] for value in expected])[:-1]
    differences = list(map(_judge, np.split(found, ends, axis=1), expected))
    difference = max(differences)
    if allowed < difference < math.inf:
        allowed += 2 * _measure_rounding(network, x, moves.reshape(x.shape), found, ends, rng)
    if difference > allowed and (lifted := lift_weights(path)) is not None:
        expected = _run_file(lifted, inputs, outputs, feeds, rng) or expected
        differences = list(map(_judge, np.split(found, ends, axis=1), expected))
        difference = max(differences)
    if difference > allowed:
        output = outputs[differences.index(difference)]
        how = f"differs from ONNX Runtime by {difference:.2g} of its largest value"
        if math.isinf(difference):
            how = "is not finite where that of ONNX Runtime is, or has another size,"
        raise ConfigError(
            f"output {output!r} {how} on random images; "
            "this is a fault of the importer, or the file computes something else for every batch; try: export "
            "with a fixed batch of one, or self_check=False to use the network all the same"
        )


def _run_file(
    model: str | bytes, inputs: GraphInputs, outputs: Sequence[str], feeds: dict[str, np.ndarray], rng: Any
) -> list[np.ndarray] | None:
    """Return what ONNX Runtime computes, (images, numbers) for each output, None where it is missing or cannot.

    ``feeds`` are the inputs; where there are none, they are drawn.
    """
    try:
        session = start_session(model, keeps_memory=False)
        kinds = {entry.name: entry.type for entry in session.get_inputs()}
        if not TYPES.keys() >= set(kinds.values()):
            return None
        if not feeds:
            feeds |= {name: _draw(TYPES[kind], inputs.tensors[name].wide, rng) for name, kind in kinds.items()}
        values = run_session(session, list(outputs), feeds)
        return [np.asarray(value).reshape(inputs.times, -1) for value in values]
    except ConfigError:
        return None


def _draw(kind: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if np.dtype(kind).kind == "f":
        return (rng.standard_normal(shape) * 0.5).astype(kind)
    return rng.integers(0, 2, shape).astype(kind)


def _judge(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest value, infinite where only the file has a number."""
    if found.shape == expected.shape:
        ours, theirs = found.reshape(-1), expected.reshape(-1)
        for start in range(0, len(ours), _BLOCK):
            one, other = ours[start : start + _BLOCK], theirs[start : start + _BLOCK]
            if (~np.isfinite(one) & (np.abs(other.astype(np.float64)) <= np.finfo(np.float32).max)).any():
                return math.inf
    return _compare(found, expected)


def _compare(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest value, where both are finite."""
    if found.shape != expected.shape:
        return math.inf
    largest, most = 1e-6, 0.0
    ours, theirs = found.reshape(-1), expected.reshape(-1)
    for start in range(0, len(ours), _BLOCK):  # large outputs take no second and third copy of themselves
        one, other = ours[start : start + _BLOCK], theirs[start : start + _BLOCK].astype(np.float64)
        finite = np.isfinite(one) & np.isfinite(other)
        largest = max(largest, float(np.abs(other[finite]).max(initial=0.0)))
        most = max(most, float(np.abs(one[finite] - other[finite]).max(initial=0.0)))
    return most / largest


def _measure_rounding(
    network: Network, x: np.ndarray, moves: np.ndarray, found: np.ndarray, ends: np.ndarray, rng: np.random.Generator
) -> float:
    """Return by how much a result, cut into outputs at ``ends``, moves with the last bits of layers and of the input.

    The input moves where ``moves`` says so: token numbers do not.
    """

    def move(values: np.ndarray) -> np.ndarray:
        signs = rng.integers(0, 2, values.shape, dtype=np.int8)
        return values * np.where(signs, np.float32(1 + _SHIFT), np.float32(1 - _SHIFT))

    def compute(node: Node, value: np.ndarray) -> np.ndarray:
        return move(KINDS[node.kind].run(node, [value]))

    most = 0.0
    for _ in range(_TRIALS):
        y = run_network(network, np.where(moves, move(x), x), compute, threads=1, block=1).reshape(found.shape)
        most = max(most, *map(_compare, np.split(y, ends, axis=1), np.split(found, ends, axis=1)))
    return most
