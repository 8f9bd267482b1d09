"""``xbarsim network``: the shapes that ship with the package, and what a network is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from xbarsim.network import Node

app = typer.Typer(help="Networks: list, show.", rich_markup_mode=None)


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
        weights = sum(_weight_count(node) for node in item.layers)
        shape = " x ".join(map(str, item.input_shape))
        table.add_row(name, shape, str(len(item.layers)), f"{weights:,}", "yes" if item.has_weights else "no")
    make_console().print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NETWORK", help="A file, or a name of the list.")]) -> None:
    """Show the weight layers of a network."""
    from xbarsim import api
    from xbarsim.cli._tables import make_console, new_table

    network = api.load_network(name)
    columns = [("layer", "left"), ("kind", "left"), ("kernel", "left"), ("output", "left"), ("weights", "right")]
    table = new_table(f"{network.name}, input {' x '.join(map(str, network.input_shape))}", columns)
    for node in network.layers:
        kernel = " x ".join(map(str, node.attributes["kernel"])) if node.kind == "conv2d" else ""
        table.add_row(node.name, node.kind, kernel, " x ".join(map(str, node.shape)), f"{_weight_count(node):,}")
    console = make_console()
    console.print(table)
    total = sum(_weight_count(node) for node in network.layers)
    console.print(
        f"{len(network.layers)} layers, {total:,} weights, {'trained' if network.has_weights else 'shapes only'}"
    )


def _weight_count(node: Node) -> int:
    about: dict[str, Any] = dict(node.attributes)
    if node.kind == "linear":
        return int(about["in_features"] * about["out_features"])
    return int(about["in_channels"] * about["out_channels"] // about.get("groups", 1) * math.prod(about["kernel"]))
