"""Nodal analysis of any topology: sparse elimination for ohmic cells, damped Newton for nonlinear ones.

A network of resistors and of cells whose current rises with their voltage has exactly one solution: the minimum of a
convex function (the co-content) of the node voltages. Newton steps towards it are shortened until the slope along the
step has all but vanished, so that they cannot overshoot; node voltages never leave the range of the sources.

Sensed currents are summed over the cells of a column, which loses no digits where wires are nearly perfect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config.iv import Curve, Selector, cell_current
from xbarsim.crossbar.circuit import Circuit
from xbarsim.errors import SolverError
from xbarsim.limits import check_memory

if TYPE_CHECKING:  # SciPy takes a while to import, and most simulations do without
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import SuperLU

Array = NDArray[np.float64]
TOLERANCE = 1e-9
"""Kirchhoff residual at which Newton stops, relative to the largest current of a line [-]."""
ROUNDING = 64 * np.finfo(np.float64).eps
"""Residual that rounding leaves, relative to the currents that a node's branches would carry at full voltage [-]."""
STALLED = 100.0
"""Residual at which a vector counts as solved where no step improves it, relative to the one that is asked for [-]."""
LEAK = 16 * np.finfo(np.float64).eps
"""Leak to ground of the nodes of a matrix that is singular in rounding, relative to their conductance [-]."""
MOST_LEAK, LEAST_LEAK = 1e-4, 1e-18
"""Conductance parallel to cells that helps Newton's steps where slopes vanish, at first and at last, relative to the
cells [-]."""
FASTEST, SLOWEST = 0.01, 0.8
"""Factors by which that conductance shrinks from solution to solution: at best, and where the solver gives up [-]."""
SOFTEST, NARROWING = 0.25, 0.7
"""Width of a softened selector's step to begin with, relative to its threshold, and its factor from solution to
solution [-]."""
STIFFER = (0.0, LEAK, 64 * LEAK, 4096 * LEAK)
"""Leaks of nodes of a matrix, relative to their conductance, in turn, until a step leads downhill [-]."""
FILL = (12.0, -112.0)
"""Entries of the factors for each node of a line, by the binary logarithm of the number of cells. Measured from
128 x 128 to 512 x 512 [-]."""
ENTRY_BYTES = 24
"""Memory of an entry while a matrix is factored, measured likewise [bytes]."""
FLATTEST = 0.1
"""Slope along a Newton step, relative to where it starts, at which it need not be shortened any more [-]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Node voltages and currents of one circuit for several input vectors."""

    node_volt: Array
    """(vectors, nodes) [V]."""
    cell_ampere: Array
    """(vectors, rows, cols) current of every cell [A]."""
    driver_ampere: Array
    """(vectors,) sum of the currents that drivers push into the array, as their wires carry them [A]."""
    residual: Array
    """(vectors,) largest violation of Kirchhoff's current law at a node, relative to the largest current of a line.

    It includes the rounding of node voltages times the conductance of wires, which sensed currents are free of.
    """
    stray_ampere: Array
    """(vectors,) sum of all violations of Kirchhoff's current law, which bounds the error of sensed currents [A]."""
    iterations: NDArray[np.int64]
    """(vectors,) Newton steps; 1 where cells are ohmic."""


