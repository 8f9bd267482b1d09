"""Measured power of array reads against circuits: every read of every programmed array of a layer is solved."""

import dataclasses

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.converter import split_inputs
from xbarsim.crossbar import TOPOLOGIES, describe_circuit
from xbarsim.crossbar.power import solve_power
from xbarsim.inference.layer import program_layer, read_groups
from xbarsim.inference.machine import Machine
from xbarsim.mapping import plan_network
from xbarsim.mvm import power
from xbarsim.network import Epitome, Network, make_conv2d, make_linear, quantize_input, quantize_network

SIZE = {"crossbar.rows": 32, "crossbar.cols": 24}
WIRES = {"crossbar.r_wl_ohm": 30.0, "crossbar.r_bl_ohm": 30.0, "crossbar.r_sink_ohm": 100.0}
COARSE = {"weight_bits": 5, "activation_bits": 4}


def smooth(rng, *shape):
    """Return inputs that neighbours share, a third of them zero, as behind a ReLU."""
    x = rng.normal(size=shape)
    return np.maximum(x + np.roll(x, 1, axis=-1) + np.roll(x, 1, axis=-2) + 0.6, 0).astype(np.float32)


class Recorder:
    """Keeps the conductances of all arrays of one layer."""

    def __init__(self, monkeypatch):
        self.arrays, add = [], power.PowerCollector.add

        def record(collector, row_block, blocks, g):
            self.arrays.append((collector, row_block, blocks, g.copy()))
            add(collector, row_block, blocks, g)

        monkeypatch.setattr(power.PowerCollector, "add", record)

    def of(self, engine):
        """Yield row block, column block and conductances (polarities, rows, columns) of the arrays of an engine."""
        for collector, row_block, blocks, g in self.arrays:
            if collector._siemens is engine.programmed.power.siemens:
                yield from ((row_block, block, pair) for block, pair in zip(blocks, g))


