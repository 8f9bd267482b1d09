"""Tables for a terminal of 80 columns: nothing cut, one unit and one number of decimals in a column."""

import dataclasses

import numpy as np
import pytest
from rich.console import Console
from samples import make_layers, make_report

from xbarsim.cli import _tables
from xbarsim.report import describe_column
from xbarsim.report.record import list_rows
from xbarsim.report.result import MetricResult


def draw(table):
    console = Console(width=80, record=True, file=open("/dev/null", "w"), markup=False)  # noqa: SIM115
    console.print(table)
    return console.export_text()


def test_headings_and_names_of_layers_are_whole():
    text = draw(_tables.layer_table(make_report().layer_rows))
    for heading in ("layer", "arrays", "busy [us]", "energy [uJ]", "area [mm2]", "SNR [dB]"):
        assert heading in text.splitlines()[1]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_no_weight_layer_stands_in_three_rows_and_energy_is_complete():
    report = make_report()
    layers = report.layers
    text = draw(_tables.layer_table(report.layer_rows))
    shown = {}
    for line in text.splitlines():
        for name in ("digital operations", "input and output", "rest of the chip"):
            if line.strip().startswith(name):
                shown[name] = float(line.strip().removeprefix(name).split()[1])
    assert list(shown) == ["digital operations", "input and output", "rest of the chip"]
    others = ~layers["kind"].isin(["conv2d", "linear"])
    assert sum(shown.values()) == pytest.approx(layers["energy_joule"][others].sum() * 1e6, rel=0.02)


def test_one_run_that_stands_for_all_trials_is_said():
    accuracy = make_report(trials=3).accuracy
    assert "nothing is random" not in draw(_tables.accuracy_table(accuracy))
    once = dataclasses.replace(accuracy, runs=1)
    assert "1 run stands for 3 trials" in draw(_tables.accuracy_table(once))


def test_a_metric_stands_in_the_place_of_accuracy_with_its_interval_and_direction():
    metric = MetricResult(
        name="miou", images=40, reference=0.75, quantized=0.7, hardware=0.5, trials=(0.5, 0.5), runs=1,
        interval=(0.4, 0.6), higher_is_better=True, unit="%",
    )  # fmt: skip
    text = draw(_tables.metric_table(metric))
    for words in (
        "miou over 40 images",
        "75.00 %",
        "40.00 to 60.00 %",
        "25.00 points",
        "higher is better",
        "1 run stands",
    ):
        assert words in text


def test_a_long_list_ends_in_the_sum_of_its_cheapest_layers():
    text = draw(_tables.layer_table(list_rows(make_layers(60))))
    assert "37 more layers" in text
    assert "…" not in text


def test_components_without_energy_and_area_are_left_out():
    rows = [
        {"component": "adc", "energy_joule": 2e-6, "area_m2": 1e-7},
        {"component": "idle", "energy_joule": 0.0, "area_m2": 3e-7},
        {"component": "absent", "energy_joule": 0.0, "area_m2": 0.0},
        {"component": "unknown", "energy_joule": 1e-6, "area_m2": float("nan")},
    ]
    text = draw(_tables.component_table(rows))
    assert "absent" not in text
    assert [line.split()[0] for line in text.splitlines()[3:]] == ["adc", "unknown", "idle"]


def test_what_bounds_layers_counts_every_layer_once():
    rows = [
        {"name": f"layer{n}", "resource": "arrays", "busy_cycles": 9 - n, "share": 1 - n // 2 / 10} for n in range(19)
    ]
    rows.append({"name": "input", "resource": "off-chip input", "busy_cycles": 1, "share": 1e-6})
    lines = draw(_tables.bound_table(rows)).splitlines()[3:]
    assert lines[0].split() == ["arrays", "100.0", "%", "layer0,", "1", "more"]
    assert lines[-1].split()[:4] == ["<30.0", "%", "4", "more"]
    assert len(lines) == _tables.LONGEST_BOUNDS + 1
    alone = draw(_tables.bound_table(rows[-1:])).splitlines()[-1]
    assert alone.split() == ["off-chip", "input", "<0.1", "%", "input"]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([819.2e-6, 51.2e-6, 0.8e-6, 1e-9], ["819.2", "51.2", "0.8", "<0.1"]),
        ([3.126e-6, 0.0, None], ["3.126", "0", "-"]),
        ([23e-6, 2e-8, 3e-8, 1e-8], ["23.000", "0.020", "0.030", "0.010"]),
        ([0.0], ["0"]),
        ([], []),
        ([np.nan, 2.0], ["-", "2.000"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values, cells):
    column = describe_column("busy_s", [value for value in values if value is not None])
    assert _tables.write_column(column, values) == cells


@pytest.mark.parametrize("has_accuracy", [False, True])
def test_designs_of_a_search_stand_side_by_side_in_80_columns(has_accuracy):
    accuracy = {"accuracy.hardware": 0.914} if has_accuracy else {}
    cost = {"delay_s": 1.19e-2, "energy_joule": 1.068e-3, "edap": 4.1e-10, "edap_core": 3.302e-10}
    rows = [
        {"design": "plain where no larger", "crossbars": 13120, "compression": 1.0, **cost, **accuracy},
        {"design": "uniform", "crossbars": 428, "compression": 13120 / 428, **cost, **accuracy},
    ]
    lines = draw(_tables.design_table(rows)).splitlines()
    assert max(map(len, lines)) <= 80
    last = lines[-1].split()
    assert last[:3] == ["uniform", "428", "30.65"]
    assert last[-1] == ("91.4" if has_accuracy else "3.30e-10")
