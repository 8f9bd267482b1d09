"""``xbarsim quantize``: quantisation to few bits with calibration images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarsim.cli import _ends, _options, _outputs


def quantize(
    network: _options.Network,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File of the quantised network (.onnx).")],
    data: Annotated[
        str, typer.Option(metavar="DATA", help="Calibration images: an .npz file, a folder of images, or 'digits'.")
    ] = "digits",
    mean: _options.Mean = None,
    std: _options.Std = None,
    normalize: _options.Normalize = None,
    outputs: _ends.Outputs = None,
    input_shape: _ends.InputShape = [],  # noqa: B006
    images: Annotated[int, typer.Option(metavar="N", help="Use the first N images.", show_default=True)] = 512,
    weight_bits: Annotated[int, typer.Option(metavar="B", help="Bits of a weight, including the sign.")] = 8,
    activation_bits: Annotated[int, typer.Option(metavar="B", help="Bits of an input.")] = 8,
    layer: Annotated[
        list[str],
        typer.Option(
            metavar="GLOB:KEY=VALUE",
            help="Bits of the layers that match, e.g. 'fc:weight_bits=8' (also activation_bits); may be repeated.",
        ),
    ] = [],  # noqa: B006 (typer copies it)
    token_scales: Annotated[
        list[str],
        typer.Option(
            "--token-scales",
            metavar="GLOB",
            help="Linear layers that scale every input vector by its own largest value, e.g. '*'; may be repeated.",
        ),
    ] = [],  # noqa: B006
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Method: nearest, least_squares, or learned (extra torch).", show_default=True
        ),
    ] = "learned",
    iterations: Annotated[
        int, typer.Option(metavar="N", help="Training steps of 'learned' for each block.", show_default=True)
    ] = 700,
    seed: _options.Seed = 0,
    threads: _options.Threads = None,
) -> None:
    """Quantise a trained network to few bits, without labels."""
    layers, scale = _options.parse_layers(layer), _options.parse_scale(mean, std, normalize)
    _options.check_counts(
        images=images, weight_bits=weight_bits, activation_bits=activation_bits, iterations=iterations, seed=seed,
        threads=threads,
    )  # fmt: skip
    _outputs.check_model(out, (network, data))

    from xbarsim import train
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli.simulate import load_images
    from xbarsim.network.write_onnx import write_onnx

    before = _ends.load_model(network, outputs, input_shape)
    before.require_weights()
    known = load_images(data, before, scale, count=images, for_calibration=True).images
    with ProgressDisplay() as progress:
        after = train.quantize(
            before, known, weight_bits=weight_bits, activation_bits=activation_bits, method=method,
            layers=layers or None, token_scales=token_scales, iterations=iterations, seed=seed, threads=threads,
            progress=progress,
        )  # fmt: skip
    _options.show_written([write_onnx(after, out)])
