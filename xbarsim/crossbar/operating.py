"""The operator of circuits that depend on their inputs, at their operating point.

Where cells bend, or inputs open gates, no operator holds for every input. What a row adds to a column's current then
depends on the other rows, but smoothly and little: the operator is taken where each cell works on average, that is with
its own row driven and the others at their mean. Each line is solved exactly as a ladder, lines along rows and lines
along columns in turn, a few rounds of each: a cell is the ohmic one that carries its current at its voltage.

Neglected here, and left to the response that is fitted behind the operator: that the mean of other rows differs from
read to read, that a gate that is open loads its own lines more than its mean opening does, and that rows without input
may float.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.iv import Curve, cell_current
from xbarsim.config.topology import Topology
from xbarsim.crossbar.argument import VOLTAGE, check_number, check_shares
from xbarsim.crossbar.circuit import Flags, Lines, find_ends
from xbarsim.crossbar.response import solve_operator
from xbarsim.crossbar.wires import check_conductance
from xbarsim.errors import ConfigError

Floats = NDArray[np.float64]

ROUNDS = 6
"""Rounds of both kinds of lines. Our choice: voltages then stand still to a thousandth even where a tenth is lost."""
LEAST_SHARE = 1e-3
"""Least voltage across a cell at which its secant is taken, relative to the read voltage [-]."""


def solve_operating_point(
    g: Floats, lines: Lines, *, topology: Topology, iv: Curve | None, read_volt: float, drive: Floats,
    threads: int | None = None,
) -> Floats:  # fmt: skip
    """Return the operator of arrays whose circuit depends on their inputs, at their mean input.

    Parameters
    ----------
    g : ndarray, (..., rows, cols)
        Conductance of the cells [S].
    lines : Lines
        Resistances.
    topology : Topology
        Layout.
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells; None is ohmic.
    read_volt : float
        Voltage of a full input, or of the source lines where inputs open gates [V].
    drive : ndarray, (rows,)
        Mean input of each row as a share of a full one [-].
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray, (..., rows, cols)
        What a column senses for each row's voltage [S]; where closed gates conduct, what it senses more than without
        any input.

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`~xbarsim.crossbar.solve_transfer`.
    """
    if lines.uneven:
        raise ConfigError(f"{min(lines.uneven)}: one number for all lines is needed to find an operating point")
    stack = check_conductance(g)
    check_number("read_volt", read_volt, VOLTAGE)
    opening = check_shares("drive", drive, stack.shape[1], 1)
    g = stack.reshape(np.shape(g))
    share, leak = np.broadcast_to(opening[:, np.newaxis], g.shape), lines.g_leak_siemens
    upper, lower, secant = np.full_like(g, read_volt), np.zeros_like(g), _secant(iv, read_volt, read_volt)
    cells, closed = g * secant, g * secant
    for _ in range(ROUNDS):
        across = np.abs(upper - lower)
        cells = g * _secant(iv, across / (1.0 + lines.r_access_ohm * cells), read_volt)
        carried = lines.open_cells(cells)
        if topology.inputs == "rows":
            upper = _solve_first(carried, lower, lines, topology, read_volt)
            rest = np.zeros_like(g) if topology.floating else g * _secant(iv, 0.0, read_volt)
            held = share * carried + (1.0 - share) * rest
            injected = share * carried * upper
        else:
            if leak:
                closed = g * _secant(iv, across * leak / (leak + closed), read_volt)
            leaked = lines.closed_cells(closed)
            held = share * carried + (1.0 - share) * leaked
            upper = _solve_first(held, lower, lines, topology, read_volt)
            injected = held * upper
        lower = _solve_second(held, injected, lines, topology)
    if topology.inputs == "gates":
        return (carried - leaked) * (upper - lower) / read_volt
    grounded = replace(topology, floating=False, has_selector=False)
    return solve_operator(cells, lines, topology=grounded, method="auto", threads=threads)


def _secant(iv: Curve | None, volt: Floats | float, read_volt: float) -> Floats:
    """Return current over voltage, relative to the conductance that cells are programmed to."""
    across = np.maximum(volt, LEAST_SHARE * read_volt)
    return cell_current(iv, across)[0] / across


def _solve_first(held: Floats, lower: Floats, lines: Lines, topology: Topology, volt: float) -> Floats:
    """Return voltages of the cells' first lines, (..., rows, cols), driven at ``volt``, given those of the second."""
    segment = lines.wires.r_wl_ohm if topology.inputs == "rows" else lines.r_sl_ohm
    source = lines.wires.r_source_ohm
    is_along = topology.source_lines == "columns"
    turned = ~find_ends(topology.drive, held.shape[-1 if is_along else -2], "near")[0]
    cells, other = (_lay_out(values, turned, is_along) for values in (held, lower))
    far = segment + source if topology.drive == "both" else None
    found = _solve_ladders(cells, cells * other, segment, segment + source, volt, far)
    return _put_back(found, turned, is_along)


def _solve_second(held: Floats, injected: Floats, lines: Lines, topology: Topology) -> Floats:
    """Return the voltages of bit lines, (..., rows, cols), sensed at 0 V, given what cells inject at 0 V."""
    segment, sink = lines.wires.r_bl_ohm, lines.wires.r_sink_ohm
    turned = ~find_ends(topology.sense, held.shape[-1], "far")[0]
    cells, current = (_lay_out(values, turned, True) for values in (held, injected))
    return _put_back(_solve_ladders(cells, current, segment, segment + sink, 0.0, None), turned, True)


def _lay_out(values: Floats, turned: Flags, is_along_columns: bool) -> Floats:
    """Bring (..., rows, cols) to (nodes, ..., lines), the terminal of every line before its first node.

    ``turned`` (lines,) tells which lines have their terminal after the last node.
    """
    return np.moveaxis(_turn(values.swapaxes(-1, -2) if is_along_columns else values, turned), -1, 0).copy()


def _put_back(values: Floats, turned: Flags, is_along_columns: bool) -> Floats:
    """Undo :func:`_lay_out`."""
    found = _turn(np.moveaxis(values, 0, -1), turned)
    return found.swapaxes(-1, -2) if is_along_columns else found


def _turn(values: Floats, turned: Flags) -> Floats:
    """Reverse the nodes of some lines, (..., lines, nodes)."""
    found: Floats = np.where(turned[:, np.newaxis], values[..., ::-1], values)
    return found


def _solve_ladders(
    cells: Floats, injected: Floats, segment: float, terminal: float, volt: float, far: float | None
) -> Floats:
    """Solve lines exactly, (nodes, ..., lines): each node has a conductance to 0 V and an injected current.

    ``terminal`` joins the first node to ``volt``, ``far`` the last one, where it is given [ohm].
    """
    load, push = np.empty_like(cells), np.empty_like(cells)
    load[-1], push[-1] = cells[-1], injected[-1]
    if far:
        load[-1] += 1.0 / far
        push[-1] += volt / far
    for k in range(len(cells) - 2, -1, -1):  # what a node and all behind it draw: load times voltage, less push
        share = 1.0 / (1.0 + segment * load[k + 1])
        load[k] = cells[k] + load[k + 1] * share
        push[k] = injected[k] + push[k + 1] * share
    found = np.empty_like(cells)
    before: Floats | float = volt
    ohm = terminal
    for k in range(len(cells)):
        found[k] = (before + ohm * push[k]) / (1.0 + ohm * load[k])
        before, ohm = found[k], segment
    return found
