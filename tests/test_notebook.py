"""Objects that users meet: one line as text, a small table in notebooks, with everything escaped."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis.explanation import CauseShare, Explanation, LayerShare, RemedyGain, Whole
from xbarsim.network import quantize_network
from xbarsim.search import Entry, Result, make_search, open_space
from xbarsim.sweep.run import Summary

EVIL = "<script>alert(1)</script> & \"'"
DATA = load_data("digits").take(20)
IMAGES = normalize_images(DATA.images)
SUMMARY = Summary(
    folder=Path("result"), points=2, done=2, failed={}, computed=2, seconds=1.0, table=pd.DataFrame(),
    answer_text="lowest cost.edap",
)  # fmt: skip


class Parsed(HTMLParser):
    """Tags and text of a piece of markup; refuses what is not closed."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.open, self.words = set(), [], []
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def explanation(made):
    whole = Whole(measure="accuracy", unit="%", higher_is_better=True, reference=99.0, integers=98.5, hardware=90.0)
    share = CauseShare(cause=EVIL, alone_points=5.0, share_points=6.5, low=6.0, high=7.0, removed_points=4.0)
    layer = LayerShare(layer="conv1", share_points=3.0, snr_db=None, cosine_points=0.1)
    gain = RemedyGain(
        remedy="gain", points=4.0, energy_ratio=1.05, area_ratio=1.0, delay_ratio=1.0, low=3.0, high=5.0,
        agreement=95.0, cosine=0.99,
    )  # fmt: skip
    return Explanation(
        measure="accuracy", wholes={"accuracy": whole}, shares={"accuracy": (share,)}, layer_shares=(layer,),
        gains=(gain,), refused={}, orders=0, layer_images=10, provenance=made,
    )  # fmt: skip


def search_result():
    search = make_search(
        {
            "network": "digits",
            "hardware": "reference",
            "space": {"*": {"array": [32, 64]}},
            "points": 2,
            "objectives": {"cost.edap": "min"},
            "method": "random",
        }
    )
    space, _ = open_space(search)
    points = [(0,) * len(space.slots), (1,) * len(space.slots)]
    values = [{"cost.edap": 2e-12, "cost.edap_core": 1e-12}, {"cost.edap": 1e-12, "cost.edap_core": 1e-12}]
    entries = tuple(Entry(point=point, metrics=value, label=EVIL) for point, value in zip(points, values))
    return Result(search=search, space=space, entries=entries, extra={})


@pytest.fixture(scope="module")
def things():
    """One of each object, and words that its table must contain."""
    network, hardware = xs.load_network("digits"), xs.load_hardware("reference").override({"adc.bits": 6})
    report = xs.simulate(network, hardware, IMAGES, DATA.labels)
    cost = xs.estimate("resnet20", "nax")
    result = search_result()
    return {
        "Hardware": (hardware, ("128 x 128", "6-bit ADC", "adc.bits", "TOPS")),
        "Network": (network, ("1 x 8 x 8", "conv1", "10")),
        "Quantized": (
            quantize_network(network, IMAGES, weight_bits=8, activation_bits=8), ("scales of", "conv1"),
        ),
        "Dataset": (DATA, ("20 of 1 x 8 x 8", "10 classes")),
        "digits on reference": (report, ("accuracy on this hardware", "95 % interval", "EDAP", "adc")),
        "resnet20 on nax": (cost, ("EDAP", "energy", "without off-chip I/O", "TOPS/W")),
        "Cost": (cost.cost, ("EDAP", "energy", "cells in use")),
        "Chip": (xs.program(network, hardware, calibration=IMAGES), ("conv1", "SNR [dB]", "trial")),
        "Explanation": (explanation(report.provenance), ("90.00 %", "6.50", "x 1.05", "lost")),
        "Result": (result, ("cost.edap", "(chosen)", "array 64")),
        "Search space": (result.space, ("options", "array")),
        "Sweep": (SUMMARY, ("answer", "2 of 2")),
        "CostOracle": (xs.CostOracle("nax", None), ("CostOracle on nax",)),
    }  # fmt: skip


