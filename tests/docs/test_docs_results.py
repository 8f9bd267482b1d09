"""The page of results has every number of every report."""

import importlib
import re
import sys
from pathlib import Path

import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.report.metric import REPORT_METRICS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def writer(monkeypatch):
    """Import the writer of the page."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "validation"))
    yield importlib.import_module("result_page")
    sys.modules.pop("result_page", None)


def rows_of(place):
    page = (ROOT / "docs" / "keys" / "results.md").read_text()
    (table,) = re.findall(rf"^## {place}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return {cells[0]: cells[1:] for cells in re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|", table, re.MULTILINE)}


def test_the_page_is_that_of_the_records(writer):
    assert writer.PAGE.read_text() == writer.write_page(), "run python benchmarks/validation/result_page.py"


def test_every_column_of_a_simulation_stands_on_the_page_with_what_it_means():
    data = load_data("digits")
    images = normalize_images(data.images[:4])
    report = xs.simulate("digits", "reference", images, data.labels[:4])
    for table in ("layers", "components", "bounds"):
        rows = rows_of(f"`report.{table}`")
        for column in getattr(report, table).columns:
            assert rows[column][1], f"{table}.{column}"
    for name in ("energy_joule", "edap", "tops_per_watt"):
        assert name in rows_of("`report.cost`")


def test_units_follow_names_and_metrics_stand_on_the_page():
    assert rows_of("`report.layers`")["snr_db"][0] == "dB"
    assert rows_of("`report.cost`")["edap"][0] == "J s m2"
    assert set(REPORT_METRICS) <= set(rows_of("Metrics of sweeps and searches"))
