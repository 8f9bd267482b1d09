"""Responses that are fitted where a circuit depends on its inputs: their error, their bits, and what they refuse."""

from itertools import pairwise

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.converter import encode_streams
from xbarsim.crossbar import solve_currents
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.mvm import encode_weights, fit, program_matrix
from xbarsim.mvm.bend import FORMS, HEAVIEST, CurveForm, fit_terms, list_terms, weigh_cells, weigh_rows
from xbarsim.mvm.probe import FITTED, KEPT_BACK, choose_probes

SINH = {"device.iv": {"kind": "sinh", "scale_volt": 0.1}}
WIRES = {"crossbar.r_wl_ohm": 20.0, "crossbar.r_bl_ohm": 20.0, "crossbar.r_source_ohm": 300.0}
SMALL = {"crossbar.rows": 16, "crossbar.cols": 16, "device.programming.sigma": 0.0, **WIRES}
GATES = {"crossbar.topology": "1t1r_gate", "crossbar.r_sl_ohm": 20.0, "crossbar.r_access_ohm": 5e3}
CASES = {
    "sinh": SINH,
    "gates": GATES,
    "gates, source lines along rows": {**GATES, "crossbar.topology": "1t1r_gate_rows"},
    "sinh, both polarities converted": {**SINH, "adc.subtract": "digital", "adc.off_current": "column"},
    "sinh, widths of pulses": {**SINH, "dac.bits": 2, "dac.coding": "width"},
    "sinh, voltages of four heights": {**SINH, "dac.bits": 2},
    "sinh, voltages of sixteen heights": {**SINH, "dac.bits": 4},
    "sinh, voltages of many heights": {**SINH, "dac.bits": 8},
    "sinh, voltages of sixteen heights, both polarities converted": {
        **SINH,
        "dac.bits": 4,
        "adc.subtract": "digital",
        "adc.off_current": "column",
    },
    "polynomial, voltages of sixteen heights": {
        "device.iv": {"kind": "polynomial", "coefficients": [0.5, 8.0]},
        "dac.bits": 4,
    },
    "floating": {"crossbar.topology": "passive_floating"},
    "gates that leak": {**GATES, "crossbar.g_leak_siemens": 1e-7},
}


def inputs(vectors=300, rows=40):
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 256, (vectors, rows)) * (rng.random((vectors, rows)) < 0.4)
    return codes.astype(np.uint8)


def program(changes, codes=None, **more):
    weights = np.random.default_rng(4).integers(-127, 128, (40, 4))
    hardware = load_hardware("reference", {**SMALL, **changes})
    return weights, program_matrix(weights, hardware, weight_bits=8, activation_bits=8, codes=codes, **more)


@pytest.mark.parametrize("name", CASES)
def test_the_error_on_reads_kept_back_is_small(name):
    codes = inputs()
    _, engine = program(CASES[name], codes[:150])
    fit = engine.calibrate(codes[:150]).survey(codes[150:]).fit
    assert fit.rms_lsb < 0.05
    assert fit.max_lsb < 0.5
    assert fit.outside < 0.03


def solve_by_hand(engine, weights, codes):
    """Return the results of ideal converters when every array is solved for every bit, read by read."""
    device = engine.hardware.device
    digits = encode_weights(weights, "differential", weight_bits=8, cell_bits=2).digits
    levels, x = np.zeros((2, 48, 16)), np.zeros((len(codes), 48), dtype=int)
    levels[:, :40], x[:, :40] = digits.transpose(0, 2, 3, 1).reshape(2, 40, 16), codes
    g = device.g_off_siemens + levels.reshape(2, 3, 16, 16) * device.g_step_siemens
    ohms = {name: getattr(engine.hardware.crossbar, name) for name in ("r_wl_ohm", "r_bl_ohm", "r_source_ohm")}
    total = np.zeros((len(codes), 4))
    for bit, r in np.ndindex(8, 3):
        volt = ((x[:, 16 * r : 16 * r + 16] >> bit) & 1) * device.read_volt
        i = [solve_currents(g[p, r], volt, **ohms, iv=device.iv) for p in range(2)]
        sums = (i[0] - i[1]) / (device.g_step_siemens * device.read_volt * device.secant)
        total += 2**bit * (sums.reshape(len(codes), 4, -1) @ np.array([1, 4, 16, 64]))
    return total


