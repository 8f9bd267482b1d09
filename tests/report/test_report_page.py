"""The HTML page: complete by itself, units everywhere, files beside it."""

import json
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from samples import make_cost_report, make_report

import xbarsim
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.report import describe_column, plot_current_loss, plot_fidelity, plot_layer_error, plot_node_voltage
from xbarsim.report.quantity import show_number


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
    assert checker.svgs == 4
    assert all(reference.startswith("#") for reference in checker.references)
    assert {reference[1:] for reference in checker.references} <= set(checker.ids)
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
