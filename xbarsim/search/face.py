"""How the result of a search looks in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xbarsim.errors import show_value
from xbarsim.notebook import Face, SmallTable, count_words
from xbarsim.report.quantity import show_number

if TYPE_CHECKING:
    from xbarsim.search.result import Result

MOST_DESIGNS = 10
"""Designs of the front that are shown."""
MOST_CHOICES = 24
"""Choices of the chosen design that are shown."""


def show_result(result: Result) -> Face:
    """Return what a notebook shows of a search.

    Parameters
    ----------
    result : Result
        Of any search.

    Returns
    -------
    Face
        The front, the chosen design and its choices.
    """
    front, entries = result.front, result.entries
    evaluated = f"{count_words(len(entries), 'point')} of {_write_count(result.space.count)} evaluated"
    if not front:
        return Face(title="Result of a search", text=f"{evaluated}, none of them feasible")
    chosen, names = result.chosen, result.shown
    best = ", ".join(f"{name} {_write(entries[chosen].metrics or {}, name)}" for name in names)
    rows: list[Sequence[str]] = []
    for number in dict.fromkeys((chosen, *front[:MOST_DESIGNS])):
        metrics = entries[number].metrics or {}
        label = " ".join(filter(None, (str(number), entries[number].label, "(chosen)" if number == chosen else "")))
        rows.append((label, *(_write(metrics, name) for name in names)))
    options = list(result.space.options(entries[chosen].point).items())
    choices: list[Sequence[str]] = [(name, _write_option(option)) for name, option in options[:MOST_CHOICES]]
    hidden = len(options) - len(choices)
    return Face(
        title="Result of a search",
        text=f"{evaluated}, {len(front)} on the front, chosen {best}",
        pairs=(("evaluated", evaluated), ("on the front", f"{len(front):,}"), ("chosen", best)),
        tables=(
            SmallTable(("design", *names), rows),
            SmallTable(("choice", "option of the chosen design"), choices),
        ),
        note=f"{count_words(hidden, 'more choice')}" if hidden else "",
    )


def _write(metrics: Mapping[str, float], name: str) -> str:
    value = metrics.get(name)
    return "-" if value is None else show_number(float(value))


def _write_option(option: object) -> str:
    if not isinstance(option, Mapping):
        return str(option)
    return ", ".join(f"{axis} {show_value(value)}" for axis, value in option.items())


def _write_count(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"about 10^{len(str(count)) - 1}"
