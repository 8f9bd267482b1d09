"""The executor: run a network over images, block by block.

Values between nodes are float32. Images are cut into blocks so that memory does not grow with their number, and a
value is dropped once its last reader has run. No operation mixes images and BLAS works image by image on one
thread, so the bits of a result depend neither on the block size nor on the number of threads.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.errors import ShapeError, explain_shape
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.kinds import KINDS

LayerFunction = Callable[[Node, np.ndarray], np.ndarray]
Observer = Callable[[str, np.ndarray], None]
Progress = Callable[[int, int], None]

_FLOAT_BLOCK_BYTES = 8 << 20
"""Values of a block of images in the float network, at most [bytes]. Our choice."""
_LAYER_BLOCK_BYTES = 32 << 20
"""Values of a block of images of one layer, at most [bytes]. Our choice."""


def run_network(
    network: Network,
    images: np.ndarray,
    layer_function: LayerFunction | None = None,
    *,
    threads: int | None = None,
    observe: Observer | None = None,
    block: int | None = None,
    progress: Progress | None = None,
    concurrent: bool | None = None,
) -> np.ndarray:
    """Run a network over images.

    Parameters
    ----------
    network : Network
        With weights, unless ``layer_function`` does without.
    images : array_like, (images, *input_shape)
        Floats, already normalised.
    layer_function : callable, optional
        ``(node, x) -> y`` computes every weight layer; float32 arithmetic if left out. ``x`` is float32.
    threads : int, optional
        Blocks that run side by side; every available core if left out.
    observe : callable, optional
        ``(name, value)`` sees the input and the output of every node, block after block in order.
    block : int, optional
        Images in a block; chosen by memory if left out.
    progress : callable, optional
        ``(done, total)`` images, called after every block.
    concurrent : bool, optional
        Whether blocks may run side by side; by default only where neither ``layer_function`` nor ``observe`` is given.

    Returns
    -------
    ndarray, (images, *output_shape)
        float32.

    Raises
    ------
    ShapeError
        If images have the wrong shape or hold NaN or infinite values.
    ConfigError
        If weights are needed and missing.
    """
    x = check_images(network, images)
    if layer_function is None:
        network.require_weights()
    size = block or block_size(network, _FLOAT_BLOCK_BYTES if layer_function is None else _LAYER_BLOCK_BYTES)
    if concurrent is None:
        concurrent = layer_function is None and observe is None
    run = functools.partial(_run_block, network, layer_function=layer_function, observe=observe)
    outputs = np.empty((len(x), *network.output_shape), np.float32)
    workers = (threads or available_cores()) if concurrent else 1
    starts = range(0, len(x), size)
    with single_threaded_blas():
        results = _in_order(run, [x[start : start + size] for start in starts], workers)
        for start, result in zip(starts, results, strict=True):
            outputs[start : start + size] = result
            if progress is not None:
                progress(min(start + size, len(x)), len(x))
    return outputs


def read_array(given: ArrayLike, what: str) -> np.ndarray:
    """Return an array_like as an array.

    Parameters
    ----------
    given : array_like, (...)
        Entries of one shape.
    what : str
        Name of the argument, for messages.

    Returns
    -------
    ndarray, (...)
        The same values.

    Raises
    ------
    ShapeError
        If entries have different shapes, or are given by name.
    """
    check_plain(given, what)
    try:
        return np.asarray(given)
    except ValueError:
        raise ShapeError(
            f"{what}: entries of different shapes; give one array (images, ...), and labels as an argument of their own"
        ) from None


def check_plain(given: Any, what: str) -> None:
    """Refuse arrays by name; ShapeError says how several are given.

    Parameters
    ----------
    given : any
        What should be array_like, or a stream.
    what : str
        Name of the argument, for messages.
    """
    if isinstance(given, Mapping):
        names = ", ".join(map(str, given))[:80]
        raise ShapeError(
            f"{what}: arrays by name ({names}); pack them into one vector for each image, in the order of the file: "
            "np.concatenate([each.reshape(len(each), -1) for each in arrays], axis=1)"
        )


def check_images(network: Network, images: ArrayLike, what: str = "images") -> np.ndarray:
    """Check images and return them as float32.

    Parameters
    ----------
    network : Network
        Its ``input_shape`` is what an image must have.
    images : array_like of numbers, (images, *input_shape)
        Normalised images.
    what : str
        Name of the argument, for messages.

    Returns
    -------
    ndarray of float32, (images, *input_shape)
        The same values.

    Raises
    ------
    ShapeError
        If the shape differs, the values are raw uint8 pixels or no numbers, or one is NaN, infinite, or a whole number
        that float32 does not hold.
    """
    x = read_array(images, what)
    expected = ", ".join(("images", *map(str, network.input_shape)))
    if x.ndim != len(network.input_shape) + 1 or x.shape[1:] != network.input_shape:
        hint = explain_shape(x.shape[1:], network.input_shape)
        raise ShapeError(f"{what}: expected shape ({expected}) for network {network.name}, given {x.shape}{hint}")
    if x.dtype == np.uint8:
        raise ShapeError(
            f"{what}: uint8 pixels; divide by 255 and normalise them first (data.normalize_images), or, where the "
            "network takes 0 to 255 itself, give them as float32"
        )
    if x.dtype.kind not in "fiub":
        raise ShapeError(f"{what}: expected numbers, given {x.dtype}")
    whole, x = x, x.astype(np.float32, copy=False)
    if whole.dtype.kind in "iu" and not (whole == x.astype(np.float64)).all():
        lost = int(whole[whole != x.astype(np.float64)].flat[0])
        raise ShapeError(
            f"{what}: hold the whole number {lost}, and images are float32, which has all of them up to 2^24 only; "
            "hash or split such numbers before the network"
        )
    if not np.isfinite(x).all():
        raise ShapeError(f"{what}: hold NaN or infinite values")
    return x


def block_size(network: Network, block_bytes: int) -> int:
    """Return how many images run together so that the largest intermediate array stays within ``block_bytes``."""
    largest = max(math.prod(network.input_shape), 1)
    for node in network.nodes:
        values = math.prod(node.shape)
        layer = KINDS[node.kind].layer
        if layer is not None:
            values = max(values, layer.scratch(node))
        largest = max(largest, values)
    return min(256, max(1, block_bytes // (4 * largest)))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _blas_controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS on one thread: how it splits work over threads may change the last bits."""
    with _blas_controller().limit(limits=1, user_api="blas"):
        yield


def _in_order(run: Callable[[np.ndarray], np.ndarray], blocks: list[np.ndarray], workers: int) -> Iterator[np.ndarray]:
    if workers <= 1 or len(blocks) <= 1:
        yield from map(run, blocks)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, blocks)


def _run_block(
    network: Network, x: np.ndarray, layer_function: LayerFunction | None, observe: Observer | None
) -> np.ndarray:
    values = {INPUT: x}
    readers = {name: len(nodes) for name, nodes in network.consumers.items()}
    readers[network.output] += 1
    if observe is not None:
        observe(INPUT, x)
    for node in network.nodes:
        inputs = [values[source] for source in node.inputs]
        if layer_function is not None and node.is_layer:
            value = layer_function(node, inputs[0])
        else:
            value = KINDS[node.kind].run(node, inputs)
        if value.shape != (len(x), *node.shape):
            raise ShapeError(f"layer {node.name}: output has shape {value.shape}, expected {(len(x), *node.shape)}")
        values[node.name] = value
        if observe is not None:
            observe(node.name, value)
        for source in dict.fromkeys(node.inputs):
            readers[source] -= 1
            if not readers[source]:
                del values[source]
    return values[network.output]
