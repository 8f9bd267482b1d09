"""The page on citing has what CITATION.cff has."""

from pathlib import Path

import yaml

import xbarsim

ROOT = Path(__file__).parents[2]


def test_the_page_cites_title_authors_version_and_licence_of_this_package():
    given = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    page = (ROOT / "docs" / "cite.md").read_text()
    assert given["version"] == xbarsim.__version__
    for value in (given["title"], given["authors"][0]["name"], given["version"], given["license"]):
        assert f"{{{value}}}" in page
