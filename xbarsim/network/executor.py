"""Executors of the float network: this package, or ONNX Runtime.

The two differ in the last bits of activations, and therefore of activation scales. The executor is chosen explicitly
and reported with its version, so that results do not depend on the installed packages. ONNX Runtime receives images in
blocks of one size, the last one padded with zeros, so that its results do not depend on the number of threads or
images; they may depend on the processor.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.execute import Observer, Progress, available_cores, check_images, run_network
from xbarsim.network.graph import INPUT, Network
from xbarsim.network.kinds.opaque import open_session
from xbarsim.network.write_onnx import build_model

BLOCK = 16
"""Images in a block for ONNX Runtime. Measured: the fastest for ResNet-20."""


@dataclass(frozen=True, kw_only=True)
class FloatRun:
    """Options of a run of the float network."""

    names: Collection[str] = ()
    """Nodes, or ``"input"``, that ``observe`` wants to see."""
    observe: Observer | None = None
    """``(name, value)``, called from several threads, block by block in no order."""
    threads: int | None = None
    """Threads, every available core if left out; they never change a result."""
    progress: Progress | None = None
    """``(done, total)`` images."""


@dataclass(frozen=True, kw_only=True)
class Executor:
    """A way to run a float network."""

    name: str
    """Name in options."""
    describe: Callable[[], str]
    """Returns name and version; raises ConfigError where it is not installed."""
    run: Callable[[Network, np.ndarray, FloatRun], np.ndarray]
    """``(network, images, how) -> outputs``, float32."""


def find_executor(name: str) -> Executor:
    """Look an executor up.

    Parameters
    ----------
    name : str
        One of :data:`EXECUTORS`.

    Returns
    -------
    Executor

    Raises
    ------
    ConfigError
        If there is none of this name, or what it needs is not installed.
    """
    if name not in EXECUTORS:
        raise ConfigError(f"executor: {name!r} is not one of {', '.join(EXECUTORS)}")
    EXECUTORS[name].describe()
    return EXECUTORS[name]


def _run_own(network: Network, images: np.ndarray, how: FloatRun) -> np.ndarray:
    return run_network(
        network, images, threads=how.threads, observe=how.observe, progress=how.progress, concurrent=True
    )


def _describe_runtime() -> str:
    try:
        import onnx  # noqa: F401 (the network is handed over as an ONNX model)
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"executor: onnxruntime needs the package {error.name}: pip install onnxruntime 'xbarsim[onnx]', "
            "or choose own"
        ) from None
    return f"onnxruntime {onnxruntime.__version__}"


def _run_in_runtime(network: Network, images: np.ndarray, how: FloatRun) -> np.ndarray:
    _describe_runtime()
    x = check_images(network, images)
    seen = [name for name in how.names if name != INPUT]
    session = open_session(build_model(network, {name: name for name in (network.output, *seen)}).SerializeToString())
    outputs = np.empty((len(x), *network.output_shape), np.float32)
    run = functools.partial(_run_block, session, x, [network.output, *seen], how)
    with ThreadPoolExecutor(how.threads or available_cores()) as pool:
        for start, result in pool.map(run, range(0, len(x), BLOCK)):
            outputs[start : start + len(result)] = result
            if how.progress is not None:
                how.progress(start + len(result), len(x))
    return outputs


def _run_block(session: Any, x: np.ndarray, names: list[str], how: FloatRun, start: int) -> tuple[int, np.ndarray]:
    part = x[start : start + BLOCK]
    block = part
    if len(part) < BLOCK:
        block = np.zeros((BLOCK, *x.shape[1:]), np.float32)
        block[: len(part)] = part
    result, *values = (value[: len(part)] for value in session.run(names, {INPUT: block}))
    if how.observe is not None:
        if INPUT in how.names:
            how.observe(INPUT, part)
        for name, value in zip(names[1:], values, strict=True):
            how.observe(name, value)
    return start, result


EXECUTORS = {
    each.name: each
    for each in (
        Executor(name="own", describe=lambda: "own", run=_run_own),
        Executor(name="onnxruntime", describe=_describe_runtime, run=_run_in_runtime),
    )
}
"""Every executor by name; the first is the default."""
