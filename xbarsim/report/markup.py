"""Pieces of an HTML page that opens offline: the frame with its style, cards, figures and tables."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from importlib import resources
from string import Template
from typing import Any

from xbarsim.report.style import embed_svg

_LONG_TEXT = 40


def render_frame(title: str, subtitle: str, cards: Iterable[str], sections: Iterable[str]) -> str:
    """Return a whole page.

    Parameters
    ----------
    title, subtitle : str
        Plain text.
    cards : iterable of str
        Key numbers, from :func:`lay_out_card`.
    sections : iterable of str
        Markup in its order; empty pieces are left out.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    text = resources.files("xbarsim.report").joinpath("page.html").read_text(encoding="utf-8")
    return Template(text).substitute(
        title=html.escape(title),
        subtitle=html.escape(subtitle),
        cards="\n".join(cards),
        sections="\n".join(part for part in sections if part),
    )


def lay_out_card(title: str, text: str, *, is_first: bool = False) -> str:
    """Return one key number with its name; the first one stands out.

    Parameters
    ----------
    title, text : str
        Name and number, plain text.
    is_first : bool
        Whether it is the first card.

    Returns
    -------
    str
        Markup.
    """
    kind = ' class="first"' if is_first else ""
    return f"<div{kind}><dt>{html.escape(title)}</dt><dd>{html.escape(text)}</dd></div>"


def lay_out_figure(drawings: Mapping[str, tuple[str, str]], name: str) -> str:
    """Return a figure with its caption, nothing where there is none of that name.

    Parameters
    ----------
    drawings : mapping of str to (str, str)
        File name -> figure as SVG and what it shows.
    name : str
        File name without its ending.

    Returns
    -------
    str
        Markup.
    """
    if name not in drawings:
        return ""
    svg, description = drawings[name]
    caption = f"{html.escape(description)} (figures/{name}.svg)"
    return f"<figure>{embed_svg(svg, description)}<figcaption>{caption}</figcaption></figure>"


def lay_out_pairs(pairs: Iterable[tuple[str, Any]], headings: tuple[str, str] = ("", "")) -> str:
    """Return names and values as a table of two columns.

    Parameters
    ----------
    pairs : iterable of (str, object)
        Name and value of each row.
    headings : tuple of str, (2,)
        Headings of both columns.

    Returns
    -------
    str
        Markup.
    """
    return lay_out_table(headings, [[key, str(value)] for key, value in pairs], text_columns=(1,))


def lay_out_table(headings: Iterable[str], rows: Iterable[Iterable[str]], text_columns: tuple[int, ...] = ()) -> str:
    """Return a table; the columns of ``text_columns`` are set as text, the others as numbers.

    Parameters
    ----------
    headings : iterable of str
        Heading of each column.
    rows : iterable of iterables of str
        Cells, row by row.
    text_columns : tuple of int
        Positions of the columns that hold text.

    Returns
    -------
    str
        Markup.
    """

    def cell(tag: str, number: int, text: str) -> str:
        kinds = " ".join(["text"] * (number in text_columns) + ["long"] * (tag == "td" and len(text) > _LONG_TEXT))
        return f"<{tag}{f' class={kinds!r}' if kinds else ''}>{html.escape(text)}</{tag}>"

    def line(tag: str, cells: Iterable[str]) -> str:
        return f"<tr>{''.join(cell(tag, number, text) for number, text in enumerate(cells))}</tr>"

    headings = list(headings)
    head = f"<thead>{line('th', headings)}</thead>" if any(headings) else ""
    return f'<div class="wide"><table>{head}<tbody>{"".join(line("td", row) for row in rows)}</tbody></table></div>'
