"""Actions that are counted and have no price are listed, unless they are meant to be free."""

import json

import pytest
from samples import make_cost_report

import xbarsim as xs
from xbarsim.cli import run
from xbarsim.component import ACTIONS
from xbarsim.errors import ConfigError
from xbarsim.report import describe_report
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.page import render_page
from xbarsim.search.lines import answer_lines

PARTS = """
crossbar: {rows: 64, cols: 64}
device: {g_on_siemens: 1e-4, g_off_siemens: 1e-6, cell_bits: 2}
timing: {clock_hz: 1e9, read_cycles: 100}
chip: {arrays_per_core: 8, cores_per_tile: 4}
adc: {bits: 6}
components:
  adc: {per: adc, energy_joule: 2e-12, area_m2: 1e-9, rate_hz: 1e9, source: "made up"}
"""
SHIPPED = ("epim", "isaac", "mnsim", "nax", "neurram", "puma", "reference", "sram_7nm")


@pytest.fixture
def hardware(tmp_path):
    path = tmp_path / "parts.yaml"
    path.write_text(PARTS)
    return xs.load_hardware(path)


def totals(report):
    return {name: count for name, count in report.activity.totals.items() if name in ACTIONS and count}


def test_every_counted_action_without_a_price_is_listed_with_its_count(hardware):
    report = xs.estimate("lenet5", hardware)
    expected = totals(report)
    assert expected.pop("adc") > 0
    assert dict(report.unpriced) == expected
    assert list(report.unpriced) == [name for name in ACTIONS if name in expected]


@pytest.mark.parametrize(
    "price",
    [
        {"energy_joule": 1e-15},
        {"power_watt": 1e-3},
        {"leakage_watt": 1e-6, "rate_hz": 1e9},
        {"power_watt": 1e-3, "rate_hz": 1e9},
        {"free": True},
        {"parts": {"wires": {"energy_joule": 1e-15, "source": "made up"}}},
    ],
)
def test_a_price_of_any_kind_takes_an_action_off_the_list(hardware, price):
    part = {"components.bus": {"per": "tile", "source": "made up", **price}}
    plain, priced = (xs.estimate("lenet5", each).unpriced for each in (hardware, hardware.override(part)))
    assert set(plain) - set(priced) == {"bus"}


def test_an_area_alone_is_no_price(hardware):
    part = {"components.bus": {"per": "tile", "area_m2": 1e-9, "source": "made up"}}
    assert "bus" in xs.estimate("lenet5", hardware.override(part)).unpriced


def test_a_component_of_another_name_and_a_formula_price_what_they_are_charged_for(hardware):
    more = {
        "components.wires": {"per": "tile", "action": "bus", "energy_joule": 1e-15, "source": "made up"},
        "components.adder": {"per": "array", "action": "shift_add / 8", "energy_joule": 1e-15, "source": "made up"},
    }
    listed = xs.estimate("lenet5", hardware.override(more)).unpriced
    assert not {"bus", "shift_add"} & set(listed)


def test_an_array_read_from_the_device_is_a_price(hardware):
    part = {"components.array": {"per": "array", "from_device": True, "source": "made up"}}
    assert "array" not in xs.estimate("lenet5", hardware.override(part)).unpriced


def test_cells_are_priced_by_the_device_where_it_says_how_they_are_written(hardware):
    turns = {"chip.tiles": 1, "chip.count": 1, "mapping.reload": "turns"}
    write = {"device.write": {"volt": 2.0, "pulse_s": 1e-7, "pulses": 1}}
    report = xs.estimate("resnet20", hardware.override({**turns, **write}))
    assert report.activity.totals["write"] > 0
    assert "write" not in report.unpriced


def test_an_action_that_is_counted_zero_times_is_not_listed(hardware):
    listed = xs.estimate("lenet5", hardware).unpriced
    assert "integrator" not in listed
    assert "index_table" not in listed
    assert "opaque" not in listed


def test_the_list_follows_the_hardware_of_each_layer(hardware):
    part = {"components.bus": {"per": "tile", "energy_joule": 1e-15, "source": "made up"}}
    priced = hardware.override(part)
    assert "bus" not in xs.estimate("lenet5", priced, layers={"*": {"adc.bits": 5}}).unpriced


def test_a_single_layer_lists_its_own_actions(hardware):
    shape = {"in_features": 64, "out_features": 16}
    cost = xs.CostOracle(hardware, cache=None).layer("linear", shape)
    assert "array" in cost.unpriced
    assert "off_chip" not in cost.unpriced


def test_shipped_files_price_or_free_every_action():
    for name in SHIPPED:
        for network in ("resnet20", "lenet5", "mobilenetv2"):
            hardware = xs.load_hardware(name, {"chip.count": "auto"})
            assert not xs.estimate(network, hardware).unpriced


def test_the_list_is_everywhere(hardware, tmp_path, capsys):
    report = xs.estimate("lenet5", hardware)
    path = tmp_path / "parts.json"
    report.to_json(path)
    assert json.loads(path.read_text())["unpriced"] == dict(report.unpriced)
    page = render_page(report, {})
    assert "Counted actions without a price" in page
    assert "values moved over tile buses" in page
    assert run(["estimate", "lenet5", "--hardware", hardware.origin]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"bus: {report.unpriced['bus']:,} bits" in shown
    assert run(["compare", str(path), str(path)]) == 0
    assert " ".join(capsys.readouterr().out.split()).count(f"bus: {report.unpriced['bus']:,} bits") == 2
    oracle = xs.CostOracle(hardware, cache=None)
    lines = [{"network": "lenet5"}, {"layer": "linear", "shape": {"in_features": 64, "out_features": 16}}]
    answers = [json.loads(line) for line in answer_lines(oracle, [json.dumps(line) for line in lines])]
    assert answers[0]["unpriced"] == dict(report.unpriced)
    assert "array" in answers[1]["unpriced"]
    assert REPORT_METRICS["unpriced.actions"].read(describe_report(report)) == len(report.unpriced)


def test_the_list_survives_the_cache_of_the_oracle(hardware, tmp_path):
    first, second = (xs.CostOracle(hardware, cache=tmp_path).cost("lenet5").unpriced for _ in range(2))
    assert dict(first) == dict(second) != {}


def test_a_report_without_unpriced_actions_says_nothing(capsys):
    assert "without a price" not in render_page(make_cost_report(), {})
    assert run(["estimate", "lenet5", "--hardware", "isaac"]) == 0
    assert "without a price" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"free": True, "energy_joule": 1e-15}, ["components.bus.free", "contradicts components.bus.energy_joule"]),
        ({"free": True, "power_watt": 1.0}, ["contradicts components.bus.power_watt"]),
        ({"free": True, "action": "busses"}, ["components.bus.action", "did you mean"]),
    ],
)
def test_free_beside_a_price_or_for_no_action_is_refused(hardware, keys, words):
    with pytest.raises(ConfigError) as error:
        hardware.override({"components.bus": {"per": "tile", "source": "made up", **keys}})
    assert all(word in str(error.value) for word in words)
    assert len(str(error.value)) <= 400


def test_the_list_of_the_shared_file_holds_everything_but_conversions(shared):
    path = shared / "cases" / "yaml" / "unpriced_parts.yaml"
    report = xs.estimate("resnet20", path)
    assert set(report.unpriced) == set(totals(report)) - {"adc"}
