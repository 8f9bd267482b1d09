"""What reports say about accuracy: certificates against true errors, estimates against true errors."""

import numpy as np
import pytest
from reference.nodal_solve import solve_nodal_transfer

from xbarsim.crossbar import Wires, _check, certificate, solve_transfer, solve_transfer_report
from xbarsim.crossbar._direct import solve_direct
from xbarsim.crossbar.certificate import certify, sense_currents

CASES = 200


def draw_case(rng, most=90):
    """Draw an array of 1 to ``most`` rows and columns, wires of 0.1 to 100 ohm and cells that span 1 to 1000."""
    shape = tuple(int(most ** rng.random()) for _ in range(2))
    low = 10 ** rng.uniform(-8, -5)
    span = 10 ** rng.uniform(0, 3)
    u = rng.random(shape)
    kind = rng.choice(["uniform", "log", "half on", "few on"])
    if kind == "uniform":
        g = low * (1 + (span - 1) * u)
    elif kind == "log":
        g = low * span**u
    else:
        g = np.where(u < (0.5 if kind == "half on" else 0.05), low * span, low)
    wires = {"r_wl_ohm": 10 ** rng.uniform(-1, 2), "r_bl_ohm": 10 ** rng.uniform(-1, 2)}
    for name in ("r_source_ohm", "r_sink_ohm"):
        wires[name] = float(rng.choice([0, 100]))
    return g, wires


@pytest.mark.parametrize("method", ["closed_form", "ideal"])
def test_error_estimates_bound_what_is_missed_in_nine_cases_of_ten(method):
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(CASES):
        g, wires = draw_case(rng)
        report = solve_transfer_report(g, **wires, method=method)
        missed = np.abs(report.t - solve_transfer(g, **wires)).max() / report.t.max()
        ratios.append(report.error_estimate / missed)
    assert np.mean(np.array(ratios) >= 1.0) >= 0.95
    assert np.median(ratios) < 1.6
    assert max(ratios) < 3.0


def test_closed_form_never_exceeds_the_exact_operator():
    rng = np.random.default_rng(3)
    for _ in range(30):
        g, wires = draw_case(rng, 40)
        exact = solve_transfer(g, **wires)
        assert (solve_transfer(g, **wires, method="closed_form") <= exact + 1e-9 * exact.max()).all()


def test_sensed_currents_are_known_within_their_bound():
    rng = np.random.default_rng(4)
    for _ in range(12):
        g, wires = draw_case(rng, 24)
        v = rng.normal(size=(len(g), 3))
        currents, stray = sense_currents(g[np.newaxis], Wires(**wires), v)
        missed = np.abs(currents[0] - v.T @ solve_nodal_transfer(g, *wires.values())).sum(axis=1)
        assert (missed <= stray[0] + 1e-12 * np.abs(currents[0]).sum(axis=1)).all()


def sense_word_currents(g, r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm):
    """Return the currents of sensors, (rows * cols, cols), for 1 A into each word-line node, by a dense matrix."""
    word = np.arange(g.size).reshape(g.shape)
    bit = word + g.size
    a = np.zeros((2 * g.size, 2 * g.size))
    pairs = [(word[:, :-1], word[:, 1:], 1 / r_wl_ohm), (bit[:-1], bit[1:], 1 / r_bl_ohm), (word, bit, g)]
    for one, other, siemens in pairs:
        for i, j, y in np.broadcast(one, other, siemens):
            a[[i, j], [i, j]] += y
            a[[i, j], [j, i]] -= y
    a[word[:, 0], word[:, 0]] += 1 / (r_wl_ohm + r_source_ohm)
    a[bit[-1], bit[-1]] += 1 / (r_bl_ohm + r_sink_ohm)
    return np.linalg.inv(a)[: g.size, bit[-1]] / (r_bl_ohm + r_sink_ohm)


