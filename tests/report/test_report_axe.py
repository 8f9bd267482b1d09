"""Pages of every kind in a real browser: axe finds nothing serious, nothing is asked of the network, nothing overflows.

axe-core is looked for in the file that ``XBARSIM_AXE`` names and in the packages ``axe_playwright_python`` and
``axe_core_python``, of which only the script is used; see CONTRIBUTING.md.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from browser import Browser, needs_browser
from samples import make_cost_report, make_report
from sweep_samples import write_invented

import xbarsim.cli
from xbarsim.report import describe_report
from xbarsim.report.comparison import write_comparison
from xbarsim.search import make_search, run_search

KINDS = ("simulate", "estimate", "compare", "sweep", "search", "explain")
SEARCH = {
    "network": "lenet5", "hardware": "nax", "space": {"*": {"array": [16, 32], "adc.bits": [5, 6]}}, "points": 8,
    "objectives": {"cost.energy_joule": "min", "cost.edap": "min"}, "method": "random",
}  # fmt: skip


def find_axe():
    """Return the script of axe-core, or None."""
    named = [Path(os.environ["XBARSIM_AXE"])] if "XBARSIM_AXE" in os.environ else []
    for package in ("axe_playwright_python", "axe_core_python"):
        spec = importlib.util.find_spec(package)
        named += [Path(place) / "axe.min.js" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((path for path in named if path.is_file()), None)


def write_kind(kind, folder):
    """Write the page of one kind and return it."""
    if kind == "simulate":
        return make_report().to_html(folder)
    if kind == "estimate":
        return xbarsim.estimate("lenet5", xbarsim.load_hardware("reference", {"adc.bits": 6})).to_html(folder)
    if kind == "compare":
        return write_comparison(describe_report(make_cost_report()), describe_report(make_report()), folder)
    if kind == "sweep":
        return write_invented(folder, 60)
    if kind == "search":
        run_search(make_search(SEARCH), folder, cache=None)
    else:
        words = "explain digits --hardware reference --images 24 --trials 1 --seed 1 --report"
        assert xbarsim.cli.run([*words.split(), str(folder)]) == 0
    return folder / "index.html"


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module", params=KINDS)
def page(request, tmp_path_factory):
    return write_kind(request.param, tmp_path_factory.mktemp(request.param))


@needs_browser
@pytest.mark.slow
@pytest.mark.skipif(find_axe() is None, reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, page, scheme):
    browser.use(scheme)
    browser.resize(1280)
    browser.open(page)
    browser.run("new Promise(done => setTimeout(done, 300))")
    browser.run(find_axe().read_text(encoding="utf-8") + "; 0")
    found = browser.run(
        "axe.run({resultTypes: ['violations']}).then(found => [found.passes.length, found.violations.map(each => "
        "[each.impact, each.id, each.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])])"
    )
    assert found[0] > 10
    assert [each for each in found[1] if each[0] in ("serious", "critical")] == []


@needs_browser
@pytest.mark.slow
def test_pages_are_whole_on_small_screens_and_ask_nothing_of_the_network(browser, page):
    browser.use("light")
    browser.resize(390)
    browser.requests.clear()
    browser.problems.clear()
    browser.open(page)
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    widths = browser.run(
        "[...document.querySelectorAll('figure svg')].map(each => each.getBoundingClientRect())"
        ".filter(each => each.width > 0).map(each => [each.left, each.right])"
    )
    assert widths
    assert all(left >= 0 and right <= 390 for left, right in widths)
    sizes = browser.run(
        "[...document.querySelectorAll('figure svg.narrow text')].map(each => "
        "parseFloat(getComputedStyle(each).fontSize) * each.ownerSVGElement.getScreenCTM().a)"
    )
    assert min(sizes) > 7
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert browser.problems == []


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 600, 760])
def test_no_table_scrolls_sideways_on_small_screens(browser, page, width):
    browser.use("light")
    browser.resize(width)
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    browser.run("new Promise(done => setTimeout(done, 300))")
    found = browser.run(
        "[...document.querySelectorAll('.wide')].map(each => "
        "[each.getAttribute('aria-label'), each.scrollWidth - each.clientWidth])"
    )
    assert found
    assert [each for each in found if each[1] > 0] == []


@needs_browser
@pytest.mark.slow
def test_pages_print_without_cutting_tables_or_figures(browser, page):
    browser.use("dark", "print")
    browser.resize(794, 1123)
    browser.open(page)
    try:
        back = browser.run("getComputedStyle(document.body).backgroundColor")
        ends = browser.run(
            "[...document.querySelectorAll('figure svg, table')].map(each => each.getBoundingClientRect())"
            ".filter(each => each.width > 0).map(each => each.right)"
        )
    finally:
        browser.use("light")
    assert back == "rgb(255, 255, 255)"
    assert max(ends) <= 794 + 1