def test_results_are_near_those_of_circuits_that_are_solved_read_by_read():
    codes = inputs()
    weights, engine = program({**SINH, "adc.bits": "ideal"}, codes[:150])
    some = codes[150:170]
    truth = solve_by_hand(engine, weights, some)
    fitted = np.std(engine.multiply(some) - truth)
    assert fitted < 0.02 * np.std(some.astype(float) @ weights - truth)  # what wires and curves take in all
    secant = program({**SINH, "adc.bits": "ideal", "crossbar.method": "closed_form"})[1].multiply(some)
    assert fitted < 0.1 * np.std(secant - truth)


def test_reads_that_are_solved_give_the_currents_of_their_circuits_in_any_batch():
    codes = inputs()
    weights, engine = program({**SINH, "adc.bits": "ideal", "crossbar.method": "exact"}, codes[:150])
    some = codes[150:162]
    whole = engine.multiply(some, method="solved")
    np.testing.assert_allclose(whole, solve_by_hand(engine, weights, some), atol=1e-3 * np.abs(whole).max())
    parts = [engine.multiply(some[i : i + 5], method="solved", threads=1) for i in range(0, 12, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    with pytest.raises(ShapeError, match=r"solved needs crossbar\.method: exact"):
        program(SINH, codes[:150])[1].multiply(some, method="solved")


@pytest.mark.parametrize("form", [FORMS[0], FORMS[1], FORMS[4]])
@pytest.mark.parametrize(
    "changes", [SINH, {**SINH, "adc.noise_lsb": 0.5, "adc.step_per": "slice"}, {**SINH, "dac.bits": 2}]
)
def test_neither_kernel_nor_batch_nor_threads_change_a_bit(changes, form, monkeypatch):
    monkeypatch.setattr(fit, "FORMS", (form,))
    codes = inputs(600)
    _, engine = program({**changes, "adc.bits": 6}, codes[:150])
    engine = engine.calibrate(codes[:150])
    assert engine.programmed.bend.own.any() == form.is_own
    whole = engine.multiply(codes, method="float", threads=1)
    parts = [engine.multiply(codes[i : i + 7], method="float", first_vector=i, threads=2) for i in range(0, 70, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:70])  # few vectors take products, many take tables
    other = engine.multiply(codes, method="product")
    assert np.mean(other != whole) < 1e-3  # float64 rounds some sums the other way


def test_the_noise_of_low_voltages_goes_with_their_current_in_every_kernel():
    codes = inputs(600)
    _, engine = program({**SINH, "dac.bits": 4, "adc.bits": 8, "device.read_noise.sigma": 0.05}, codes[:150])
    engine = engine.calibrate(codes[:150])
    fused, plain = (engine.multiply(codes, method=method) for method in ("float", "product"))
    assert np.mean(fused != plain) < 0.02  # the fused kernel rounds variances to eight binary digits


def test_a_layer_takes_the_cheapest_form_that_is_good_or_the_best_one(monkeypatch):
    codes, asked = inputs(), {"crossbar.fit_error_levels": 0.025}
    harder = {"crossbar.r_bl_ohm": 150.0, "crossbar.r_sl_ohm": 150.0}
    for changes, first in (({"crossbar.r_bl_ohm": 0.5}, True), (harder, False)):
        found = {}
        for forms in (FORMS, FORMS[1:2]):
            monkeypatch.setattr(fit, "FORMS", forms)
            bend = program({**GATES, **changes, **asked}, codes)[1].programmed.bend
            used = bend.error[:, :, (bend.highest > 0).any(axis=0)].astype(float)
            found[forms] = np.sqrt(np.nanmean(np.square(used))), bend.terms.shape[1], bend.own.size > 0
        chosen = found.pop(FORMS)
        assert (chosen[1] <= 4 and not chosen[2]) if first else chosen[2]
        assert chosen[0] <= 0.025 if first else chosen[0] < 0.7 * found[FORMS[1:2]][0]


def test_a_smaller_error_that_is_asked_gives_a_dearer_form_and_a_smaller_error():
    codes, found = inputs(), []
    for asked in (0.2, 1e-3):
        _, engine = program({**GATES, "crossbar.fit_error_levels": asked}, codes[:150])
        found.append((engine.programmed.bend.terms.shape[1], engine.survey(codes[150:]).fit.rms_lsb))
    (cheap, loose), (dear, tight) = found
    assert cheap == 2 < dear
    assert tight < 0.7 * loose


def test_the_same_inputs_give_the_same_curves_on_any_number_of_threads():
    codes = inputs()
    first, second = (program(SINH, codes, threads=threads)[1].programmed.bend for threads in (1, 2))
    np.testing.assert_array_equal(first.terms, second.terms)
    np.testing.assert_array_equal(first.error, second.error)


def test_reads_far_beyond_those_of_the_fit_are_counted():
    codes = inputs()
    _, engine = program(SINH, (codes & 1).astype(np.uint8))
    engine = engine.calibrate(codes)
    dense = np.full((50, 40), 255, dtype=np.uint8)
    assert engine.survey(dense).fit.outside > 0.8


def test_a_curve_of_its_own_form_is_found():
    rng = np.random.default_rng(0)
    sums, parts, loads = rng.uniform(-50, 90, (3, 60)), rng.uniform(-40, 40, (3, 60)), rng.uniform(1, 200, (3, 60))
    listed = list_terms(sums, [parts], loads, rng.integers(-9, 10, 60).astype(float)[np.newaxis])
    sizes = np.array([0.02, 1e-4, 1e-4, 0.01, 1e-3, 0.02, 1e-4])
    terms = rng.uniform(-1, 1, (7, 3)) * sizes[:, np.newaxis]
    missing = sum(c[:, np.newaxis] * each for c, each in zip(terms, listed))
    np.testing.assert_allclose(
        fit_terms(listed, missing) / sizes[:, np.newaxis], terms / sizes[:, np.newaxis], atol=0.1
    )


def test_loads_of_columns_leave_a_fifth_of_their_range_for_denser_reads():
    rng = np.random.default_rng(1)
    driven = (rng.random((40, 30)) < 0.3).astype(float)
    own = weigh_cells(rng.uniform(0, 3, (5, 30)), np.full(30, 15), driven, 255.0)
    np.testing.assert_allclose((own.astype(float) @ driven.T).max(axis=1), 204, atol=5)
    np.testing.assert_array_equal(weigh_cells(np.zeros((2, 30)), np.full(30, 15), driven, 255.0), 0)


@pytest.mark.parametrize(("rows", "sections", "cuts"), [(128, 4, [32, 64, 96]), (20, 2, [8]), (16, 4, []), (7, 2, [])])
def test_sections_end_at_whole_bytes_or_there_are_none(rows, sections, cuts):
    assert CurveForm(sections, True, False).cut(rows).tolist() == cuts


def test_reads_come_from_inputs_and_cover_sparse_and_dense_ones():
    codes, streams = inputs(), encode_streams(8, 1, False, "twos_complement", 2)
    probes = choose_probes(codes, streams, np.array([0, 16, 32, 40]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    assert [len(each) for each in probes.fitted] == [FITTED] * 3
    assert [len(each) for each in probes.kept_back] == [KEPT_BACK] * 3
    every = {tuple(bits) for bit in range(8) for bits in ((codes[:, :16] >> bit) & 1).tolist()}
    assert {tuple(read) for read in probes.fitted[0].tolist()} <= every
    driven = probes.fitted[0].sum(axis=1)
    assert driven[0] == 1
    assert driven[-1] >= 9
    uniform = choose_probes(None, streams, np.array([0, 16]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    assert 0.45 < uniform.drive[0].mean() < 0.65


def seldom_driven(row=5):
    """Return inputs that drive a row by their last bit in three vectors of six hundred, and that row."""
    codes = inputs(600)
    codes[:, row] = 0
    codes[20::200, row] = 1
    return codes, row


def test_reads_drive_every_row_that_inputs_drive():
    codes, row = seldom_driven()
    streams = encode_streams(8, 1, False, "twos_complement", 2)
    probes = choose_probes(codes, streams, np.array([0, 16, 40]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    for reads in (probes.fitted, probes.refined):
        assert reads[0][:, row].any()
    for before, after in pairwise(probes.fitted[0]):
        assert before.sum() <= after.sum()
    codes[:, row] = 0
    probes = choose_probes(codes, streams, np.array([0, 16, 40]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    assert not probes.fitted[0][:, row].any()


def test_reads_that_each_drive_one_row_are_no_more_than_rows():
    codes = 255 * np.eye(64, dtype=np.int64)[np.arange(512) % 64]
    streams = encode_streams(8, 1, False, "twos_complement", 2)
    probes = choose_probes(codes, streams, np.array([0, 64]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    for reads in (probes.fitted[0], probes.refined[0]):
        assert reads.shape == (64, 64)
        assert reads.any(axis=0).all()
    assert len(probes.kept_back[0]) == KEPT_BACK


@pytest.mark.parametrize("bits", [2, 4])
def test_reads_of_several_heights_drive_every_row_that_inputs_drive(bits):
    codes, row = seldom_driven()
    streams = encode_streams(8, bits, False, "twos_complement", 2)
    probes = choose_probes(codes, streams, np.array([0, 16, 40]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    assert probes.fitted[0][:, row].any()
    assert FITTED < len(probes.fitted[0]) <= FITTED + 16
    codes[20::200, row] = 200
    probes = choose_probes(codes, streams, np.array([0, 16, 40]), np.zeros(0, dtype="f4"), seed=0, layer="a")
    assert probes.fitted[0][:, row].max() == 200 >> (8 - bits)


def test_a_column_whose_only_cells_are_seldom_driven_is_fitted():
    codes, row = seldom_driven()
    weights = np.random.default_rng(4).integers(-127, 128, (40, 4))
    weights[:16, 2] = 0
    weights[row, 2] = 127
    hardware = load_hardware("reference", {**SMALL, **SINH, "adc.bits": "ideal", "crossbar.method": "exact"})
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8, codes=codes)
    some = codes[20::200]
    some[:, 16:] = 0  # of other row blocks
    fitted, solved = (engine.multiply(some, method=method)[:, 2] for method in ("auto", "solved"))
    np.testing.assert_allclose(fitted, solved, rtol=0, atol=8)  # 23 to 30 where no read to fit on drives the row


def test_currents_that_share_more_of_a_line_weigh_more():
    starts = np.array([0, 16, 24])
    passive = weigh_rows(load_hardware("reference", {**SMALL, **SINH}), starts)
    assert passive[0] == HEAVIEST
    assert (np.diff(passive[:16]) <= 0).all()
    np.testing.assert_array_equal(passive[16:], passive[:8])
    gates = weigh_rows(load_hardware("reference", {**SMALL, **GATES, "crossbar.rows": 64}), np.array([0, 64]))
    assert gates[32] == HEAVIEST > gates[0]
    assert (np.diff(gates.reshape(8, 8)) == 0).all()  # rows of a byte count alike
    ideal = {"crossbar.r_bl_ohm": 0.0}
    assert set(weigh_rows(load_hardware("reference", {**SMALL, **SINH, **ideal}), starts)) == {HEAVIEST}


def test_groups_that_are_read_in_turn_are_refused_where_a_response_is_fitted():
    with pytest.raises(ConfigError, match=r"mapping\.groups: serial contradicts"):
        load_hardware("reference", {**SINH, "mapping.groups": "serial"})


@pytest.mark.parametrize(
    ("changes", "response"),
    [
        ({}, "operator"),
        (SINH, "fitted"),
        ({**SINH, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0}, "operator"),
        ({**SINH, "crossbar.method": "ideal"}, "operator"),
        ({**SINH, "crossbar.method": "closed_form"}, "operator"),
        ({"crossbar.method": "fitted"}, "fitted"),
        ({"crossbar.method": "exact"}, "operator"),
        ({**SINH, "crossbar.method": "exact"}, "exact"),
        ({"crossbar.topology": "1t1r_gate"}, "fitted"),
        ({"crossbar.topology": "1t1r_gate", "crossbar.r_bl_ohm": 0.0}, "operator"),
        ({"crossbar.topology": "passive_floating"}, "fitted"),
    ],
)
def test_hardware_says_what_its_arrays_answer_by(changes, response):
    assert load_hardware("reference").override(changes).response == response