def test_no_sensor_receives_more_of_a_word_lines_current_than_its_bound():
    rng = np.random.default_rng(11)
    ratios = []
    for _ in range(40):
        g, wires = draw_case(rng, 9)
        share = _check.eliminate_lines(g, *wires.values(), *np.empty((2, 2, *g.shape)))[1]
        ratios.append(sense_word_currents(g, **wires).max() / share)
    assert max(ratios) <= 1 + 1e-9
    assert max(ratios) > 0.5


def test_one_wrong_entry_is_seen():
    rng = np.random.default_rng(5)
    g = rng.uniform(1e-6, 1e-4, (3, 30, 20))
    t = solve_transfer(g, r_wl_ohm=2.5, r_bl_ohm=2.5)
    wires = Wires(r_wl_ohm=2.5, r_bl_ohm=2.5)
    assert (certify(g, wires, t).residual < 1e-9).all()
    t[1, 29, 0] += 1e-6 * t[1].max()
    found = certify(g, wires, t)
    assert found.residual[1] > 1e-8
    assert found.proven[1] > 0.9e-6 / 30
    assert 0.99e-6 < found.bound[1] < 2e-6
    assert (found.proven[[0, 2]] < 1e-9).all()


def compare_bound(g, wires):
    """Return the error of an operator against a nodal solve, and what its report says of it."""
    report = solve_transfer_report(g, threads=1, **wires)
    expected = solve_nodal_transfer(g, *wires.values(), refined=True)
    return np.abs(report.t - expected).max() / (expected.max() or 1.0), report.error_estimate


def check_bound(error, bound):
    """Check what a bound may be."""
    assert error <= bound
    assert bound <= max(30 * error, 1e-12)


def test_bounds_hold_and_are_tight():
    rng = np.random.default_rng(7)
    for _ in range(25):
        check_bound(*compare_bound(*draw_case(rng, 24)))


@pytest.mark.slow
def test_bounds_hold_and_are_tight_on_a_thousand_arrays():
    rng = np.random.default_rng(8)
    for _ in range(1000):
        g, wires = draw_case(rng, 100)
        report = solve_transfer_report(g, threads=1, **wires)
        expected = solve_direct(g, Wires(**wires))
        error = np.abs(report.t - expected).max() / expected.max()
        check_bound(error, report.error_estimate)


def test_every_array_of_a_stack_has_a_bound_of_its_own():
    g = np.random.default_rng(9).uniform(1e-6, 1e-4, (2, 3, 40, 30))
    g[1, 2] *= 0.1
    report = solve_transfer_report(g, r_wl_ohm=2.5, r_bl_ohm=2.5, threads=2)
    assert report.errors.shape == (2, 3)
    alone = solve_transfer_report(g[1, 2], r_wl_ohm=2.5, r_bl_ohm=2.5)
    assert report.errors[1, 2] == alone.errors == alone.error_estimate
    assert report.error_estimate == report.errors.max()


def test_arrays_that_relaxation_gives_up_are_left_to_conjugate_gradients(monkeypatch):
    g = np.random.default_rng(10).uniform(1e-6, 1e-4, (40, 40))
    usual = solve_transfer_report(g, r_wl_ohm=30.0, r_bl_ohm=30.0)
    monkeypatch.setattr(certificate, "MOST_PASSES", 2)
    other = solve_transfer_report(g, r_wl_ohm=30.0, r_bl_ohm=30.0)
    assert other.error_estimate == pytest.approx(usual.error_estimate, rel=0.6)


def test_certificates_do_not_depend_on_the_rest_of_the_stack():
    g = np.random.default_rng(6).uniform(1e-6, 1e-4, (4, 12, 12))
    whole = solve_transfer_report(g, r_wl_ohm=2.5, r_bl_ohm=2.5)
    alone = [solve_transfer_report(one, r_wl_ohm=2.5, r_bl_ohm=2.5) for one in g]
    assert whole.residual == max(report.residual for report in alone)
    assert whole.error_estimate == max(report.error_estimate for report in alone)