def test_every_object_is_one_short_line(things):
    for name, (thing, _) in things.items():
        for text in (repr(thing), str(thing)):
            assert text.startswith(f"<{name}"), text
            assert "\n" not in text
            assert len(text) <= 250
    assert "accuracy" in repr(things["digits on reference"][0])
    assert "6-bit ADC, 8-bit weights, 1 override>" in repr(things["Hardware"][0])


def test_every_object_is_a_table_in_notebooks(things):
    for name, (thing, words) in things.items():
        markup = thing._repr_html_()
        parsed = Parsed(markup)
        assert len(markup) < 20_000, name
        assert "script" not in parsed.tags, name
        for word in words:
            assert word in parsed.text, (name, word, parsed.text)
        assert parsed.tags <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td"}


def test_names_of_files_are_escaped():
    attributes = {"in_features": 2, "out_features": 3}
    network = xs.network.Network(
        name=EVIL, nodes=(xs.network.Node(name="<b>fc", kind="linear", attributes=attributes),),
        input_shape=(2,),
    )  # fmt: skip
    markup = network._repr_html_()
    assert "<script>" not in markup
    assert "<b>" not in markup
    assert EVIL in Parsed(markup).text
    hardware = xs.load_hardware("reference").override({"description": EVIL})
    assert "<script>" not in hardware._repr_html_()


def test_numbers_of_a_report_in_a_notebook_are_those_of_the_report(things):
    report = things["digits on reference"][0]
    text = Parsed(report._repr_html_()).text
    assert f"{100 * report.accuracy.hardware:.2f} %" in text
    assert f"{report.cost.edap:.3e}" in text
    largest = report.components.nlargest(1, "energy_joule").iloc[0]
    share = 100 * largest["energy_joule"] / report.cost.energy_joule
    assert re.search(rf"{largest['component']} [\d.]+ \wJ {share:.1f} %", text)


def test_weights_are_left_out_of_the_text_of_a_node():
    node = xs.load_network("digits").layers[0]
    assert isinstance(node.weight, np.ndarray)
    assert "array" not in repr(node)
    assert len(repr(node)) < 500


def test_a_figure_is_an_object_that_notebooks_show():
    figure = xs.report.plot_current_loss(np.full((4, 4), 1e-5), np.full((4, 4), 9e-6))
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_of_every_result_are_objects_that_notebooks_show(things, tmp_path):
    from matplotlib.figure import Figure

    drawn = {
        **things["digits on reference"][0].draw(),
        **things["Explanation"][0].draw(),
        **things["Result"][0].draw(),
    }
    assert {"accuracy", "cost_by_component", "cost_by_layer", "gantt", "causes", "remedies", "front"} <= drawn.keys()
    for name, figure in drawn.items():
        assert isinstance(figure, Figure), name
    assert drawn["cost_by_component"]._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_of_a_sweep_are_those_of_its_page(tmp_path):
    from xbarsim.sweep import draw_sweep, make_sweep, plan_sweep, run_sweep
    from xbarsim.sweep.page import write_sweep_page

    content = {"network": "digits", "axes": {"adc.bits": [4, 5], "device.cell_bits": [1, 2]}}
    plan = plan_sweep(make_sweep({**content, "metrics": ["cost.energy_joule", "cost.edap"]}))
    with pytest.raises(xs.ConfigError, match="sweep"):
        draw_sweep(tmp_path)
    run_sweep(plan, tmp_path, workers=1)
    figures = draw_sweep(tmp_path)
    write_sweep_page(tmp_path)
    assert {path.stem for path in (tmp_path / "figures").glob("*.svg")} >= figures.keys()
    assert {"sensitivity", "heat"} <= figures.keys()
