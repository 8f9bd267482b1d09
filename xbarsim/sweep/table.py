"""Table of the points of a sweep: axes, metrics and provenance."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xbarsim.report.catalogue import find_metric
from xbarsim.report.csv_table import encode_frame

if TYPE_CHECKING:
    import pandas as pd

    from xbarsim.fleet.task import TaskResult
from xbarsim.sweep.store import SweepStore


def tabulate_points(
    document: Mapping[str, Any], results: Mapping[str, TaskResult], *, pending: bool = False
) -> pd.DataFrame:
    """Lay out a sweep as a table.

    Parameters
    ----------
    document : mapping
        The sweep and its points, as in ``sweep.json``.
    results : mapping
        Key -> result.
    pending : bool
        Whether points without a result get a row too.

    Returns
    -------
    pandas.DataFrame
        In the order of the points: ``network``, ``hardware``, the axes, the metrics (with both ends of the interval
        beside ``accuracy.hardware``), ``status`` (``done``, ``failed``, ``pending``), ``error``, and provenance.
    """
    import pandas as pd

    axes, metrics = [key for keys in document["axes"] for key in keys], _add_intervals(document["metrics"])
    made = document["provenance"]
    rows = []
    for key, network, hardware, settings in document["points"]:
        result = results.get(key)
        if result is None and not pending:
            continue
        values = (result.value if result is not None else None) or {}
        status = "pending" if result is None else "done" if result.is_done else "failed"
        rows.append(
            (network, hardware, *(_cell(settings.get(axis)) for axis in axes), *(values.get(name) for name in metrics),
             status, result.error if result is not None else None, key, made["trials"], made["seed"], made["version"],
             made["network_hash"][network], made["hardware_hash"][hardware])
        )  # fmt: skip
    columns = ["network", "hardware", *axes, *metrics, "status", "error", "point", "trials", "seed", "version",
               "network_hash", "hardware_hash"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    for name in metrics:
        table[name] = pd.to_numeric(table[name]).astype("float64")
    for name in axes:
        table[name] = _one_kind(table[name])
    return table


def write_tables(store: SweepStore, document: Mapping[str, Any]) -> None:
    """Write ``points.csv`` and ``points.parquet`` into a store's folder.

    Parameters
    ----------
    store : SweepStore
        Open for writing.
    document : mapping
        The sweep and its points.

    Raises
    ------
    SolverError
        If a file cannot be written.
    """
    table = tabulate_points(document, store.results)
    store.write("points.csv", encode_frame(table))
    store.write("points.parquet", encode_parquet(table, {**document["provenance"], "sweep": document["sweep"]}))


def encode_parquet(table: pd.DataFrame, provenance: Mapping[str, Any]) -> bytes:
    """Return a table as a Parquet file, its provenance as JSON under the key ``xbarsim`` of the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    about = json.dumps(provenance, sort_keys=True).encode()
    buffer = io.BytesIO()
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"xbarsim": about}), buffer)
    return buffer.getvalue()


def _add_intervals(names: Iterable[str]) -> list[str]:
    """Put both ends of a metric's interval behind it, unless they are named themselves."""
    names = list(names)
    found = []
    for name in names:
        found.append(name)
        found += [end for end in find_metric(name).interval or () if end not in names]
    return found


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _one_kind(column: pd.Series) -> pd.Series:
    """Give a column one type: numbers where all are numbers, else text."""
    kinds = {type(value) for value in column}
    if kinds <= {int, float} or len(kinds) == 1:
        return column.infer_objects()
    return column.map(lambda value: None if value is None else str(value))
