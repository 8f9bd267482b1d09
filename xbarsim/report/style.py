"""Common style of all figures, and their export.

Figures are drawn with matplotlib's Agg and SVG backends, without pyplot: no window, no global state. Text and
axes are drawn in one marker colour. Embedded in a page it becomes ``currentColor``, so that the figure follows
the page's light or dark scheme; saved as a file it is a dark grey on white. A page has each figure twice: its panels
side by side, and one below the other for narrow screens, with text that is as large. Text stays text.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import io
import re
import textwrap
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.store import make_folder, write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#2b2f36"
"""Colour of text and axes; replaced by the page's own in embedded figures."""
PALETTE = ("#4477aa", "#ee6677", "#228833", "#a98600", "#2299bb", "#bb4488", "#8a8d91")
"""Paul Tol's bright scheme, which colour-blind readers can tell apart; yellow, cyan and purple are moved so that every
colour has a contrast of at least 3 with a white and with a dark page (WCAG 2.2, 1.4.11)."""
WIDTH_INCH = 8.2
"""Width of a figure that spans the page."""
NARROW_INCH = 3.9
"""Width of a figure for screens of 390 pixels."""
_NARROW_LABEL, _NARROW_TITLE = 40, 40
"""Longest line of a label and of a title in a narrow figure."""
_IS_NARROW = contextvars.ContextVar("is_narrow", default=False)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of a page."""

    broad: str
    """SVG with panels side by side."""
    narrow: str = ""
    """SVG with panels one below the other; empty where one figure serves all screens."""
    text: str
    """What it shows."""
    folder: str = "figures/"
    """Where its file lies, beside the page."""


Figures = Mapping[str, "tuple[Figure, str]"]
"""File name -> figure and what it shows."""

_RC: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 10,
    "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "text.color": INK,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#8a8d91", "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "svg.fonttype": "none", "svg.hashsalt": "xbarsim", "axes.linewidth": 0.8,
    "lines.linewidth": 1.4, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.titley": 1.0,  # no ticks are above a panel; to look for them takes an eighth of the time of a drawing
}  # fmt: skip


def style() -> Any:
    """Return a context in which figures are drawn in this package's look."""
    import matplotlib

    return matplotlib.rc_context(_RC)


def new_figure(width_inch: float, height_inch: float, *, cols: int = 1, **share: Any) -> tuple[Figure, Any]:
    """Make an empty figure with a row of axes, outside of pyplot; call inside :func:`style`.

    Parameters
    ----------
    width_inch, height_inch : float
        Size [inch].
    cols : int
        Axes side by side; one below the other in narrow figures.
    **share
        Passed on to ``Figure.subplots``.

    Returns
    -------
    tuple of Figure and ndarray of Axes, (1, cols)
        The figure and its axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from xbarsim.report.canvas import ShownFigure as Figure

    is_narrow = _IS_NARROW.get()
    size = (NARROW_INCH, height_inch * cols) if is_narrow else (width_inch, height_inch)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    if is_narrow:
        return figure, figure.subplots(cols, 1, squeeze=False, **share).reshape(1, cols)
    return figure, figure.subplots(1, cols, squeeze=False, **share)


@contextlib.contextmanager
def narrow_figures() -> Iterator[None]:
    """Make new figures as wide as a small screen, their panels one below the other."""
    before = _IS_NARROW.set(True)
    try:
        yield
    finally:
        _IS_NARROW.reset(before)


def label_bars(axes: Axes, texts: list[str]) -> None:
    """Write a text beside each horizontal bar and make room for it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Axes with horizontal bars alone.
    texts : list of str
        One for each bar.
    """
    for bar, text in zip(axes.patches, texts):
        axes.annotate(
            text, (bar.get_width(), bar.get_y() + bar.get_height() / 2), xytext=(3, 0),  # type: ignore[attr-defined]
            textcoords="offset points", va="center", fontsize=7.5,
        )  # fmt: skip
    axes.set_xlim(0, axes.get_xlim()[1] * 1.18)


def save_figure(figure: Figure, stem: Path) -> str:
    """Write a figure as SVG and PNG files on white.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    stem : Path
        File name without its ending.

    Returns
    -------
    str
        The SVG as drawn, on a transparent ground, for :func:`embed_svg`.
    """
    import matplotlib

    svg = write_svg(figure)
    with matplotlib.rc_context(_RC):
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", facecolor="white", dpi=160, metadata={"Software": None})
    ground = '<rect width="100%" height="100%" fill="white"/>'
    body = svg.index(">", svg.index("<svg")) + 1
    write_file(stem.with_suffix(".png"), pixels.getvalue())
    write_file(stem.with_suffix(".svg"), svg[:body] + ground + svg[body:])
    return svg


def write_svg(figure: Figure) -> str:
    """Return a figure as SVG, with text as text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write; its layout is fixed by this.

    Returns
    -------
    str
        SVG on a transparent ground.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(_RC):
        if figure.get_figwidth() == NARROW_INCH:
            _wrap_texts(figure)
        engine = figure.get_layout_engine()
        if engine is not None:  # lay out once, not once for each format
            engine.execute(figure)
        figure.set_layout_engine(None)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _wrap_texts(figure: Figure) -> None:
    for axes in figure.axes:
        axes.set_xlabel(textwrap.fill(axes.get_xlabel(), _NARROW_LABEL))
        axes.set_title(textwrap.fill(axes.get_title("left"), _NARROW_TITLE), loc="left")


def save_drawings(draw: Callable[[], Figures], folder: Path) -> dict[str, Drawing]:
    """Write the figures of a page into its folder ``figures``.

    Parameters
    ----------
    draw : callable
        Draws every figure: file name -> figure and what it shows. It is called twice, for broad and narrow screens.
    folder : Path
        Folder of the page; made where missing.

    Returns
    -------
    dict
        File name -> figure, as :func:`~xbarsim.report.markup.lay_out_figure` takes them.
    """
    make_folder(folder / "figures")
    with narrow_figures():
        narrow = {name: write_svg(figure) for name, (figure, _) in draw().items()}
    return {
        name: Drawing(broad=save_figure(figure, folder / "figures" / name), narrow=narrow[name], text=text)
        for name, (figure, text) in draw().items()
    }


def embed_svg(svg: str, description: str, kind: str = "") -> str:
    """Return markup that shows a figure within a page, in the page's own colours.

    Parameters
    ----------
    svg : str
        What :func:`save_figure` returned.
    description : str
        What it shows, for readers who cannot see it.
    kind : str
        Class of the element.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    text = svg[svg.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # identifiers are unique within a figure alone: tie them to this one
    tag = f"f{zlib.crc32(f'{kind}{description}'.encode())}-"
    text = re.sub(r'\bid="', f'id="{tag}', text)
    text = re.sub(r'href="#', f'href="#{tag}', text)
    text = text.replace("url(#", f"url(#{tag}")
    label = html.escape(description, quote=True)
    name = f'class="{kind}" ' if kind else ""
    return text.replace("<svg ", f'<svg {name}role="img" aria-label="{label}" ', 1)
