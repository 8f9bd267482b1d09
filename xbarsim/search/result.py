"""Results of a search: points, Pareto front and chosen design, as CSV, JSON and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.notebook import Face, Shown
from xbarsim.report.csv_table import encode_rows
from xbarsim.search.evaluate import weigh_metrics
from xbarsim.search.pareto import find_front
from xbarsim.search.space import Option, Point, Space
from xbarsim.search.task import ACCURACY, Search
from xbarsim.search.trace import Trace, tabulate_traces
from xbarsim.store import encode_json, write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xbarsim.report.style import Drawing

_PAIRS = (("cost.area_m2", "cost.core_area_m2"), ("cost.edap", "cost.edap_core"))
CORE_PAIRS = {name: pair for pair in _PAIRS for name in pair}
"""Metric -> itself and its counterpart with or without off-chip I/O."""
CLOSE = 0.01
"""Largest loss of accuracy, relative to the best, that the chosen design may have for a better second objective [-]."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An evaluated point."""

    point: Point
    """Option of every slot."""
    metrics: Mapping[str, float] | None
    """Dotted metric -> value; None where it failed."""
    error: str = ""
    """Reason of a failure."""
    label: str = ""
    """What it is called in comparisons: ``array N`` where every layer sits on arrays of one size, all else as in the
    backbone; or the name of a design that the search began with."""
    is_predicted: bool = False
    """Whether its accuracy was predicted by a surrogate, not simulated."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result(Shown):
    """All points of a search, with the front and the chosen design."""

    search: Search
    space: Space
    entries: tuple[Entry, ...]
    extra: Mapping[str, Any]
    """Additional results of the search, for the JSON document."""
    traces: tuple[Trace, ...] = ()
    """What the search and its baselines found, point by point; empty without baselines."""

    def _show(self) -> Face:
        from xbarsim.search.face import show_result

        return show_result(self)

    @property
    def front(self) -> tuple[int, ...]:
        """Indices of the feasible nondominated points."""
        if not self.entries:
            return ()
        weighed = [weigh_metrics(self.search, entry.metrics) for entry in self.entries]
        found = find_front(np.array([values for values, _ in weighed]), np.array([v for _, v in weighed]))
        return tuple(int(number) for number in found)

    @property
    def chosen(self) -> int:
        """Index of the chosen point.

        With one objective the best; where accuracy is one of several, the best by the next objective among those of
        the front within 0.01 of its best accuracy; else the point of the front nearest to all single bests at once,
        each objective scaled by the front's extent.
        """
        front = self.front
        if not front:
            raise ConfigError(explain_failure(self.search, self.entries))
        values = np.array([weigh_metrics(self.search, self.entries[number].metrics)[0] for number in front])
        goals = list(self.search.goals)
        if ACCURACY in goals and len(goals) > 1:
            accuracy = values[:, goals.index(ACCURACY)]
            others = [number for number, name in enumerate(goals) if name != ACCURACY]
            near = np.flatnonzero(accuracy <= accuracy.min() + CLOSE)
            return front[int(near[np.argmin(values[near][:, others[0]])])]
        extent = np.ptp(values, axis=0)
        scaled = (values - values.min(axis=0)) / np.where(extent > 0, extent, 1.0)
        return front[int(np.argmin(np.square(scaled).sum(axis=1)))]

    @property
    def shown(self) -> tuple[str, ...]:
        """Metrics that are shown for a design: the objectives, and those with and without off-chip I/O in pairs."""
        names = [name for goal in self.search.goals for name in CORE_PAIRS.get(goal, (goal,))]
        return tuple(dict.fromkeys(names))

    def describe(self, number: int) -> dict[str, Any]:
        """Return a point as plain data: number, label, choices by layer and metrics."""
        entry = self.entries[number]
        return {
            "number": number,
            "label": entry.label,
            "options": self.space.options(entry.point),
            "metrics": entry.metrics,
        }

    def draw(self) -> dict[str, Figure]:
        """Draw the front, the chosen design and, where there are baselines, their progress.

        Returns
        -------
        dict of str to matplotlib.figure.Figure
            ``front``, ``architecture`` and ``baselines``.

        Raises
        ------
        ConfigError
            If no point keeps the constraints.
        """
        from xbarsim.search.figures import plot_architecture, plot_front, plot_traces

        if not self.front:
            raise ConfigError(explain_failure(self.search, self.entries))
        drawn = {"front": plot_front(self), "architecture": plot_architecture(self)}
        return {**drawn, "baselines": plot_traces(self)} if self.traces else drawn

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``points.csv``, ``front.csv``, ``front.json``, ``architecture.csv`` and ``.json``, figures and a page.

        With baselines also ``baselines.csv``, ``.json`` and ``.png``.

        Parameters
        ----------
        folder : str or Path
            An existing folder.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        ConfigError
            If a file cannot be written, or no point keeps the constraints; the points are written before that.
        """
        from xbarsim.search.page import write_search_page

        folder = Path(folder)
        front = self.front
        texts = {"points.csv": self._tabulate(range(len(self.entries)))}
        if front:
            chosen = {**self.describe(self.chosen), "layers": self.tabulate_layers(self.chosen), **self.extra}
            uniform = [n for n, entry in enumerate(self.entries) if entry.label.startswith("array")]
            described = {
                "objectives": self.search.goals,
                "points_in_space": str(self.space.count),
                "points_evaluated": len(self.entries),
                "front": [self.describe(number) for number in front],
                "homogeneous": [self.describe(number) for number in uniform],
            }
            texts |= {
                "front.csv": self._tabulate(front),
                "front.json": encode_json(described, indent=2) + "\n",
                "architecture.json": encode_json(chosen, indent=2) + "\n",
                "architecture.csv": encode_rows(self.tabulate_layers(self.chosen)),
            }
            if self.traces:
                rows = tabulate_traces(self.search, self.traces)
                runs = [{"method": trace.name, "seed": trace.seed, "best": trace.best} for trace in self.traces]
                texts["baselines.csv"] = encode_rows(rows)
                texts["baselines.json"] = encode_json({"summary": rows, "runs": runs}, indent=2) + "\n"
        for name, text in texts.items():
            write_file(folder / name, text)
        written = [folder / name for name in texts]
        if not front:
            raise ConfigError(explain_failure(self.search, self.entries))
        drawings = self._draw(folder)
        written += [folder / f"{stem}.png" for stem in drawings]
        return [*written, write_search_page(self, folder, drawings)]

    def _draw(self, folder: Path) -> dict[str, Drawing]:
        """Write the figures into the folder, and return them for the page."""
        from xbarsim.report.style import Drawing, narrow_figures, save_figure, write_svg
        from xbarsim.search.page import describe_figure

        with narrow_figures():
            narrow = {stem: write_svg(figure) for stem, figure in self.draw().items()}
        return {
            stem: Drawing(
                broad=save_figure(figure, folder / stem), narrow=narrow[stem], text=describe_figure(stem), folder=""
            )
            for stem, figure in self.draw().items()
        }

    def tabulate_layers(self, number: int) -> list[dict[str, Any]]:
        """Return the chosen option layer by layer, layers without a choice included."""
        options = self.space.options(self.entries[number].point)
        design = self.space.design(self.entries[number].point)
        of_layer = {layer: slot.name for slot in self.space.slots for layer in slot.layers}
        axes = list(dict.fromkeys(axis for slot in self.space.slots for axis in slot.axes))
        rows = []
        for node in self.space.network.layers:
            option: Option | str = options.get(of_layer.get(node.name, ""), {})
            own = self.space.natives.get(node.name, {})
            values = {
                axis: own.get(axis) if isinstance(option, str) else option.get(axis, own.get(axis)) for axis in axes
            }
            removed = node.name in design.removed
            rows.append({"layer": node.name, "kind": node.kind, "removed": removed, **values})
        return rows

    def _tabulate(self, numbers: Any) -> str:
        front = set(self.front)
        rows = []
        for number in numbers:
            entry = self.entries[number]
            row: dict[str, Any] = {"number": number, "label": entry.label, "on_front": number in front}
            for name, option in self.space.options(entry.point).items():
                slot = next(slot for slot in self.space.slots if slot.name == name)
                for axis in slot.axes:
                    row[f"{name}:{axis}"] = option if isinstance(option, str) else option[axis]
                if not slot.axes:
                    row[f"{name}:zero"] = isinstance(option, str)
            if self.search.surrogate:
                row["accuracy_predicted"] = entry.is_predicted
            rows.append({**row, **(entry.metrics or {}), "error": entry.error})
        return encode_rows(rows)


def explain_failure(search: Search, entries: tuple[Entry, ...]) -> str:
    """Say in one line why no point is left to choose, with the nearest value that was seen."""
    alive = [entry.metrics for entry in entries if entry.metrics is not None]
    if not alive:
        reason = entries[0].error if entries else "the sampler returned none"
        return f"search: none of {len(entries)} points could be evaluated: {reason}"
    broken = []
    for name, bound in search.constraints.items():
        seen = [metrics[name] for metrics in alive]
        if bound.max is not None and min(seen) > bound.max:
            broken.append(
                f"constraints.{name}.max: {bound.max:g} is met by no design; the smallest value is {min(seen):g}"
            )
        if bound.min is not None and max(seen) < bound.min:
            broken.append(
                f"constraints.{name}.min: {bound.min:g} is met by no design; the largest value is {max(seen):g}"
            )
    together = "; ".join(broken) or f"no design meets all of {', '.join(search.constraints)} together"
    return f"{together} ({len(alive)} points evaluated)"