class NodalEquations:
    """A circuit whose zero-ohm wires are merged: incidence of branches to free and to fixed nodes."""

    def __init__(self, circuit: Circuit) -> None:
        """Split nodes into free ones and ones of fixed voltage."""
        from scipy.sparse import csr_matrix

        self.circuit = circuit
        node = circuit.merged
        keep = circuit.wire_ohm > 0
        self.wire_siemens: Array = 1.0 / circuit.wire_ohm[keep]
        branch = np.concatenate([node[circuit.wire[keep]], node[circuit.cell]])
        groups = int(node.max()) + 1
        self.terminals = np.concatenate([circuit.driver, circuit.sensor])
        fixed = np.unique(node[self.terminals])
        self.is_free = np.ones(groups, dtype=bool)
        self.is_free[fixed] = False
        count = len(branch)
        sign = np.repeat([1.0, -1.0], count)
        place = (np.tile(np.arange(count), 2), branch.T.ravel())
        self.incidence = csr_matrix((sign, place), shape=(count, groups))
        self.branch = branch

    def reached(self, siemens: Array) -> NDArray[np.bool_]:
        """Tell which free nodes, (nodes,), have a conducting path to a fixed one through branches of ``siemens``,
        (branches,) [S]; the others stay at 0 V."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        groups = self.incidence.shape[1]
        on = self.branch[siemens > 0]
        graph = csr_matrix((np.ones(len(on)), (on[:, 0], on[:, 1])), shape=(groups, groups))
        label = connected_components(graph, directed=False)[1]
        held = np.zeros(groups, dtype=bool)
        held[label[~self.is_free]] = True
        reached: NDArray[np.bool_] = held[label] & self.is_free
        return reached

    def fix(self, driver_volt: Array) -> Array:
        """Return (vectors, groups) voltages: those of drivers and sensors, and 0 V elsewhere."""
        circuit = self.circuit
        volt = np.zeros((len(driver_volt), self.incidence.shape[1]))
        volt[:, circuit.merged[circuit.driver]] = driver_volt[:, circuit.driver_line]
        return volt


def check_nodal_memory(rows: int, cols: int) -> None:
    """Refuse arrays whose nodal matrix would not fit the memory of this machine when it is factored.

    Parameters
    ----------
    rows, cols : int
        Size of the array.

    Raises
    ------
    ConfigError
        With the memory that it needs.
    """
    size = rows * cols
    fill = max(FILL[0] * math.log2(size) + FILL[1], 0.0)
    check_memory(
        int(2 * size * fill * ENTRY_BYTES), f"g: nodal analysis of {rows} x {cols} cells",
        "solve_transfer and solve_reads need far less, or give a smaller array",
    )  # fmt: skip


def factor_matrix(incidence: csc_matrix, siemens: Array, leak: float = 0.0) -> SuperLU:
    """Factor the conductance matrix of free nodes, which is symmetric and diagonally dominant.

    Where parts hang together by conductances that vanish beside those of wires, a leak below rounding is added.

    Parameters
    ----------
    incidence : csc_matrix, (branches, free nodes)
        Ends of branches.
    siemens : ndarray, (branches,)
        Their conductances [S].
    leak : float
        Leak to ground of every node, relative to its conductance [-].

    Returns
    -------
    SuperLU
        Its ``solve`` turns injected currents [A] into voltages [V].
    """
    from scipy.sparse import csc_matrix, diags  # diags_array is newer than SciPy 1.11
    from scipy.sparse.linalg import splu

    matrix = csc_matrix(incidence.T @ diags(siemens) @ incidence)
    if leak:
        matrix = csc_matrix(matrix + diags(leak * matrix.diagonal()))
    options = {"SymmetricMode": True}
    try:
        return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    except RuntimeError:  # exactly singular
        matrix = csc_matrix(matrix + diags(LEAK * matrix.diagonal()))
        return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def solve_nodes(
    circuit: Circuit,
    g: Array,
    driver_volt: Array,
    iv: Curve | None,
    max_iterations: int,
    vectors: Sequence[int],
    start: Array | None = None,
) -> Solution:
    """Solve one circuit for several driver voltages, each by itself, so that bits do not depend on how many.

    Parameters
    ----------
    circuit : Circuit
        Branches.
    g : ndarray, (rows, cols) or (2 * rows, cols)
        Conductance of the circuit's cells, the opening of gates included [S].
    driver_volt : ndarray, (vectors, lines)
        Voltage of each line's drivers [V].
    iv : Sinh, Polynomial, Selector or None
        Curve of the cells; None is ohmic.
    max_iterations : int
        Newton steps after which a vector is given up.
    vectors : sequence of int
        Number of each vector, for messages.
    start : ndarray, (vectors, 2, rows, cols), optional
        Voltages of the cells' nodes to begin Newton's steps from; by default those of ohmic cells. Vectors of
        which all are zero take the latter [V].

    Returns
    -------
    Solution
        Voltages, currents and certificate.

    Raises
    ------
    SolverError
        If Newton does not converge.
    """
    check_nodal_memory(circuit.rows, circuit.cols)
    equations = NodalEquations(circuit)
    volt = equations.fix(driver_volt)
    iterations = np.ones(len(volt), dtype=np.int64)
    _solve_ohmic(equations, g, volt)
    if iv is not None:
        for n, vector in enumerate(vectors):
            if start is not None and start[n].any():
                _place(equations, start[n], volt[n])
            volt[n], iterations[n] = _solve_curved(equations, g, volt[n], iv, max_iterations, vector)
    return _measure(equations, g, volt, iv, iterations)


def _solve_ohmic(equations: NodalEquations, g: Array, volt: Array) -> None:
    """Solve for the free nodes in place, with one factorisation and one step of refinement."""
    siemens = np.concatenate([equations.wire_siemens, g.ravel()])
    free = equations.reached(siemens)
    if not (free.any() and len(volt)):
        return
    inner = equations.incidence[:, free].tocsc()
    lu = factor_matrix(inner, siemens)
    for one in volt:
        for _ in range(2):
            one[free] -= lu.solve(inner.T @ (siemens * (equations.incidence @ one)))


def _place(equations: NodalEquations, start: Array, volt: Array) -> None:
    """Write the voltages of cells' nodes to the free nodes that they are; an open transistor takes none of them, and a
    closed one all."""
    circuit, size = equations.circuit, start.size // 2
    node = circuit.merged[np.concatenate([np.arange(2 * size), circuit.cell[:, 1]])]
    ends = [start[1].ravel(), start[0].ravel()][: len(circuit.cell) // size]
    known = np.concatenate([start.ravel(), *ends])
    is_free = equations.is_free[node]
    volt[node[is_free]] = known[is_free]


def _solve_curved(
    equations: NodalEquations, g: Array, volt: Array, iv: Curve, max_iterations: int, vector: int
) -> tuple[Array, int]:
    """Improve the voltages of one vector by Newton's steps; return them and the steps taken.

    Where they do not converge, cells get a small conductance in parallel and selectors a larger width, which shrink
    from one solution to the next, until rounding of node voltages hides what is left.
    """
    found = _solve_newton(equations, g, volt, iv, max_iterations, 0.0)
    taken, at = found.steps, volt
    if found.is_solved:
        return found.volt, taken
    width = SOFTEST * iv.threshold_volt if isinstance(iv, Selector) else 0.0
    while isinstance(iv, Selector) and width > iv.width_volt:
        softer, width = iv.model_copy(update={"width_volt": width}), width * NARROWING
        part = _solve_newton(equations, g, at, softer, max_iterations, MOST_LEAK)
        at, taken = part.volt, taken + part.steps
    leak, factor = MOST_LEAK / FASTEST, FASTEST
    while leak > LEAST_LEAK and factor < SLOWEST:
        part = _solve_newton(equations, g, at, iv, max_iterations, factor * leak)
        taken += part.steps
        if part.is_solved:
            at, leak, factor = part.volt, factor * leak, max(factor * factor, FASTEST)
        else:
            factor = math.sqrt(factor)
    part = _solve_newton(equations, g, at, iv, max_iterations, 0.0)
    if part.is_solved:
        return part.volt, taken + part.steps
    found = _solve_newton(equations, g, at, iv, 0, 0.0)
    if found.residual <= STALLED * TOLERANCE:
        return found.volt, taken
    raise SolverError(
        f"v_in: vector {vector}: Newton steps ended at a residual of {found.residual:.1e} of the largest line "
        f"current in {max_iterations} steps; {TOLERANCE:g} is needed"
    )


class _NewtonSteps(NamedTuple):
    """Where Newton's steps came to."""

    volt: Array
    """(groups,) voltages [V]."""
    steps: int
    """Steps taken."""
    is_solved: bool
    """Whether the residual is small enough."""
    residual: float
    """Largest violation of Kirchhoff's current law, relative to the largest current of a line [-]."""


