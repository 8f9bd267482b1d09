"""Line relaxation: the error that it promises, wires of every kind, and reads that used to be answered wrongly."""

import numpy as np
import pytest
from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs
from reference.relaxation_kernels import bend_sinh

from xbarsim.config import iv
from xbarsim.config.iv import Selector, Sinh
from xbarsim.crossbar import TOPOLOGIES, _cell, solve_currents, solve_currents_report, solve_reads
from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.currents import START_TOLERANCE
from xbarsim.crossbar.line_plan import MOST_SHORT, describe_law
from xbarsim.crossbar.question import check_question
from xbarsim.crossbar.relaxation import relax_all
from xbarsim.crossbar.wires import Wires
from xbarsim.errors import ConfigError


def relax(g, v_in, topology="passive", iv=None, tol=1e-9, sensed=None, limit=300, threads=1, **ohms):
    """Return what line relaxation finds."""
    r_sl_ohm = ohms.pop("r_sl_ohm", 0.0)
    lines = Lines(wires=Wires(**ohms), r_sl_ohm=r_sl_ohm)
    return relax_all(check_question(g, v_in, lines, topology, iv, None, sensed), tol, limit, threads)


@pytest.mark.parametrize(("topology", "curve"), CASES)
def test_no_error_is_larger_than_its_bound(topology, curve):
    g, v_in = sample_cells((9, 12)), sample_inputs(9, 9)
    case = {"topology": topology, "iv": CURVES[curve], **WIRES}
    exact = relax(g, v_in, tol=1e-12, **case)
    for tol in (1e-2, 1e-4, 1e-7):
        found = relax(g, v_in, tol=tol, **case)
        assert found.passes.min() > 0
        error = np.abs(found.currents - exact.currents).max(axis=-1)
        assert (error <= found.error_ampere + exact.error_ampere).all()
        assert (found.error_ampere <= tol * found.full_ampere).all()


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("topology", ["passive", "passive_both", "1t1r_gate_rows"])
def test_arrays_that_lose_much_in_their_wires_converge(topology, scale):
    g, v_in = scale * 1e-5 * (1.0 + sample_cells((64, 48)) / 1e-5), sample_inputs(3, 64)
    case = {"topology": topology, "r_wl_ohm": 5.0, "r_bl_ohm": 5.0}
    found = relax(g, v_in, **case)
    assert found.passes.min() > 0
    report = solve_currents_report(g, v_in, **case)
    error = np.abs(found.currents - report.currents).max(axis=-1)
    assert (error <= 2e-9 * found.full_ampere).all()


def test_odd_columns_are_sensed_at_row_0():
    g = np.full((8, 2), 1e-4)
    g[0] = 1e-3  # a strong cell in row 0, which alone is driven
    v_in = np.where(np.arange(8) == 0, 0.2, 0.0)
    found = {
        name: solve_currents(g, v_in, topology=name, r_bl_ohm=10.0)
        for name in ("passive_interleaved_both", "passive_near", "passive")
    }
    assert found["passive_interleaved_both"][0] == pytest.approx(found["passive"][0], rel=1e-8)
    assert found["passive_interleaved_both"][1] == pytest.approx(found["passive_near"][1], rel=1e-8)
    assert found["passive_near"][0] != pytest.approx(found["passive"][0], rel=1e-2)


@pytest.mark.parametrize("topology", [name for name, item in TOPOLOGIES.items() if not item.has_selector])
def test_bits_are_the_same_for_any_threads_and_batch(topology):
    g = np.stack([sample_cells((9, 7), seed) for seed in range(3)])
    v_in = sample_inputs(30, 9) * np.linspace(0.1, 1.0, 30)[:, np.newaxis]
    case = {"topology": topology, "iv": CURVES["sinh"], **WIRES}
    whole = solve_currents(g, v_in, threads=2, **case)
    np.testing.assert_array_equal(whole, solve_currents(g, v_in, threads=1, **case))
    np.testing.assert_array_equal(whole[1, 7:16], solve_currents(g[1], v_in[7:16], **case))
    np.testing.assert_array_equal(whole[:, ::-1], solve_currents(g, v_in[::-1], **case))


def test_a_looser_tolerance_takes_fewer_passes():
    g, v_in = sample_cells((32, 32)), sample_inputs(8, 32)
    loose, tight = (relax(g, v_in, iv=Sinh(scale_volt=0.1), tol=tol, **WIRES) for tol in (1e-3, 1e-10))
    assert loose.passes.max() < tight.passes.min()


