"""Common options of several commands, and their parsing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from xbarsim.cli._volume import VOLUME
from xbarsim.errors import ConfigError, show_value


def complete_network(incomplete: str) -> list[str]:
    """List the names of shipped networks that begin so, for a shell."""
    from xbarsim.network import list_networks

    return [name for name in list_networks() if name.startswith(incomplete)]


def complete_hardware(incomplete: str) -> list[str]:
    """List the names of shipped hardware files that begin so, for a shell."""
    from xbarsim.config import list_hardware

    return [name for name in list_hardware() if name.startswith(incomplete)]


Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK", autocompletion=complete_network,
        help="An .onnx or .yaml file, -: YAML from standard input, or a name (xbarsim network list).",
    ),
]  # fmt: skip
Hardware = Annotated[
    str,
    typer.Option(
        "--hardware", metavar="HW", autocompletion=complete_hardware,
        help="A .yaml file, -: standard input, or a name (xbarsim hardware list).",
    ),
]  # fmt: skip
Set = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override one hardware key, e.g. adc.bits=6; may be repeated."),
]
Layer = Annotated[
    list[str],
    typer.Option(
        "--layer",
        metavar="GLOB:KEY=VALUE",
        help="Override one key for the layers that match, e.g. 'layer1.*:adc.bits=7'; may be repeated.",
    ),
]
Epitomes = Annotated[
    list[str],
    typer.Option(
        "--epitome", metavar="GLOB:KEY=VALUE,...",
        help="Use epitomes for convolutions, e.g. 'layer3.*:rows=1024,channels=256'; pairs (patch, step) as 32x13.",
    ),
]  # fmt: skip
TestData = Annotated[
    str, typer.Option("--data", metavar="DATA", help="Test images: an .npz file, a folder of images, or 'digits'.")
]
Calibration = Annotated[
    str | None,
    typer.Option(
        "--calibration", metavar="DATA", help="Images for calibration of ranges.  [default: the first 64 test images]"
    ),
]
Mean = Annotated[
    str | None, typer.Option("--mean", metavar="M", help="Mean to subtract from images: a number, or R,G,B.")
]
Std = Annotated[
    str | None, typer.Option("--std", metavar="S", help="Standard deviation to divide images by: a number, or R,G,B.")
]
Normalize = Annotated[
    str | None, typer.Option("--normalize", metavar="NAME", help="Predefined --mean and --std: imagenet.")
]
TestImages = Annotated[int | None, typer.Option(metavar="N", help="Use the first N test images.  [default: all]")]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of all random numbers.", show_default=True)]
Trials = Annotated[
    int,
    typer.Option("--trials", metavar="T", help="Number of chips to simulate, each drawn at random.", show_default=True),
]
Metric = Annotated[
    str,
    typer.Option(
        "--metric", metavar="NAME", show_default=True,
        help="Metric of the outputs: top1, top5, miou, perplexity, error, or a registered name.",
    ),
]  # fmt: skip
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="Number of threads; does not change results.  [default: all]"),
]
WeightBits = Annotated[
    int | None,
    typer.Option(
        "--weight-bits", metavar="B", help="Bits of a weight, including the sign.  [default: that of the hardware]"
    ),
]
ActivationBits = Annotated[
    int | None,
    typer.Option("--activation-bits", metavar="B", help="Bits of an input.  [default: that of the hardware]"),
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the results to a JSON file; -: standard output.")
]
ReportFolder = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write an HTML page with figures and tables.")
]


def load_plugins(specs: Any) -> list[str]:  # a list; typer 0.16 takes list[str] for a class, which fails on Python 3.10
    """Import what ``--plugin`` names, before the command itself begins; ConfigError where that fails."""
    if specs:
        from xbarsim.plugin import load_plugin

        for spec in specs:
            load_plugin(spec)
    return list(specs)


Plugin = Annotated[
    list[str],
    typer.Option(
        "--plugin", metavar="MODULE", is_eager=True, expose_value=False, callback=load_plugins,
        help="Module or .py file to import first; it registers additional classes.",
    ),
]  # fmt: skip


def schema_option(module: str, record: str, files: str) -> Any:
    """Return the option ``--schema`` of a command: print the JSON schema of its file, and end.

    Parameters
    ----------
    module, record : str
        Module of the record, which is imported when the option is given, and its name.
    files : str
        What its files are called, ``sweep files``.

    Returns
    -------
    object
        Option for the annotation of a parameter.
    """

    def show(is_wanted: bool) -> None:
        if is_wanted:
            import importlib
            import json

            from xbarsim.config.schema import write_file_schema

            typer.echo(json.dumps(write_file_schema(getattr(importlib.import_module(module), record)), indent=1))
            raise typer.Exit

    return typer.Option("--schema", is_eager=True, callback=show, help=f"Print the JSON schema of {files} and exit.")


def parse_value(text: str) -> Any:
    """Read a value as YAML would in a hardware file; ``1e-6`` is a number.

    Parameters
    ----------
    text : str
        What stands behind the equals sign.

    Returns
    -------
    object
        Number, boolean, text, list or None.

    Raises
    ------
    ConfigError
        If the text is not YAML.
    """
    from xbarsim.yaml_file import parse_yaml

    return parse_yaml(text, show_value(text))


def parse_set(items: list[str]) -> dict[str, Any]:
    """Read ``--set`` options: dotted key -> value.

    Parameters
    ----------
    items : list of str
        Texts of the form ``key=value``.

    Returns
    -------
    dict
        In the order given; the last one wins where a key is repeated.

    Raises
    ------
    ConfigError
        If a text has no key or no equals sign.
    """
    changes = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not key.strip() or not equals:
            raise ConfigError(f"--set {item}: should be KEY=VALUE, for example adc.bits=6")
        changes[key.strip()] = parse_value(value)
    return changes


def parse_layers(items: list[str]) -> dict[str, dict[str, Any]]:
    """Read ``--layer`` options: glob over layer names -> dotted key -> value.

    Parameters
    ----------
    items : list of str
        Texts of the form ``GLOB:key=value``.

    Returns
    -------
    dict of dict
        In the order given.

    Raises
    ------
    ConfigError
        If a text lacks a part.
    """
    layers: dict[str, dict[str, Any]] = {}
    for item in items:
        left, equals, value = item.partition("=")
        glob, _, key = left.rpartition(":")
        if not glob.strip() or not key.strip() or not equals:
            raise ConfigError(f"--layer {item}: should be GLOB:KEY=VALUE, for example 'conv1:adc.bits=7'")
        layers.setdefault(glob.strip(), {})[key.strip()] = parse_value(value)
    return layers


def parse_epitomes(items: list[str]) -> dict[str, Any]:
    """Read ``--epitome`` options: glob over layer names -> epitome.

    Parameters
    ----------
    items : list of str
        Texts of the form ``GLOB:rows=1024,channels=256``; a pair is written ``32x13``.

    Returns
    -------
    dict of Epitome
        In the order given.

    Raises
    ------
    ConfigError
        If a text lacks a part, or describes no epitome.
    """
    if not items:
        return {}
    from xbarsim.network import Epitome

    found = {}
    for item in items:
        glob, _, text = item.rpartition(":")
        content: dict[str, Any] = {}
        for part in text.split(","):
            key, equals, value = part.partition("=")
            if not glob.strip() or not key.strip() or not equals:
                raise ConfigError(
                    f"--epitome {item}: should be GLOB:KEY=VALUE,..., for example '*:rows=288,channels=32'"
                )
            pair = value.split("x")
            read = [parse_value(each) for each in pair]
            content[key.strip()] = read[0] if len(read) == 1 else read
        try:
            found[glob.strip()] = Epitome.from_mapping(content)
        except ConfigError as error:
            raise ConfigError(f"--epitome {item}: {error}") from None
    return found


def sample_network(network: Any, epitomes: dict[str, Any]) -> Any:
    """Return a network with its convolutions sampled from epitomes, or as it is where there are none."""
    return network.with_epitomes(epitomes) if epitomes else network


def parse_scale(mean: str | None, std: str | None, preset: str | None) -> dict[str, Any]:
    """Read ``--mean`` and ``--std``, or ``--normalize``.

    Parameters
    ----------
    mean, std : str or None
        One number, or one for each channel with commas between.
    preset : str or None
        A known pair of both, instead of them.

    Returns
    -------
    dict
        Arguments of :func:`xbarsim.data.normalize_images`.

    Raises
    ------
    ConfigError
        If something is missing, contradicts itself or is no number.
    """
    if preset is not None:
        from xbarsim.data import PRESETS

        if mean is not None or std is not None:
            raise ConfigError("--normalize: give either a name or --mean and --std, not both")
        if preset not in PRESETS:
            raise ConfigError(f"--normalize {preset}: should be one of {', '.join(PRESETS)}")
        return {"mean": preset}
    if (mean is None) != (std is None):
        raise ConfigError("--mean and --std: give both or neither")
    return {name: _numbers(name, text) for name, text in (("mean", mean), ("std", std)) if text is not None}


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--{name} {text}: should be numbers with commas between, for example 0.5,0.5,0.5") from None


def check_counts(**counts: int | None) -> None:
    """Refuse counts below one (below zero for ``seed``) or above their limit; None passes.

    Parameters
    ----------
    **counts : int or None
        Option name, without its dashes -> value.

    Raises
    ------
    ConfigError
        If a count is too small or too large.
    """
    from xbarsim.limits import LIMITS, check_limit

    for name, value in counts.items():
        least, option = 0 if name == "seed" else 1, f"--{name.replace('_', '-')}"
        if value is not None and value < least:
            raise ConfigError(f"{option} {value}: should be {least} or more")
        if value is not None and name in LIMITS:
            check_limit(name, value, option)


def show_written(files: Iterable[Path | str]) -> None:
    """Print the paths of what was written, or what else names it; nothing with ``--quiet``."""
    for file in () if VOLUME.quiet else files:
        typer.echo(f"wrote {file}", err=VOLUME.piped)
