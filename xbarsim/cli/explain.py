"""``xbarsim explain``: causes of lost accuracy, and remedies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbarsim.cli import _ends, _options, _outputs
from xbarsim.cli.simulate import load_images, write_outputs
from xbarsim.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_LIST = 24
"""Layers shown; those of a longer list with the smallest shares are left out."""
_CAUSE_NOTE = (
    "alone: loss with this cause only; share: {orders} of enabling the causes, below 0 where a cause offsets others; "
    "removed: recovered without this cause\n"
)
_REMEDY_NOTE = """\
energy, area, delay: relative to the hardware as it is
agree: images with the prediction of the float network [%]
"""
_PARTS = ("causes", "layers", "remedies")


def explain(
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
    images: _options.TestImages = None,
    parts: Annotated[
        str, typer.Option(metavar="P,...", help="Parts of the analysis: causes, layers, remedies.", show_default=True)
    ] = "causes,layers,remedies",
    orders: Annotated[
        int | None,
        typer.Option(metavar="N", help="Orders in which causes are enabled.  [default: all up to 5 causes, else 6]"),
    ] = None,
    remedy: Annotated[
        list[str],
        typer.Option(
            "--remedy",
            metavar="GLOB",
            help="Simulate the remedies with this name or glob; may be repeated.  [default: all that apply]",
        ),
    ] = [],  # noqa: B006
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for results of simulations; an interrupted run is resumed."),
    ] = None,
    metric: _options.Metric = "top1",
    weight_bits: _options.WeightBits = None,
    activation_bits: _options.ActivationBits = None,
    seed: _options.Seed = 0,
    trials: _options.Trials = 3,
    threads: _options.Threads = None,
    json: _options.Json = None,
    report: _options.ReportFolder = None,
) -> None:
    """Attribute lost accuracy to causes and layers; rank remedies."""
    changes, layers = _options.parse_set(set_), _options.parse_layers(layer)
    scale = _options.parse_scale(mean, std, normalize)
    wanted = [part.strip() for part in parts.split(",")]
    wrong = [part for part in wanted if part not in _PARTS]
    if wrong:
        raise ConfigError(f"--parts {parts}: {wrong[0]!r} is not one of {', '.join(_PARTS)}")
    _options.check_counts(
        images=images, orders=orders, weight_bits=weight_bits, activation_bits=activation_bits, seed=seed,
        trials=trials, threads=threads,
    )  # fmt: skip
    _outputs.check_outputs(json, report, inputs=(network, hardware, data, calibration))
    if checkpoint is not None:
        _outputs.check_folder(checkpoint, "--checkpoint")

    from xbarsim import diagnosis
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli._tables import make_console

    loaded, model = _ends.load_hardware(hardware, changes), _ends.load_model(network, outputs, input_shape)
    model.require_weights()
    test = load_images(data, model, scale, count=images, metric=metric)
    known = None if calibration is None else load_images(calibration, model, scale, for_calibration=True).images
    with ProgressDisplay() as progress:
        found = diagnosis.explain(
            model, loaded, test, calibration=known, layers=layers or None, trials=trials, seed=seed, threads=threads,
            weight_bits=weight_bits, activation_bits=activation_bits, parts=wanted, orders=orders,
            metric=metric, remedies=remedy or None, checkpoint=checkpoint, progress=progress,
        )  # fmt: skip
    written = write_outputs(found, json, report)
    show_explanation(make_console(), found)
    _options.show_written(written)


def show_explanation(console: Console, found: Any) -> None:
    """Print an explanation: the whole, then causes, layers and remedies."""
    from xbarsim.cli._tables import new_table, shorten

    made = found.provenance
    title = f"{made.network} on {made.hardware}, {made.settings['images']:,} images"
    table = new_table(title, [("", "left"), *((name, "right") for name in ("float", "integers", "hardware", "lost"))])
    for whole in found.wholes.values():
        values = (whole.reference, whole.integers, whole.hardware)
        table.add_row(whole.measure, *map(whole.show, values), whole.show_points(whole.lost_points))
    console.print(table, "")
    if found.shares:
        console.print(_cause_table(found), "")
        orders = f"means over {found.orders} orders" if found.orders else "means over all orders"
        console.print(_CAUSE_NOTE.format(orders=orders))
    if found.layer_shares:
        show = found.whole.show_points
        rows = sorted(found.layer_shares, key=lambda row: -row.cosine_points)[:LONGEST_LIST]
        columns = ("share", "of cosine", "SNR [dB]")
        table = new_table(
            f"Layers, {found.layer_images} images, loss in {found.whole.quantity}",
            [("layer", "left"), *((name, "right") for name in columns)],
        )
        for row in found.layer_shares:
            if row in rows:
                ratio = "-" if row.snr_db is None else f"{row.snr_db:.1f}"
                table.add_row(shorten(row.layer, 40), show(row.share_points), _write_points(row.cosine_points), ratio)
        if len(found.layer_shares) > len(rows):
            table.add_row(f"{len(found.layer_shares) - len(rows)} more with smaller shares (--report)", "", "", "")
        console.print(table, "")
    if found.gains:
        console.print(_remedy_table(found), "")
        console.print(_REMEDY_NOTE)
    for name, reason in found.refused.items():
        console.print(f"{name}: does not apply: {reason}")


def _write_points(points: float) -> str:
    text = f"{points:.2f}"
    return "0.00" if text == "-0.00" else text


def _cause_table(found: Any) -> Any:
    from xbarsim.cli._tables import new_table

    headings = ("alone", "share", "95 % interval", "removed", "of cosine")
    table = new_table(
        f"Causes, loss in {found.whole.quantity}", [("cause", "left"), *((name, "right") for name in headings)]
    )
    show = found.whole.show_points
    cosine = {row.cause: row.share_points for row in found.shares["cosine"]}
    for row in found.shares[found.measure]:
        table.add_row(
            row.cause,
            show(row.alone_points),
            show(row.share_points),
            f"{show(row.low, decimals=1)} to {show(row.high, decimals=1)}",
            show(row.removed_points),
            _write_points(cosine[row.cause]),
        )
    return table


def _remedy_table(found: Any) -> Any:
    from xbarsim.cli._tables import new_table

    headings = ("points", "energy", "area", "delay", "agree", "cosine")
    table = new_table(
        f"Remedies, gain in {found.whole.quantity}", [("remedy", "left"), *((name, "right") for name in headings)]
    )
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for row in found.gains:
        agreement = "-" if row.agreement is None else f"{row.agreement:.1f}"
        ratios = (f"{value:.2f}" for value in (row.energy_ratio, row.area_ratio, row.delay_ratio))
        table.add_row(
            row.remedy,
            found.whole.show_points(row.points, sign=True),
            *ratios,
            agreement,
            f"{row.cosine:.3f}",
        )
    return table
