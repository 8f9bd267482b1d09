"""``xbarsim oracle``: JSON lines in, JSON lines out, for searches in any language."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from xbarsim.cli import _options
from xbarsim.errors import ConfigError

_CHUNK_BYTES = 1 << 16


def oracle(
    hardware: _options.Hardware = "reference",
    set_: _options.Set = [],  # noqa: B006 (typer copies it)
    cache: Annotated[
        str, typer.Option(metavar="DIR", help="Cache folder; auto: the user's cache folder, none: memory only.")
    ] = "auto",
) -> None:
    """Answer cost queries, JSON lines in and out.

    Each line on standard input is one query. Results are written to standard output, one line each, in the same
    order.
    """
    changes = _options.parse_set(set_)
    if hardware == "-":
        raise ConfigError("--hardware -: standard input carries the queries; name a file")

    from xbarsim.search import CostOracle, answer_lines

    asked = CostOracle(hardware, None if cache == "none" else cache)
    if changes:
        asked = CostOracle(asked.hardware.override(changes), None if cache == "none" else cache)
    number = 1
    for lines in read_batches():
        answers = answer_lines(asked, lines, number)
        number += len(lines)
        sys.stdout.write("\n".join(answers) + "\n")
        sys.stdout.flush()


def read_batches() -> Iterator[list[bytes]]:
    """Yield the lines that have arrived on standard input, as they arrive.

    Yields
    ------
    list of bytes
        At least one line, without its end.
    """
    source = sys.stdin.buffer
    read = getattr(source, "read1", source.read)
    rest = b""
    while chunk := read(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]
