"""The results of ``estimate`` and ``simulate``: records with tables, JSON and an HTML page.

The records only hold and arrange results; nothing is computed here beyond shares and joins. Tables are built
when asked for, so that an estimate alone costs no import of pandas.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.errors import ConfigError
from xbarsim.notebook import Face, Shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from xbarsim.cost import Cost
    from xbarsim.inference.accuracy import Accuracy
    from xbarsim.report.result import MetricResult
    from xbarsim.timing import Activity


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Computing time of a simulation."""

    setup: float
    """Mapping, programming, solving the arrays, building tables [s]."""
    run: float
    """Simulation of all images on the hardware, one trial [s]."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The inputs of a result, sufficient to reproduce it."""

    version: str
    """Version of xbarsim."""
    hardware: str
    """Name of the hardware."""
    hardware_hash: str
    """Hash of all hardware keys that can change a result, including overrides."""
    network: str
    """Name of the network."""
    network_hash: str
    """Hash of the network's graph and weights."""
    seed: int
    """Seed of all random draws."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Overrides of the named hardware: dotted key -> value; overrides of layers by glob."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Other settings that affect the result: weight bits, trials, assumed activity."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Sources of the hardware's numbers: key or component -> text; ``set here`` for what was overridden."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Classes that plug-ins added: ``kind:name`` -> hash of the source."""
    replaced: Mapping[str, Any] = field(default_factory=dict)
    """Values in the hardware file of the keys that were overridden; None for keys that it leaves out."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """Whole hardware record as it was used, in the form of a hardware file."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CostReport(Shown):
    """Cost of one inference; the fields of the cost are attributes of the report too."""

    cost: Cost
    """Energy, delay, area and other figures in SI units."""
    provenance: Provenance
    """What the result was made from."""
    activity: Activity | None = None
    """Cycle-level simulation of the cost; None if there is none."""

    def _show(self) -> Face:
        from xbarsim.report.face import show_report

        return show_report(self)

    def __getattr__(self, name: str) -> Any:
        """Look up other attributes in the cost."""
        if name.startswith("__") or name in ("cost", "activity"):
            raise AttributeError(name)
        try:
            return getattr(self.cost, name)
        except AttributeError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    @property
    def layer_rows(self) -> list[dict[str, Any]]:
        """The rows of ``layers`` as plain dictionaries."""
        return list_rows(self.cost.layers)

    @property
    def bound_rows(self) -> list[dict[str, Any]]:
        """The rows of ``bounds`` as plain dictionaries; none without a cycle-level simulation."""
        if self.activity is None:
            return []
        from xbarsim.timing import find_bounds

        return list_rows(find_bounds(self.activity))

    @functools.cached_property
    def layers(self) -> pd.DataFrame:
        """One row for each layer, digital operation, input and output, in network order; units in the column names."""
        return tabulate_records(self.layer_rows)

    @functools.cached_property
    def components(self) -> pd.DataFrame:
        """One row for each component; units in the column names."""
        return tabulate_records(self.cost.components)

    @functools.cached_property
    def bounds(self) -> pd.DataFrame | None:
        """Busiest resource of each layer, operation, input and output; None without a cycle-level simulation."""
        return None if self.activity is None else tabulate_records(self.bound_rows)

    def draw(self) -> dict[str, Figure]:
        """Draw the figures of the report's page.

        Returns
        -------
        dict of str to matplotlib.figure.Figure
            Name -> figure: ``cost_by_component``, ``cost_by_layer``, ``accuracy`` and others, where there is data for
            them. Figures are made without pyplot; notebooks show them, and ``savefig`` writes them.
        """
        from xbarsim.report.page import draw_figures

        return {name: figure for name, (figure, _) in draw_figures(self).items()}

    def to_trace(self, path: str | Path) -> Path:
        """Write a trace of all windows, for ui.perfetto.dev.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If the report holds no cycle-level run, or the file cannot be written.
        """
        if self.activity is None:
            raise ConfigError("trace: this report holds no cycle-level run")
        from xbarsim.timing import write_trace

        try:
            return write_trace(self.activity, path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None

    def to_json(self, path: str | Path) -> Path:
        """Write the report as JSON.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            If the file cannot be written.
        """
        from xbarsim.report.document import write_json

        return write_json(self, path)

    def to_html(self, folder: str | Path) -> Path:
        """Write an HTML page with figures and tables, which can be viewed offline.

        Parameters
        ----------
        folder : str or Path
            Folder to write to; created if missing.

        Returns
        -------
        Path
            The page, ``folder/index.html``.

        Raises
        ------
        ConfigError
            If the folder cannot be written.
        """
        from xbarsim.report.page import write_page

        return write_page(self, folder)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report(CostReport):
    """Accuracy of a network on hardware, and the cost of one inference."""

    accuracy: Accuracy | None
    """Accuracies and their interval; None without labels, and where another metric than top-1 accuracy is measured."""
    outputs: np.ndarray | Mapping[str, np.ndarray]
    """(trials, images, ...) raw outputs on the hardware; by name where the network has several."""
    seconds: Seconds
    """Computing time."""
    metric: MetricResult | None = None
    """The metric that was asked for, with its interval; None without labels."""
    errors: Sequence[Any] = ()
    """One record a weight layer, joined to ``layers`` by ``name``: error against the integer reference."""

    @property
    def layer_rows(self) -> list[dict[str, Any]]:
        """The rows of ``layers`` as plain dictionaries."""
        return list_rows(join_records(self.cost.layers, self.errors))

    @functools.cached_property
    def layers(self) -> pd.DataFrame:
        """One row for each layer, with cost and error; units in the column names."""
        return tabulate_records(self.layer_rows)

    @functools.cached_property
    def columns(self) -> pd.DataFrame:
        """Worst columns at 64 places of each weight layer: ``layer``, ``column`` (place), ``lost_share`` (share of the
        current that it does not deliver [-]) and ``fit_rms_lsb`` (error of its fitted response, None without [lsb]);
        :func:`xbarsim.report.plot_columns` draws it.
        """
        rows = []
        for each in map(describe_record, self.errors):
            lost = each.get("lost_places", ())
            for place, values in enumerate(zip(lost, each.get("fit_places") or (None,) * len(lost), strict=True)):
                rows.append({"layer": each["name"], "column": place, "lost_share": values[0], "fit_rms_lsb": values[1]})
        return tabulate_records(rows)


def describe_record(record: Any) -> dict[str, Any]:
    """Return a record as a plain dictionary, fields in their order.

    Parameters
    ----------
    record : dataclass or mapping
        What to describe.

    Returns
    -------
    dict
        Field -> value, nested records left as they are.
    """
    if isinstance(record, Mapping):
        return dict(record)
    return {item.name: getattr(record, item.name) for item in dataclasses.fields(record)}


def join_records(left: Iterable[Any], right: Iterable[Any]) -> list[dict[str, Any]]:
    """Join two lists of records by ``name``, keeping the order of the left one.

    Parameters
    ----------
    left : iterable of records
        Each with a ``name``.
    right : iterable of records
        What to add to the record of the same name; the left one keeps fields that both have.

    Returns
    -------
    list of dict
        One for each record on the left.
    """
    more = {row["name"]: row for row in map(describe_record, right)}
    rows = [describe_record(record) for record in left]
    return [row | {key: value for key, value in more.get(row["name"], {}).items() if key not in row} for row in rows]


def list_rows(records: Iterable[Any]) -> list[dict[str, Any]]:
    """Return records as rows of a table, without pandas.

    Parameters
    ----------
    records : iterable of dataclasses or mappings
        Records with the same fields; nested ones are left out.

    Returns
    -------
    list of dict
        Scalar fields of each record.
    """
    return [{key: value for key, value in describe_record(record).items() if is_scalar(value)} for record in records]


def tabulate_records(records: Iterable[Any]) -> pd.DataFrame:
    """Lay out records as a table, one row a record.

    Parameters
    ----------
    records : iterable of dataclasses or mappings
        Records with the same fields; nested ones are left out.

    Returns
    -------
    pandas.DataFrame
        Scalar fields as columns.
    """
    import pandas as pd

    return pd.DataFrame(list_rows(records))


def is_scalar(value: Any) -> bool:
    """Tell whether a value fits in one cell of a table.

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    bool
        Whether it is text, a number or None.
    """
    return (
        value is None
        or isinstance(value, (str, bool))
        or (hasattr(value, "__float__") and not hasattr(value, "__len__"))
    )
