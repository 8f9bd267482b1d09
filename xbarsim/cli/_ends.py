"""Options that choose inputs and outputs of an .onnx file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xbarsim.errors import ConfigError

Outputs = Annotated[
    str | None,
    typer.Option(
        "--outputs", metavar="NAME,...", help="Outputs of an .onnx file, by name or glob.  [default: the first]"
    ),
]
InputShape = Annotated[
    list[str],
    typer.Option(
        "--input-shape", metavar="N,...",
        help="Sizes of one image that an .onnx file leaves free, e.g. 3,224,224; of one of several inputs INPUT=N,...; "
        "may be repeated.",
    ),
]  # fmt: skip


def parse_ends(outputs: str | None, input_shape: list[str]) -> dict[str, Any]:
    """Read ``--outputs`` and ``--input-shape``.

    Parameters
    ----------
    outputs : str or None
        Names or globs with commas between.
    input_shape : list of str
        One text of sizes with commas between, or texts of the form ``INPUT=sizes``.

    Returns
    -------
    dict
        Arguments of :func:`xbarsim.load_network`; only those that are given.

    Raises
    ------
    ConfigError
        If a text lacks a part or a size is no whole number of at least 1.
    """
    found: dict[str, Any] = {}
    if outputs is not None:
        names = [name.strip() for name in outputs.split(",")]
        if not all(names):
            raise ConfigError(f"--outputs {outputs}: should be names with commas between, for example score,box")
        found["outputs"] = names[0] if len(names) == 1 else names
    shapes = {}
    for item in input_shape:
        name, equals, text = item.rpartition("=")
        if (equals and not name.strip()) or name.strip() in shapes or (not equals and len(input_shape) > 1):
            raise ConfigError(f"--input-shape {item}: should be INPUT=SIZES, once for each of several inputs")
        shapes[name.strip()] = _sizes(item, text)
    if shapes:
        found["input_shape"] = shapes.get("", shapes)
    return found


def _sizes(item: str, text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise ConfigError(
            f"--input-shape {item}: should be whole numbers of at least 1 with commas between, for example 3,224,224"
        )
    return tuple(map(int, sizes))


def load_model(network: str, outputs: str | None, input_shape: list[str], *, like: bool = False) -> Any:
    """Load a network as the options say.

    Parameters
    ----------
    network : str
        Name or path; ``-`` is a network in YAML on standard input.
    outputs : str or None
        What ``--outputs`` says.
    input_shape : list of str
        What ``--input-shape`` says.
    like : bool
        Whether the options were given for another network; they then count only for an .onnx file.

    Returns
    -------
    Network

    Raises
    ------
    ConfigError
        If an option is wrong, or the network is.
    """
    from xbarsim import api

    ends = parse_ends(outputs, input_shape)
    if network == "-":
        from xbarsim.network.describe import load_description

        return api.load_network(load_description(network), **ends)
    return api.load_network(network, **({} if like and not network.lower().endswith(".onnx") else ends))


def load_hardware(name: str, changes: dict[str, Any]) -> Any:
    """Load hardware as the options say.

    Parameters
    ----------
    name : str
        Name or path; ``-`` is YAML on standard input, with paths relative to the current folder.
    changes : dict
        Dotted key -> value, applied last.

    Returns
    -------
    Hardware

    Raises
    ------
    ConfigError
        If the file, a key or a value is wrong.
    """
    from xbarsim import api

    if name != "-":
        return api.load_hardware(name, changes)
    from xbarsim.yaml_file import load_yaml

    return api.load_hardware(load_yaml(name), changes)
