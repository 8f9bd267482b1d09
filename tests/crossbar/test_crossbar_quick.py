"""The quick operator: within its tolerance on random arrays, left to line iteration elsewhere."""

import numpy as np
import pytest
from crossbar.test_certificate import draw_case

from xbarsim.crossbar import Wires, certificate, solve_transfer, transfer
from xbarsim.crossbar._direct import solve_direct
from xbarsim.crossbar._quick import solve_quickly
from xbarsim.errors import ConfigError

WIRES = {"r_wl_ohm": 2.5, "r_bl_ohm": 2.5}


def draw_cells(shape, seed=0):
    """Cells of 1 to 10 uS, half of them off [S]."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.5, 1e-6, rng.uniform(1e-6, 1e-5, shape))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 12), (33, 18), (64, 64), (128, 96)])
@pytest.mark.parametrize("ends_ohm", [0.0, 100.0])
def test_quick_operators_keep_their_tolerance(shape, ends_ohm):
    g, wires = draw_cells(shape), Wires(**WIRES, r_source_ohm=ends_ohm, r_sink_ohm=ends_ohm)
    t = np.empty((1, *shape))
    passes, error = solve_quickly(g[np.newaxis], wires, 1e-9, 1, t)
    expected = solve_direct(g, wires)
    assert 2 <= passes[0] <= 6
    assert np.abs(t[0] - expected).max() <= max(error[0], 1e-12) * expected.max() <= 1e-9 * expected.max()


def test_estimates_hold_on_random_arrays():
    rng = np.random.default_rng(1)
    solved = 0
    for _ in range(60):
        g, wires = draw_case(rng, 60)
        g *= 0.03
        t = np.empty((1, *g.shape))
        _, error = solve_quickly(g[np.newaxis], Wires(**wires), 1e-9, 1, t)
        if error[0] <= 1e-9:
            solved += 1
            expected = solve_direct(g, Wires(**wires))
            assert np.abs(t[0] - expected).max() <= 2e-9 * expected.max()
    assert solved >= 20


def test_strong_wires_are_left_to_line_iteration_with_its_bits():
    g = np.random.default_rng(2).uniform(1e-5, 1e-4, (2, 40, 40))
    wires = {"r_wl_ohm": 30.0, "r_bl_ohm": 30.0}
    assert not np.isfinite(solve_quickly(g, Wires(**wires), 1e-9, 1, np.empty_like(g))[1]).any()
    np.testing.assert_array_equal(solve_transfer(g, **wires, tol=1e-8), solve_transfer(g, **wires))


def test_an_array_of_a_stack_that_is_left_over_is_solved_alone():
    g = np.stack([draw_cells((40, 40)), np.full((40, 40), 1e-3), draw_cells((40, 40), 1)])
    found = solve_transfer(g, **WIRES, tol=1e-8)
    exact = solve_transfer(g, **WIRES)
    np.testing.assert_array_equal(found[1], exact[1])
    for array in (0, 2):
        assert 0 < np.abs(found[array] - exact[array]).max() <= 1e-9 * exact[array].max()


def test_a_coarse_operator_has_a_proven_error_within_its_tolerance():
    g = draw_cells((2, 128, 128))
    found = solve_transfer(g, **WIRES, tol=1e-8)
    assert (certificate.certify(g, Wires(**WIRES), found).bound <= 1e-8).all()
    np.testing.assert_array_equal(found, solve_transfer(g, **WIRES, tol=1e-8, threads=1))
    np.testing.assert_array_equal(found[1], solve_transfer(g[1], **WIRES, tol=1e-8))


def test_a_quick_operator_that_fails_its_certificate_is_solved_again(monkeypatch):
    def spoil(g, wires, tolerance, threads, t):
        found = solve_quickly(g, wires, tolerance, threads, t)
        t[0, 3, 5] *= 0.999
        return found

    g = draw_cells((2, 20, 20))
    monkeypatch.setattr(transfer, "solve_quickly", spoil)
    np.testing.assert_array_equal(solve_transfer(g, **WIRES, tol=1e-8)[0], solve_transfer(g[0], **WIRES))


@pytest.mark.parametrize("tol", [1e-12, 1.0, np.nan, "1e-8"])
def test_tolerances_that_no_method_has_are_refused(tol):
    with pytest.raises(ConfigError, match=r"^tol: .* is not between 5e-10 and 1"):
        solve_transfer([[1e-6]], tol=tol)
