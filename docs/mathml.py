"""Equations of the documentation site as MathML, which browsers draw without a script and without the network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_SIGNS = {
    r"\lceil": "⌈", r"\rceil": "⌉", r"\lfloor": "⌊", r"\rfloor": "⌋", r"\_": "_", r"\lVert": "‖", r"\rVert": "‖",
    r"\langle": "⟨", r"\rangle": "⟩",
}  # fmt: skip
"""Commands that the converter leaves as they are."""


def write_mathml(text: str, display: str) -> str:
    """Return an equation as MathML.

    Parameters
    ----------
    text : str
        LaTeX, as in the source of a page.
    display : str
        ``inline`` or ``block``.

    Returns
    -------
    str
        One ``<math>`` element; its LaTeX is the text for readers who cannot see it.
    """
    source = " ".join(text.split())
    for command, sign in _SIGNS.items():
        end = "" if command.endswith("_") else r"(?![A-Za-z])"
        source = re.sub(re.escape(command) + end, sign, source)
    made = convert(source, display=display)
    return made.replace("<math ", f'<math aria-label="{html.escape(text, quote=True)}" ', 1)


def visit_inline(translator: Any, node: Any) -> None:
    """Write an equation within a line."""
    from docutils.nodes import SkipNode

    translator.body.append(write_mathml(node.astext(), "inline"))
    raise SkipNode


def visit_block(translator: Any, node: Any) -> None:
    """Write an equation that stands by itself."""
    from docutils.nodes import SkipNode

    translator.body.append(
        f'<div class="equation" style="overflow-x: auto" tabindex="0">{write_mathml(node.astext(), "block")}</div>\n'
    )
    raise SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
