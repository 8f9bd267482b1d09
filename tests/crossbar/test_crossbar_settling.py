"""Settling after a step of the inputs: against dense matrices, ngspice, and laws of single lines."""

import numpy as np
import pytest
from reference.spice import needs_ngspice, run_ngspice
from scipy.linalg import expm

from xbarsim.crossbar import TOPOLOGIES, solve_currents, solve_settling
from xbarsim.errors import ConfigError, ShapeError

RNG = np.random.default_rng(5)
OHMS = {"r_bl_ohm": 3.0, "r_source_ohm": 200.0, "r_sink_ohm": 100.0}
FARADS = {"c_wl_farad": 2e-15, "c_bl_farad": 3e-15}
LINEAR = [name for name, topology in TOPOLOGIES.items() if not topology.has_selector]


def lines_of(name):
    """Return the resistances that a topology uses."""
    layout = TOPOLOGIES[name]
    extra = {"r_sl_ohm": 2.0} if layout.inputs == "gates" else {"r_wl_ohm": 4.0}
    return {**OHMS, **extra, **({"r_access_ohm": 1500.0} if layout.has_transistor else {})}


def solve_dense(name, g, v_in, time_s, leak=0.0):
    """Return currents (times, cols) by the matrix exponential, built cell by cell without the package's circuits.

    Lines are driven and sensed as the topology says; every node has the capacitance of its segment.
    """
    layout, ohms = TOPOLOGIES[name], lines_of(name)
    rows, cols = g.shape
    gated = layout.inputs == "gates"
    size = rows * cols
    matrix, push = np.zeros((2 * size, 2 * size)), np.zeros(2 * size)
    sensors = np.zeros((cols, 2 * size))
    read, closed = v_in.max(), np.zeros((2 * size, 2 * size))
    r_first = ohms["r_sl_ohm"] if gated else ohms["r_wl_ohm"]
    down = layout.source_lines == "columns"

    def join(a, b, siemens):
        matrix[a, a] += siemens
        matrix[b, b] += siemens
        matrix[a, b] -= siemens
        matrix[b, a] -= siemens

    def hold(a, siemens, volt):
        matrix[a, a] += siemens
        push[a] += siemens * volt

    for i in range(rows):
        for j in range(cols):
            cell = g[i, j] / (1 + ohms.get("r_access_ohm", 0.0) * g[i, j])
            off, x = g[i, j] * leak / (g[i, j] + leak), v_in[i] / read if gated else 1.0
            here, there = i * cols + j, size + i * cols + j
            join(here, there, x * cell + (1 - x) * off)
            closed[[here, there], [here, there]] += x * (off - cell)
            closed[[here, there], [there, here]] -= x * (off - cell)
            if i + 1 < rows:
                join(size + i * cols + j, size + (i + 1) * cols + j, 1 / ohms["r_bl_ohm"])
                if down:
                    join(i * cols + j, (i + 1) * cols + j, 1 / r_first)
            if j + 1 < cols and not down:
                join(i * cols + j, i * cols + j + 1, 1 / r_first)
    end = 1 / (r_first + ohms["r_source_ohm"])
    for k in range(cols if down else rows):
        near, far = (k, (rows - 1) * cols + k) if down else (k * cols, k * cols + cols - 1)
        ends = {"near": [near], "far": [far], "both": [near, far], "alternate": [near if k % 2 == 0 else far]}
        is_open = layout.floating and v_in[k] == 0
        for node in [] if is_open else ends[layout.drive]:
            hold(node, end, read if gated else v_in[k])
    for j in range(cols):
        last, top = size + (rows - 1) * cols + j, size + j
        node = {"far": last, "near": top, "alternate": last if j % 2 == 0 else top}[layout.sense]
        siemens = 1 / (ohms["r_bl_ohm"] + ohms["r_sink_ohm"])
        hold(node, siemens, 0.0)
        sensors[j, node] = siemens
    first = FARADS["c_bl_farad"] if down else FARADS["c_wl_farad"]
    capacity = np.repeat([first, FARADS["c_bl_farad"]], size)
    final = np.linalg.solve(matrix, push)
    start = np.concatenate([np.full(size, read if gated else 0.0), np.zeros(size)])
    if leak:
        start = np.linalg.solve(matrix + closed, push)
    rate = -matrix / capacity[:, np.newaxis]
    return np.array([sensors @ (final + expm(rate * t) @ (start - final)) for t in time_s])


@pytest.mark.parametrize(
    ("name", "leak"),
    [*((name, 0.0) for name in LINEAR), *((name, 2e-6) for name in LINEAR if TOPOLOGIES[name].inputs == "gates")],
)
def test_currents_after_a_step_are_those_of_the_matrix_exponential(name, leak):
    g = 10.0 ** RNG.uniform(-6, -4, (5, 4))
    v_in = np.where(RNG.random(5) < 0.7, 0.2, 0.0)
    v_in[0] = 0.2
    ohms = {**lines_of(name), "g_leak_siemens": leak}
    found = solve_settling(g, v_in, **ohms, **FARADS, tol_ampere=1e-10, topology=name)
    times = np.array([1e-13, 1e-12, 5e-12, 2e-11, 1e-10])
    expected = solve_dense(name, g, v_in, times, leak)
    scale = np.abs(found.final_ampere).max()
    np.testing.assert_allclose(found.follow(times), expected, atol=2e-4 * scale)
    np.testing.assert_allclose(found.final_ampere, solve_currents(g, v_in, **ohms, topology=name), rtol=1e-8)
    after = solve_dense(name, g, v_in, np.array([found.settling_s.max() * 1.01]), leak)
    before = solve_dense(name, g, v_in, np.array([found.settling_s.max() * 0.97]), leak)
    slowest = int(found.settling_s.argmax())
    assert abs(after[0, slowest] - found.final_ampere[slowest]) <= 1e-10
    assert abs(before[0, slowest] - found.final_ampere[slowest]) > 1e-10


