"""Assumed power of array reads against circuits of random arrays that are solved."""

import dataclasses
import itertools

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.cost.array_read import AssumedReads, assume_reads, spread_mean
from xbarsim.crossbar import TOPOLOGIES, describe_circuit
from xbarsim.crossbar.power import solve_power
from xbarsim.mapping import plan_network
from xbarsim.mapping.partition import ArrayFill

SMALL = {"crossbar.rows": 32, "crossbar.cols": 24}
ARRAYS, READS = 4, 64
"""Random arrays, and reads of each, that are solved. With the wires of the tests, what lines take differs between two
reads of an array by 1 % (standard deviation) at most, so that the mean of 256 is within 0.3 % for one test in 10^6."""


def load(**changes):
    """Return small arrays of the reference hardware."""
    return xs.load_hardware("reference", {**SMALL, **changes})


def draw(hardware, fill, arrays, reads, seed=1):
    """Return random arrays (arrays, rows, width) [S] and inputs (reads, rows) of the assumed distributions."""
    rng, device, activity = np.random.default_rng(seed), hardware.device, hardware.activity
    levels = np.arange(device.levels) / (device.levels - 1)
    chances = spread_mean(levels, activity.mean_level)
    width = hardware.crossbar.cols + hardware.has_unit_column + hardware.has_reference_column
    cells = np.zeros((arrays, hardware.crossbar.rows, width))
    digits = rng.choice(levels, size=(arrays, fill.rows, fill.cols), p=chances)
    if hardware.polarities == 2:
        digits *= rng.random((arrays, fill.rows, fill.cols)) < 0.5
    cells[:, : fill.rows, : fill.cols] = digits
    if hardware.has_unit_column:
        cells[:, : fill.rows, hardware.crossbar.cols] = levels[1]
    steps = np.arange(1 << hardware.dac.bits) / ((1 << hardware.dac.bits) - 1)
    inputs = np.zeros((reads, hardware.crossbar.rows))
    of_inputs = spread_mean(steps**hardware.dac.power, activity.input_activity)
    inputs[:, : fill.rows] = rng.choice(steps, size=(reads, fill.rows), p=of_inputs)
    inputs[:, : fill.rows] *= rng.random((reads, fill.rows)) < fill.driven / fill.rows
    return device.g_off_siemens + cells * (device.g_on_siemens - device.g_off_siemens), inputs


def check(hardware, fill, within=0.01):
    """Check the assumed power against solved reads, in two steps: without lines, and what lines take."""
    reads, circuit = AssumedReads(hardware), describe_circuit(hardware)
    bare = dataclasses.replace(circuit.lines, wires=type(circuit.lines.wires)(), r_sl_ohm=0.0)
    bare = circuit._replace(lines=bare)
    g, inputs = draw(hardware, fill, ARRAYS, READS)
    solved, plain = solve_power(g, inputs, circuit), solve_power(g, inputs, bare)
    # without lines, rows add up: so many reads that their mean is within 0.2 % (standard deviation) for three rows
    many_g, many = draw(hardware, fill, 200, 100_000, seed=2)
    opened, leak = circuit.weigh(many).mean(axis=0), circuit.lines.g_leak_siemens
    by_row = opened * circuit.conduct(many_g).sum(axis=2).mean(axis=0)
    by_row += (1 - opened) * (many_g * leak / (many_g + leak)).sum(axis=2).mean(axis=0)
    truth = circuit.full_watt * by_row.sum() * solved.sum() / plain.sum()
    assert reads.find_watt(fill) == pytest.approx(truth, rel=within)


FILLS = [ArrayFill(r, c, r, 1) for r, c in itertools.product((3, 17, 32), (2, 11, 24))]


