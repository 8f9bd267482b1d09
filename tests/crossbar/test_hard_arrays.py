"""Arrays and wires that solvers trip over: the exact operator converges fast, or is refused."""

import numpy as np
import pytest
from reference.nodal_solve import solve_nodal_transfer
from threadpoolctl import threadpool_limits

from xbarsim.crossbar import Wires, _iteration, solve_transfer, solve_transfer_report, transfer
from xbarsim.crossbar._direct import solve_direct
from xbarsim.errors import ConfigError, SolverError


def make_cells(kind, shape):
    rng = np.random.default_rng(8)
    g = rng.uniform(1e-6, 1e-4, shape)
    if kind == "all on":
        g[:] = 1e-4
    elif kind == "all off":
        g[:] = 0.0
    elif kind == "one column on":
        g[:] = 1e-10
        g[:, shape[1] // 3] = 1e-4
    elif kind == "one row on":
        g[:] = 1e-10
        g[shape[0] // 3] = 1e-4
    elif kind == "stuck":
        g[rng.random(shape) < 0.1] = 0.0
        g[rng.random(shape) < 0.1] = 1e-3
    elif kind == "on/off 1e6":
        g = np.where(rng.random(shape) < 0.5, 1e-3, 1e-9)
    return g


@pytest.mark.parametrize("kind", ["random", "all on", "all off", "one column on", "one row on", "stuck", "on/off 1e6"])
@pytest.mark.parametrize("shape", [(1, 48), (48, 1), (40, 24)])
@pytest.mark.parametrize("ohm", [0.0, 0.1, 100.0])
@pytest.mark.parametrize("ends_ohm", [0.0, 100.0])
def test_hard_arrays_equal_a_nodal_solve_and_carry_a_certificate(kind, shape, ohm, ends_ohm):
    g = make_cells(kind, shape)
    wires = {"r_wl_ohm": ohm, "r_bl_ohm": ohm, "r_source_ohm": ends_ohm, "r_sink_ohm": ends_ohm}
    report = solve_transfer_report(g, **wires)
    expected = solve_nodal_transfer(g, *wires.values()) if kind != "all off" else np.zeros(shape)
    assert np.abs(report.t - expected).max() <= 1e-9 * expected.max()
    assert report.residual <= 1e-8
    assert report.iterations <= 24


@pytest.mark.parametrize("wires", [{"r_wl_ohm": 5.0}, {"r_bl_ohm": 5.0}, {"r_source_ohm": 5.0}, {"r_sink_ohm": 5.0}])
def test_wires_of_zero_ohm_along_one_side_are_exact(wires):
    g = make_cells("stuck", (30, 40))
    report = solve_transfer_report(g, **wires)
    expected = solve_nodal_transfer(g, **{name.removesuffix("_ohm"): ohm for name, ohm in wires.items()})
    assert np.abs(report.t - expected).max() <= 1e-12 * expected.max()
    assert report.residual <= 1e-12
    assert report.error_estimate <= 1e-11


def test_what_iteration_cannot_reach_is_eliminated(monkeypatch):
    monkeypatch.setattr(_iteration, "MOST_PASSES", 3)
    g = np.stack([make_cells("random", (40, 40)), make_cells("all off", (40, 40))])
    report = solve_transfer_report(g, r_wl_ohm=100.0, r_bl_ohm=100.0)
    assert report.method == "block_elimination"
    with threadpool_limits(1):  # the bits of LAPACK depend on its threads
        direct = solve_direct(g[0], Wires(r_wl_ohm=100.0, r_bl_ohm=100.0))
    np.testing.assert_array_equal(report.t[0], direct)
    np.testing.assert_array_equal(report.t[1], 0.0)


@pytest.mark.parametrize("method", ["auto", "closed_form"])
def test_numbers_that_overflow_are_refused(method):
    with pytest.raises(SolverError, match=r"^g: .*exceed the numerical range"):
        solve_transfer(np.full((4, 4), 1e305), r_wl_ohm=1e10, r_bl_ohm=1e10, method=method)


def test_an_operator_that_no_network_can_have_is_refused_with_how_far_it_came(monkeypatch):
    monkeypatch.setattr(_iteration, "MOST_PASSES", 3)
    monkeypatch.setattr(transfer, "solve_directly", lambda g, chosen, wires, threads, t: t.fill(1.0))
    with pytest.raises(
        SolverError, match=r"array 0: line iteration ended at an error of \d\.\de[+-]\d+ of the largest entry"
    ):
        solve_transfer(make_cells("random", (40, 40)), r_wl_ohm=100.0, r_bl_ohm=100.0)


def test_a_wrong_operator_fails_its_certificate_and_is_solved_again(monkeypatch):
    def spoil(g, wires, tolerance, threads, t):
        passes, error = _iteration.iterate_stack(g, wires, tolerance, threads, t)
        t[0, 3, 5] *= 0.999
        return passes, error

    g, wires = make_cells("random", (2, 20, 20)), {"r_wl_ohm": 2.5, "r_bl_ohm": 2.5}
    right = solve_transfer(g, **wires)
    monkeypatch.setattr(transfer, "iterate_stack", spoil)
    report = solve_transfer_report(g, **wires)
    assert report.method == "block_elimination"
    assert report.error_estimate < 1e-8
    np.testing.assert_allclose(solve_transfer(g, **wires), right, rtol=0, atol=1e-9 * right.max())
    spoilt = solve_transfer(g, **wires, checked=0)
    assert spoilt[0, 3, 5] == pytest.approx(0.999 * right[0, 3, 5], rel=1e-6)
    monkeypatch.setattr(transfer, "solve_directly", lambda *_: None)
    with pytest.raises(SolverError, match="array 0: line iteration and block elimination failed"):
        solve_transfer(g, **wires)


@pytest.mark.parametrize("checked", [-1, 1.5, "all"])
def test_the_number_of_arrays_to_check_is_a_whole_one(checked):
    with pytest.raises(ConfigError, match=r"^checked: .* is not a number of arrays of zero or more"):
        solve_transfer(np.ones((2, 2)), checked=checked)


def test_an_elimination_of_more_than_minutes_is_refused_with_its_time(monkeypatch):
    monkeypatch.setattr(_iteration, "MOST_PASSES", 3)
    monkeypatch.setattr(transfer, "MOST_OPERATIONS", 1e6)
    message = r"array 0: line iteration ended .* elimination of 40 x 60 cells would take .* minutes and .* GB; give"
    with pytest.raises(SolverError, match=message) as caught:
        solve_transfer(make_cells("random", (40, 60)), r_wl_ohm=100.0, r_bl_ohm=100.0)
    assert len(str(caught.value)) <= 400


def test_an_operator_that_does_not_fit_the_memory_is_refused_before_work(monkeypatch):
    monkeypatch.setattr("xbarsim.limits.find_memory", lambda: 100_000)
    monkeypatch.setattr(transfer, "iterate_stack", lambda *_: pytest.fail("it began"))
    with pytest.raises(ConfigError, match=r"g: the operator of 40 x 60 cells: needs at least 0.0 GB.*closed_form"):
        solve_transfer(make_cells("random", (40, 60)), r_wl_ohm=1.0, r_bl_ohm=1.0)
