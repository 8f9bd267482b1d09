"""Exact properties of the passive circuit, for arrays and wires that Hypothesis makes up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xbarsim.crossbar import solve_transfer

RESISTANCE = st.sampled_from([0.0, 0.1, 2.5, 30.0, 100.0])
CONDUCTANCE = st.one_of(st.just(0.0), st.floats(1e-9, 1e-3))
ARRAY = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=CONDUCTANCE)
TESTS = settings(max_examples=60, deadline=None)


@TESTS
@given(ARRAY, RESISTANCE, RESISTANCE, RESISTANCE, RESISTANCE)
def test_flipping_both_axes_transposes_the_operator(g, r_wl, r_bl, r_source, r_sink):
    t = solve_transfer(g, r_wl_ohm=r_wl, r_bl_ohm=r_bl, r_source_ohm=r_source, r_sink_ohm=r_sink)
    turned = solve_transfer(g[::-1, ::-1].T, r_wl_ohm=r_bl, r_bl_ohm=r_wl, r_source_ohm=r_sink, r_sink_ohm=r_source)
    np.testing.assert_allclose(turned, t[::-1, ::-1].T, rtol=0, atol=1e-9 * t.max())


@TESTS
@given(ARRAY, RESISTANCE, RESISTANCE, RESISTANCE, RESISTANCE)
def test_every_entry_is_finite_and_no_line_gives_more_than_its_cells(g, r_wl, r_bl, r_source, r_sink):
    t = solve_transfer(g, r_wl_ohm=r_wl, r_bl_ohm=r_bl, r_source_ohm=r_source, r_sink_ohm=r_sink)
    assert np.isfinite(t).all()
    room = 1e-9 * t.max()
    assert t.min() >= -room
    assert (t.sum(axis=1) <= g.sum(axis=1) + room).all()
    assert (t.sum(axis=0) <= g.sum(axis=0) + room).all()


@TESTS
@given(ARRAY, RESISTANCE, RESISTANCE, st.floats(1.0, 20.0))
def test_total_current_of_equal_rows_falls_as_wires_get_worse(g, r_wl, r_bl, factor):
    better = solve_transfer(g, r_wl_ohm=r_wl, r_bl_ohm=r_bl)
    worse = solve_transfer(g, r_wl_ohm=r_wl * factor, r_bl_ohm=r_bl * factor)
    assert worse.sum() <= better.sum() + 1e-9 * better.max() * g.size


@TESTS
@given(ARRAY, st.floats(0.0, 1.0))
def test_operator_tends_to_the_conductances_as_wires_vanish(g, exponent):
    r = 10.0 ** (-6 - exponent)
    t = solve_transfer(g, r_wl_ohm=r, r_bl_ohm=r)
    loss = 2 * r * sum(g.shape) * g.sum()  # first order in r, summed over every way a current can take
    np.testing.assert_allclose(t, g, rtol=0, atol=(loss + 1e-9) * max(g.max(), 1e-300))


@TESTS
@given(ARRAY, RESISTANCE, RESISTANCE, st.floats(0.1, 10.0))
def test_scaling_cells_up_and_wires_down_scales_currents(g, r_wl, r_bl, factor):
    t = solve_transfer(g, r_wl_ohm=r_wl, r_bl_ohm=r_bl)
    scaled = solve_transfer(g * factor, r_wl_ohm=r_wl / factor, r_bl_ohm=r_bl / factor)
    np.testing.assert_allclose(scaled, t * factor, rtol=0, atol=2e-9 * factor * t.max())
