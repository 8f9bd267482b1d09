"""Charts of a sweep in a real browser: pointing names a design, filters hide some, a choice shows everywhere."""

import json
import re
from importlib import resources

import pytest
from browser import Browser, needs_browser
from sweep_samples import write_invented

from xbarsim.report.explore import MOST_DESIGNS, Explored, lay_out_exploration

DOTS = "document.querySelectorAll('#explore-chart-{} .mark-symbol path')"
FILLS = "[...document.querySelectorAll('#explore-chart-{} .mark-symbol path')].map(each => each.getAttribute('fill'))"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_invented(tmp_path_factory.mktemp("explored"), 100)


@pytest.fixture(scope="module")
def browser(page):
    with Browser() as browser:
        browser.open(page)
        browser.wait("document.getElementById('explore').dataset.ready === 'true'")
        yield browser


def reset(browser):
    browser.run("document.getElementById('explore-reset').click()")
    browser.run("new Promise(done => setTimeout(done, 60))")


@needs_browser
@pytest.mark.slow
class TestInBrowser:
    """What a reader does with the page."""

    def test_nothing_is_asked_of_the_network_and_nothing_fails(self, browser, page):
        assert browser.problems == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
        assert browser.run(f"{DOTS.format(0)}.length") == 100
        assert browser.run("document.querySelectorAll('.chart').length") == 3

    def test_pointing_at_a_design_names_it(self, browser):
        reset(browser)
        box = browser.run(
            f"(() => {{ const dot = {DOTS.format(0)}[7]; dot.scrollIntoView({{block: 'center'}}); "
            "const box = dot.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        browser.mouse("mouseMoved", *box)
        browser.wait("document.getElementById('explore-named').textContent.startsWith('adc.bits')")
        text = browser.run("document.getElementById('explore-named').textContent")
        assert re.match(
            r"adc.bits \d, crossbar.rows \d+, device.programming.sigma [\d.]+: accuracy \[%\] [\d.]+, energy \[.J\] ",
            text,
        )

    def test_a_click_chooses_in_every_chart_and_in_the_table(self, browser):
        reset(browser)
        box = browser.run(
            f"(() => {{ const dot = {DOTS.format(0)}[99]; dot.scrollIntoView({{block: 'center'}}); "
            "const box = dot.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        browser.mouse("mouseMoved", *box)
        for kind in ("mousePressed", "mouseReleased"):
            browser.mouse(kind, *box)
        browser.wait("document.querySelectorAll('#explore tr.chosen').length === 1")
        for chart in range(3):
            browser.wait(f"{FILLS.format(chart)}.filter(each => each === '#ee6677').length === 1")
        assert browser.run("document.querySelector('#explore tbody tr').classList.contains('chosen')")
        assert browser.run("document.querySelectorAll('button[aria-pressed=true]').length") == 1

    def test_keys_go_from_design_to_design_and_choose(self, browser):
        reset(browser)
        browser.run("document.getElementById('explore-chart-1').focus()")
        seen = []
        for _ in range(3):
            browser.press("ArrowRight")
            seen.append(browser.run("document.getElementById('explore-named').textContent"))
        assert len(set(seen)) == 3
        browser.press("Enter")
        browser.wait(f"{FILLS.format(2)}.filter(each => each === '#ee6677').length === 1")
        chosen = browser.run("document.querySelector('#explore tr.chosen button').textContent")
        assert seen[-1].startswith(chosen)
        browser.press("Escape")
        browser.wait("document.querySelectorAll('#explore tr.chosen').length === 0")

    def test_filters_hide_designs_in_charts_and_table(self, browser, page):
        reset(browser)
        data = json.loads(re.search(r'id="explore-data">(.*?)</script>', page.read_text(), re.DOTALL)[1])
        wanted = [row for row in data["rows"] if row[0] == 4 and row[3] * data["columns"][3]["factor"] >= 30]
        assert 0 < len(wanted) < 100
        browser.run(
            "for (const [column, test, value] of [[0, 'is', '4'], [3, 'least', '30']]) { const field = "
            "document.querySelector(`[data-column='${column}'][data-test='${test}']`); field.value = value; "
            "field.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
        browser.wait(f"{DOTS.format(0)}.length === {len(wanted)}")
        browser.wait(f"{DOTS.format(2)}.length === {len(wanted)}")
        count = browser.run("document.getElementById('explore-count').textContent")
        assert count.startswith(f"{len(wanted)} of 100 designs")
        assert browser.run("document.querySelectorAll('#explore tbody tr').length") == min(40, len(wanted))

    def test_without_script_the_page_is_whole(self, page):
        with Browser() as plain:
            plain.open(page, script=False)
            size = plain.call("Page.getLayoutMetrics")["cssContentSize"]
            text = plain.call("DOMSnapshot.captureSnapshot", computedStyles=["display"])["strings"]
        assert size["height"] > 2000
        assert "Points that no other beats" in text
        source = page.read_text()
        assert re.search(r'<section id="explore" class="screen" hidden>', source)
        assert source.count('<svg class="broad"') >= 5


def test_the_library_is_small_and_the_page_holds_it_with_its_licence(page):
    vega = resources.files("xbarsim.report").joinpath("vega")
    text = vega.joinpath("vega.min.js").read_text(encoding="utf-8")
    assert len(text.encode()) < 3e6
    assert "Redistribution and use" in vega.joinpath("LICENSE").read_text(encoding="utf-8")
    assert text in page.read_text()


def test_charts_show_the_units_of_the_page_and_logarithms_where_values_span_decades(page):
    data = json.loads(re.search(r'id="explore-data">(.*?)</script>', page.read_text(), re.DOTALL)[1])
    spec = data["specs"][0]
    assert [axis["title"] for axis in spec["axes"]] == ["EDAP [J s m2]", "accuracy [%]"]
    assert spec["scales"][0]["type"] == "log"
    assert data["columns"][3] == {"heading": "accuracy [%]", "factor": 100.0, "kind": "metric"}


def test_text_of_designs_cannot_end_the_data_and_many_designs_are_thinned():
    rows = [
        {"name": f"</script><b>{n}", "cost.edap": float(n + 1), "cost.delay_s": 1.0} for n in range(MOST_DESIGNS + 9)
    ]
    explored = Explored(
        rows=rows, settings=["name"], metrics=["cost.edap", "cost.delay_s"], pairs=[("cost.delay_s", "cost.edap")],
        front=[1],
    )  # fmt: skip
    section = str(lay_out_exploration(explored).section)
    assert section.count("</script>") == 1
    data = json.loads(section[section.index('id="explore-data">') + 18 : section.index("</script>")])
    assert data["front"] == [1]
    assert MOST_DESIGNS / 2 < len(data["rows"]) <= MOST_DESIGNS + 1
    assert f"of {len(rows):,} designs" in section
