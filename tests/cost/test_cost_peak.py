"""Rating plates count every component, and equal what a full layer takes."""

import pytest

import xbarsim as xs
from xbarsim.cost.peak import action_rates
from xbarsim.network import load_network

PUBLISHED = ((1, 3, 43.1), (4, 6, 15.95), (8, 10, 6.44))


@pytest.mark.parametrize(("inputs", "outputs", "published"), PUBLISHED)
def test_the_plate_of_neurram_is_the_published_one(inputs, outputs, published):
    hardware = xs.load_hardware("neurram", {"adc.bits": outputs, "dac.bits": inputs, "activation_bits": inputs})
    assert hardware.peak.tops_per_watt == pytest.approx(published, rel=0.03)


def full_layer(tmp_path, hardware, vectors=400):
    """Return the cost of a layer that fills its arrays, its inputs without a sign."""
    rows, cols, path = hardware.crossbar.rows, hardware.crossbar.cols, tmp_path / "full.yaml"
    path.write_text(
        f"input_shape: [{vectors}, {rows}]\nlayers:\n  - {{name: rectify, kind: relu}}\n"
        f"  - {{name: full, kind: linear, features: {cols}}}\n"
    )
    report = xs.estimate(load_network(path), hardware)
    return next(layer for layer in report.cost.layers if layer.name == "full")


@pytest.mark.parametrize("keys", [{}, *({"adc.bits": o, "dac.bits": i, "activation_bits": i} for i, o, _ in PUBLISHED)])
def test_the_plate_of_neurram_equals_a_full_layer(tmp_path, keys):
    hardware = xs.load_hardware("neurram", keys)
    layer = full_layer(tmp_path, hardware)
    assert 2e-12 * layer.macs / layer.energy_joule == pytest.approx(hardware.peak.tops_per_watt, rel=1e-6)
    seconds = layer.busy_s / layer.windows
    tops = 2e-12 * layer.macs / layer.windows / seconds / layer.arrays * hardware.chip.arrays_per_tile
    assert tops == pytest.approx(hardware.tile.tops, rel=1e-6)


def test_the_plate_of_the_sram_macro_equals_a_full_layer(tmp_path):
    hardware = xs.load_hardware("sram_7nm")
    layer = full_layer(tmp_path, hardware)
    assert 2e-12 * layer.macs / layer.energy_joule == pytest.approx(hardware.tile.tops_per_watt, rel=1e-6)


def test_a_component_with_an_energy_and_no_rate_adds_power_and_area():
    part = {"per": "tile", "action": "input_register", "energy_joule": 1e-13, "area_m2": 1e-8, "source": "made up"}
    plain, more = xs.load_hardware("reference"), xs.load_hardware("reference", {"components.latch": part})
    rate = action_rates(plain)["input_register"] * plain.chip.arrays_per_tile
    assert rate > 0
    assert more.tile.power_watt - plain.tile.power_watt == pytest.approx(1e-13 * rate)
    assert more.tile.area_m2 - plain.tile.area_m2 == pytest.approx(1e-8)


def test_rated_power_of_the_file_counts_as_it_is():
    hardware = xs.load_hardware("reference", {"components.bus.power_watt": 1.0})
    assert hardware.tile.power_watt - xs.load_hardware("reference").tile.power_watt == pytest.approx(1.0 - 7e-3)
