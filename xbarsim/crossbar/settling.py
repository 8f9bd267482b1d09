"""How fast sensed currents settle after a step of the inputs: wires with capacitance, ohmic cells.

Every node of a line has the capacitance of one segment to ground. After the step the deviation ``d`` of node voltages
from where they settle obeys ``C d' = -G d`` with symmetric matrices, so that it is a sum of decaying exponentials. The
slow ones are found in a Krylov space of the circuit (moments at zero frequency, as in A. Odabasioglu et al., "PRIMA:
Passive Reduced-order Interconnect Macromodeling Algorithm", IEEE Trans. CAD 17, 1998), which is enlarged until settling
times no longer change; the reduced circuit is passive whatever its size.

Neglected: capacitance of cells and gates, slew of drivers, amplifiers of sensors, and the curve of cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.crossbar.argument import CAPACITANCE, CURRENT, check_number
from xbarsim.crossbar.circuit import Circuit, Ohms, build_circuit, gather_lines
from xbarsim.crossbar.nodal import NodalEquations, check_nodal_memory, factor_matrix
from xbarsim.crossbar.question import Question, check_question
from xbarsim.crossbar.topology import Topology
from xbarsim.errors import ConfigError, SolverError

Floats = NDArray[np.float64]

FIRST = 12
"""Moments of the first reduced circuit [-]."""
MOST = 96
"""Moments beyond which a circuit is given up [-]."""
CHANGE = 1e-3
"""Largest relative change of settling times by more moments [-]."""
POINTS = 2000
"""Times at which a column is looked at, evenly spaced in their logarithm [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SettlingReport:
    """What columns sense after a step of the inputs."""

    settling_s: Floats
    """(cols,) time after which the current stays within the tolerance of its final value [s]."""
    final_ampere: Floats
    """(cols,) current that it settles at [A]."""
    decay_s: Floats
    """(modes,) time constants, the longest first [s]."""
    weight_ampere: Floats
    """(cols, modes) share of each time constant in the deviation at the start [A]."""

    def follow(self, time_s: ArrayLike) -> Floats:
        """Return the sensed currents at given times after the step.

        Parameters
        ----------
        time_s : array_like, (times,)
            Times [s].

        Returns
        -------
        ndarray, (times, cols)
            Currents [A].
        """
        found: Floats = self.final_ampere + _decay(self.decay_s, np.asarray(time_s, dtype=np.float64)) @ (
            self.weight_ampere.T
        )
        return found


def solve_settling(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    c_wl_farad: float,
    c_bl_farad: float,
    tol_ampere: float,
    r_wl_ohm: Ohms = 0.0,
    r_bl_ohm: Ohms = 0.0,
    r_source_ohm: Ohms = 0.0,
    r_sink_ohm: Ohms = 0.0,
    r_sl_ohm: Ohms = 0.0,
    r_access_ohm: float = 0.0,
    g_leak_siemens: float = 0.0,
    topology: str | Topology = "passive",
    read_volt: float | None = None,
) -> SettlingReport:
    """Return how long the columns of an array need to settle after its inputs are switched on.

    Before the step all lines are at 0 V, or, where inputs open gates, source lines at the read voltage and all gates
    closed.

    Parameters
    ----------
    g : array_like, (rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (rows,)
        Inputs after the step [V].
    c_wl_farad : float
        Capacitance of one segment of the lines along the rows [F].
    c_bl_farad : float
        Capacitance of one segment of the lines along the columns [F].
    tol_ampere : float
        Deviation from the final current within which a column has settled [A].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm : float or array_like
        Resistances as in :func:`~xbarsim.crossbar.solve_currents` [ohm].
    g_leak_siemens : float
        Closed transistors, as in :func:`~xbarsim.crossbar.solve_currents` [S].
    topology : str or Topology
        Layout.
    read_volt : float, optional
        Voltage of source lines where inputs open gates; the largest input by default [V].

    Returns
    -------
    SettlingReport
        Settling times, final currents and time constants.

    Raises
    ------
    ShapeError
        If an array is not real, finite and of a fitting shape.
    ConfigError
        If a resistance, capacitance, tolerance or name is wrong.
    SolverError
        If settling times do not converge.
    """
    for name, value in (("c_wl_farad", c_wl_farad), ("c_bl_farad", c_bl_farad)):
        check_number(name, value, CAPACITANCE)
    check_number("tol_ampere", tol_ampere, CURRENT)
    lines = gather_lines(r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm, g_leak_siemens)
    question = check_question(g, v_in, lines, topology, None, read_volt, None)
    if len(question.g) != 1 or question.vectors != 1:
        raise ConfigError(
            f"g: {len(question.g)} arrays with {question.vectors} vectors; settling takes one array and one vector"
        )
    check_nodal_memory(*question.g.shape[1:])
    transient = _Transient(question, c_wl_farad, c_bl_farad)
    found = transient.reduce(FIRST, tol_ampere)
    moments = FIRST
    while moments < MOST:
        moments *= 2
        finer = transient.reduce(moments, tol_ampere)
        largest = max(float(finer.settling_s.max()), float(found.settling_s.max()))
        if np.abs(finer.settling_s - found.settling_s).max() <= CHANGE * largest:
            return finer
        found = finer
    raise SolverError(f"settling: times still change with {MOST} moments; give fewer segments or a larger tolerance")


class _Transient:
    """The circuit of one array, and its deviation from the final state when the inputs are switched on."""

    def __init__(self, question: Question, c_wl_farad: float, c_bl_farad: float) -> None:
        layout, lines = question.topology, question.lines
        g, closed = lines.open_cells(question.g[0]), lines.closed_cells(question.g[0])
        is_gated = layout.inputs == "gates"
        if is_gated:
            g = closed + (g - closed) * question.share(0)[0][:, np.newaxis]
        rows, cols = g.shape
        driven = (question.inputs(0)[0] != 0) if layout.floating else None
        circuit = build_circuit(layout, g.shape, replace(lines, r_access_ohm=0.0, g_leak_siemens=0.0), driven)
        along = rows if layout.source_lines == "rows" else cols
        volt = np.full(along, question.supply(0)[0]) if is_gated else question.inputs(0)[0]
        equations = NodalEquations(circuit)
        siemens = np.concatenate([equations.wire_siemens, g.ravel()])
        final = equations.fix(volt[np.newaxis])[0]
        self._free = equations.reached(siemens)
        self._capacity = _add_capacities(circuit, layout, c_wl_farad, c_bl_farad)[self._free]
        self._incidence, self._siemens, self._circuit = equations.incidence, siemens, circuit
        inner = equations.incidence[:, self._free].tocsc()
        self._inner = inner
        before = np.zeros_like(final)
        if self._free.any():
            self._solve = factor_matrix(inner, siemens).solve
            final[self._free] -= self._solve(inner.T @ (siemens * (equations.incidence @ final)))
        if is_gated and lines.g_leak_siemens:  # closed gates let something pass
            before = equations.fix(volt[np.newaxis])[0]
            held = np.concatenate([equations.wire_siemens, closed.ravel()])
            if self._free.any():
                before[self._free] -= factor_matrix(inner, held).solve(
                    inner.T @ (held * (equations.incidence @ before))
                )
        elif is_gated:  # source lines are charged, and nothing flows through closed gates
            first = circuit.merged[np.arange(rows * cols)]
            line = np.arange(rows * cols) // cols if layout.source_lines == "rows" else np.arange(rows * cols) % cols
            before[first] = volt[line]
            before[~self._free] = final[~self._free]
        self._final_volt, self._start = final, (before - final)[self._free]

    def sense(self, volt: Floats) -> Floats:
        """Return the current into every sensor, (cols, ...), for voltages of all nodes (groups, ...) [A]."""
        current = self._siemens.reshape(-1, *[1] * (volt.ndim - 1)) * (self._incidence @ volt)
        into = -(self._incidence.T @ current)
        node = self._circuit.merged[self._circuit.sensor]
        found = np.zeros((self._circuit.cols, *volt.shape[1:]))
        found[self._circuit.sensor_col] = into[node]
        return found

    def reduce(self, moments: int, tol_ampere: float) -> SettlingReport:
        """Return the report of a circuit that is reduced to so many moments."""
        from scipy.linalg import eigh

        final = self.sense(self._final_volt)
        decay, weights = np.zeros(0), np.zeros((len(final), 0))
        basis = self._span(moments)
        if basis.shape[1]:
            conductance = basis.T @ (self._inner.T @ (self._siemens[:, np.newaxis] * (self._inner @ basis)))
            capacity = basis.T @ (self._capacity[:, np.newaxis] * basis)
            times, modes = eigh((capacity + capacity.T) / 2, (conductance + conductance.T) / 2)
            keep = times > times.max() * 1e-12
            decay, modes = times[keep][::-1], modes[:, keep][:, ::-1]
            share = (modes.T @ (basis.T @ (self._capacity * self._start))) / decay
            volt = np.zeros((len(self._final_volt), len(decay)))
            volt[self._free] = (basis @ modes) * share
            weights = self.sense(volt)
        settled = _find_settled(decay, weights, tol_ampere)
        return SettlingReport(settling_s=settled, final_ampere=final, decay_s=decay, weight_ampere=weights)

    def _span(self, moments: int) -> Floats:
        """Return an orthonormal basis, (free nodes, at most moments), of the circuit's first moments."""
        basis: list[Floats] = []
        vector = self._capacity * self._start
        for _ in range(moments):
            if not len(vector) or not vector.any():
                break
            vector = self._solve(vector)
            size = np.linalg.norm(vector)
            for _ in range(2):
                for known in basis:
                    vector = vector - (known @ vector) * known
            left = np.linalg.norm(vector)
            if left <= 1e-10 * size:
                break
            basis.append(vector / left)
            vector = self._capacity * basis[-1]
        return np.array(basis).T if basis else np.zeros((len(self._start), 0))


def _add_capacities(circuit: Circuit, layout: Topology, c_wl_farad: float, c_bl_farad: float) -> Floats:
    """Return the capacitance to ground of every merged node [F]."""
    size = circuit.rows * circuit.cols
    first = c_wl_farad if layout.source_lines == "rows" else c_bl_farad
    found: Floats = np.zeros(int(circuit.merged.max()) + 1)
    np.add.at(found, circuit.merged[:size], first)
    np.add.at(found, circuit.merged[size : 2 * size], c_bl_farad)
    return found


def _decay(decay_s: Floats, time_s: Floats) -> Any:
    """Return exp(-t / tau), (times, modes)."""
    return np.exp(-time_s[:, np.newaxis] / decay_s)


def _find_settled(decay_s: Floats, weights: Floats, tol_ampere: float) -> Floats:
    """Return when each column's deviation, (cols, modes), stays within the tolerance from then on [s]."""
    total = np.abs(weights).sum(axis=1)
    if not len(decay_s) or total.max() <= tol_ampere:
        return np.zeros(len(weights))
    latest = decay_s[0] * np.log(total.max() / tol_ampere) * 1.01
    times = np.concatenate([[0.0], np.geomspace(latest * 1e-6, latest, POINTS)])
    is_off = np.abs(_decay(decay_s, times) @ weights.T) > tol_ampere
    found = np.zeros(len(weights))
    for col in np.flatnonzero(is_off.any(axis=0)):
        last = int(np.flatnonzero(is_off[:, col])[-1])
        low, high = times[last], times[min(last + 1, len(times) - 1)]
        for _ in range(40):
            middle = 0.5 * (low + high)
            is_late = abs(float((weights[col] * np.exp(-middle / decay_s)).sum())) > tol_ampere
            low, high = (middle, high) if is_late else (low, middle)
        found[col] = high
    return found
