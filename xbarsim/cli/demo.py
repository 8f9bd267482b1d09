"""``xbarsim demo``: simulation of a trained network on images that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xbarsim.cli import _options, _outputs

NOISY = {"device.programming.sigma": 0.2, "crossbar.r_wl_ohm": 10.0, "crossbar.r_bl_ohm": 10.0, "adc.bits": 5}
"""Overrides of ``reference`` for the second chip: four times the cell variation, four times the wire resistance, an
eighth of the converter codes."""
_NETWORK = _DATA = "digits"
_TRIALS = 5


def demo(
    report: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the HTML page.", show_default=True)] = Path(
        "demo-report"
    ),
    threads: Annotated[int | None, typer.Option(metavar="N", help="Number of threads.  [default: all]")] = None,
) -> None:
    """Simulate the network that ships with the package on two chips."""
    _options.check_counts(threads=threads)
    _outputs.check_outputs(None, report)

    from xbarsim import api
    from xbarsim.cli._progress import ProgressDisplay
    from xbarsim.cli._tables import accuracy_table, make_console, show_report
    from xbarsim.cli.simulate import load_images

    network = api.load_network(_NETWORK)
    data = load_images(_DATA, network, {})
    sound = api.load_hardware("reference")

    def simulate(hardware: Any, progress: ProgressDisplay) -> Any:
        return api.simulate(
            network, hardware, data.images, data.labels, trials=_TRIALS, threads=threads, progress=progress
        )

    with ProgressDisplay() as progress:
        first = simulate(sound, progress)
        second = simulate(sound.override(NOISY), progress)
    pages = [first.to_html(report / "reference"), second.to_html(report / "noisy")]
    console = make_console()
    console.print(f"{network.name}, {len(data.images)} images, on reference: {sound.description}\n")
    show_report(console, first)
    changed = ", ".join(f"{key}={value}" for key, value in NOISY.items())
    console.print(f"The same network on a poorer chip ({changed}):\n")
    console.print(accuracy_table(second.accuracy))
    _options.show_written(pages)
    typer.echo("next: xbarsim simulate YOUR.onnx --data YOUR.npz --hardware reference")