@pytest.mark.parametrize("tol", [0.0, 1e-13, 1.0, np.nan, "1e-9", None])
def test_tolerances_that_mean_nothing_are_refused(tol):
    with pytest.raises(ConfigError, match=r"^tol: "):
        solve_currents([[1e-6]], [0.1], topology="passive_both", tol=tol)


# a one-selector array of which most lines float: reads that a plain Newton iteration does not survive
FLOATING = np.array(
    [
        [0.001, 1e-09, 0.001, 0.001, 1e-09], [0.001, 0.001, 1e-09, 1e-09, 0.001], [1e-09, 1e-09, 0.001, 0.001, 1e-09],
        [1e-09] * 5, [0.001, 1e-09, 0.001, 1e-09, 0.001],
    ]
)  # fmt: skip


def test_selectors_that_close_altogether_are_the_limit_of_those_that_hardly_leak():
    case = {"topology": "1s1r_floating", "r_wl_ohm": 2.5, "r_bl_ohm": 2.5}
    found = [
        solve_currents(
            FLOATING, [0.0, 0.1, 0.0, 0.1, -0.2], iv=Selector(threshold_volt=0.15, width_volt=1e-3, off_ratio=off),
            **case,
        )
        for off in (0.0, 1e-12, 1e-6)
    ]  # fmt: skip
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-12)
    assert 0 < np.abs(found[0] - found[2]).max() < 1e-9


@pytest.mark.parametrize("width", [1e-2, 1e-3, 2e-4, 1e-4])
@pytest.mark.parametrize("one_bit", [False, True])
def test_floating_selectors_are_answered_within_their_bound(width, one_bit):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        g = np.where(rng.random((8, 8)) < 0.5, 1e-4, 1e-6)
        v, sensed = np.where(rng.random(8) < 0.5, 0.2, 0.0), np.ones(8, dtype=bool)
        if one_bit:
            v, sensed = 0.2 * (np.arange(8) == seed), np.arange(8) == (3 * seed) % 8
        iv = Selector(threshold_volt=0.1, width_volt=width)
        case = {"topology": "1s1r_floating", "iv": iv, "sensed": sensed, "r_wl_ohm": 2.5, "r_bl_ohm": 2.5}
        found = relax(g, v, limit=300, **case)
        assert found.passes[0, 0] > 0
        report = solve_currents_report(g, v, **case)
        error = np.abs(np.where(sensed, found.currents[0, 0], 0.0) - report.currents).max()
        assert error <= found.error_ampere[0, 0] + 1e-9 * found.full_ampere[0, 0] + 1e-18


def test_sharp_selectors_in_bad_wires_are_answered():
    rng = np.random.default_rng(5)
    g = np.where(rng.random((5, 8)) < 0.5, 1e-3, 1e-9)
    for width in (1e-4, 2e-4):
        case = {
            "topology": "1s1r_floating", "iv": Selector(threshold_volt=0.15, width_volt=width),
            "r_wl_ohm": 100.0, "r_bl_ohm": 100.0, "r_source_ohm": 1000.0, "r_sink_ohm": 1000.0,
        }  # fmt: skip
        found = solve_reads(g, np.array([0.2, 0, 0.1, 0, 0]), **case)
        assert found.error_ampere <= 1e-8 * found.full_ampere
        assert found.driver_ampere == pytest.approx(found.currents.sum(), rel=1e-6)


