"""The question of a sweep: the best point of those that meet conditions, or that none does.

``where`` holds conditions such as ``accuracy.lost <= 0.01``, of which every one must hold; ``minimize`` or ``maximize``
names the metric that decides between the points that meet them.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.names import suggest
from xbarsim.report.catalogue import list_metrics

ALIASES = {"accuracy.lost": "accuracy.degradation"}
"""Other names of metrics in questions."""
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_FORM = re.compile(r"^\s*([\w.]+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(%?)\s*$")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A limit of one metric."""

    text: str
    """As it was written."""
    metric: str
    """Name of the metric."""
    sign: str
    """One of <=, >=, < and >."""
    limit: float
    """Limit, in the unit of the metric."""

    def holds(self, value: float) -> bool:
        """Tell whether a value meets the condition; NaN meets none."""
        return _SIGNS[self.sign](value, self.limit)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a sweep found for its question."""

    goal: str
    """Metric that decides."""
    way: str
    """``minimize`` or ``maximize``."""
    where: tuple[str, ...]
    """Conditions."""
    point: str | None
    """Key of the best point; None where no finished point meets all conditions."""
    meets: int
    """Finished points that meet all conditions."""
    finished: int
    """Finished points."""
    points: int
    """Points of the sweep."""
    values: Mapping[str, float]
    """Goal and metrics of the conditions at the best point, or, where there is none, at the nearest one."""
    nearest: str | None = None
    """Key of the point that breaks the conditions the least, where none meets them."""


def parse_condition(text: Any, where: str = "") -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : str
        ``METRIC SIGN NUMBER``, such as ``accuracy.lost <= 0.01`` or ``accuracy.hardware >= 90 %``.
    where : str
        What follows the message, usually the file.

    Returns
    -------
    Condition
        The condition.

    Raises
    ------
    ConfigError
        If it has another form, or the metric does not exist.
    """
    found = _FORM.match(text) if isinstance(text, str) else None
    try:
        limit = float(found[3]) if found else math.nan
    except ValueError:
        limit = math.nan
    if found is None or not math.isfinite(limit):
        raise ConfigError(f"where: {text!r} is not a condition such as 'accuracy.lost <= 0.01'{where}")
    metric = name_metric(found[1], "where", where)
    return Condition(text=text.strip(), metric=metric, sign=found[2], limit=limit / (100.0 if found[4] else 1.0))


def name_metric(name: str, key: str, where: str = "") -> str:
    """Return the name of a metric under which results hold it; ConfigError where there is none.

    Parameters
    ----------
    name : str
        Name or alias.
    key : str
        Key of the sweep file, for messages.
    where : str
        What follows the message.

    Returns
    -------
    str
        A name of :func:`~xbarsim.report.catalogue.list_metrics`.
    """
    known = ALIASES.get(name, name)
    if known not in list_metrics():
        raise ConfigError(f"{key}: {name!r}: unknown metric{suggest(name, [*list_metrics(), *ALIASES])}{where}")
    return known


def find_answer(
    goal: str, way: str, where: Sequence[str], values: Mapping[str, Mapping[str, Any]], points: int
) -> Answer:
    """Answer the question of a sweep from its finished points.

    Parameters
    ----------
    goal : str
        Metric that decides, or an alias.
    way : str
        ``minimize`` or ``maximize``.
    where : sequence of str
        Conditions.
    values : mapping
        Key of a finished point -> metric -> number or None.
    points : int
        Points of the sweep.

    Returns
    -------
    Answer
        Of points with equal values the first one.
    """
    goal, sign = name_metric(goal, way), 1.0 if way == "minimize" else -1.0
    conditions = [parse_condition(text) for text in where]
    names = list(dict.fromkeys([goal, *(condition.metric for condition in conditions)]))
    numbers = {key: {name: _number(found.get(name)) for name in names} for key, found in values.items()}
    fits = [key for key, row in numbers.items() if all(each.holds(row[each.metric]) for each in conditions)]
    fits = [key for key in fits if not math.isnan(numbers[key][goal])]
    best = min(fits, key=lambda key: sign * numbers[key][goal], default=None)
    nearest = None
    if best is None:
        nearest = min(numbers, key=lambda key: _break(numbers[key], conditions), default=None)
    shown = best or nearest
    return Answer(
        goal=goal, way=way, where=tuple(where), point=best, meets=len(fits), finished=len(values), points=points,
        values=numbers[shown] if shown else {}, nearest=nearest,
    )  # fmt: skip


def answer_question(document: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]) -> tuple[Answer, str] | None:
    """Answer the question of a stored sweep, if it asks one.

    Parameters
    ----------
    document : mapping
        The sweep and its points, as in ``sweep.json``.
    values : mapping
        Key of a finished point -> metric -> number or None.

    Returns
    -------
    tuple or None
        The answer, and one line that says it.
    """
    sweep, points = document["sweep"], document["points"]
    asked = [(way, goal) for way in ("minimize", "maximize") if (goal := sweep.get(way)) is not None]
    if not asked:
        return None
    way, goal = asked[0]
    found = find_answer(goal, way, sweep.get("where", ()), values, len(points))
    axes = [keys[0] for keys in document["axes"]]
    shown = found.point or found.nearest
    settings = {}
    for key, network, hardware, own in points:
        if key == shown:
            several = {"network": network, "hardware": hardware}
            settings = {name: value for name, value in several.items() if len(sweep[name]) > 1}
            settings |= {axis: own[axis] for axis in axes if axis in own}
    return found, write_answer(found, settings)


def write_answer(answer: Answer, settings: Mapping[str, Any]) -> str:
    """Return an answer as one line of text.

    Parameters
    ----------
    answer : Answer
        What was found.
    settings : mapping
        What distinguishes its point, or the nearest one: column -> value.

    Returns
    -------
    str
        One line.
    """
    values = ", ".join(f"{name} {_show(name, value)}" for name, value in answer.values.items())
    design = ", ".join(f"{key}: {value}" for key, value in settings.items()) or "the only point"
    asked = f" with {' and '.join(answer.where)}" if answer.where else ""
    rest = f"; {answer.points - answer.finished} points are missing" if answer.finished < answer.points else ""
    if answer.point is not None:
        best = "lowest" if answer.way == "minimize" else "highest"
        met = f"; met by {answer.meets} of {answer.points} points" if answer.where else ""
        return f"{best} {answer.goal}{asked}: {design} ({values}){met}{rest}"
    if answer.nearest is None:
        return f"no point{asked}: none is finished"
    asked = " and ".join(answer.where) or "the question"
    return f"none of {answer.points} points meets {asked}; the nearest: {design} ({values}){rest}"


def _break(row: Mapping[str, float], conditions: Sequence[Condition]) -> float:
    """Return by how much a point breaks conditions, the sum of relative excesses."""
    total = 0.0
    for each in conditions:
        excess = row[each.metric] - each.limit if each.sign.startswith("<") else each.limit - row[each.metric]
        total += math.inf if math.isnan(excess) else max(0.0, excess) / (abs(each.limit) or 1.0)
    return total


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _show(name: str, value: float) -> str:
    from xbarsim.report.catalogue import describe_metric

    column = describe_metric(name, [value])
    return f"{column.show(value)} {column.unit}".strip()
