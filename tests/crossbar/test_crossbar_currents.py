"""Sensed currents: exact properties of every topology, oracles, certificates, and bad input."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference.nodal_solve import solve_nodal_transfer
from reference.two_rails import solve_column

from xbarsim import limits
from xbarsim.config.iv import Polynomial, Selector, Sinh
from xbarsim.crossbar import TOPOLOGIES, solve_currents, solve_currents_report, solve_settling
from xbarsim.errors import ConfigError, ShapeError, SolverError

LINEAR = [name for name, item in TOPOLOGIES.items() if not item.has_selector]
DRIVEN_ROWS = [name for name in LINEAR if TOPOLOGIES[name].inputs == "rows" and not TOPOLOGIES[name].floating]
SETTLING = {"c_wl_farad": 1e-15, "c_bl_farad": 1e-15, "tol_ampere": 1e-9}
RESISTANCE = st.sampled_from([0.0, 0.1, 2.5, 30.0, 100.0])
ARRAY = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.one_of(st.just(0.0), st.floats(1e-7, 1e-3)),
)


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_current_in_equals_current_out_and_the_law_holds_at_every_node(topology, curve):
    g, v_in = sample_cells((9, 7)), sample_inputs(3, 9)
    report = solve_currents_report(g, v_in, topology=topology, iv=CURVES[curve], **WIRES)
    np.testing.assert_allclose(report.driver_ampere, report.currents.sum(axis=1), rtol=3e-9)
    assert report.residual.max() < 1e-9
    assert report.v_wl.shape == report.v_bl.shape == (3, 9, 7)


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_report_and_currents_agree(topology, curve):
    g, v_in = sample_cells((9, 7)), sample_inputs(3, 9)
    case = {"topology": topology, "iv": CURVES[curve], "r_access_ohm": 500.0, **WIRES}
    report = solve_currents_report(g, v_in, **case)
    np.testing.assert_allclose(
        solve_currents(g, v_in, **case), report.currents, rtol=0, atol=2e-9 * report.currents.max()
    )


@pytest.mark.parametrize("topology", LINEAR)
def test_perfect_wires_give_the_ideal_product(topology):
    g, v_in = sample_cells((9, 7)), sample_inputs(3, 9)
    if TOPOLOGIES[topology].floating:
        v_in[v_in == 0] = 0.1
    np.testing.assert_allclose(solve_currents(g, v_in, topology=topology), v_in @ g, rtol=1e-12)


@settings(max_examples=40)
@given(ARRAY, st.sampled_from(DRIVEN_ROWS), RESISTANCE, RESISTANCE, RESISTANCE, st.floats(-2, 2))
def test_currents_of_ohmic_cells_superpose(g, topology, r_line, r_bl, r_end, factor):
    v = sample_inputs(2, len(g))
    case = {
        "topology": topology, "r_wl_ohm": r_line, "r_sl_ohm": r_line, "r_bl_ohm": r_bl, "r_source_ohm": r_end,
    }  # fmt: skip
    one, two = solve_currents(g, v, **case)
    both = solve_currents(g, v[0] + factor * v[1], **case)
    np.testing.assert_allclose(both, one + factor * two, rtol=0, atol=1e-9 * max(g.max() * 0.6 * len(g), 1e-300))


@settings(max_examples=60)
@given(ARRAY, st.sampled_from(LINEAR), RESISTANCE, RESISTANCE, RESISTANCE, RESISTANCE)
def test_current_balances_whatever_the_wires(g, topology, r_line, r_bl, r_source, r_sink):
    v = sample_inputs(2, len(g))
    report = solve_currents_report(
        g, v, topology=topology, r_wl_ohm=r_line, r_sl_ohm=r_line, r_bl_ohm=r_bl, r_source_ohm=r_source,
        r_sink_ohm=r_sink,
    )  # fmt: skip
    assert np.isfinite(report.v_wl).all()
    room = 1e-8 * np.abs(report.currents).sum(axis=1) + 1e-13
    assert (np.abs(report.driver_ampere - report.currents.sum(axis=1)) <= room).all()


@pytest.mark.parametrize("wires", [(2.5, 3.5, 0, 0), (2.5, 3.5, 100, 100), (0, 2, 0, 5), (0, 0, 7, 0)])
def test_the_passive_array_equals_a_nodal_solve_of_another_hand(wires):
    g, v = sample_cells((9, 7)), sample_inputs(3, 9)
    names = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
    report = solve_currents_report(g, v, **dict(zip(names, wires, strict=True)))
    np.testing.assert_allclose(report.currents, v @ solve_nodal_transfer(g, *wires), rtol=1e-9)


@pytest.mark.parametrize("far", [True, False])
@pytest.mark.parametrize("ohm", [0.1, 3.0, 100.0, 1e4])
def test_gate_driven_columns_equal_two_rails(far, ohm):
    rng = np.random.default_rng(2)
    g = 10 ** rng.uniform(-7, -3, (70, 3))
    gates = rng.random((3, 70)) < 0.5
    found = solve_currents(
        g, 0.2 * gates, topology="1t1r_gate" if far else "1t1r_gate_near", r_sl_ohm=ohm, r_bl_ohm=2 * ohm,
        r_source_ohm=7.0, r_sink_ohm=11.0,
    )  # fmt: skip
    for n in range(3):
        for j in range(3):
            expected = solve_column(g[:, j] * gates[n], 0.2, ohm, 2 * ohm, 7.0, 11.0, far)
            assert abs(found[n, j] / expected - 1) < 1e-9


def test_gate_driven_columns_survive_what_would_overflow():
    g = np.full((1000, 2), 1e-3)
    found = solve_currents(g, np.ones(1000), topology="1t1r_gate", r_sl_ohm=1e6, r_bl_ohm=1e6)
    report = solve_currents_report(g, np.ones(1000), topology="1t1r_gate", r_sl_ohm=1e6, r_bl_ohm=1e6)
    np.testing.assert_allclose(found, report.currents, rtol=1e-6)


def test_a_drive_from_the_far_end_mirrors_the_array():
    far = replace(TOPOLOGIES["passive"], name="mine", covers="all lines turned", drive="far", sense="near")
    g, v = sample_cells((9, 7)), sample_inputs(2, 9)
    turned = solve_currents(g[::-1, ::-1], v[:, ::-1], **WIRES)[:, ::-1]
    np.testing.assert_allclose(solve_currents(g, v, topology=far, **WIRES), turned, rtol=1e-9)
    np.testing.assert_allclose(solve_currents_report(g, v, topology=far, **WIRES).currents, turned, rtol=1e-8)


def test_two_drivers_lose_less_than_one():
    g, v = np.full((16, 16), 1e-4), np.full(16, 0.2)
    loss = {name: (v @ g - solve_currents(g, v, topology=name, r_wl_ohm=5)).sum() for name in LINEAR[:3]}
    assert loss["passive_both"] < 0.5 * loss["passive"]


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_bits_do_not_depend_on_the_other_vectors(topology, curve):
    g, v_in = sample_cells((9, 7)), sample_inputs(19, 9)
    case = {"topology": topology, "iv": CURVES[curve], **WIRES}
    whole = solve_currents(g, v_in, **case)
    np.testing.assert_array_equal(whole[4:6], solve_currents(g, v_in[4:6], **case))
    np.testing.assert_array_equal(whole[18], solve_currents(g, v_in[18], threads=1, **case))


def test_stacks_and_single_vectors_keep_their_shapes():
    g = np.stack([sample_cells((5, 4), seed) for seed in range(6)]).reshape(2, 3, 5, 4)
    v = sample_inputs(7, 5)
    for topology in ("passive", "passive_both", "1t1r_gate"):
        whole = solve_currents(g, v, topology=topology, **WIRES)
        assert whole.shape == (2, 3, 7, 4)
        np.testing.assert_array_equal(whole[1, 2], solve_currents(g[1, 2], v, topology=topology, **WIRES))
        assert solve_currents(g, v[0], topology=topology, **WIRES).shape == (2, 3, 4)
        assert solve_currents(g, v[:0], topology=topology, **WIRES).shape == (2, 3, 0, 4)
        assert solve_currents(g[:, :0], v, topology=topology, **WIRES).shape == (2, 0, 7, 4)
    assert solve_currents_report(g, v[0], topology="passive", **WIRES).v_wl.shape == (2, 3, 5, 4)


@pytest.mark.parametrize("iv", [Sinh(scale_volt=0.01), Selector(threshold_volt=0.1, width_volt=0.001)])
def test_steep_curves_and_bad_wires_converge(iv):
    g = 10 ** np.random.default_rng(3).uniform(-9, -3, (12, 10))
    for ohm in (0.1, 100.0):
        report = solve_currents_report(g, sample_inputs(4, 12), iv=iv, r_wl_ohm=ohm, r_bl_ohm=ohm)
        assert np.isfinite(report.currents).all()
        assert report.iterations.max() < 40


def test_a_vector_that_does_not_converge_is_named_with_what_it_reached():
    v = np.zeros((3, 9))
    v[2] = 0.2
    with pytest.raises(SolverError, match=r"^v_in: vector 2: .*residual of \d.*1 steps"):
        solve_currents(sample_cells((9, 7)), v, iv=Sinh(scale_volt=0.01), max_iterations=1, **WIRES)


@pytest.mark.parametrize("topology", ["passive", "passive_both", "1t1r_gate", "1t1r_gate_rows"])
def test_what_overflows_is_refused(topology):
    with pytest.raises(SolverError, match=r"overflowed|exceed the numerical range"):
        solve_currents(np.full((3, 2), 1e300), np.full((1, 3), 1e100), topology=topology)


@pytest.mark.parametrize("g", [[[np.nan]], [[-1e-6]], [[1j]], [1e-6], [["a"]], None])
def test_bad_conductances_are_refused_by_name(g):
    for call in (solve_currents, solve_currents_report):
        with pytest.raises(ShapeError, match=r"^g: "):
            call(g, [0.1])


@pytest.mark.parametrize(
    "v", [[np.nan, 0], [np.inf, 0], [1j, 0], [0.1], [[[0.1, 0.1]]], [["a", "b"]], [[0.1], [1, 2]], None]
)
def test_bad_inputs_are_refused_by_name(v):
    with pytest.raises(ShapeError, match=r"^v_in: "):
        solve_currents(np.ones((2, 3)), v)


@pytest.mark.parametrize("name", [*WIRES, "r_access_ohm"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "2", None])
def test_bad_resistances_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        solve_currents([[1e-6]], [0.1], **{name: value})


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        (ConfigError, "topology", {"topology": "magic"}),
        (ConfigError, "iv", {"topology": "1s1r"}),
        (ConfigError, "iv", {"iv": "sinh"}),
        (ConfigError, "iv", {"iv": Sinh(scale_volt=1e-5)}),
        (ConfigError, "iv", {"iv": Polynomial(coefficients=(-10.0,))}),
        (ConfigError, "read_volt", {"read_volt": 0.1}),
        (ConfigError, "read_volt", {"read_volt": -1, "topology": "1t1r_gate"}),
        (ShapeError, "v_in", {"read_volt": 0.01, "topology": "1t1r_gate"}),
        (ShapeError, "sensed", {"sensed": [1, 0]}),
        (ConfigError, "max_iterations", {"max_iterations": 0}),
        (ConfigError, "threads", {"threads": 0}),
    ],
)
def test_what_means_nothing_is_refused_by_name(kind, name, given):
    with pytest.raises(kind, match=f"^{name}"):
        solve_currents(np.full((2, 3), 1e-6), [0.1, 0.1], **given)


def test_gates_are_not_opened_by_negative_inputs():
    with pytest.raises(ShapeError, match=r"^v_in: .*negative"):
        solve_currents([[1e-6]], [-0.1], topology="1t1r_gate")


def test_figures_draw_what_the_solvers_return():
    from xbarsim.crossbar import solve_transfer
    from xbarsim.report.array_figures import plot_current_loss, plot_node_voltage

    g, wires = sample_cells((9, 7)), {"r_wl_ohm": 2.5, "r_bl_ohm": 2.5}
    report = solve_currents_report(g, sample_inputs(1, 9)[0], **wires)
    assert len(plot_node_voltage(report.v_wl, report.v_bl).axes) >= 2
    assert plot_current_loss(g, solve_transfer(g, **wires)).axes


@pytest.mark.parametrize("solve", [solve_currents_report, partial(solve_settling, **SETTLING)])
def test_arrays_whose_nodal_matrix_does_not_fit_are_refused_with_the_memory(solve, monkeypatch):
    monkeypatch.setattr(limits, "find_memory", lambda: 4 << 30)
    message = (
        r"^g: nodal analysis of 1024 x 1024 cells: needs at least 6\.4 GB of memory, .* 4\.3 GB; solve_transfer and"
    )
    with pytest.raises(ConfigError, match=message):
        solve(np.full((1024, 1024), 1e-6), np.full(1024, 0.2), r_wl_ohm=1.0, r_bl_ohm=1.0)
