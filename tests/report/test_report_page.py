"""The HTML page: complete by itself, units everywhere, files beside it."""

import dataclasses
import importlib.resources
import json
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from samples import make_cost_report, make_report

import xbarsim
from xbarsim.config.source import list_leaves, read_key
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.report import describe_column, plot_current_loss, plot_fidelity, plot_layer_error, plot_node_voltage
from xbarsim.report.figures import share_errors
from xbarsim.report.key_figure import answer_report
from xbarsim.report.markup import fit_table, lay_out_table
from xbarsim.report.quantity import show_number
from xbarsim.report.style import NARROW_INCH, PALETTE


class Checker(HTMLParser):
    """Collects identifiers, references and tags that stay open."""

    VOID = frozenset({"meta", "img", "br", "hr", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.svgs = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.svgs += tag == "svg"
        for key, value in attributes:
            if key == "id":
                self.ids.append(value)
            if key in ("href", "xlink:href", "src"):
                self.references.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return make_report().to_html(folder / "made" / "here")


def test_page_is_well_formed_and_needs_no_other_file(page):
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.svgs == 8  # each figure for broad and for narrow screens
    links = [reference for reference in checker.references if not reference.startswith("data:")]
    assert all(reference.startswith("#") for reference in links)
    assert {reference[1:] for reference in links} <= set(checker.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(checker.ids)
    assert "http" not in re.sub(r"xmlns(:\w+)?=\"[^\"]+\"|<metadata>.*?</metadata>|<!DOCTYPE.*?>", "", text, flags=re.S)


def test_identifiers_of_two_figures_do_not_clash(page):
    checker = Checker()
    checker.feed(page.read_text())
    assert len(checker.ids) == len(set(checker.ids))


def test_figures_and_tables_stand_beside_the_page(page):
    names = {path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*.*")}
    drawn = {f"figures/{name}.{kind}" for name in ("accuracy", "cost_by_layer", "cost_by_component", "layer_error")
             for kind in ("svg", "png")}  # fmt: skip
    assert names == {"index.html", "layers.csv", "components.csv", "report.json"} | drawn


def test_text_from_files_is_escaped(page):
    assert "ISAAC (ISCA 2016) &lt;table 5&gt;" in page.read_text()


def test_headings_name_their_unit(page):
    text = page.read_text()
    for heading in ("energy [uJ]", "area [mm2]", "SNR [dB]", "busy [us]"):
        assert heading in text


def test_the_title_says_what_differs_from_the_hardware_file(tmp_path):
    hardware = xbarsim.load_hardware("reference", {"adc.bits": 6, "adc.per_array": 1})
    text = xbarsim.estimate("lenet5", hardware, layers={"fc*": {"crossbar.rows": 64}}).to_html(tmp_path).read_text()
    assert "<title>lenet5 on reference: adc.bits 6, fc*: crossbar.rows 64</title>" in text
    listed = re.findall(r"<li><code>(.*?)</code> (.*?)</li>", text)
    assert [(key, re.sub("<.*?>", "", rest)) for key, rest in listed] == [
        ("adc.bits", "6 instead of 8"), ("fc*: crossbar.rows", "64 instead of 128"),
    ]  # fmt: skip  # adc.per_array has the value of the file
    assert "unchanged" in xbarsim.estimate("lenet5", "reference").to_html(tmp_path).read_text()


def test_the_page_holds_the_whole_hardware_record(tmp_path):
    report = xbarsim.estimate("lenet5", xbarsim.load_hardware("reference", {"adc.bits": 6}))
    text = report.to_html(tmp_path).read_text()
    keys = [key[1:] for key in list_leaves(report.provenance.record, "")]
    values = {key: read_key(report.provenance.record, key) for key in keys}
    shown = [key for key, value in values.items() if value is not None and key.split(".")[-1] not in ("name", "source")]
    assert len(shown) > 100
    assert [key for key in shown if f">{key}</td>" not in text] == []
    assert re.search(r'<td>adc.bits</td><td class="text"[^>]*>6</td>', text)
    assert "8 bits, one converter for each array" not in text


@pytest.mark.parametrize("make", [make_report, make_cost_report])
def test_the_first_screen_answers_what_an_engineer_asks(make):
    answers = {answer.title: answer for answer in answer_report(make())}
    asked = ["energy of one inference", "delay of one inference", "area of the chip", "energy x delay x area (EDAP)"]
    assert list(answers)[-4:] == asked
    assert ("accuracy left on this hardware" in answers) == (make is make_report)
    energy = answers["energy of one inference"]
    assert energy.value == "41.00 uJ"
    assert energy.cause.startswith("adc takes 65 %; of the layers layer2.2.conv2 takes most, 6 %")
    assert "without off-chip I/O" in answers["area of the chip"].note
    assert "without off-chip I/O" in answers["energy x delay x area (EDAP)"].note


def test_the_delay_names_the_resource_that_bounds_it():
    energy, delay, *_ = answer_report(xbarsim.estimate("lenet5", "reference"))
    assert energy.advice == "fewer adc.bits, or more crossbar.rows for each conversion"
    assert delay.cause == "The arrays of conv1: busy for 99 % of it."
    assert "mapping.replication" in delay.advice


@pytest.mark.parametrize(
    ("hardware", "cause", "advice"),
    [(0.9, "Hardly anything", "fewer adc.bits"), (0.89, "includes no loss", "more images"),
     (0.6, "Lowest ratio of signal to error: 10.0 dB, in layer3.3.conv1", "xbarsim explain")],
)  # fmt: skip
def test_what_to_try_depends_on_how_certain_a_loss_is(hardware, cause, advice):
    made = make_report().accuracy
    scores = {name: type(made.reference)(value) for name, value in (("reference", 0.9), ("quantized", 0.9))}
    changed = dataclasses.replace(
        made, **scores, hardware=type(made.hardware)(hardware), interval=(hardware - 0.04, hardware + 0.04)
    )
    answer = answer_report(dataclasses.replace(make_report(), accuracy=changed))[0]
    assert cause in answer.cause
    assert advice in answer.advice


def test_figures_hold_real_text_and_stand_for_broad_and_narrow_screens(page):
    text = page.read_text()
    assert text.count('<svg class="broad"') == text.count('<svg class="narrow"') == 4
    for kind in ("broad", "narrow"):
        drawn = "".join(re.findall(rf'<svg class="{kind}".*?</svg>', text, flags=re.DOTALL))
        words = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
        assert {"energy", "SNR", "float"} <= set(words)
        assert "glyph" not in drawn
    widths = [float(width) for width in re.findall(r'<svg class="narrow"[^>]* width="([\d.]+)pt"', text)]
    assert widths == [72 * NARROW_INCH] * 4


def test_colours_of_figures_stand_out_on_light_and_dark_pages():
    def shine(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, two):
        low, high = sorted((shine(one), shine(two)))
        return (high + 0.05) / (low + 0.05)

    source = importlib.resources.files("xbarsim.report").joinpath("page.html").read_text()
    light, dark = re.findall(
        r"--ink: (#\w+); --soft: (#\w+);.*?--card: (#\w+); --back: (#\w+); --accent: (#\w+)", source
    )[:2]
    for ink, soft, card, back, accent in (light, dark):
        for text in (ink, soft, accent):
            assert min(contrast(text, back), contrast(text, card)) >= 4.5
        assert [colour for colour in PALETTE if contrast(colour, back) < 3] == []


def test_the_table_of_layers_begins_with_what_matters_and_small_screens_leave_the_rest_out(page):
    text = page.read_text()
    table = text[text.index('aria-label="layers"') :]
    headings = re.findall(r'<th scope="col"([^>]*)>([^<]*)</th>', table[: table.index("</thead>")])
    assert [name for kind, name in headings if "minor" not in kind] == [
        "name", "energy [uJ]", "SNR [dB]", "error share [%]"
    ]  # fmt: skip
    assert len(headings) > 6


def list_components(text):
    table = text[text.index('aria-label="components"') :]
    return re.findall(r"<tr><td[^>]*>([^<]*)</td>", table[: table.index("</table>")])


def test_the_page_leaves_out_components_that_do_nothing_and_take_no_area(tmp_path):
    text = xbarsim.estimate("lenet5", "reference").to_html(tmp_path / "layer").read_text()
    assert "adc" in list_components(text)
    assert "column_range" not in list_components(text)
    assert "column_range" in (tmp_path / "layer" / "components.csv").read_text()
    hardware = xbarsim.load_hardware("reference", {"adc.step_per": "column"})
    assert "column_range" in list_components(xbarsim.estimate("lenet5", hardware).to_html(tmp_path / "own").read_text())


def test_what_is_free_is_shown_where_it_is_counted(tmp_path):
    text = xbarsim.estimate("lenet5", "sram_7nm").to_html(tmp_path).read_text()
    assert "buffer" in list_components(text)  # free, and counted
    assert "column_range" not in list_components(text)


@pytest.mark.parametrize(
    ("cells", "texts", "minor", "classes"),
    [
        (["conv1", "1.0"], (), (), ""),
        (["conv1", *["1.234"] * 10], (), (), "rows-44"),
        (["conv1", *["1.234"] * 7], (), (), "rows-30"),
        (["conv1", *["1.234"] * 7], (), (3, 4), "brief-30"),
        (["conv1", *["1.234"] * 20], (), range(3, 21), "brief-59"),
        (["conv1", "a sentence that goes on and on, and wraps"], (1,), (), ""),
        (["a_name_that_no_browser_breaks_since_it_has_no_space", "1.0"], (), (), "rows-44"),
    ],
)  # fmt: skip
def test_tables_change_their_layout_where_the_page_is_narrower_than_they(cells, texts, minor, classes):
    assert fit_table(["x"] * len(cells), [cells], texts, minor) == classes


def test_cells_of_a_table_that_becomes_lists_bear_their_heading():
    table = lay_out_table(["name", "energy", "area"], [["a" * 20, "1" * 20, "2"]])
    assert '<table class="rows-30">' in table
    assert '<td data-label="energy">' + "1" * 20 in table
    assert "data-label" not in lay_out_table(["name", "energy"], [["a", "1"]])


def test_the_same_report_gives_the_same_page(page, tmp_path):
    assert make_report().to_html(tmp_path).read_text() == page.read_text()


def test_an_estimate_has_no_accuracy_on_its_page(tmp_path):
    text = make_cost_report().to_html(tmp_path).read_text()
    assert "<h2>Accuracy" not in text
    assert "Error by layer" not in text
    assert "<h2>By layer" in text


def test_a_page_says_when_each_layer_works_and_what_bounds_it(tmp_path):
    report = xbarsim.estimate("lenet5", "reference")
    page = report.to_html(tmp_path)
    text = page.read_text()
    assert "<h2>What bounds each layer" in text
    assert "arrays" in set(report.bounds["resource"])
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"gantt", "utilization"} <= names
    assert (tmp_path / "bounds.csv").read_text().count("\n") == 1 + len(report.bounds)
    checker = Checker()
    checker.feed(text)
    assert len(checker.ids) == len(set(checker.ids))


def test_a_report_without_a_run_has_no_bounds_and_no_trace(tmp_path):
    report = make_cost_report()
    assert report.bounds is None
    with pytest.raises(ConfigError, match="no cycle-level run"):
        report.to_trace(tmp_path / "trace.json")


def test_an_estimate_writes_its_trace_and_survives_pickling(tmp_path):
    report = pickle.loads(pickle.dumps(xbarsim.estimate("lenet5", "reference")))
    events = json.loads(report.to_trace(tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"M", "X", "C"} == {event["ph"] for event in events}
    with pytest.raises(ConfigError, match=r"cannot be written"):
        report.to_trace(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file.*cannot be written"):
        make_report().to_html(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "values", "heading", "shown"),
    [
        ("energy_joule", [2.5e-9, 4e-12], "energy [nJ]", "2.500"),
        ("area_m2", [3.4e-7], "area [mm2]", "0.3400"),
        ("area_m2", [2.5e-11], "area [um2]", "25.00"),
        ("tops_per_watt", [2.25], "TOPS/W", "2.250"),
        ("utilization", [0.5], "utilization [%]", "50.00"),
        ("adc_bits", [7], "ADC [bit]", "7"),
        ("cycles", [80640], "cycles", "80,640"),
        ("snr_db", [float("nan")], "SNR [dB]", "-"),
        ("delay_s", [None], "delay [s]", "-"),
        ("kind", ["conv2d"], "kind", "conv2d"),
    ],
)
def test_columns_are_shown_with_their_unit(name, values, heading, shown):
    column = describe_column(name, values)
    assert column.heading == heading
    assert column.show(values[0]) == shown


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (8.8e-14, "8.800e-14"), (123456.0, "123,456"), (0.05, "0.05000")]
)
def test_numbers_keep_their_digits(value, text):
    assert show_number(value) == text


def test_current_loss_is_the_missing_share_of_each_cell():
    g = np.array([[1e-5, 2e-5], [1e-5, 0.0]])
    figure = plot_current_loss(g, g * np.array([[0.9, 0.8], [1.0, 1.0]]))
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(np.ma.filled(image, np.nan), [[10, 20], [0, np.nan]], atol=1e-12)


def test_maps_refuse_what_is_no_matrix():
    with pytest.raises(ShapeError, match="g: shape"):
        plot_current_loss(np.ones(3), np.ones(3))
    with pytest.raises(ShapeError, match="t: shape"):
        plot_current_loss(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(ShapeError, match="v_bl"):
        plot_node_voltage(np.ones((2, 2)), np.ones(2))


def test_fidelity_draws_error_and_time_of_each_method():
    sizes = [32, 64]
    figure = plot_fidelity({"exact": [1e-13, 0.0], "ideal": [0.1, 0.3]}, sizes, {"exact": [1e-3, 1e-2]})
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert len(plot_fidelity({"ideal": [0.1, 0.3]}, sizes).axes) == 1


def test_no_error_figure_where_no_error_was_measured():
    assert plot_layer_error(make_cost_report().layers) is None


def test_error_shares_are_reciprocal_ratios_of_signal_to_error():
    import pandas as pd

    layers = pd.DataFrame(
        {"name": list("abcd"), "kind": ["conv2d", "linear", "linear", "relu"], "snr_db": [10.0, 20.0, None, None]}
    )
    shares = share_errors(layers)["error_share"].tolist()
    assert shares[:3] == pytest.approx([0.1 / 0.11, 0.01 / 0.11, 0.0])  # the third layer has no error
    assert np.isnan(shares[3])
    assert "error_share" not in share_errors(layers.assign(snr_db=np.nan))
    assert "error_share" not in share_errors(layers.drop(columns="snr_db"))


def test_pages_of_simulations_say_that_error_shares_are_estimates(page, tmp_path):
    text = page.read_text()
    assert "error share [%]" in text
    assert "is an estimate from its ratio of signal to error" in text
    estimated = xbarsim.estimate("lenet5", "reference").to_html(tmp_path).read_text()
    assert "error share" not in estimated
