"""``xbarsim network``: lists networks that ship, and shows the layers of a network."""

from __future__ import annotations

from typing import Annotated

import typer

from xbarsim.cli import _ends

app = typer.Typer(help="List or show networks.", rich_markup_mode=None)


@app.command("list")
def list_() -> None:
    """List the networks that ship with the package."""
    from xbarsim import api
    from xbarsim.cli._tables import make_console, new_table
    from xbarsim.network import list_networks

    columns = [("name", "left"), ("input", "left"), ("layers", "right"), ("weights", "right"), ("trained", "left")]
    table = new_table("", columns)
    for name in list_networks():
        item = api.load_network(name)
        weights = sum(node.weight_count for node in item.layers)
        shape = " x ".join(map(str, item.input_shape))
        table.add_row(name, shape, str(len(item.layers)), f"{weights:,}", "yes" if item.has_weights else "no")
    make_console().print(table)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="An .onnx or .yaml file, -: YAML from standard input, or a name (xbarsim network list).",
        ),
    ],
    outputs: _ends.Outputs = None,
    input_shape: _ends.InputShape = [],  # noqa: B006
) -> None:
    """Show the weight layers of a network."""

    from xbarsim.cli._tables import make_console, new_table

    network = _ends.load_model(name, outputs, input_shape)
    columns = [("layer", "left"), ("kind", "left"), ("kernel", "left"), ("output", "left"), ("weights", "right")]
    table = new_table(f"{network.name}, input {' x '.join(map(str, network.input_shape))}", columns)
    for node in network.layers:
        kernel = " x ".join(map(str, node.attributes["kernel"])) if node.has_kernel else ""
        table.add_row(node.name, node.kind, kernel, " x ".join(map(str, node.shape)), f"{node.weight_count:,}")
    console = make_console()
    console.print(table)
    total = sum(node.weight_count for node in network.layers)
    console.print(
        f"{len(network.layers)} layers, {total:,} weights, {'trained' if network.has_weights else 'shapes only'}"
    )
