"""The transfer operator against a nodal solve, its exact properties, and bad input."""

import numpy as np
import pytest
from reference.nodal_solve import solve_nodal_transfer

from xbarsim.crossbar import Wires, solve_transfer, solve_transfer_report
from xbarsim.crossbar._direct import solve_direct
from xbarsim.errors import ConfigError, ShapeError

NAMES = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
WIRES = [
    (2.5, 2.5, 0, 0), (2.5, 2.5, 100, 100), (0, 0, 0, 0), (0, 2, 0, 0), (2, 0, 0, 0), (0, 0, 10, 0), (0, 0, 0, 10),
    (0, 0, 10, 10), (100, 100, 0, 0), (0.1, 0.1, 0, 0), (5, 0, 3, 4), (0, 5, 3, 4),
]  # fmt: skip


def cells(kind, shape, seed=0):
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 1e-4, shape)
    if kind == "half off":
        g[rng.random(shape) < 0.5] = 0
    elif kind == "all on":
        g[:] = 1e-4
    elif kind == "one column on":
        g[:] = 1e-10
        g[:, shape[1] // 2] = 1e-4
    elif kind == "ratio 1e6":
        g = 10 ** rng.uniform(-9, -3, shape)
    return g


KINDS = ["random", "half off", "all on", "one column on", "ratio 1e6"]


@pytest.mark.parametrize("wires", WIRES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (9, 20), (33, 18)])
def test_operator_equals_a_nodal_solve(wires, shape):
    for kind in KINDS:
        g = cells(kind, shape)
        expected = solve_nodal_transfer(g, *wires)
        t = solve_transfer(g, **dict(zip(NAMES, wires, strict=True)))
        direct = solve_direct(g, Wires(**dict(zip(NAMES, wires, strict=True))))
        np.testing.assert_allclose(t, expected, rtol=0, atol=1e-9 * expected.max(), err_msg=kind)
        np.testing.assert_allclose(direct, expected, rtol=0, atol=1e-12 * expected.max(), err_msg=kind)


def test_cells_that_are_all_off_carry_nothing():
    t = solve_transfer(np.zeros((5, 6)), r_wl_ohm=2.5, r_bl_ohm=2.5)
    np.testing.assert_array_equal(t, 0)


def test_a_stack_gives_the_bits_of_its_arrays_for_any_thread_count():
    g = np.random.default_rng(3).uniform(1e-6, 1e-4, (2, 3, 20, 30))
    whole = solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, threads=1)
    assert whole.shape == g.shape
    np.testing.assert_array_equal(whole, solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5, threads=2))
    np.testing.assert_array_equal(whole[1, 2], solve_transfer(g[1, 2], r_wl_ohm=2.5, r_bl_ohm=2.5))


def test_ideal_and_empty_stacks_pass_through():
    g = cells("random", (4, 5))
    np.testing.assert_array_equal(solve_transfer(g, r_wl_ohm=2.5, method="ideal"), g)
    assert solve_transfer(np.zeros((0, 4, 5)), r_wl_ohm=1.0, r_bl_ohm=1.0).shape == (0, 4, 5)


@pytest.mark.parametrize(
    "g",
    [
        [[np.nan]], [[-1e-6]], [[np.inf]], [[1j]], [1e-6], 1e-6, [["a"]], np.zeros((0, 3)), np.zeros((3, 0)),
        [[1e-6], [1e-6, 1e-6]], None,
    ],
)  # fmt: skip
def test_bad_conductances_are_refused_by_name(g):
    with pytest.raises(ShapeError, match=r"^g: "):
        solve_transfer(g, r_wl_ohm=2.5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "2", None, 1j])
def test_bad_resistances_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        solve_transfer([[1e-6]], **{name: value})


def test_unknown_methods_and_thread_counts_are_refused():
    with pytest.raises(ConfigError, match="method"):
        solve_transfer([[1e-6]], method="magic")
    with pytest.raises(ConfigError, match="threads"):
        solve_transfer([[1e-6]], threads=0)


def test_closed_form_is_close_where_wires_are_weak():
    g = cells("random", (32, 32))
    exact = solve_transfer_report(g, r_wl_ohm=0.5, r_bl_ohm=0.5)
    near = solve_transfer_report(g, r_wl_ohm=0.5, r_bl_ohm=0.5, method="closed_form")
    assert near.method == "closed_form"
    assert 0 < np.abs(near.t - exact.t).max() < 2e-3 * exact.t.max()


@pytest.mark.parametrize("ohm", [0.1, 2.5, 10.0, 100.0])
@pytest.mark.parametrize("kind", [*KINDS, "stuck"])
def test_large_arrays_agree_with_block_elimination(ohm, kind):
    g = cells(kind, (72, 64), seed=5)
    if kind == "stuck":
        g[np.random.default_rng(6).random(g.shape) < 0.1] = 1e-4
    report = solve_transfer_report(g, r_wl_ohm=ohm, r_bl_ohm=ohm, r_source_ohm=50.0)
    direct = solve_direct(g, Wires(r_wl_ohm=ohm, r_bl_ohm=ohm, r_source_ohm=50.0))
    error = np.abs(report.t - direct).max() / direct.max()
    assert error <= 1e-9
    assert error <= report.error_estimate <= max(30 * error, 1e-12)
