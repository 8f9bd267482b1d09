"""Figures that a notebook shows although they are made without pyplot."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

SCREEN_DPI = 100
"""Resolution in notebooks."""


class ShownFigure(Figure):
    """A figure that draws itself where Jupyter displays objects."""

    def _repr_png_(self) -> bytes:
        """Return the figure on white as PNG, for notebooks."""
        from xbarsim.report.style import style

        pixels = io.BytesIO()
        with style():
            self.savefig(pixels, format="png", facecolor="white", dpi=SCREEN_DPI, metadata={"Software": None})
        return pixels.getvalue()