def test_careful_steps_serve_where_plain_ones_run_in_circles():
    g = np.full((24, 24), 1e-3)
    iv = Selector(threshold_volt=0.1, width_volt=1e-3)
    found = relax(g, np.full(24, 0.2), iv=iv, topology="1s1r", r_wl_ohm=2.5, r_bl_ohm=2.5, limit=200)
    assert found.passes[0, 0] > 0
    report = solve_currents_report(g, np.full(24, 0.2), iv=iv, topology="1s1r", r_wl_ohm=2.5, r_bl_ohm=2.5)
    np.testing.assert_allclose(found.currents[0, 0], report.currents, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("topology", ["passive", "passive_floating", "1t1r_gate"])
def test_float32_keeps_its_bound_at_loose_tolerances(topology, scale):
    g, v_in = scale * sample_cells((40, 30)), sample_inputs(20, 40)
    case = {"topology": topology, "iv": Sinh(scale_volt=0.05, reference_volt=0.2), **WIRES}
    exact, found = (relax(g, v_in, tol=tol, **case) for tol in (1e-12, 1e-4))
    assert (found.currents[0] == found.currents[0].astype(np.float32)).all()  # what float32 holds
    assert (np.abs(found.currents - exact.currents).max(axis=-1) <= found.error_ampere).all()
    assert (found.error_ampere <= 1e-4 * found.full_ampere).all()
    np.testing.assert_allclose(found.power_watt, exact.power_watt, rtol=1e-3)
    alone = relax(g, v_in[7:8], tol=1e-4, **case)
    np.testing.assert_array_equal(alone.currents[0, 0], found.currents[0, 7])


@pytest.mark.parametrize("swing", [1e-3, 0.1, 0.16, 0.3, 0.55, MOST_SHORT * 0.1])
@pytest.mark.parametrize("is_short", [False, True])
def test_a_sinh_is_right_to_the_rounding_of_its_type_up_to_the_largest_voltage(is_short, swing):
    dtype = np.float32 if is_short else np.float64
    law, _, steepest = describe_law(Sinh(scale_volt=0.1), swing, is_short)
    v = np.linspace(-1.05 * swing, 1.05 * swing, 16).astype(dtype)
    found = np.zeros(32, dtype)
    bend_sinh(law.coefs.astype(dtype), v, found)
    exact = np.concatenate([0.1 * np.sinh(v / np.float64(0.1)), np.cosh(v / np.float64(0.1))])
    np.testing.assert_allclose(found, exact, rtol=(3 + 2 ** law.coefs[2]) * np.finfo(dtype).eps)
    assert np.abs(exact[16:]).max() <= steepest * (1 + 1e-6)


def test_float32_is_left_where_a_curve_bends_too_sharply():
    g, v_in = sample_cells((9, 7)), np.array([[0.2] * 9, [0.01] * 9])
    found = relax(g, v_in, tol=1e-4, iv=Sinh(scale_volt=0.02), **WIRES)
    is_short = (found.currents[0] == found.currents[0].astype(np.float32)).all(axis=1)
    assert is_short.tolist() == [False, True]


@pytest.mark.parametrize("topology", [name for name, item in TOPOLOGIES.items() if not item.has_selector])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (9, 1), (40, 1), (2, 2)])
def test_single_rows_and_columns_are_arrays_too(topology, shape):
    g, v_in = np.full(shape, 1e-5), sample_inputs(3, shape[0]) + 0.01
    case = {"topology": topology, "iv": CURVES["sinh"], **WIRES}
    found, report = solve_reads(g, v_in, **case), solve_currents_report(g, v_in, **case)
    np.testing.assert_allclose(found.currents, report.currents, rtol=0, atol=2e-9 * found.full_ampere.max())
    np.testing.assert_allclose(found.driver_ampere, found.currents.sum(axis=1), rtol=1e-7)


def test_the_bound_holds_where_steps_are_shortened():
    # a cell of 1 mS at its threshold behind 1 kohm: plain passes swing to and fro, so that the factor falls below 1
    g = np.array([6.8e-7, 1.05e-7, 1.122e-4, 1.39e-5, 2.335e-7, 2.398e-7, 9.92370238e-4, 1.576e-6, 8.14e-7, 5.44e-8])
    v_in = np.array([[0.0, 0.0, -0.2, 0.0, -0.2, 0.1, -0.2, 0.0, -0.2, 0.2]])
    circuit = {
        "topology": "1t1r", "iv": Selector(threshold_volt=0.15, width_volt=5.912774e-4, off_ratio=1e-4),
        "r_wl_ohm": 1000.0, "r_source_ohm": 30.0,
    }  # fmt: skip
    fine, coarse = (solve_reads(g[:, np.newaxis], v_in, tol=tol, threads=1, **circuit) for tol in (1e-9, 1e-4))
    far = np.abs(fine.currents - coarse.currents).max()
    assert 0 < far <= fine.error_ampere[0] + coarse.error_ampere[0]


def test_vectors_that_do_not_converge_leave_their_voltages_alone():
    # nodal analysis begins from these voltages: they must not be those of other vectors
    rng = np.random.default_rng(5)
    g, v_in = 10 ** rng.uniform(-6, -4, (32, 32)), rng.choice([0.0, 0.1, 0.2], (40, 32))
    lines = Lines(wires=Wires(r_wl_ohm=2000.0, r_bl_ohm=2000.0))
    question = check_question(g, v_in, lines, "passive", Selector(threshold_volt=0.1, width_volt=1e-3), None, None)
    volt = np.full((1, 40, 2, 32, 32), np.nan)
    left = relax_all(question, START_TOLERANCE, 100, 1, volt).passes[0] == 0
    assert 0 < left.sum() < 40
    np.testing.assert_array_equal(np.isnan(volt[0]).all(axis=(1, 2, 3)), left)
    assert np.isfinite(volt[0, ~left]).all()


def test_selectors_close_at_one_voltage_in_both_solvers():
    assert iv.CLOSED == _cell.CLOSED
