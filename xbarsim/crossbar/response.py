"""What arrays of a layer answer: an operator for every input, or the currents of single reads.

Where cells are ohmic and inputs drive rows, one operator holds for every input. Elsewhere the circuit depends on its
input, and every read is a circuit of its own (:func:`solve_patterns`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.iv import Curve
from xbarsim.crossbar.argument import COUNT, VOLTAGE, check_number, check_shares
from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.currents import solve_currents, solve_turned
from xbarsim.crossbar.topology import Topology, find_topology
from xbarsim.crossbar.transfer import COARSE
from xbarsim.crossbar.wires import check_conductance
from xbarsim.errors import ConfigError

Floats = NDArray[np.float64]


def solve_operator(g: ArrayLike, lines: Lines, *, topology: str | Topology, method: str, threads: int | None) -> Floats:
    """Solve arrays of ohmic cells for the operator of any topology that has one, to 1e-8 of its largest entry.

    Parameters
    ----------
    g : array_like, (..., rows, cols)
        Conductance of the cells [S].
    lines : Lines
        Resistances.
    topology : str or Topology
        Layout, one whose circuit is the same for all inputs, or any where lines have no resistance.
    method : str
        As in :func:`~xbarsim.crossbar.solve_transfer`.
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
        As in :func:`~xbarsim.crossbar.solve_transfer`; also where the circuit depends on its inputs.
    """
    layout = find_topology(topology)
    stack = check_conductance(g)
    cells: Floats = stack.reshape(*np.shape(g)[:-2], *stack.shape[1:])
    closed = lines.closed_cells(cells)
    cells = lines.open_cells(cells) - closed
    if method == "ideal" or not (layout.is_linear or lines.has_losses(layout)):
        return cells
    if layout.solver == "operator" and not lines.uneven:
        return solve_turned(cells, lines, layout, method, threads, COARSE)
    if not layout.is_linear:
        raise ConfigError(f"topology: {layout.name} depends on its inputs, so there is no operator for all inputs")
    if method == "closed_form":
        raise ConfigError(f"method: closed_form does not hold for the lines of topology {layout.name}")
    stack = cells.reshape(-1, *cells.shape[-2:])
    unit, wires = np.eye(stack.shape[1]), {**vars(lines.wires), **lines.uneven}
    found = [solve_currents(array, unit, **wires, topology=layout, threads=threads) for array in stack]
    return np.array(found).reshape(cells.shape)


def solve_patterns(
    g: Floats, lines: Lines, opening: Floats, *, topology: Topology, iv: Curve | None, read_volt: float, pulses: int,
    tol: float, threads: int | None = None,
) -> Floats:  # fmt: skip
    """Solve reads exactly, each as a circuit of its own.

    Parameters
    ----------
    g : ndarray, (..., rows, cols)
        Conductance of the cells [S].
    lines : Lines
        Resistances.
    opening : ndarray, (reads, rows)
        Inputs as shares of a full one [-].
    topology : Topology
        Layout.
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells; None is ohmic.
    read_volt : float
        Voltage of a full input, or of the source lines where inputs open gates [V].
    pulses : int
        Equal pulses at full voltage that a full input takes, one after the other; 1 where inputs are voltages.
    tol : float
        Largest error of a current relative to full scale, as in :func:`~xbarsim.crossbar.solve_currents` [-].
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray, (..., reads, cols)
        Sensed currents, mean over the pulses [A].

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`~xbarsim.crossbar.solve_currents`.
    """
    check_number("read_volt", read_volt, VOLTAGE)
    check_number("pulses", pulses, COUNT)
    stack = check_conductance(g)
    opening = check_shares("opening", opening, stack.shape[1], 2)
    held = read_volt if topology.inputs == "gates" else None
    ohms = {
        **vars(lines.wires), "r_sl_ohm": lines.r_sl_ohm, "r_access_ohm": lines.r_access_ohm,
        "g_leak_siemens": lines.g_leak_siemens, **lines.uneven,
    }  # fmt: skip
    total: Floats = np.zeros((*np.shape(g)[:-2], len(opening), stack.shape[2]))
    for pulse in range(pulses):
        driven = opening if pulses == 1 else (np.rint(opening * pulses) > pulse).astype(np.float64)
        total = total + solve_currents(
            g, driven * read_volt, **ohms, topology=topology, iv=iv, read_volt=held, tol=tol, threads=threads
        )
    return total / pulses
