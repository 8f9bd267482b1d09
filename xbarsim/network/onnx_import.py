"""ONNX models -> :class:`~xbarsim.network.graph.Network`.

Constant parts of the graph are folded, batch normalisation goes into the convolution before it, and layers are
called after their weight initializers. Models quantised in QDQ form keep scales and zero points exactly. The
first axis of an input is the batch; every other size must be known or given. Operators without a record of their own
run in ONNX Runtime. What mixes the images of a batch, or has sizes that depend on values, is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, show_value
from xbarsim.limits import check_limit
from xbarsim.names import is_place
from xbarsim.network.graph import Network
from xbarsim.network.onnx_check import check_network, find_tolerance
from xbarsim.network.onnx_reader import GraphReader
from xbarsim.network.onnx_writers import BODIES, WEIGHT_BITS


def load_onnx(
    path: str | Path, input_shape: Any = None, outputs: str | Sequence[str] | None = None, self_check: bool = True
) -> Network:
    """Read an ONNX file.

    Parameters
    ----------
    path : str or Path
        The file; external data are looked for beside it.
    input_shape : tuple of int or mapping, optional
        Sizes of one image where the file leaves axes free; by name of the input where there are several. As many sizes
        as the input has axes mean that the file has no batch axis: its input is one image.
    outputs : str or sequence of str, optional
        Name or glob of the output; the first if left out. Several are packed into one vector, as
        :attr:`~xbarsim.network.graph.Network.output_shapes` says.
    self_check : bool
        Whether to run random images through ONNX Runtime, where it is installed, and to refuse a network that differs.

    Returns
    -------
    Network
        Named after the file.

    Raises
    ------
    ConfigError
        If the file is missing or damaged, or uses operators or shapes that are not supported.
    """
    path = Path(path)
    return import_model(_open_model(path), path.stem, str(path), input_shape, outputs, path if self_check else None)


def _open_model(path: Path) -> Any:
    onnx = _require_onnx()
    if not is_place(path, file=True):
        raise ConfigError(f"{path}: no such file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # protobuf raises its own errors, which differ by version
        raise ConfigError(f"{path}: not an ONNX model, or a damaged one") from None
    if not model.graph.node or not model.opset_import:
        raise ConfigError(f"{path}: not an ONNX model, or a damaged one")
    _check_external(model.graph, path)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception:  # onnx's own errors, which differ by version
        raise ConfigError(f"{path}: {_describe_external(model.graph, path.parent)}") from None
    return model


def _check_external(graph: Any, path: Path) -> None:
    """Refuse external data outside the folder of the file, or past their end, which not every version of ONNX does."""
    folder = path.resolve().parent
    for tensor in _list_tensors(graph):
        keys = {item.key: item.value for item in tensor.external_data}
        if "location" not in keys:
            continue
        place = Path(keys["location"])
        if place.is_absolute() or not (folder / place).resolve().is_relative_to(folder):
            shown = show_value(keys["location"])
            raise ConfigError(f"{path}: external data {shown} lie outside the folder of the file; put them beside it")
        if is_place(folder / place, file=True) and _read_end(keys) > (folder / place).stat().st_size:
            raise ConfigError(f"{path}: {_describe_external(graph, folder)}")


def _read_end(keys: Mapping[str, str]) -> int:
    """Return where the data of a tensor end in their file, in bytes; 0 where their keys are no numbers."""
    try:
        return sum(int(keys.get(name, 0)) for name in ("length", "offset"))
    except ValueError:
        return 0


def _list_tensors(graph: Any) -> Iterator[Any]:
    """Yield every stored tensor of a graph and of graphs within it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors)
            for below in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _list_tensors(below)


def _describe_external(graph: Any, folder: Path) -> str:
    """Say why external data cannot be read."""
    places = [{item.key: item.value for item in tensor.external_data} for tensor in graph.initializer]
    names = dict.fromkeys(place["location"] for place in places if place.get("location"))
    missing = [name for name in names if not is_place(folder / name, file=True)]
    if missing:
        return f"external data cannot be read: {missing[0][:60]} is missing; try: put it beside the file"
    return (
        f"external data cannot be read: {', '.join(names)[:60]} is shorter than the file says, or lies outside its "
        "folder; try: export both anew"
    )


