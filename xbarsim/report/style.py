"""Common style of all figures, and their export.

Figures are drawn with matplotlib's Agg and SVG backends, without pyplot: no window, no global state. Text and
axes are drawn in one marker colour. Embedded in a page it becomes ``currentColor``, so that the figure follows
the page's light or dark scheme; saved as a file it is a dark grey on white.
"""

from __future__ import annotations

import html
import io
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarsim.store import make_folder, write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#2b2f36"
"""Colour of text and axes; replaced by the page's own in embedded figures."""
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#8a8d91")
"""Paul Tol's bright scheme, which colour-blind readers can tell apart."""
WIDTH_INCH = 8.2
"""Width of a figure that spans the page."""

_RC: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 10,
    "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "text.color": INK,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#8a8d91", "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "svg.fonttype": "path", "svg.hashsalt": "xbarsim", "axes.linewidth": 0.8,
    "lines.linewidth": 1.4, "axes.titleweight": "bold", "axes.titlelocation": "left",
}  # fmt: skip


def style() -> Any:
    """Return a context in which figures are drawn in this package's look."""
    import matplotlib

    return matplotlib.rc_context(_RC)


def new_figure(
    width_inch: float, height_inch: float, *, rows: int = 1, cols: int = 1, **share: Any
) -> tuple[Figure, Any]:
    """Make an empty figure with a grid of axes, outside of pyplot; call inside :func:`style`.

    Parameters
    ----------
    width_inch, height_inch : float
        Size [inch].
    rows, cols : int
        Grid of axes.
    **share
        Passed on to ``Figure.subplots``.

    Returns
    -------
    tuple of Figure and ndarray of Axes, (rows, cols)
        The figure and its axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inch, height_inch), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, cols, squeeze=False, **share)


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

    buffer = io.StringIO()
    with matplotlib.rc_context(_RC):
        figure.draw_without_rendering()  # lay out once, not once for each format
        figure.set_layout_engine("none")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", facecolor="white", dpi=160, metadata={"Software": None})
    svg = buffer.getvalue()
    ground = '<rect width="100%" height="100%" fill="white"/>'
    body = svg.index(">", svg.index("<svg")) + 1
    write_file(stem.with_suffix(".png"), pixels.getvalue())
    write_file(stem.with_suffix(".svg"), svg[:body] + ground + svg[body:])
    return svg


def save_drawings(drawn: Mapping[str, tuple[Figure, str]], folder: Path) -> dict[str, tuple[str, str]]:
    """Write the figures of a page into its folder ``figures``.

    Parameters
    ----------
    drawn : mapping of str to (Figure, str)
        File name -> figure and what it shows.
    folder : Path
        Folder of the page; made where missing.

    Returns
    -------
    dict
        File name -> figure as SVG and what it shows, as :func:`~xbarsim.report.markup.lay_out_figure` takes them.
    """
    make_folder(folder / "figures")
    return {name: (save_figure(figure, folder / "figures" / name), text) for name, (figure, text) in drawn.items()}


def embed_svg(svg: str, description: str) -> str:
    """Return markup that shows a figure within a page, in the page's own colours.

    Parameters
    ----------
    svg : str
        What :func:`save_figure` returned.
    description : str
        What it shows, for readers who cannot see it.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    text = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # identifiers are unique within a figure alone: tie them to this one
    tag = f"f{zlib.crc32(description.encode())}-"
    text = re.sub(r'\bid="', f'id="{tag}', text)
    text = re.sub(r'href="#', f'href="#{tag}', text)
    text = text.replace("url(#", f"url(#{tag}")
    label = html.escape(description, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
