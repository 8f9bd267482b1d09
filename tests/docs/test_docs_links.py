"""Links of Markdown files outside of the site lead to files; the theory pages say what they neglect."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "docs" / "theory"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text())
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_theory_page_has_equations_and_says_what_it_neglects():
    pages = re.findall(r"^\| \[.*?\]\((.*?)\)", (THEORY / "index.md").read_text(), re.MULTILINE)
    assert len(pages) > 8
    for page in pages:
        text = (THEORY / page).read_text()
        assert "$$" in text, page
        assert "eglected" in text, page
