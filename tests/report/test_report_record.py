"""Reports: what they hold, their tables, their JSON."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
from samples import COST, make_cost_report, make_report

import xbarsim
from xbarsim.errors import ConfigError
from xbarsim.report import Seconds, describe_report, group_layers, read_json, tabulate_records
from xbarsim.report.document import COST_FIELDS
from xbarsim.report.result import MetricResult


def test_every_cost_field_is_an_attribute_of_a_cost_report():
    report = make_cost_report()
    for name, value in COST.items():
        assert getattr(report, name) == getattr(report.cost, name) == value


def test_an_unknown_attribute_is_named_with_the_class():
    with pytest.raises(AttributeError, match=r"CostReport.*energy_watt"):
        _ = make_cost_report().energy_watt


def test_a_report_survives_pickling():
    report = pickle.loads(pickle.dumps(make_report()))
    assert report.energy_joule == COST["energy_joule"]
    assert report.accuracy.trials == make_report().accuracy.trials


def test_layers_stand_in_network_order_with_their_errors_beside_them():
    report = make_report()
    layers = report.layers
    assert list(layers["name"]) == [layer.name for layer in report.cost.layers]
    assert layers.set_index("name")["snr_db"].loc["conv1"] == 30
    assert layers["snr_db"].notna().sum() == 21


def test_figures_gather_what_is_no_weight_layer_by_its_kind():
    layers = make_report().layers
    grouped = group_layers(layers)
    assert list(grouped["name"].iloc[22:]) == ["input", "22 x relu", "chip"]
    assert grouped["energy_joule"].sum() == pytest.approx(layers["energy_joule"].sum())


def test_tables_leave_out_what_fits_no_cell():
    table = tabulate_records([{"name": "a", "counts": {"adc": 1}, "rows": (1, 2), "arrays": np.int64(3)}])
    assert list(table.columns) == ["name", "arrays"]


def test_json_has_the_public_form(tmp_path):
    path = make_report().to_json(tmp_path / "out.json")
    document = json.loads(path.read_text())
    assert list(document) == [
        "schema",
        "accuracy",
        "metric",
        "cost",
        "unpriced",
        "seconds",
        "layers",
        "components",
        "provenance",
    ]
    assert list(document["accuracy"])[:8] == [
        "images", "reference", "quantized", "hardware", "degradation", "trials", "interval", "runs",
    ]  # fmt: skip
    assert list(document["cost"]) == list(COST_FIELDS)
    assert document["seconds"] == {"setup": 1.25, "run": 8.5}
    assert document["provenance"]["overrides"] == {"adc.bits": 6, "conv1": {"adc.bits": 7}}
    assert set(document["accuracy"]["top5"]) == {"reference", "quantized", "hardware"}
    assert read_json(path) == document


def test_json_of_an_estimate_has_neither_accuracy_nor_seconds():
    assert list(describe_report(make_cost_report())) == [
        "schema",
        "cost",
        "unpriced",
        "layers",
        "components",
        "provenance",
    ]


def test_json_without_labels_says_null():
    assert describe_report(make_report(labels=False))["accuracy"] is None


def test_five_classes_or_fewer_have_no_top5():
    assert "top5" not in describe_report(make_report(classes=4))["accuracy"]


def test_what_does_not_exist_is_null_in_json(tmp_path):
    text = make_report().to_json(tmp_path / "out.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["components"][-1]["area_m2"] is None


def test_infinity_in_the_cost_is_null_in_json():
    assert describe_report(make_cost_report(throughput_hz=float("inf")))["cost"]["throughput_hz"] is None


@pytest.mark.parametrize("name", ["missing/out.json", "."])
def test_a_file_that_cannot_be_written_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be written"):
        make_report().to_json(tmp_path / name)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"cost": 3}', "\0", "[" * 100_000])
def test_a_file_that_holds_no_report_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_seconds_are_named():
    seconds = Seconds(setup=1.0, run=2.0)
    assert (seconds.setup, seconds.run) == (1.0, 2.0)


def test_json_says_what_reloading_takes_where_layers_take_turns():
    small = {"chip.tiles": 1, "chip.count": 1, "mapping.reload": "turns"}
    report = xbarsim.estimate("resnet20", xbarsim.load_hardware("reference", small))
    cost = describe_report(report)["cost"]
    assert cost["turns"] == report.turns > 1
    assert 0 < cost["programming_s"] < cost["delay_s"]
    assert 0 < cost["programming_joule"] < cost["energy_joule"]
    assert cost["lifetime_inferences"] == 1e6 / 4 / cost["turns"]
    assert "turns" not in describe_report(xbarsim.estimate("lenet5", "reference"))["cost"]


def test_another_metric_than_top1_has_a_table_and_a_page_of_its_own(tmp_path):
    result = MetricResult(
        name="perplexity", images=40, reference=7.5, quantized=7.625, hardware=8.0, trials=(7.75, 8.25), runs=2,
        interval=(7.25, 8.75), higher_is_better=False, unit="",
    )  # fmt: skip
    report = dataclasses.replace(make_report(labels=False), metric=result)
    assert result.degradation == 0.5
    document = json.loads(report.to_json(tmp_path / "out.json").read_text())
    assert document["accuracy"] is None
    assert document["metric"]["interval"] == [7.25, 8.75]
    assert document["metric"]["degradation"] == 0.5
    page = report.to_html(tmp_path).read_text()
    assert "95 % interval 7.250 to 8.750" in page
    assert "lower is better" in page
    share = dataclasses.replace(result, reference=0.9, hardware=0.75, unit="%", higher_is_better=True)
    assert (share.shown_loss, share.show(share.hardware)) == ("15.00 points", "75.00 %")
