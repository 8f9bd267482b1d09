"""Networks by name: published architectures, and the small trained network that ships with the package."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.names import suggest_or_list
from xbarsim.network.describe import load_description, load_weights
from xbarsim.network.families import build_mobilenetv2, build_resnet, build_resnet_cifar
from xbarsim.network.graph import Network
from xbarsim.network.onnx_import import load_onnx
from xbarsim.network.random_weights import with_random_weights

_FAMILIES: dict[str, Callable[[], Network]] = {
    "mobilenetv2": lambda: build_mobilenetv2("mobilenetv2"),
    "resnet18": lambda: build_resnet("resnet18", (2, 2, 2, 2), False),
    "resnet20": lambda: build_resnet_cifar("resnet20", 20),
    "resnet32": lambda: build_resnet_cifar("resnet32", 32),
    "resnet50": lambda: build_resnet("resnet50", (3, 4, 6, 3), True),
    "resnet101": lambda: build_resnet("resnet101", (3, 4, 23, 3), True),
}


def list_networks() -> list[str]:
    """Return the names that :func:`load_network` knows, sorted."""
    return list(_list_zoo())


@functools.cache
def _list_zoo() -> tuple[str, ...]:
    """Return the same, read from the package once: searches name a network for every design."""
    files = (item.name for item in resources.files("xbarsim.network").joinpath("zoo").iterdir())
    return tuple(sorted({*_FAMILIES, *(name[:-5] for name in files if name.endswith(".yaml"))}))


def load_network(
    name: str | Path | Network,
    weights: str | Path | None = None,
    seed: int = 0,
    *,
    input_shape: Any = None,
    outputs: str | Sequence[str] | None = None,
    self_check: bool = True,
) -> Network:
    """Load a network.

    Parameters
    ----------
    name : str, Path or Network
        A name of the zoo (see :func:`list_networks`), an .onnx file, or a .yaml file (see
        :mod:`xbarsim.network.describe`). A Network is taken as it is.
    weights : str or Path, optional
        ``"random"``, or an .npz with arrays ``LAYER.weight`` and ``LAYER.bias``.
    seed : int
        Seed of random weights.
    input_shape : tuple of int or mapping, optional
        Sizes of one image where an .onnx file leaves axes free; by name where it has several inputs. As many sizes as
        the input has axes mean that the file has no batch axis. Several inputs are packed into one vector, in the order
        of the file.
    outputs : str or sequence of str, optional
        Output of an .onnx file by name or glob (``"*"``), the first if left out. Where it is several, simulations give
        a mapping by name.
    self_check : bool
        Whether random images are run through ONNX Runtime, where it is installed, when an .onnx file is loaded; a
        network that differs is refused.

    Returns
    -------
    Network

    Raises
    ------
    ConfigError
        If the name is unknown or a file is wrong.
    """
    given = input_shape is not None or outputs is not None
    if given and (isinstance(name, Network) or Path(name).suffix.lower() != ".onnx"):
        raise ConfigError("input_shape, outputs: only for .onnx files; leave them out for other networks")
    network = name if isinstance(name, Network) else _find(str(name), input_shape, outputs, self_check)
    if weights is None:
        return network
    if weights == "random":
        return with_random_weights(network, seed)
    if Path(weights).suffix != ".npz":
        raise ConfigError(f"weights: {str(weights)!r} is neither 'random' nor an .npz file")
    return load_weights(network, weights)


def _find(
    name: str, input_shape: Any = None, outputs: str | Sequence[str] | None = None, self_check: bool = True
) -> Network:
    suffix = Path(name).suffix.lower()
    if suffix == ".onnx":
        return load_onnx(name, input_shape, outputs, self_check)
    if suffix in (".yaml", ".yml"):
        return load_description(name)
    if name not in _list_zoo():
        form = "" if suffix in ("", name) else ", and files end in .onnx or .yaml"
        names = suggest_or_list(name, list_networks())
        raise ConfigError(f"network {name!r}: not a network that ships{form}{names}")
    return _load_zoo(name)


@functools.cache
def _load_zoo(name: str) -> Network:
    if name in _FAMILIES:
        return _FAMILIES[name]()
    return load_description(Path(str(resources.files("xbarsim.network").joinpath("zoo", f"{name}.yaml"))))
