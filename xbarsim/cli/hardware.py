"""``xbarsim hardware``: lists, shows, checks and compares hardware files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from xbarsim.cli import _ends, _options, _outputs
from xbarsim.cli._volume import take_json

app = typer.Typer(help="List, show, check or compare hardware files; print their schema.", rich_markup_mode=None)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="HW", autocompletion=_options.complete_hardware,
        help="A .yaml file, -: standard input, or a name (xbarsim hardware list).",
    ),
]  # fmt: skip


@app.command("list")
def list_() -> None:
    """List the hardware files that ship with the package."""
    from xbarsim.cli._tables import make_console, new_table
    from xbarsim.config import Hardware, list_hardware, load_hardware

    table = new_table(
        "", [("name", "left"), ("array", "right"), ("cell", "right"), ("ADC", "right"), ("weights", "right")]
    )
    table.add_column("description", overflow="fold")
    for name in list_hardware():
        item: Hardware = load_hardware(name)
        table.add_row(
            name, f"{item.crossbar.rows}x{item.crossbar.cols}", f"{item.device.cell_bits} bit",
            "ideal" if item.adc_bits is None else f"{item.adc_bits} bit", f"{item.weight_bits} bit", item.description,
        )  # fmt: skip
    make_console().print(table)


@app.command()
def show(name: _Name, set_: _options.Set = []) -> None:  # noqa: B006 (typer copies it)
    """Show all keys of a hardware file.

    Inherited and default values are included.
    """
    import yaml

    hardware = _ends.load_hardware(name, _options.parse_set(set_))
    content = _without_empty(hardware.model_dump(mode="json"))
    typer.echo(yaml.safe_dump(content, sort_keys=False, width=78, allow_unicode=True), nl=False)
    for title, rating in (("tile", hardware.tile), ("chip", hardware.peak)):
        if rating is not None:
            typer.echo(
                f"# {title}: {rating.power_watt:.4g} W, {rating.area_m2 * 1e6:.4g} mm2 "
                f"({rating.core_area_m2 * 1e6:.4g} mm2 without off-chip I/O), peak {rating.tops:.4g} TOPS, "
                f"{rating.tops_per_watt:.4g} TOPS/W, {rating.tops_per_mm2:.4g} TOPS/mm2"
            )


@app.command()
def check(name: _Name) -> None:
    """Check a hardware file; print 'ok' if it is valid."""
    from xbarsim.config import hash_hardware
    from xbarsim.data.plausible import Facts, check_plausible
    from xbarsim.device import load_levels

    hardware = _ends.load_hardware(name, {})
    if hardware.device.levels_file is not None:
        load_levels(hardware.device)
    check_plausible(Facts(hardware=hardware))
    typer.echo(f"{hardware.origin}: ok ({hardware.name}, {hash_hardware(hardware)})")


@app.command()
def diff(
    first: _Name,
    second: _Name,
    set_: _options.Set = [],  # noqa: B006 (typer copies it)
    json: _options.Json = None,
) -> None:
    """Compare the keys of two hardware files.

    Overrides (--set) apply to both.
    """
    from xbarsim.cli._tables import make_console, new_table
    from xbarsim.config import compare_hardware

    _outputs.check_outputs(json, None, inputs=(first, second))
    changes = _options.parse_set(set_)
    one, two = (_ends.load_hardware(name, changes) for name in (first, second))
    found = compare_hardware(one, two)
    if json is not None:
        from xbarsim.store import encode_json, write_file

        rows = [{"key": each.key, "first": each.first, "second": each.second} for each in found]
        text = encode_json({"first": first, "second": second, "keys": rows}, indent=2)
        if take_json(json):
            typer.echo(text)
            return
        write_file(json, text + "\n")
    if not found:
        typer.echo(f"{first} and {second} have the same keys and values")
    else:
        table = new_table("", [("key", "left")])
        for letter in "AB":
            table.add_column(letter, overflow="fold")
        for each in found:
            table.add_row(each.key, *("-" if value is None else _write(value) for value in (each.first, each.second)))
        console = make_console()
        console.print(f"A: {one.name} ({one.origin})\nB: {two.name} ({two.origin})\n", table)
        for title, ratings in (("tile", (one.tile, two.tile)), ("chip", (one.peak, two.peak))):
            if all(ratings):
                for letter, r in zip("AB", ratings):
                    shown = f"peak {r.tops:.4g} TOPS, {r.power_watt:.4g} W, {r.area_m2 * 1e6:.4g} mm2"
                    console.print(f"{title} of {letter}: {shown}")
    _options.show_written([] if json is None else [json])


def _write(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@app.command()
def schema() -> None:
    """Print the JSON schema of hardware files, for editors."""
    import json

    from xbarsim.config.schema import write_schema

    typer.echo(json.dumps(write_schema(), indent=1))


@app.command()
def keys(
    glob: Annotated[
        str, typer.Argument(metavar="[GLOB]", help="Keys to print, such as 'adc.*'; all if left out.")
    ] = "*",
) -> None:
    """Print the keys of hardware files.

    Every key has its values, default, unit and meaning.
    """
    from xbarsim.cli._tables import make_console, new_table
    from xbarsim.config.keys import list_sections
    from xbarsim.config.schema import write_whole_schema
    from xbarsim.names import match_names

    known = [key for section in list_sections(write_whole_schema()) for key in section.keys]
    chosen = match_names(glob, [key.name for key in known], glob, "key")
    table = new_table("", [])
    table.add_column("key", overflow="fold")
    table.add_column("values", overflow="fold", max_width=24)
    table.add_column("meaning", overflow="fold")
    for key in known:
        if key.name in chosen:
            default = (
                "" if not key.default else "; required" if key.default == "required" else f"; default {key.default}"
            )
            unit = f" [{key.unit}]" if key.unit else ""
            table.add_row(key.name, key.values.replace("`", "") + default, key.meaning.replace("``", "") + unit)
    make_console().print(table)


def _without_empty(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_empty(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }
