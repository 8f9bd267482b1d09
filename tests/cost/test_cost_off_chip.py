"""Off-chip I/O is priced per tile, and core area and core EDAP stand beside area and EDAP."""

import json
import math

import pytest
from samples import make_cost

import xbarsim as xs
from xbarsim.cli import run
from xbarsim.cost import rate_chip
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.page import render_page
from xbarsim.search.lines import answer_lines

LINK_M2 = 22.88e-6


def test_a_chip_has_the_share_of_its_tiles_in_the_area_of_a_full_link():
    for tiles in (2, 40, 168, 336):
        cost = xs.estimate("lenet5", xs.load_hardware("isaac", {"chip.tiles": tiles})).cost
        link = next(each for each in cost.components if each.component == "off_chip")
        assert link.area_m2 == pytest.approx(LINK_M2 * tiles / 168)
        assert link.instances == pytest.approx(tiles / 168)
        assert cost.core_area_m2 == pytest.approx(cost.area_m2 - link.area_m2)
        assert cost.edap_core == pytest.approx(cost.edap * cost.core_area_m2 / cost.area_m2)


def test_several_chips_have_the_share_of_all_their_tiles():
    cost = xs.estimate("lenet5", xs.load_hardware("isaac", {"chip.tiles": 10, "chip.count": 3})).cost
    assert cost.area_m2 - cost.core_area_m2 == pytest.approx(LINK_M2 * 30 / 168)


def test_static_power_of_the_link_follows_the_tiles():
    def idle(tiles):
        hardware = xs.load_hardware("isaac", {"components.off_chip.leakage_watt": 5.0, "chip.tiles": tiles})
        cost = xs.estimate("lenet5", hardware).cost
        link = next(each for each in cost.components if each.component == "off_chip")
        return link.idle_energy_joule * cost.throughput_hz

    assert idle(168) == pytest.approx(5.0)
    assert idle(21) == pytest.approx(5.0 / 8)


def test_the_width_of_the_link_follows_the_tiles():
    def sent(tiles):
        hardware = xs.load_hardware("isaac", {"chip.tiles": tiles, "timing.io_bits": 168})
        activity = xs.estimate("lenet5", hardware).activity
        return activity.busy[activity.layout.resources.input] / activity.steps[0].windows

    bits = xs.estimate("lenet5", "isaac").activity.layout.steps[0].result_bits
    for tiles in (1, 3, 16, 168):
        assert sent(tiles) == math.ceil(bits / tiles)


def test_without_full_tiles_every_chip_of_auto_has_the_whole_link():
    hardware = xs.load_hardware("reference", {"chip.full_tiles": None})
    cost = xs.estimate("lenet5", hardware).cost
    assert cost.area_m2 - cost.core_area_m2 == pytest.approx(LINK_M2)


def test_any_component_charged_for_off_chip_is_no_part_of_the_core():
    phy = {"per": "tile", "action": "off_chip", "area_m2": 1e-7, "energy_joule": 1e-13, "source": "made up"}
    plain, more = (xs.load_hardware("reference", keys) for keys in ({}, {"components.phy": phy}))
    first, second = (xs.estimate("lenet5", hardware).cost for hardware in (plain, more))
    assert second.core_area_m2 == pytest.approx(first.core_area_m2)
    assert second.area_m2 == pytest.approx(first.area_m2 + second.tiles * 1e-7)
    shape = {"in_features": 128, "out_features": 32}
    one, two = (xs.CostOracle(hardware, cache=None).layer("linear", shape) for hardware in (plain, more))
    assert one.area_m2 == one.core_area_m2 == two.area_m2 == two.core_area_m2


def test_the_share_of_the_link_counts_in_an_area_budget():
    base = {"mapping.replication": "balanced"}
    for budget in (2e-6, 6e-6):
        cost = xs.estimate("lenet5", xs.load_hardware("reference", {**base, "mapping.area_budget_m2": budget})).cost
        assert 0.7 * budget < cost.area_m2 <= budget


def test_a_single_layer_is_priced_without_io():
    shape = {"in_channels": 64, "out_channels": 16, "kernel": 3, "padding": 1, "height": 8, "width": 8}
    narrow, wide = (
        xs.CostOracle(xs.load_hardware("reference", {"timing.io_bits": bits}), cache=None).layer("conv2d", shape)
        for bits in (1, 4096)
    )
    assert narrow.delay_s == wide.delay_s


def test_the_rating_plate_of_a_chip_has_its_share_of_the_link():
    whole, half = (rate_chip(xs.load_hardware("isaac", {"chip.tiles": tiles})) for tiles in (168, 84))
    assert whole.power_watt == pytest.approx(2 * half.power_watt)
    assert whole.area_m2 == pytest.approx(2 * half.area_m2)
    assert whole.area_m2 - whole.core_area_m2 == pytest.approx(LINK_M2)


def test_core_figures_stand_beside_area_and_edap_everywhere(tmp_path, capsys):
    report = xs.estimate("lenet5", "reference")
    cost, path = report.cost, tmp_path / "a.json"
    report.to_json(path)
    assert json.loads(path.read_text())["cost"]["edap_core"] == cost.edap_core
    assert json.loads(path.read_text())["cost"]["core_area_m2"] == cost.core_area_m2
    page = render_page(report, {})
    assert "core EDAP" in page
    assert "core area" in page
    assert run(["estimate", "lenet5", "--hardware", "reference"]) == 0
    shown = capsys.readouterr().out
    assert f"{cost.edap_core:.3e}" in shown
    assert "area without I/O" in shown
    assert run(["compare", str(path), str(path)]) == 0
    assert "core EDAP" in capsys.readouterr().out
    assert run(["hardware", "show", "isaac"]) == 0
    assert "without off-chip I/O" in capsys.readouterr().out
    query = {"layer": "linear", "shape": {"in_features": 128, "out_features": 32}}
    answer = json.loads(answer_lines(xs.CostOracle("reference", cache=None), [json.dumps(query)])[0])["cost"]
    assert answer["edap_core"] == answer["edap"] > 0
    for name in ("cost.core_area_m2", "cost.edap_core"):
        assert REPORT_METRICS[name].is_usual
        assert REPORT_METRICS[name].is_searched


def test_a_cost_without_components_has_no_io():
    cost = make_cost()
    assert cost.core_area_m2 == cost.area_m2