def prepare(keys, *, groups=1, signed=False, shape=(12, 4, 4), outputs=14, weight_bits=5):
    """Return node, quantised layer, plan and codes of one convolution."""
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(outputs, shape[0] // groups, 3, 3)) ** 3  # few large weights
    node = make_conv2d("conv", shape[0], outputs, 3, padding=1, groups=groups, weight=weight)
    network = Network(name="one", nodes=(node,), input_shape=shape)
    widths = {**COARSE, "weight_bits": weight_bits}
    hardware = xs.load_hardware("reference", {**SIZE, **widths, **keys})
    plan = plan_network(network, hardware)
    x = smooth(rng, 2, *shape) - (1.0 if signed else 0.0)
    quantized = quantize_network(network, x.astype(np.float32), **widths)
    layer = quantized.layers["conv"]
    return plan.layers[0].node, layer, plan.layers[0], quantize_input(layer, x.astype(np.float32))


def solve_all(machine: Machine, codes, recorder):
    """Return the mean power of all arrays over all windows, streams and turns [W]: every one a circuit."""
    hardware, total, reads = machine.plan.hardware, 0.0, 0
    circuit = describe_circuit(hardware)
    for index, block in enumerate(machine.blocks):
        engine = block.engine
        padded = np.pad(
            codes[:, block.inputs], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=machine.quantized.input_zero_point
        )
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        x = views.transpose(0, 2, 3, 4, 5, 1).reshape(-1, engine.rows)
        groups = read_groups(machine.plan.stripe(index), machine.plan)
        turns = [np.ones(engine.rows)] if groups is None else [groups.of_row == k for k in range(groups.count)]
        sent = split_inputs(x, engine.streams.reads).reshape(-1, engine.rows) / ((1 << hardware.dac.bits) - 1)
        for row_block, _, pair in recorder.of(engine):
            begin, end = engine.row_starts[row_block : row_block + 2]
            for turn in turns:
                opening = np.zeros((len(sent), hardware.crossbar.rows))
                opening[:, : end - begin] = (sent * turn)[:, begin:end]
                distinct, counts = np.unique(opening, axis=0, return_counts=True)
                total += float(solve_power(pair, distinct, circuit).sum(axis=0) @ counts)
                reads += len(pair) * len(opening)
    return total / reads


def check(keys, monkeypatch, within=0.01, **shape):
    recorder = Recorder(monkeypatch)
    node, layer, plan, codes = prepare(keys, **shape)
    machine = program_layer(node, layer, plan, seed=0, trial=0, codes=codes)
    assert machine.measure_watt(codes) == pytest.approx(solve_all(machine, codes, recorder), rel=within)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("signed", [False, True])
def test_any_encoding_and_sign_without_lines_is_exact(encoding, signed, monkeypatch):
    ideal = {"crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "encoding": encoding}
    check(ideal, monkeypatch, within=1e-4, signed=signed)


@pytest.mark.parametrize("ohm", [0.5, 5.0, 60.0])
@pytest.mark.parametrize("encoding", ["differential", "offset"])
def test_lines_of_any_resistance_are_within_a_percent(ohm, encoding, monkeypatch):
    check({"crossbar.r_wl_ohm": ohm, "crossbar.r_bl_ohm": ohm, "encoding": encoding}, monkeypatch)


@pytest.mark.parametrize("slices", ["adjacent", "separate"])
@pytest.mark.parametrize("outputs", [2, 13])
def test_any_filling_is_within_a_percent(slices, outputs, monkeypatch):
    check({**WIRES, "mapping.slices": slices}, monkeypatch, outputs=outputs)


@pytest.mark.parametrize("signed", ["twos_complement", "sign_magnitude", "offset"])
def test_any_coding_of_signed_inputs_is_within_a_percent(signed, monkeypatch):
    check({**WIRES, "dac.signed": signed, "dac.bits": 2}, monkeypatch, signed=True)


@pytest.mark.parametrize("coding", ["voltage", "width", "count"])
@pytest.mark.parametrize("curve", [None, {"kind": "sinh", "scale_volt": 0.1}])
def test_any_coding_and_cell_is_within_a_percent(coding, curve, monkeypatch):
    check({**WIRES, "dac.bits": 2, "dac.coding": coding, "device.iv": curve}, monkeypatch)


@pytest.mark.parametrize("topology", [name for name in TOPOLOGIES if "1s1r" not in name])
def test_any_topology_is_within_a_percent(topology, monkeypatch):
    layout, ohms = TOPOLOGIES[topology], dict(WIRES)
    if layout.inputs == "gates":
        ohms["crossbar.r_sl_ohm"] = 30.0
    if layout.has_transistor:
        ohms["crossbar.r_access_ohm"] = 2e4
    check({**ohms, "crossbar.topology": topology}, monkeypatch)


@pytest.mark.parametrize("ohm", [0.0, 30.0])
@pytest.mark.parametrize("shape", [{}, {"groups": 6, "outputs": 12}])
def test_leakage_of_closed_gates_is_within_a_percent(ohm, shape, monkeypatch):
    wires = {"crossbar.r_bl_ohm": ohm, "crossbar.r_sl_ohm": ohm}
    check({**wires, "crossbar.topology": "1t1r_gate", "crossbar.g_leak_siemens": 3e-7}, monkeypatch, **shape)


@pytest.mark.parametrize("groups", ["dense", "serial"])
@pytest.mark.parametrize("encoding", ["differential", "offset"])
def test_grouped_layers_drive_what_they_read(groups, encoding, monkeypatch):
    check({**WIRES, "mapping.groups": groups, "encoding": encoding}, monkeypatch, groups=6, outputs=12)


def test_drifted_and_stuck_cells_conduct_what_they_conduct(monkeypatch):
    aged = {"device.stuck.on_rate": 0.1, "device.drift": {"nu": 0.05, "time_s": 1e4}, "device.programming.sigma": 0.3}
    check({**WIRES, **aged}, monkeypatch)


def test_a_reference_that_arrays_share_is_not_counted(monkeypatch):
    recorder = Recorder(monkeypatch)
    keys = {**WIRES, "encoding": "signed", "weight_bits": 2, "adc.subtract": "analog"}
    node, layer, plan, codes = prepare({**keys, **{"crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0}}, weight_bits=2)
    machine = program_layer(node, layer, plan, seed=0, trial=0)
    recorder.arrays = [(*each[:3], each[3][:, :1]) for each in recorder.arrays]
    assert machine.measure_watt(codes) == pytest.approx(solve_all(machine, codes, recorder), rel=0.01)


def test_reads_that_are_added_up_are_counted_one_by_one(monkeypatch):
    check({**WIRES, "dac.accumulate": "analog", "adc.bits": "auto"}, monkeypatch)


def test_an_epitome_reads_only_the_arrays_that_a_round_needs(monkeypatch):
    """The same energy as rows that are driven, added up round by round in plain loops, without lines."""
    recorder = Recorder(monkeypatch)
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(12, 6, 3, 3))
    network = Network(name="one", nodes=(make_conv2d("conv", 6, 12, 3, weight=weight),), input_shape=(6, 5, 5))
    network = network.with_epitomes({"*": Epitome(rows=45, channels=5)})
    ideal = {"crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "crossbar.cols": 8}
    plan = plan_network(network, xs.load_hardware("reference", {**SIZE, **COARSE, **ideal})).layers[0]
    x = smooth(rng, 3, 6, 5, 5)
    quantized = quantize_network(network, x, **COARSE, layers={"conv": plan.quantization})
    layer = quantized.layers["conv"]
    machine = program_layer(network.node("conv"), layer, plan, seed=0, trial=0)
    codes, total, reads = quantize_input(layer, x), 0.0, 0
    wanted = plan.wanted_columns
    for block, engine, lines in machine._lines(codes):
        sent = split_inputs(lines.reshape(-1, plan.epitome.round_count, engine.rows), engine.streams)
        for r in range(plan.epitome.round_count):
            if not (
                plan.epitome.patterns[plan.epitome.pattern_of[r]][plan.row_starts[block] :][: engine.rows] >= 0
            ).any():
                continue
            for _, column_block, pair in recorder.of(engine):
                if wanted[r, column_block]:
                    cells = pair[:, : engine.rows].sum(axis=(0, 2))
                    total += 0.04 * float((sent[:, :, r] ** 2 @ cells).sum())
                    reads += 2 * sent.shape[0] * sent.shape[1]
    assert machine.measure_watt(codes) == pytest.approx(total / reads, rel=1e-6)


def test_linear_layers_are_measured_over_all_vectors(monkeypatch):
    recorder = Recorder(monkeypatch)
    rng = np.random.default_rng(2)
    node = make_linear("fc", 50, 7, weight=rng.normal(size=(7, 50)))
    network = Network(name="one", nodes=(node,), input_shape=(50,))
    plan = plan_network(network, xs.load_hardware("reference", {**SIZE, **COARSE, **WIRES})).layers[0]
    x = np.maximum(rng.normal(size=(40, 50)), 0).astype(np.float32)
    layer = quantize_network(network, x, **COARSE).layers["fc"]
    machine, codes = program_layer(plan.node, layer, plan, seed=0, trial=0), quantize_input(layer, x)
    engine, total, reads = machine.blocks[0].engine, 0.0, 0
    sent = split_inputs(codes, engine.streams).reshape(-1, 50).astype(float)
    for row_block, _, pair in recorder.of(engine):
        begin, end = engine.row_starts[row_block : row_block + 2]
        opening = np.zeros((len(sent), 32))
        opening[:, : end - begin] = sent[:, begin:end]
        total += solve_power(pair, opening, describe_circuit(plan.hardware)).sum()
        reads += len(pair) * len(sent)
    assert machine.measure_watt(codes) == pytest.approx(total / reads, rel=0.01)


def test_a_simulation_prices_arrays_by_what_was_measured():
    network = Network(
        name="one",
        nodes=(make_conv2d("conv", 3, 5, 3, weight=np.random.default_rng(1).normal(size=(5, 3, 3, 3))),),
        input_shape=(3, 6, 6),
    )
    hardware, dark = xs.load_hardware("reference"), np.zeros((4, 3, 6, 6), np.float32)
    bright = dark + np.random.default_rng(0).random(dark.shape).astype(np.float32)
    reports = [xs.simulate(network, hardware, x, calibration=bright) for x in (bright, dark)]
    for report in reports:
        layer = report.layers.set_index("name").loc["conv"]
        actions = report.activity.totals["array"]
        array = report.components.set_index("component").loc["array"]
        expected = actions * layer["array_read_watt"] * hardware.timing.pulse_s
        assert array["energy_joule"] - array["idle_energy_joule"] == pytest.approx(expected, rel=1e-9)


def test_what_is_measured_depends_on_no_thread_and_adds_little_to_programming():
    node, layer, plan, codes = prepare(WIRES)
    found = {program_layer(node, layer, plan, seed=0, trial=0, threads=n).measure_watt(codes) for n in (1, 2, 3)}
    assert len(found) == 1
    machine = program_layer(node, layer, plan, seed=0, trial=0)
    kept = machine.blocks[0].engine.programmed.power.kept
    assert 1 <= len(kept) <= 4
    bare = dataclasses.replace(plan, hardware=plan.hardware.override(dict.fromkeys(WIRES, 0.0)))
    assert program_layer(node, layer, bare, seed=0, trial=0).blocks[0].engine.programmed.power.kept == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "keys",
    [{}, {"crossbar.r_wl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0}, {"encoding": "offset", "device.g_on_siemens": 1e-4}],
    ids=str,
)
def test_whole_arrays_of_the_reference_hardware_are_within_half_a_percent(keys, monkeypatch):
    """Arrays of 128 x 128 cells, of which lines take 4 to 45 % of the power; all reads of two images are solved."""
    whole = {"crossbar.rows": 128, "crossbar.cols": 128, "activation_bits": 8, "weight_bits": 8}
    check({**whole, **keys}, monkeypatch, within=0.005, shape=(32, 8, 8), outputs=32, weight_bits=8)
