"""``xbarsim simulate``: the accuracy on hardware, and the cost of one inference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbarsim.cli import _ends, _options, _outputs, _processes
from xbarsim.cli._volume import take_json
from xbarsim.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    import numpy as np

    from xbarsim.data import Dataset
    from xbarsim.network import Network as Model


def simulate(
    network: _options.Network,
    hardware: _options.Hardware = "reference",
    data: _options.TestData = "digits",
    calibration: _options.Calibration = None,
    mean: _options.Mean = None,
    std: _options.Std = None,
    normalize: _options.Normalize = None,
    outputs: _ends.Outputs = None,
    input_shape: _ends.InputShape = [],  # noqa: B006
    set_: _options.Set = [],  # noqa: B006 (typer copies it)
    layer: _options.Layer = [],  # noqa: B006
    epitome: _options.Epitomes = [],  # noqa: B006
    images: _options.TestImages = None,
    weight_bits: _options.WeightBits = None,
    activation_bits: _options.ActivationBits = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="NETWORK", help="The float network that NETWORK was quantised from.  [default: NETWORK]"),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="Executor of the float network: own or onnxruntime.", show_default=True)
    ] = "own",
    metric: _options.Metric = "top1",
    seed: _options.Seed = 0,
    trials: _options.Trials = 1,
    threads: _options.Threads = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Spread the images over processes; does not change results.  [default: none]"),
    ] = None,
    dask: _processes.Dask = None,
    tls_ca: _processes.TlsCa = None,
    tls_cert: _processes.TlsCert = None,
    tls_key: _processes.TlsKey = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for finished blocks; an interrupted simulation is resumed."),
    ] = None,
    json: _options.Json = None,
    report: _options.ReportFolder = None,
) -> None:
    """Simulate a trained network on hardware: accuracy and cost."""
    changes, layers = _options.parse_set(set_), _options.parse_layers(layer)
    epitomes = _options.parse_epitomes(epitome)
    scale = _options.parse_scale(mean, std, normalize)
    _options.check_counts(
        images=images,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        seed=seed,
        trials=trials,
        threads=threads,
        workers=workers,
    )
    _processes.check_processes(workers, dask, tls_ca, tls_cert, tls_key)
    _outputs.check_outputs(json, report, inputs=(network, hardware, data, calibration, reference))

    from xbarsim import api
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli._tables import make_console, show_report

    loaded = _ends.load_hardware(hardware, changes)
    model = _options.sample_network(_ends.load_model(network, outputs, input_shape), epitomes)
    model.require_weights()
    origin = None if reference is None else _ends.load_model(reference, outputs, input_shape, like=True)
    test, labels = open_images(data, model, scale, count=images, metric=metric)
    known = None if calibration is None else load_images(calibration, model, scale, for_calibration=True).images
    with _processes.open_cluster(dask, tls_ca, tls_cert, tls_key) as client, ProgressDisplay() as progress:
        spread: dict[str, Any] = {"workers": workers, "cluster": client, "checkpoint": checkpoint}
        result = api.simulate(
            model, loaded, test, labels, calibration=known, layers=layers or None, trials=trials, seed=seed,
            threads=threads, weight_bits=weight_bits, activation_bits=activation_bits, executor=executor,
            reference=origin, metric=metric, progress=progress,
            **{name: value for name, value in spread.items() if value is not None},
        )  # fmt: skip
    written = write_outputs(result, json, report)
    show_report(make_console(), result)
    _options.show_written(written)


def open_images(
    spec: str, model: Model, scale: Mapping[str, Any], *, count: int | None, metric: str
) -> tuple[Any, np.ndarray | None]:
    """Return test images with their labels; folders of images and of .npz files as streams, which bring their labels.

    Arguments as in :func:`load_images`.
    """
    from xbarsim.data import open_stream
    from xbarsim.data.stream import is_streamed

    if is_streamed(spec):
        return open_stream(spec, **scale).take(count), None
    test = load_images(spec, model, scale, count=count, metric=metric)
    return test.images, test.labels


def load_images(
    spec: str,
    model: Model,
    scale: Mapping[str, Any],
    count: int | None = None,
    *,
    metric: str = "top1",
    for_calibration: bool = False,
) -> Dataset:
    """Load images that fit a network and scale them as it expects.

    Parameters
    ----------
    spec : str
        What ``--data`` or ``--calibration`` names.
    model : Network
        What the images are for.
    scale : mapping
        Mean and deviation, as :func:`xbarsim.data.normalize_images` takes them.
    count : int, optional
        Keep the first ones only.
    metric : str
        What labels must fit.
    for_calibration : bool
        Take training images where the source has both, and do without labels.

    Returns
    -------
    Dataset
        Images as float32, and their labels.

    Raises
    ------
    ConfigError
        If the source is missing or damaged, or its images or labels do not fit the network.
    """
    import dataclasses

    from xbarsim.data import load_data, normalize_images
    from xbarsim.report.judge import choose_judge

    judge = choose_judge(metric)
    dataset = load_data(spec, "train" if for_calibration else "test").take(count)
    dataset.check(model.input_shape, needs_labels=not for_calibration)
    if not for_calibration:
        try:
            judge.check(dataset.labels, len(dataset), model.output_shape)
        except ShapeError as error:
            raise ConfigError(f"{dataset.name}: {error}") from None
    return dataclasses.replace(dataset, images=normalize_images(dataset.images, **scale))


def write_outputs(result: Any, json: Path | None, report: Path | None) -> list[Path]:
    """Write the requested outputs and return their paths; before anything is printed, since printing may fail."""
    from xbarsim.report import describe_report
    from xbarsim.store import encode_json

    written = []
    if json is not None and take_json(json):
        typer.echo(encode_json(result.describe() if hasattr(result, "describe") else describe_report(result), indent=1))
    elif json is not None:
        written.append(result.to_json(json))
    return written if report is None else [*written, result.to_html(report)]