def test_a_sensor_and_the_capacitance_of_its_line_settle_as_one_pole():
    # nearly perfect wires: everything hangs on the sensor; tau = r_sink * rows * c_bl beside the cells' conductance
    g = np.full((64, 1), 1e-6)
    found = solve_settling(g, np.full(64, 0.1), r_sink_ohm=1000.0, c_wl_farad=0.0, c_bl_farad=1e-15, tol_ampere=1e-9)
    tau = 64e-15 / (1e-3 + 64e-6)
    assert found.decay_s == pytest.approx([tau], rel=1e-6)
    final = float(found.final_ampere[0])
    assert found.settling_s[0] == pytest.approx(tau * np.log(final / 1e-9), rel=1e-6)


def test_larger_arrays_wires_and_tighter_tolerances_settle_later():
    def settle(rows, ohm, tol):
        return solve_settling(
            np.full((rows, rows), 1e-5), np.full(rows, 0.2), r_wl_ohm=ohm, r_bl_ohm=ohm, **FARADS, tol_ampere=tol
        ).settling_s.max()

    usual = settle(16, 5.0, 1e-8)
    assert settle(32, 5.0, 1e-8) > 2 * usual
    assert settle(16, 10.0, 1e-8) > 1.5 * usual
    assert settle(16, 5.0, 1e-9) > usual


def test_nothing_settles_at_once_without_capacitance_or_conductance():
    g = np.full((3, 3), 1e-5)
    assert not solve_settling(g, np.ones(3), r_wl_ohm=1.0, c_wl_farad=0, c_bl_farad=0, tol_ampere=1e-9).settling_s.any()
    dark = solve_settling(np.zeros((3, 3)), np.ones(3), r_bl_ohm=1.0, r_wl_ohm=1.0, **FARADS, tol_ampere=1e-9)
    assert not dark.settling_s.any()
    assert not dark.final_ampere.any()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"c_wl_farad": -1e-15}, ConfigError, "c_wl_farad"),
        ({"c_bl_farad": float("nan")}, ConfigError, "c_bl_farad"),
        ({"tol_ampere": 0.0}, ConfigError, "tol_ampere"),
        ({"v_in": np.ones((2, 3))}, ConfigError, "settling takes one array"),
        ({"v_in": np.ones(4)}, ShapeError, "v_in"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes, error, message):
    given = {"g": np.full((3, 3), 1e-5), "v_in": np.ones(3), **FARADS, "tol_ampere": 1e-9, **changes}
    with pytest.raises(error, match=message):
        solve_settling(given.pop("g"), given.pop("v_in"), **given)


@needs_ngspice
def test_settling_is_that_of_ngspice(tmp_path):
    rows, cols, volt = 8, 6, 0.2
    g = 10.0 ** np.random.default_rng(2).uniform(-6, -4.3, (rows, cols))
    ohms = {"r_wl_ohm": 20.0, "r_bl_ohm": 15.0, "r_source_ohm": 500.0, "r_sink_ohm": 300.0}
    tol = 2e-7
    found = solve_settling(g, np.full(rows, volt), **ohms, **FARADS, tol_ampere=tol)
    stop = 3 * float(found.settling_s.max())
    cards = ["* step"]
    for i in range(rows):
        cards.append(f"V{i} d{i} 0 PULSE(0 {volt} 0 1e-16 1e-16 1 2)")
        cards.append(f"Rd{i} d{i} a{i}_0 {ohms['r_wl_ohm'] + ohms['r_source_ohm']}")
        for j in range(cols):
            cards.append(f"Rg{i}_{j} a{i}_{j} b{i}_{j} {float(1 / g[i, j])!r}")
            cards.append(f"Ca{i}_{j} a{i}_{j} 0 {FARADS['c_wl_farad']}")
            cards.append(f"Cb{i}_{j} b{i}_{j} 0 {FARADS['c_bl_farad']}")
            if j:
                cards.append(f"Rw{i}_{j} a{i}_{j - 1} a{i}_{j} {ohms['r_wl_ohm']}")
            if i:
                cards.append(f"Rb{i}_{j} b{i - 1}_{j} b{i}_{j} {ohms['r_bl_ohm']}")
    for j in range(cols):
        cards += [f"Rs{j} b{rows - 1}_{j} s{j} {ohms['r_bl_ohm'] + ohms['r_sink_ohm']}", f"Vs{j} s{j} 0 DC 0"]
    currents = " ".join(f"i(vs{j})" for j in range(cols))
    cards += [
        ".options reltol=1e-6 abstol=1e-15 chgtol=1e-20", ".control", "set numdgt=12", "set wr_singlescale",
        f"tran {stop / 4000!r} {stop!r} 0 {stop / 4000!r}", f"wrdata {tmp_path / 'step.data'} {currents}", "quit 0",
        ".endc", ".end", "",
    ]  # fmt: skip
    run_ngspice("\n".join(cards), tmp_path)
    t, *columns = np.loadtxt(tmp_path / "step.data").T
    current = np.array(columns).T
    settled = [t[np.flatnonzero(np.abs(current[:, j] - current[-1, j]) > tol)[-1]] for j in range(cols)]
    np.testing.assert_allclose(found.final_ampere, current[-1], rtol=1e-3)
    np.testing.assert_allclose(found.settling_s, settled, rtol=0.01)