def _solve_newton(
    equations: NodalEquations, g: Array, volt: Array, iv: Curve, max_iterations: int, leak: float
) -> _NewtonSteps:
    """Improve the voltages of one vector, (groups,), by damped Newton steps; ``leak`` is parallel to cells."""
    siemens = np.concatenate([equations.wire_siemens, g.ravel()])
    wires = len(equations.wire_siemens)
    free = equations.reached(siemens)
    if not free.any():
        return _NewtonSteps(volt, 0, True, 0.0)
    inner = equations.incidence[:, free].tocsc()
    fixed = volt[~equations.is_free]
    low, high = fixed.min(), fixed.max()
    swing = max(high - low, np.finfo(np.float64).tiny)
    reach = np.abs(inner).T

    def kirchhoff(at: Array) -> tuple[Array, Array, Array]:
        across = equations.incidence @ at
        current, slope = siemens * across, siemens.copy()
        shape, bend = cell_current(iv, across[wires:])
        current[wires:], slope[wires:] = (
            siemens[wires:] * (shape + leak * across[wires:]),
            siemens[wires:] * (bend + leak),
        )
        return inner.T @ current, slope, current

    excess, slope, current = kirchhoff(volt)
    for step in range(max_iterations + 1):
        largest = _largest_line(equations.circuit, current[wires:])
        rounding = ROUNDING * (reach @ (slope * swing + np.abs(current)))
        if (np.abs(excess) <= TOLERANCE * largest + rounding).all():
            return _NewtonSteps(volt, step, True, 0.0)
        if step == max_iterations:
            break
        move = np.zeros_like(volt)
        for stiffer in STIFFER:
            move[free] = -factor_matrix(inner, slope, stiffer).solve(excess)
            slant = float(excess @ move[free])
            if slant < 0.0:
                break
        share = 1.0
        for _ in range(40):
            trial = np.clip(volt + share * move, low, high)
            excess, slope, current = kirchhoff(trial)
            if float(excess @ move[free]) <= -FLATTEST * slant:
                break
            share *= 0.5
        else:
            if (np.abs(excess) <= STALLED * (TOLERANCE * largest + rounding)).all():
                return _NewtonSteps(volt, step, True, 0.0)  # rounding of node voltages hides what is left
        volt = trial
    return _NewtonSteps(volt, max_iterations, False, float(np.abs(excess).max() / (largest or 1.0)))


