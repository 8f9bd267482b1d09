"""The circuit of an array as a SPICE deck: one operating point for one input vector, which prints the sensed currents.

Wires and ohmic cells are resistors, nonlinear cells are behavioural current sources, sensors are sources of 0 V. Where
closed transistors conduct, a cell is there twice: for the share of time that its gate is open, and for the rest.
Cells without conductance are left out, and so are parts of the circuit that no conducting path joins to a source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.config.iv import Curve
from xbarsim.crossbar.circuit import Circuit, Ohms, gather_lines
from xbarsim.crossbar.nodal import NodalEquations
from xbarsim.crossbar.question import Question, arrange, check_question
from xbarsim.crossbar.topology import Topology
from xbarsim.device.iv import write_expression
from xbarsim.errors import ShapeError

OPTIONS = ".options reltol=1e-10 abstol=1e-20 vntol=1e-14 gmin=1e-20 itl1=1000"
"""Tolerances of ngspice, far below those of the comparisons in tests."""


def write_netlist(
    g: ArrayLike,
    v_in: ArrayLike,
    *,
    r_wl_ohm: Ohms = 0.0,
    r_bl_ohm: Ohms = 0.0,
    r_source_ohm: Ohms = 0.0,
    r_sink_ohm: Ohms = 0.0,
    r_sl_ohm: Ohms = 0.0,
    r_access_ohm: float = 0.0,
    g_leak_siemens: float = 0.0,
    topology: str | Topology = "passive",
    iv: Curve | None = None,
    read_volt: float | None = None,
    sensed: ArrayLike | None = None,
    title: str = "crossbar array",
) -> str:
    """Write a SPICE deck of an array that runs in ngspice (``ngspice -b FILE``).

    Parameters
    ----------
    g : array_like, (rows, cols)
        Conductance of the cells [S].
    v_in : array_like, (rows,) or (1, rows)
        Inputs of one vector [V].
    r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm : float
        Resistances as in :func:`~xbarsim.crossbar.solve_currents` [ohm].
    g_leak_siemens : float
        Closed transistors, as in :func:`~xbarsim.crossbar.solve_currents` [S].
    topology, iv
        As in :func:`~xbarsim.crossbar.solve_currents`.
    read_volt : float, optional
        Voltage of the source lines where inputs drive gates; the largest input by default [V].
    sensed : array_like of bool, (cols,), optional
        Columns that are sensed; all by default.
    title : str
        First line of the deck.

    Returns
    -------
    str
        The deck. It prints a line ``i(vs0) = ...`` for every sensed column, in order: the sensed currents [A].

    Raises
    ------
    ShapeError, ConfigError
        As in :func:`~xbarsim.crossbar.solve_currents`; also if there is more than one array or vector.
    """
    lines = gather_lines(r_wl_ohm, r_bl_ohm, r_source_ohm, r_sink_ohm, r_sl_ohm, r_access_ohm, g_leak_siemens)
    question = check_question(g, v_in, lines, topology, iv, read_volt, sensed)
    if question.leading:
        raise ShapeError(f"g: shape {np.shape(g)} is not (rows, cols); a deck describes one array")
    if question.vectors != 1:
        raise ShapeError(f"v_in: {question.vectors} vectors; a deck describes one")
    circuit, siemens, volt = arrange(question, 0, 0)
    layout = question.topology
    cards = [
        f"* {' '.join(title.split()) or 'crossbar array'}",
        f"* {circuit.rows} x {circuit.cols}, {layout.name}: {layout.covers}",
        *_write_sources(circuit, volt),
        *_write_branches(circuit, siemens, question),
        OPTIONS,
        ".control",
        "set numdgt=15",
        "op",
    ]
    wanted = [col for col in circuit.sensor_col.tolist() if question.sensed[col]]
    cards += [f"print i(vs{col})" for col in wanted]
    return "\n".join([*cards, "quit 0", ".endc", ".end", ""])


def _write_sources(circuit: Circuit, volt: np.ndarray) -> list[str]:
    """Write a source for every node that is driven, and one of 0 V for every sensor."""
    cards, done = [], set()
    for k, (node, line) in enumerate(zip(circuit.driver.tolist(), circuit.driver_line.tolist())):
        name = circuit.names[node]
        if name not in done:  # drivers at both ends of a perfect line are one
            cards.append(f"Vd{k} {name} 0 DC {float(volt[line])!r}")
            done.add(name)
    cards += [
        f"Vs{col} {circuit.names[node]} 0 DC 0"
        for node, col in zip(circuit.sensor.tolist(), circuit.sensor_col.tolist())
    ]
    return cards


def _write_branches(circuit: Circuit, siemens: np.ndarray, question: Question) -> list[str]:
    """Write the wires and cells that a conducting path joins to a source."""
    equations = NodalEquations(circuit)
    on = np.concatenate([equations.wire_siemens, siemens.ravel()])
    live = ~equations.is_free | equations.reached(on)
    node, names = circuit.merged, circuit.names
    cards = []
    for k, ((a, b), ohm) in enumerate(zip(circuit.wire.tolist(), circuit.wire_ohm.tolist())):
        if 0 < ohm < np.inf and live[node[a]] and names[a] != names[b]:
            cards.append(f"Rw{k} {names[a]} {names[b]} {ohm!r}")
    for k, ((a, b), conductance) in enumerate(zip(circuit.cell.tolist(), siemens.ravel().tolist())):
        if conductance == 0 or not live[node[a]] or names[a] == names[b]:
            continue
        closed, cell = divmod(k, circuit.rows * circuit.cols)
        place = f"{'l' if closed else 'c'}{cell // circuit.cols}_{cell % circuit.cols}"
        if question.iv is None:
            cards.append(f"R{place} {names[a]} {names[b]} {1 / conductance!r}")
        else:
            current = write_expression(question.iv, conductance, f"v({names[a]},{names[b]})")
            cards.append(f"B{place} {names[a]} {names[b]} I={current}")
    return cards
