"""Tables as CSV text that a spreadsheet opens as what it is.

A cell of text that begins like a formula (``=``, ``+``, ``-``, ``@``, a tab or a line break) would be computed by
spreadsheets. Such cells get an apostrophe in front, which spreadsheets read as "this is text". Numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_STARTS = ("=", "+", "-", "@", "\t", "\n")


def guard_cell(value: Any) -> Any:
    """Put an apostrophe in front of text that a spreadsheet would compute.

    Parameters
    ----------
    value : object
        A cell.

    Returns
    -------
    object
        The same, or guarded text.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")  # not all readers take it within a cell
    if not value.startswith(_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def encode_frame(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; its index is left out.

    Returns
    -------
    bytes
        UTF-8, one line a row.
    """
    guarded = frame.rename(columns=guard_cell)
    for place, kind in enumerate(guarded.dtypes):
        if kind.kind not in "biufc":
            guarded.isetitem(place, guarded.iloc[:, place].map(guard_cell).array)
    text: str = guarded.to_csv(index=False, lineterminator="\n")
    return text.encode()


def encode_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV.

    Parameters
    ----------
    rows : iterable of mapping
        Column -> cell; columns stand in the order of their first use.

    Returns
    -------
    str
        A head line, and one line a row.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guard_cell, columns))
    writer.writerows([guard_cell(row.get(column, "")) for column in columns] for row in rows)
    return text.getvalue()
