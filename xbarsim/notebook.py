"""How objects look in a notebook: one line of text, and a small HTML table of names and values.

Rooms give plain text; everything is escaped here. Styles stand in the markup itself, since a notebook has no style
sheet of this package; colours are those of the notebook, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 240
"""Characters of a line that describes an object."""
_TABLE = "border-collapse:collapse;margin:0.3em 0 0.6em 0"
_TEXT = "text-align:left;padding:0.1em 0.9em 0.1em 0;vertical-align:top;white-space:normal;max-width:44em"
_NUMBER = "text-align:right;padding:0.1em 0.9em 0.1em 0;vertical-align:top"


def lay_out_object(title: str, *tables: str, note: str = "") -> str:
    """Return the markup of an object: its title above its tables.

    Parameters
    ----------
    title : str
        Plain text.
    *tables : str
        Markup, from :func:`lay_out_pairs` and :func:`lay_out_rows`; empty ones are left out.
    note : str
        Plain text below the tables.

    Returns
    -------
    str
        Markup of one block element.
    """
    parts = [f"<strong>{html.escape(title)}</strong>", *filter(None, tables)]
    if note:
        parts.append(f'<div style="opacity:0.75">{html.escape(note)}</div>')
    return f"<div>{''.join(parts)}</div>"


def lay_out_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values as a table without a heading.

    Parameters
    ----------
    pairs : iterable of (str, str)
        Plain text.

    Returns
    -------
    str
        Markup; nothing where there are no pairs.
    """
    rows = [
        f'<tr><th scope="row" style="{_TEXT};font-weight:normal">{html.escape(name)}</th>'
        f'<td style="{_TEXT}">{html.escape(value)}</td></tr>'
        for name, value in pairs
    ]
    return f'<table style="{_TABLE}"><tbody>{"".join(rows)}</tbody></table>' if rows else ""


def lay_out_rows(table: SmallTable) -> str:
    """Return rows below headings; the first column is text, the others are numbers.

    Parameters
    ----------
    table : SmallTable
        Plain text.

    Returns
    -------
    str
        Markup; nothing where there are no rows.
    """
    styles = [_TEXT, *[_NUMBER] * (len(table.headings) - 1)]
    head = "".join(
        f'<th scope="col" style="{style}">{html.escape(text)}</th>' for style, text in zip(styles, table.headings)
    )
    body = [
        "<tr>" + "".join(f'<td style="{style}">{html.escape(text)}</td>' for style, text in zip(styles, row)) + "</tr>"
        for row in table.rows
    ]
    if not body:
        return ""
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def count_words(count: int, word: str) -> str:
    """Return a count with its word, in the plural where that is due: ``"1 layer"``, ``"1,234 weights"``."""
    return f"{count:,} {word}{'s' * (count != 1)}"


@dataclass(frozen=True)
class SmallTable:
    """A table of plain text."""

    headings: tuple[str, ...]
    """Heading of each column."""
    rows: Sequence[Sequence[str]]
    """Cells, row by row; the first column is text, the others are numbers."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """What is shown of an object."""

    title: str
    """Kind and name."""
    text: str = ""
    """The most important facts, for one line."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    tables: tuple[SmallTable, ...] = ()
    """Tables below them."""
    note: str = ""
    """What else there is."""


class Shown:
    """Mixed into objects that users meet: their ``repr`` is one line, and a notebook shows a small table."""

    def _show(self) -> Face:
        """Return what is shown."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Describe the object in one line."""
        face = self._show()
        text = " ".join(f"{face.title}: {face.text}".split()) if face.text else face.title
        return f"<{text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}>"

    def __str__(self) -> str:
        """Describe the object in one line."""
        return repr(self)

    def _repr_html_(self) -> str:
        """Describe the object as a small table, for notebooks."""
        face = self._show()
        tables = [lay_out_pairs(face.pairs), *map(lay_out_rows, face.tables)]
        return lay_out_object(face.title, *tables, note=face.note)
