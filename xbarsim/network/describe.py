"""The YAML form of a network: shapes, and weights where an .npz beside the file holds them.

.. code-block:: yaml

    name: mynet                  # the file's name if left out
    input_shape: [3, 32, 32]     # channels, height, width (or features)
    weights: mynet.npz           # optional: arrays LAYER.weight and LAYER.bias
    layers:                      # each reads the one above unless it names its inputs
      - {name: conv1, kind: conv2d, channels: 16, kernel: 3, padding: 1}
      - {name: relu1, kind: relu}
      - {name: conv2, kind: conv2d, channels: 16, kernel: 3, padding: 1}
      - {kind: add, inputs: [conv2, relu1]}
      - {kind: global_avg_pool}
      - {name: fc, kind: linear, features: 10}
    output: fc                   # the last layer if left out

Kinds and their settings are those of :data:`xbarsim.network.kinds.KINDS`.
"""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list
from xbarsim.network.build import NetworkBuilder
from xbarsim.network.graph import Network

_KEYS = ("name", "input_shape", "weights", "layers", "output")


def load_description(path: str | Path) -> Network:
    """Read a network in YAML form.

    Parameters
    ----------
    path : str or Path
        The file; ``-`` is standard input.

    Returns
    -------
    Network
        With weights only if the file names them.

    Raises
    ------
    ConfigError
        If a file, key or value is wrong; the message names file and key.
    """
    from xbarsim.yaml_file import load_yaml

    path = Path(path)
    content = load_yaml(path)
    try:
        network = _describe("given" if str(path) == "-" else path.stem, content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return load_weights(network, path.parent / content["weights"]) if content.get("weights") else network


def load_weights(network: Network, path: str | Path) -> Network:
    """Return a network with the weights of an .npz: arrays ``LAYER.weight`` and, where wanted, ``LAYER.bias``.

    Raises
    ------
    ConfigError
        If the file cannot be read, an array is missing, unknown or of the wrong shape, or a weight is not finite.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    fields = [f"{layer.name}.{field}" for layer in network.layers for field in ("weight", "bias")]
    for name, values in arrays.items():
        if name not in fields and values.dtype.kind in "fiub":
            raise ConfigError(
                f"{path}: {name}: no such weight in network {network.name}{suggest_or_list(name, fields)}"
            )
    changed = {}
    for layer in network.layers:
        if f"{layer.name}.weight" not in arrays:
            raise ConfigError(f"{path}: {layer.name}.weight: missing")
        weight, bias = arrays[f"{layer.name}.weight"], arrays.get(f"{layer.name}.bias")
        changed[layer.name] = dataclasses.replace(layer, weight=weight, bias=bias)
    try:
        return network.replace_nodes(changed)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:  # np.load would take other formats too
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'not a readable .npz file'}") from None
    except (
        ValueError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        AttributeError,
        MemoryError,
    ):
        raise ConfigError(f"{path}: not an .npz file of plain arrays, or a damaged one") from None


def _describe(stem: str, content: Mapping[str, Any]) -> Network:
    for key in content:
        if key not in _KEYS:
            raise ConfigError(f"{key}: unknown key{suggest_or_list(key, _KEYS)}")
    for key in ("input_shape", "layers"):
        if key not in content:
            raise ConfigError(f"{key}: missing")
    for key in ("name", "weights", "output"):
        if not isinstance(content.get(key, ""), str):
            raise ConfigError(f"{key}: {content[key]!r} is not text")
    shape, layers = content["input_shape"], content["layers"]
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
        raise ConfigError(f"input_shape: {shape!r} is not a list of whole numbers above 0")
    if not isinstance(layers, list) or not layers:
        raise ConfigError("layers: must be a list of layers")
    builder = NetworkBuilder(content.get("name", stem), shape)
    for number, layer in enumerate(layers):
        try:
            _add_layer(builder, layer)
        except ConfigError as error:
            raise ConfigError(f"layers[{number}]: {error}") from None
    return builder.build(content.get("output", ""))


def _add_layer(builder: NetworkBuilder, layer: Any) -> None:
    if not isinstance(layer, dict):
        raise ConfigError(f"{layer!r} is not a mapping of keys to values")
    settings = dict(layer)
    kind, name, inputs = settings.pop("kind", None), settings.pop("name", None), settings.pop("inputs", None)
    if kind is None:
        raise ConfigError("kind: missing")
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigError(f"name: {name!r} is not text")
    if isinstance(inputs, str):
        inputs = [inputs]
    if inputs is not None and not (isinstance(inputs, list) and all(isinstance(item, str) for item in inputs)):
        raise ConfigError(f"inputs: {inputs!r} is not a list of names")
    builder.add(str(kind), name, inputs, settings)
