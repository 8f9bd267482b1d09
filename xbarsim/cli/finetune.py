"""``xbarsim finetune``: training with a model of the hardware to recover accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xbarsim.cli import _ends, _options, _outputs
from xbarsim.errors import ConfigError


def finetune(
    network: _options.Network,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File of the trained network (.onnx).")],
    hardware: _options.Hardware = "reference",
    data: Annotated[
        str, typer.Option(metavar="DATA", help="Training images: an .npz file, a folder of images, or 'digits'.")
    ] = "digits",
    test: Annotated[
        str | None, typer.Option(metavar="DATA", help="Measure accuracy before and after on these images.")
    ] = None,
    mean: _options.Mean = None,
    std: _options.Std = None,
    normalize: _options.Normalize = None,
    outputs: _ends.Outputs = None,
    input_shape: _ends.InputShape = [],  # noqa: B006
    epitome: _options.Epitomes = [],  # noqa: B006
    set_: _options.Set = [],  # noqa: B006 (typer copies it)
    layer: _options.Layer = [],  # noqa: B006
    images: Annotated[
        int | None, typer.Option(metavar="N", help="Use the first N training images.  [default: all]")
    ] = None,
    test_images: _options.TestImages = None,
    weight_bits: _options.WeightBits = None,
    activation_bits: _options.ActivationBits = None,
    epochs: Annotated[int, typer.Option(metavar="N", help="Passes over the training images.", show_default=True)] = 20,
    batch: Annotated[int, typer.Option(metavar="N", help="Images in a training step.", show_default=True)] = 64,
    rate: Annotated[
        float | None,
        typer.Option(metavar="R", help="Learning rate of Adam.  [default: 1 % of the size of each weight and bias]"),
    ] = None,
    shift: Annotated[
        int,
        typer.Option(metavar="N", help="Augmentation: shift images by up to N pixels at random.", show_default=True),
    ] = 0,
    flip: Annotated[bool, typer.Option("--flip", help="Augmentation: mirror images left to right at random.")] = False,
    soft: Annotated[
        float | None,
        typer.Option(metavar="S", help="Weight of the untrained network's outputs in the loss.  [default: 0.5]"),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            metavar="K", help="Cut off weights beyond K root mean squares of their output; 0: never.  [default: 2.5]"
        ),
    ] = None,
    law: Annotated[
        str | None,
        typer.Option(
            metavar="LAW", help="Law of the noise: measured, uniform or proportional.  [default: chosen by validation]"
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(metavar="S", help="Factor on the noise of the hardware.  [default: chosen by validation]"),
    ] = None,
    time: Annotated[
        list[float],
        typer.Option(
            metavar="S", help="Seconds after programming at which chips are read; may be repeated, training sees all."
        ),
    ] = [],  # noqa: B006
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for checkpoints; the same command resumes the training.  "
            "[default: FILE.training, removed at the end]",
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(metavar="T", help="Number of chips to simulate for --test.", show_default=True)
    ] = 3,
    seed: _options.Seed = 0,
    threads: _options.Threads = None,
) -> None:
    """Train a network for its hardware (extra torch).

    Every training step uses a model of the crossbars with randomly drawn errors. Their law and strength are chosen with
    a tenth of the training images. An interrupted run is resumed when the command is given again.
    """
    changes, layers = _options.parse_set(set_), _options.parse_layers(layer)
    epitomes = _options.parse_epitomes(epitome)
    scale = _options.parse_scale(mean, std, normalize)
    _options.check_counts(
        images=images, test_images=test_images, weight_bits=weight_bits, activation_bits=activation_bits,
        epochs=epochs, batch=batch, trials=trials, seed=seed, threads=threads,
    )  # fmt: skip
    _outputs.check_model(out, (network, data, test))
    folder = checkpoint or out.with_name(f"{out.name}.training")
    _outputs.check_folder(folder, "--checkpoint")

    import dataclasses
    import shutil

    from xbarsim import api, train
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli.simulate import load_images
    from xbarsim.data import load_data, normalize_images
    from xbarsim.network.write_onnx import write_onnx

    record = _ends.load_hardware(hardware, changes)
    before = _options.sample_network(_ends.load_model(network, outputs, input_shape), epitomes)
    training = load_data(data, "train").take(images)
    training.check(before.input_shape, before.output_shape[0])
    training = dataclasses.replace(training, images=normalize_images(training.images, **scale))
    held = None if test is None else load_images(test, before, scale, count=test_images)
    for name, part in (("data", training), ("test", held)):
        if part is not None and part.labels is None:
            raise ConfigError(f"--{name}: {part.name} has no labels")
    assert training.labels is not None
    with ProgressDisplay() as progress:
        tuned = train.tune(
            before, record, training.images, training.labels, layers=layers or None, weight_bits=weight_bits,
            activation_bits=activation_bits, epochs=epochs, batch=batch, rate=rate, shift=shift, flip=flip, soft=soft,
            clip=clip, law=law, strength=strength, times=time or None, checkpoint=folder, seed=seed, threads=threads,
            progress=progress,
        )  # fmt: skip
        write_onnx(tuned.network, out)
        if checkpoint is None:
            shutil.rmtree(folder, ignore_errors=True)
        chosen, how = tuned.recipe, "chosen" if tuned.tried else "used"
        typer.echo(f"{how}: {chosen.law} noise of strength {chosen.strength:g}, weights up to {chosen.clip:g} rms")
        for title, net in (("before", before), ("after", tuned.network)):
            if held is None:
                break
            # on chips that training has not seen
            found = api.simulate(
                net, record, held.images, held.labels, calibration=training.images[: api.CALIBRATION_IMAGES],
                layers=layers or None, trials=trials, seed=seed + 1, threads=threads, weight_bits=weight_bits,
                activation_bits=activation_bits, progress=progress,
            ).accuracy  # fmt: skip
            assert found is not None
            typer.echo(f"{title:6s}  float {100 * found.reference:.2f} %  hardware {100 * found.hardware:.2f} %")
    _options.show_written([out])