def _largest_line(circuit: Circuit, cell: Array) -> float:
    """Return the largest current of a row or column, from the currents of its cells [A]."""
    cell = np.abs(cell).reshape(-1, circuit.rows, circuit.cols).sum(axis=0)
    return float(max(cell.sum(axis=0).max(), cell.sum(axis=1).max()))


def _measure(
    equations: NodalEquations, g: Array, volt: Array, iv: Curve | None, iterations: NDArray[np.int64]
) -> Solution:
    """Work out currents and the certificate from node voltages."""
    circuit = equations.circuit
    wires = len(equations.wire_siemens)
    vectors = len(volt)
    across = volt @ equations.incidence.T
    current = across.copy()
    current[:, :wires] *= equations.wire_siemens
    current[:, wires:] = cell_current(iv, across[:, wires:])[0] * g.ravel()
    excess = current @ equations.incidence
    cell = current[:, wires:].reshape(vectors, -1, circuit.rows, circuit.cols).sum(axis=1)
    line = np.maximum(np.abs(cell).sum(axis=1).max(axis=1), np.abs(cell).sum(axis=2).max(axis=1))
    worst = np.abs(excess[:, equations.is_free]).max(axis=1, initial=0.0)
    drivers = np.unique(circuit.merged[circuit.driver])
    return Solution(
        node_volt=volt[:, circuit.merged],
        cell_ampere=cell,
        driver_ampere=excess[:, drivers].sum(axis=1),
        stray_ampere=np.abs(excess[:, equations.is_free]).sum(axis=1),
        residual=np.divide(worst, line, out=np.zeros(vectors), where=line > 0),
        iterations=iterations,
    )
