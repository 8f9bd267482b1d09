"""``xbarsim estimate``: the cost of one inference, without data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarsim.cli import _ends, _options, _outputs


def estimate(
    network: _options.Network,
    hardware: _options.Hardware = "reference",
    outputs: _ends.Outputs = None,
    input_shape: _ends.InputShape = [],  # noqa: B006
    set_: _options.Set = [],  # noqa: B006 (typer copies it)
    layer: _options.Layer = [],  # noqa: B006
    epitome: _options.Epitomes = [],  # noqa: B006
    weight_bits: _options.WeightBits = None,
    activation_bits: _options.ActivationBits = None,
    json: _options.Json = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a trace of all windows for ui.perfetto.dev.")
    ] = None,
    report: _options.ReportFolder = None,
) -> None:
    """Estimate energy, delay and area of one inference.

    Neither weights nor images are needed.
    """
    changes, layers = _options.parse_set(set_), _options.parse_layers(layer)
    epitomes = _options.parse_epitomes(epitome)
    _options.check_counts(weight_bits=weight_bits, activation_bits=activation_bits)
    _outputs.check_outputs(json, report, trace, inputs=(network, hardware))

    from xbarsim import api
    from xbarsim.cli._tables import make_console, show_report
    from xbarsim.cli.simulate import write_outputs

    model = _options.sample_network(_ends.load_model(network, outputs, input_shape), epitomes)
    result = api.estimate(
        model, _ends.load_hardware(hardware, changes), layers=layers or None, weight_bits=weight_bits,
        activation_bits=activation_bits,
    )  # fmt: skip
    written = write_outputs(result, json, report)
    if trace is not None:
        written.append(result.to_trace(trace))
    show_report(make_console(), result)
    _options.show_written(written)
