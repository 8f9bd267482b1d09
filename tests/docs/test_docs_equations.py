"""Every equation of the documentation becomes MathML without leftovers of LaTeX, so that no page needs a script."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def write_mathml():
    pytest.importorskip("latex2mathml")
    sys.path.insert(0, str(DOCS))
    try:
        from mathml import write_mathml
    finally:
        sys.path.remove(str(DOCS))
    return write_mathml


def find_equations():
    """Yield the form and the LaTeX of every equation outside of code."""
    for path in sorted(DOCS.rglob("*.md")):
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"`[^`\n]*`", "", text)
        yield from (("block", found) for found in re.findall(r"\$\$(.+?)\$\$", text, flags=re.DOTALL))
        text = re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL)
        yield from (("inline", found) for found in re.findall(r"(?<!\$)\$([^$\n]+(?:\n[^$\n]+)?)\$(?!\$)", text))


def test_no_latex_is_left_in_any_equation(write_mathml):
    found = list(find_equations())
    assert len(found) > 200
    for form, text in found:
        made = ElementTree.fromstring(write_mathml(text.strip(), form).replace("&#", "_"))
        assert made.attrib["display"] == form
        assert "\\" not in "".join(made.itertext()), text


def test_signs_and_fractions_are_drawn(write_mathml):
    made = write_mathml(r"\lceil \frac{a}{\texttt{io\_bits}} \rceil", "inline")
    assert "<mfrac>" in made
    assert "⌈" in made
    assert "io_bits" in made
    assert r'aria-label="\lceil' in made


def test_the_site_takes_this_renderer():
    assert 'html_math_renderer = "mathml"' in (DOCS / "conf.py").read_text(encoding="utf-8")
