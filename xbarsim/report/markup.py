"""Pieces of an HTML page that opens offline: the frame with its style, cards, figures and tables.

The pieces are Jinja2 templates that escape every text; what these functions return is markup that is not escaped again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from xbarsim.report.style import Drawing, embed_svg

if TYPE_CHECKING:
    from jinja2 import Environment

_LONG_TEXT = 40
_NAMED_CHANGES = 2
_WIDTHS = (22, 30, 44, 59)
"""Widths between which the layout of tables changes [rem]: that of a screen of 390 pixels, and up to a whole page."""
_CHARACTER_REM = 0.53
"""Width of a digit in a table [rem], of a broad font."""
_PADDING_REM = 0.8
"""Space at both sides of a cell [rem], between those of small and of large screens."""
_WRAPPED = 18
"""Characters in a line that a column of text, which wraps, should have at least."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A setting that differs from the file that a run began with."""

    key: str
    """Dotted key, with what it belongs to."""
    new: str
    """Value of the run."""
    old: str | None = None
    """Value in the file; None where it has none."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a page begins with."""

    title: str
    """What was run."""
    subtitle: str
    """With what, in one line."""
    changes: Sequence[Change] = ()
    """What differs from the base file."""
    lead: str = ""
    """What the changes are differences from; a sentence of its own where there are none."""


def render_frame(
    head: Head, cards: Iterable[str], sections: Iterable[str], *, styles: str = "", scripts: Iterable[str] = ()
) -> str:
    """Return a whole page.

    Parameters
    ----------
    head : Head
        Title and what differs from the base file.
    cards : iterable of str
        Key numbers, from :func:`lay_out_card`.
    sections : iterable of str
        Markup in its order; empty pieces are left out.
    styles : str
        More rules of its style.
    scripts : iterable of str
        Scripts that run once the page is there; it is whole without them.

    Returns
    -------
    str
        One HTML document without references to other files.
    """
    named = ", ".join(f"{change.key} {change.new}" for change in head.changes[:_NAMED_CHANGES])
    more = len(head.changes) - _NAMED_CHANGES
    short = f"{head.title}: {named}{f' and {more} more' if more > 0 else ''}" if named else head.title
    page: str = _templates().get_template("page.html").render(
        title=head.title, short_title=short, subtitle=head.subtitle, changes=head.changes, changes_lead=head.lead,
        cards=[Markup(card) for card in cards], sections=[Markup(part) for part in sections if part],
        styles=Markup(styles), widths=reversed(_WIDTHS), scripts=[Markup(script) for script in scripts],
    )  # fmt: skip
    return page


def lay_out_heading(text: str, level: int = 2) -> Markup:
    """Return a heading.

    Parameters
    ----------
    text : str
        Plain text.
    level : int
        2 for a section, 3 below.

    Returns
    -------
    Markup
        One element.
    """
    return Markup("<h{0}>{1}</h{0}>").format(level, text)


def lay_out_text(text: str, *, is_soft: bool = False) -> Markup:
    """Return a paragraph.

    Parameters
    ----------
    text : str
        Plain text, or markup.
    is_soft : bool
        Whether it is a remark.

    Returns
    -------
    Markup
        One element.
    """
    return Markup('<p class="soft">{}</p>' if is_soft else "<p>{}</p>").format(text)


def lay_out_card(title: str, text: str, lines: Iterable[str] = (), *, is_first: bool = False) -> Markup:
    """Return one key number with its name and what there is to say about it; the first one stands out.

    Parameters
    ----------
    title, text : str
        Name and number, plain text.
    lines : iterable of str
        What is written below; empty ones are left out.
    is_first : bool
        Whether it is the first card.

    Returns
    -------
    Markup
        One element.
    """
    return _piece("card", title, text, [line for line in lines if line], is_first)


def lay_out_figure(drawings: Mapping[str, Drawing], name: str) -> Markup:
    """Return a figure with its caption, nothing where there is none of that name.

    Parameters
    ----------
    drawings : mapping of str to Drawing
        File name -> figure and what it shows.
    name : str
        File name without its ending.

    Returns
    -------
    Markup
        One element, or nothing.
    """
    if name not in drawings:
        return Markup("")
    drawing = drawings[name]
    narrow = Markup("")
    if drawing.narrow:
        narrow = Markup(embed_svg(drawing.narrow, drawing.text, "narrow"))
    kind = "broad" if drawing.narrow else ""
    broad = Markup(embed_svg(drawing.broad, drawing.text, kind))
    return _piece("figure", broad, narrow, f"{drawing.text} ({drawing.folder}{name}.svg)")


