"""One random image, or as many as the file's batch holds, through the network and through ONNX Runtime at load.

A difference is an error: a network that computes something else than its file must not go unnoticed. Where ONNX Runtime
is not installed or cannot run the file, there is nothing to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.execute import run_network
from xbarsim.network.graph import Network
from xbarsim.network.kinds.opaque import open_session
from xbarsim.network.onnx_input import GraphInputs
from xbarsim.rng import stream

FLOATS: Mapping[str, Any] = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
INTEGERS: Mapping[str, Any] = {
    f"tensor({name})": np.dtype(name) for name in ("int64", "int32", "int16", "int8", "uint8", "uint16", "bool")
}
_TOLERANCE, _HALF, _CODES = 1e-3, 2e-2, 0.1
"""Largest difference relative to the largest result: of float32; of float16, which the network computes in float32; of
networks with codes, where a value between two codes may take the other one."""


def check_network(network: Network, path: Path, inputs: GraphInputs, output: str) -> None:
    """Compare a network with its file.

    Parameters
    ----------
    network : Network
        As it was read.
    path : Path
        The file.
    inputs : GraphInputs
        What the file takes.
    output : str
        The file's output that the network computes.

    Raises
    ------
    ConfigError
        If results differ.
    """
    count = inputs.times
    rng = stream(0, "network.onnx_check")
    try:
        session = open_session(str(path), keeps_memory=False)
        feeds, images = {}, []
        for entry in session.get_inputs():
            shape = inputs.tensors[entry.name].wide
            feeds[entry.name] = _draw(entry.type, shape, rng)
            images.append(feeds[entry.name].reshape(count, -1).astype(np.float32))
        expected = np.asarray(session.run([output], feeds)[0], np.float64).reshape(-1)
        kinds = {entry.type for entry in session.get_inputs()}
        del session  # its copy of the weights goes before the network runs
    except Exception:  # ONNX Runtime is missing, or raises its own errors: the file does not run there
        return
    x = np.concatenate(images, axis=1).reshape(count, *network.input_shape)
    found = run_network(network, x, threads=1, block=1).reshape(-1).astype(np.float64)
    if not np.isfinite(expected).all() or not np.isfinite(found).all():
        return
    largest = float(np.abs(expected).max(initial=1e-6))
    difference = math.inf
    if found.shape == expected.shape:
        difference = float(np.abs(found - expected).max(initial=0.0)) / largest
    if difference > _allow(network, kinds):
        raise ConfigError(
            f"output {output!r} differs from ONNX Runtime by {difference:.2g} of its largest value on random images; "
            "this is a fault of the importer, or the file computes something else for every batch; way out: export "
            "with a fixed batch of one, or self_check=False to use the network all the same"
        )


def _draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind in FLOATS:
        return (rng.standard_normal(shape) * 0.5).astype(FLOATS[kind])
    return rng.integers(0, 2, shape).astype(INTEGERS[kind])


def _allow(network: Network, kinds: set[str]) -> float:
    codes = ("QuantizeLinear", "DynamicQuantizeLinear", "Cast")
    for node in network.nodes:
        if node.kind == "quantize" or node.attributes.get("operator") in codes:
            return _CODES
    return _HALF if "tensor(float16)" in kinds else _TOLERANCE