@pytest.mark.parametrize("fill", FILLS, ids=str)
@pytest.mark.parametrize("ohm", [0.0, 2.5, 40.0])
def test_any_filling_costs_what_the_circuit_takes(fill, ohm):
    check(load(**{"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm, "crossbar.r_sink_ohm": 2 * ohm}), fill)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("ohm", [5.0, 60.0])
def test_any_encoding_costs_what_the_circuit_takes(encoding, ohm):
    wires = {"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm, "crossbar.r_source_ohm": 100.0}
    check(load(encoding=encoding, **wires), ArrayFill(30, 20, 30, 1))


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("coding", ["voltage", "width", "count"])
@pytest.mark.parametrize("curve", [None, {"kind": "sinh", "scale_volt": 0.1}])
@pytest.mark.parametrize("ohm", [0.0, 10.0])
def test_any_coding_and_cell_costs_what_the_circuit_takes(bits, coding, curve, ohm):
    wires = {"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm}
    timing = {"timing.read_cycles": 20, "activity.input_activity": 0.3}
    check(load(**{"dac.bits": bits, "dac.coding": coding, "device.iv": curve, **wires, **timing}), FILLS[4])


@pytest.mark.parametrize("topology", [name for name in TOPOLOGIES if "1s1r" not in name])
def test_any_topology_costs_what_the_circuit_takes(topology):
    layout = TOPOLOGIES[topology]
    ohms = {"crossbar.r_bl_ohm": 20.0, "crossbar.r_wl_ohm": 20.0}
    if layout.inputs == "gates":
        ohms["crossbar.r_sl_ohm"] = 20.0
    if layout.has_transistor:
        ohms["crossbar.r_access_ohm"] = 2e4
    check(load(**{"crossbar.topology": topology, **ohms}), ArrayFill(25, 16, 25, 1))
    check(load(**{"crossbar.topology": topology, **ohms}), ArrayFill(25, 16, 5, 1))


@pytest.mark.parametrize("fill", [FILLS[4], ArrayFill(25, 16, 5, 1)], ids=str)
@pytest.mark.parametrize("ohm", [0.0, 20.0])
def test_leakage_of_closed_gates_costs_what_the_circuit_takes(ohm, fill):
    gates = {"crossbar.topology": "1t1r_gate", "crossbar.r_access_ohm": 1e4, "crossbar.g_leak_siemens": 3e-7}
    lines = {"crossbar.r_bl_ohm": ohm, "crossbar.r_wl_ohm": ohm, "crossbar.r_sl_ohm": ohm}
    check(load(**gates, **lines), fill)
    leaky, tight = (AssumedReads(load(**{**gates, **lines, "crossbar.g_leak_siemens": leak})) for leak in (3e-7, 0.0))
    assert leaky.find_watt(fill) > 1.1 * tight.find_watt(fill)


@pytest.mark.parametrize("topology", ["1s1r", "1s1r_floating"])
def test_selectors_cost_what_the_circuit_takes(topology):
    curve = {"kind": "selector", "threshold_volt": 0.1, "width_volt": 0.02}
    change = {"crossbar.topology": topology, "device.iv": curve, "crossbar.r_wl_ohm": 5.0, "crossbar.r_bl_ohm": 5.0}
    check(load(**change), FILLS[4])


def test_the_distribution_of_the_largest_entropy_has_its_mean_and_is_uniform_in_the_middle():
    values = np.arange(4) / 3
    np.testing.assert_allclose(spread_mean(values, 0.5), 0.25)
    for mean in (0.0, 1e-3, 0.2, 0.7, 1.0):
        assert spread_mean(values, mean) @ values == pytest.approx(mean, abs=1e-12)
        assert spread_mean(values, mean).sum() == pytest.approx(1.0)


def energy_of(hardware, **shape):
    """Return the array energy of a convolution."""
    layer = {"in_channels": 14, "out_channels": 16, "kernel": 3, "padding": 1, "height": 8, "width": 8, **shape}
    cost = xs.CostOracle(hardware, cache=None).layer("conv2d", layer)
    return cost.layers[0].energy_by_component["array"]


def test_array_energy_grows_with_the_rows_in_use():
    energies = [energy_of("reference", in_channels=channels) for channels in (1, 3, 7, 14)]
    np.testing.assert_allclose(np.array(energies) / energies[0], [1, 3, 7, 14], rtol=0.02)


def test_an_array_that_is_part_of_a_compound_costs_as_much():
    part = {"from_device": True, "source": "ours"}
    whole = {"per": "array", "kind": "compound", "parts": {"cells": part}, "source": "ours"}
    compound = xs.load_hardware("mnsim", {"components.array": whole})
    for channels in (1, 14):
        assert energy_of(compound, in_channels=channels) == pytest.approx(energy_of("mnsim", in_channels=channels))


def test_cells_without_a_weight_conduct_off_current_only():
    hardware = xs.load_hardware("mnsim")  # no wires; on over off is 100
    narrow, wide = (energy_of(hardware, out_channels=channels) for channels in (1, 32))
    weights, off = 0.25 * 1e-4 + 0.75 * 1e-6, 1e-6
    assert wide / narrow == pytest.approx((224 * weights + 32 * off) / (7 * weights + 249 * off), rel=1e-9)


def test_one_cell_of_a_pair_is_off():
    pair, single = (
        energy_of("mnsim", **{"out_channels": 32})
        if encoding == "differential"
        else energy_of(xs.load_hardware("mnsim", {"encoding": encoding}), out_channels=28)
        for encoding in ("differential", "twos_complement")
    )
    # 224 of 256 columns each: two arrays with a quarter of the cells on, against one with half of them on
    expected = 2 * (224 * (0.75e-6 + 0.25e-4) + 32e-6) / (224 * (0.5e-6 + 0.5e-4) + 32e-6)
    assert pair / single == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("hardware", ["reference", "mnsim", "sram_7nm"])
def test_the_sum_over_layers_is_that_of_their_arrays(hardware):
    report = xs.estimate("resnet20", hardware)
    record = xs.load_hardware(hardware)
    reads = assume_reads(record)
    pulse = record.timing.pulse_s * record.dac.pulses
    expected = 0.0
    for layer in plan_network(xs.load_network("resnet20"), record).layers:
        stripe = layer.stripe(0)
        for rows, used in itertools.product(np.diff(stripe.row_starts).tolist(), stripe.columns.used.tolist()):
            times = layer.windows * layer.streams * layer.polarities
            expected += times * pulse * reads.find_watt(ArrayFill(rows, used, rows, 1))
    component = report.components.set_index("component").loc["array"]
    assert component["energy_joule"] - component["idle_energy_joule"] == pytest.approx(expected, rel=1e-9)


def test_groups_that_are_read_one_after_the_other_drive_their_own_rows():
    shape = {"in_channels": 32, "out_channels": 32, "groups": 32}
    dense, serial = (
        energy_of(xs.load_hardware("mnsim", {"mapping.groups": groups}), **shape) for groups in ("dense", "serial")
    )
    assert serial == pytest.approx(dense, rel=1e-9)


def test_a_depthwise_layer_has_few_cells_that_conduct():
    grouped = energy_of("mnsim", in_channels=28, out_channels=28, groups=28)
    plain = energy_of("mnsim", in_channels=28, out_channels=28)
    assert grouped < 0.3 * plain


@pytest.mark.parametrize("ohm", [2.5, 40.0])
def test_a_rating_plate_reads_full_arrays_at_what_a_full_layer_takes(ohm):
    changes = {"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm, "components.array.power_watt": 0.0}
    hardware = xs.load_hardware("reference", changes)
    free = hardware.override({"components.array.from_device": False})
    power = hardware.tile.power_watt - free.tile.power_watt
    reads = hardware.chip.arrays_per_tile * hardware.clock_hz / hardware.read_cycles
    each = assume_reads(hardware).find_watt(ArrayFill(128, 128, 128, 1)) * hardware.timing.pulse_s
    assert power <= reads * each * (1 + 1e-9)
    assert power > 0.5 * reads * each  # arrays wait for their converters, but not half of the time


def test_reports_say_where_the_energy_of_array_reads_comes_from(tmp_path):
    network = xs.load_network("lenet5", weights="random")
    assumed = xs.estimate(network, "reference")
    said = assumed.provenance.settings["array_energy"]
    assert "assumes" in said
    assert "mean 0.25 of all cells" in said
    assert "first order" in said
    images = np.random.default_rng(0).random((3, *network.input_shape)).astype(np.float32)
    measured = xs.simulate(network, "mnsim", images)
    said = measured.provenance.settings["array_energy"]
    assert "measured on the programmed arrays with 3 calibration images" in said
    assert "no resistance" in said
    measured.to_html(tmp_path)
    assert said in (tmp_path / "index.html").read_text()
    measured.to_json(tmp_path / "report.json")
    assert said in (tmp_path / "report.json").read_text()
    assert "array_energy" not in xs.estimate(network, "isaac").provenance.settings  # a number of its file
    curved = xs.load_hardware("reference", {"device.iv": {"kind": "sinh", "scale_volt": 0.1}})
    assert "solved reads" in xs.estimate(network, curved).provenance.settings["array_energy"]