def import_model(
    model: Any,
    name: str,
    origin: str,
    input_shape: Any = None,
    outputs: str | Sequence[str] | None = None,
    check: Path | None = None,
) -> Network:
    """Turn a loaded ``onnx.ModelProto`` into a network.

    Parameters
    ----------
    model : onnx.ModelProto
        With its weights in memory.
    name : str
        Name of the network.
    origin : str
        Where the model came from, for messages.
    input_shape, outputs
        As :func:`load_onnx`.
    check : Path, optional
        File to compare the network with; no comparison if left out.

    Returns
    -------
    Network

    Raises
    ------
    ConfigError
        As :func:`load_onnx`.
    """
    _require_onnx()
    try:
        model = _write_out(model)
        with np.errstate(all="ignore"):  # values that are not finite are refused by the network
            notes = {item.key: item.value for item in model.metadata_props}
            tolerance = find_tolerance(model)
            reader = GraphReader(model, name, input_shape, outputs)
            del model
            network = _narrow_weights(reader.read(), notes)
            inputs, names = reader.inputs, reader.outputs
            del reader  # the file and its constants go before ONNX Runtime reads them again
            if check is not None:
                check_network(network, check, inputs, names, tolerance)
            return network
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(origin) else f"{origin}: {text}") from None


def _write_out(model: Any) -> Any:
    """Return a model without functions of its own and sparse tensors; functions that this package knows stay."""
    from onnx import inliner, numpy_helper

    own = [(each.domain, each.name) for each in model.functions if (each.domain, each.name) not in BODIES]
    if own:
        try:
            model = inliner.inline_selected_functions(model, own)
        except Exception:  # errors of protobuf and onnx
            raise ConfigError(
                f"function {own[0][1][:60]} cannot be written out; try: export without functions"
            ) from None
    sparse = model.graph.sparse_initializer
    while sparse:
        tensor = sparse.pop()
        check_limit("sparse", math.prod(tensor.dims), f"sparse initializer {tensor.values.name[:60]}")
        try:
            values, places = numpy_helper.to_array(tensor.values), numpy_helper.to_array(tensor.indices)
            dense = np.zeros(tuple(tensor.dims), values.dtype)
            if places.ndim == 1:
                dense.reshape(-1)[places] = values
            else:
                dense[tuple(places.T)] = values
        except (ValueError, IndexError, TypeError):
            raise ConfigError(
                f"sparse initializer {tensor.values.name[:60]} cannot be read: its places do not lie in "
                f"{tuple(tensor.dims)}; try: write the file again"
            ) from None
        model.graph.initializer.append(numpy_helper.from_array(dense, tensor.values.name))
    return model


def _narrow_weights(network: Network, notes: Mapping[str, str]) -> Network:
    """Give layers the width of weights that the metadata names where all their codes fit into it."""
    text = notes.get(WEIGHT_BITS, "{}")
    try:
        widths = dict(json.loads(text))
    except (ValueError, TypeError):
        raise ConfigError(f"metadata {WEIGHT_BITS}: {text[:80]!r} is not a JSON object of layers and bits") from None
    narrow = {}
    for node in network.layers:
        bits, scale = widths.get(node.name), node.attributes.get("weight_scale")
        if bits is None or scale is None or node.weight is None:
            continue
        largest = np.abs(node.weight / scale.reshape((-1,) + (1,) * (node.weight.ndim - 1))).max()
        if type(bits) is not int or not 1 <= bits <= 16 or np.rint(largest) > max(2 ** (bits - 1) - 1, 1):
            raise ConfigError(f"metadata {WEIGHT_BITS}: layer {node.name}: its weights do not fit into {bits!r} bits")
        narrow[node.name] = dataclasses.replace(node, attributes={**node.attributes, "weight_bits": bits})
    return network.replace_nodes(narrow) if narrow else network


def _require_onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise ConfigError("reading ONNX models needs the package onnx: pip install 'xbarsim[onnx]'") from None
    return onnx