def lay_out_pairs(
    pairs: Iterable[tuple[str, Any]], headings: tuple[str, str] = ("", ""), label: str = "names and values"
) -> Markup:
    """Return names and values as a table of two columns.

    Parameters
    ----------
    pairs : iterable of (str, object)
        Name and value of each row.
    headings : tuple of str, (2,)
        Headings of both columns.
    label : str
        What the table holds, for readers who cannot see it.

    Returns
    -------
    Markup
        One element.
    """
    return lay_out_table(headings, [[key, str(value)] for key, value in pairs], text_columns=(1,), label=label)


def lay_out_table(
    headings: Iterable[str],
    rows: Iterable[Iterable[str]],
    text_columns: Iterable[int] = (),
    *,
    minor: Iterable[int] = (),
    label: str = "table",
) -> Markup:
    """Return a table; the columns of ``text_columns`` are set as text, the others as numbers.

    Where the page is narrower than the table, every row becomes a list of its cells with their headings.

    Parameters
    ----------
    headings : iterable of str
        Heading of each column.
    rows : iterable of iterables of str
        Cells, row by row.
    text_columns : iterable of int
        Positions of the columns that hold text.
    minor : iterable of int
        Positions of the columns that small screens leave out.
    label : str
        What the table holds, for readers who cannot see it.

    Returns
    -------
    Markup
        One element.
    """
    texts, small, headings = set(text_columns), set(minor), list(headings)

    def kind(number: int, text: str = "") -> str:
        names = ["text"] * (number in texts) + ["minor"] * (number in small) + ["long"] * (len(text) > _LONG_TEXT)
        return " ".join(names)

    texts_of_rows = [list(row) for row in rows]
    fit = fit_table(headings, texts_of_rows, texts, small)
    labels = headings if fit else [""] * len(headings)
    cells = [
        [{"text": text, "kind": kind(number, text), "label": labels[number] if number else ""}
         for number, text in enumerate(row)] for row in texts_of_rows
    ]  # fmt: skip
    kinds = [kind(number) for number in range(len(headings))]
    return _piece("table", headings if any(headings) else [], cells, kinds, label, fit)


def fit_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], texts: Container[int] = (), minor: Container[int] = ()
) -> str:
    """Return the classes of a table that say below which width of the page its layout changes.

    Parameters
    ----------
    headings : sequence of str
        Heading of each column.
    rows : sequence of sequences of str
        Cells, row by row.
    texts, minor : container of int
        Positions of the columns that hold text, and of those that are left out where the table is too broad.

    Returns
    -------
    str
        ``brief-W``: below W rem, minor columns are left out; ``rows-W``: rows become lists. Neither where the table
        fits a screen of 390 pixels.
    """
    needs = []
    for at, heading in enumerate(headings):
        texts_of = [str(row[at]) for row in rows]
        longest = max(map(len, texts_of), default=0)
        wraps = at == 0 or at in texts or longest > _LONG_TEXT
        whole = [heading, *(texts_of if at == 0 else ())]  # words that the browser does not break
        words = max((len(word) for text in whole for word in text.split()), default=0)
        needs.append(_CHARACTER_REM * max(words, min(longest, _WRAPPED) if wraps else longest) + _PADDING_REM)
    shown = [need for at, need in enumerate(needs) if at not in minor]
    named = {"brief": math.fsum(needs) if len(shown) < len(needs) else 0.0, "rows": math.fsum(shown)}
    return " ".join(f"{name}-{_find_width(need)}" for name, need in named.items() if need > _WIDTHS[0])


def _find_width(need: float) -> int:
    """Return the smallest width that a table fits [rem], or the largest one."""
    return next((width for width in _WIDTHS if width >= need), _WIDTHS[-1])


def lay_out_fold(title: str, *parts: str) -> Markup:
    """Return parts that a reader unfolds.

    Parameters
    ----------
    title : str
        What is in them, plain text.
    *parts : str
        Markup.

    Returns
    -------
    Markup
        One element.
    """
    return _piece("fold", title, Markup("").join(map(Markup, parts)))


def render_template(name: str, **given: Any) -> Markup:
    """Return a template of this package with its values filled in.

    Parameters
    ----------
    name : str
        File name.
    **given
        Its values; text is escaped.

    Returns
    -------
    Markup
        Markup.
    """
    return Markup(_templates().get_template(name).render(**given))


@functools.cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("xbarsim.report", ""), autoescape=True)


def _piece(name: str, *given: Any) -> Markup:
    macro = getattr(_templates().get_template("pieces.html").module, name)
    return Markup(macro(*given))
