"""The best of many designs, with what it gives up against the best by each metric alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim.report.catalogue import describe_metric, find_metric

Row = Mapping[Any, Any]
"""One design: settings and metrics by column, and its key under ``point``."""
CLOSE = 0.01
"""Largest loss of accuracy against the most accurate point that the best design may have [-], as in searches."""
_GRACE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Designs:
    """Designs that can be compared: of one network."""

    rows: Sequence[Row]
    """Settings and metrics of each design by column; its key under ``point``."""
    names: Sequence[str]
    """Columns that tell designs apart."""
    goals: Sequence[str]
    """Metrics that are compared; every row has a number for each."""

    def find_best(self, goal: str) -> Row:
        """Return the best design by one metric, of equal ones the first."""
        pick = max if find_metric(goal).higher_is_better else min
        return pick(self.rows, key=lambda row: row[goal])

    def compare(self, row: Row, other: Row, goal: str) -> str:
        """Say what a design gives up and gets against the best one by one metric."""
        word = "highest" if find_metric(goal).higher_is_better else "lowest"
        head = f"Against the {word} {describe_metric(goal).title} ({name_design(other, self.names)})"
        return f"{head}: {', '.join(_difference(name, row[name], other[name]) for name in self.goals)}."


@dataclass(frozen=True, kw_only=True)
class Best:
    """A design that stands for a sweep."""

    point: str
    """Key of the point."""
    design: str
    """What distinguishes it from the other points."""
    values: str
    """Its metrics, in words."""
    rule: str
    """Why it was chosen."""
    trades: tuple[str, ...]
    """What it gives up, and gets for it, against the best point by each metric alone."""


def choose_best(
    rows: Sequence[Row], names: Iterable[str], goals: Mapping[str, str], point: str | None = None
) -> Best | None:
    """Choose the design that a reader should look at first.

    Parameters
    ----------
    rows : sequence of mapping
        Designs of one network.
    names : iterable of str
        Columns that tell designs apart.
    goals : mapping of str to str
        ``worth`` -> metric of accuracy, ``price`` -> metric of cost; one or both.
    point : str, optional
        Key of a design that was chosen otherwise; it is taken where it is given.

    Returns
    -------
    Best or None
        The design with the lowest price among those within 0.01 of the best accuracy; None where none has a value.
    """
    kept = [row for row in rows if goals and all(_is_number(row.get(name)) for name in goals.values())]
    if not kept:
        return None
    designs = Designs(rows=kept, names=tuple(names), goals=tuple(goals.values()))
    row, rule = _pick(designs, goals)
    for each in kept:
        if point is not None and each["point"] == point:
            row, rule = each, ""
    return describe_best(row, designs, rule)


def describe_best(row: Row, designs: Designs, rule: str) -> Best:
    """Say what a design gives up, and gets for it.

    Parameters
    ----------
    row : mapping
        The design.
    designs : Designs
        All designs that it is compared with.
    rule : str
        Why it was chosen.

    Returns
    -------
    Best
        The design in words.
    """
    others = {goal: designs.find_best(goal) for goal in designs.goals}
    trades = [designs.compare(row, other, goal) for goal, other in others.items() if other[goal] != row[goal]]
    return Best(
        point=str(row["point"]), design=name_design(row, designs.names), rule=rule, trades=tuple(trades),
        values=", ".join(show_metric(goal, row[goal]) for goal in designs.goals),
    )  # fmt: skip


def name_design(row: Row, names: Iterable[str]) -> str:
    """Write what distinguishes a design.

    Parameters
    ----------
    row : mapping
        One design.
    names : iterable of str
        Columns that tell designs apart.

    Returns
    -------
    str
        Such as ``adc.bits 5, crossbar.rows 64``.
    """
    found = [f"{name} {_show_level(row[name])}" for name in names]
    return ", ".join(found) or str(row.get("design", "the only design"))


def show_metric(name: str, value: float) -> str:
    """Write a metric with its title and unit.

    Parameters
    ----------
    name : str
        Name of the metric.
    value : float
        Its value.

    Returns
    -------
    str
        Such as ``energy 41.2 uJ``.
    """
    column = describe_metric(name, [value])
    return f"{column.title} {column.show(float(value))} {column.unit}".strip()


def _pick(designs: Designs, goals: Mapping[str, str]) -> tuple[Row, str]:
    if len(goals) > 1:
        worth, price = goals["worth"], goals["price"]
        sign = 1 if find_metric(worth).higher_is_better else -1
        most = max(sign * row[worth] for row in designs.rows)
        near = [row for row in designs.rows if sign * row[worth] >= most - CLOSE - _GRACE]
        rule = f"Lowest {describe_metric(price).title} within 1 point of the most accurate design."
        return Designs(rows=near, names=designs.names, goals=designs.goals).find_best(price), rule
    (goal,) = goals.values()
    word = "Highest" if find_metric(goal).higher_is_better else "Lowest"
    return designs.find_best(goal), f"{word} {describe_metric(goal).title} of all designs."


def _difference(name: str, one: float, two: float) -> str:
    title, unit = describe_metric(name).title, describe_metric(name).unit
    if unit == "%":
        return f"{title} {100 * (one - two):+.2f} points"
    return f"{title} x {one / two:.3g}" if two else f"{title} {one - two:+.3g}"


def _show_level(value: Any) -> str:
    return f"{float(value):.4g}" if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (str, bool)) and math.isfinite(float(value))
