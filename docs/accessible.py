"""What the theme of the site leaves out for readers who use a keyboard or a screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MENDED = {
    'class="caption" role="heading"': 'class="caption" role="heading" aria-level="2"',
    "<pre>": '<pre tabindex="0">',
}
"""Markup -> the same with the level of a heading, or with a place for the keyboard in code that scrolls."""


def mend_page(text: str) -> str:
    """Return a page with the missing attributes.

    Parameters
    ----------
    text : str
        HTML of a page.

    Returns
    -------
    str
        HTML.
    """
    for old, new in _MENDED.items():
        text = text.replace(f"{old}>" if "=" in old else old, f"{new}>" if "=" in old else new)
    return text


def mend_site(app: Any, error: Exception | None) -> None:
    """Mend all pages once they are written."""
    if error is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            path.write_text(mend_page(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Mend pages after the build."""
    app.connect("build-finished", mend_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
