"""Topology + wires -> one list of branches, from which both the nodal solve and the SPICE deck are made.

Nodes are numbered: a cell's node on its first line, its node on the bit line, the node between cell and access
transistor where that has a resistance, then drivers and sensors. Wires of zero ohm merge the nodes at their ends, so
that nothing is ever divided by zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xbarsim.crossbar.topology import Topology
from xbarsim.crossbar.wires import Wires, check_resistance

Index = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Resistances of every kind of line and of the access transistors."""

    wires: Wires
    """Word lines, bit lines, drivers and sensors."""
    r_sl_ohm: float = 0.0
    """One source-line segment of a gate-driven array."""
    r_access_ohm: float = 0.0
    """Resistance of a cell's open transistor, in series with it."""

    def __post_init__(self) -> None:
        """Refuse what is not a finite resistance of zero or more."""
        check_resistance("r_sl_ohm", self.r_sl_ohm)
        check_resistance("r_access_ohm", self.r_access_ohm)

    def first_ohm(self, topology: Topology) -> float:
        """Return the segment of the cells' first line [ohm]."""
        return self.wires.r_wl_ohm if topology.inputs == "rows" else self.r_sl_ohm


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit:
    """Branches of one array; branch k of a kind joins node ``start[k]`` to node ``end[k]``."""

    rows: int
    """Rows of cells."""
    cols: int
    """Columns of cells."""
    wire: Index
    """(wires, 2) nodes that a wire joins, transistors included."""
    wire_ohm: NDArray[np.float64]
    """(wires,) their resistances, infinite where a gate is closed [ohm]."""
    cell: Index
    """(rows * cols, 2) nodes that a cell joins, row by row."""
    driver: Index
    """(drivers,) nodes held at a driver's voltage."""
    driver_line: Index
    """(drivers,) row or column of the line that it drives."""
    sensor: Index
    """(sensors,) nodes held at 0 V."""
    sensor_col: Index
    """(sensors,) column that it senses."""
    nodes: int
    """Number of nodes."""

    @cached_property
    def merged(self) -> Index:
        """(nodes,) number of the node that each node is one with, wires of zero ohm considered."""
        from scipy.sparse import coo_matrix  # SciPy takes a while to import, and most simulations do without
        from scipy.sparse.csgraph import connected_components

        zero = self.wire[self.wire_ohm == 0]
        graph = coo_matrix((np.ones(len(zero)), (zero[:, 0], zero[:, 1])), shape=(self.nodes, self.nodes))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Name of every node in a SPICE deck; nodes that are one share the name of the first of them."""
        size = self.rows * self.cols
        kinds = ["a", "b", "m"][: 3 if self.nodes > 2 * size + len(self.driver) + len(self.sensor) else 2]
        own = [f"{kind}{i}_{j}" for kind in kinds for i in range(self.rows) for j in range(self.cols)]
        own += [f"d{k}" for k in range(len(self.driver))] + [f"s{j}" for j in self.sensor_col]
        shown: dict[int, str] = {}
        # terminals come last and lend their name to whatever is one with them
        for node in [*range(self.nodes - 1, 2 * size - 1, -1), *range(2 * size)]:
            shown.setdefault(int(self.merged[node]), own[node])
        return [shown[int(group)] for group in self.merged]


def build_circuit(
    topology: Topology,
    shape: tuple[int, int],
    lines: Lines,
    driven: NDArray[np.bool_] | None = None,
    sensed: NDArray[np.bool_] | None = None,
    opening: NDArray[np.float64] | None = None,
) -> Circuit:
    """List the branches of an array.

    Parameters
    ----------
    topology : Topology
        Layout.
    shape : tuple of int
        Rows and columns of cells.
    lines : Lines
        Resistances.
    driven, sensed : ndarray of bool, (rows,) and (cols,), optional
        Lines that have a driver, and bit lines that have a sensor; all by default.
    opening : ndarray, (rows,), optional
        Share of its conductance that the transistors of a row have; 1 by default [-].

    Returns
    -------
    Circuit
        Nodes and branches.
    """
    rows, cols = shape
    size = rows * cols
    first = np.arange(size).reshape(rows, cols)
    second = first + size
    has_access = lines.r_access_ohm > 0
    count = size * (3 if has_access else 2)
    along = first.T if topology.source_lines == "columns" else first
    first_wires, driver, driver_line, count = _lay(
        along,
        lines.first_ohm(topology),
        lines.wires.r_source_ohm,
        find_ends(topology.drive, len(along), "near"),
        driven,
        count,
    )
    bit_wires, sensor, sensor_col, count = _lay(
        second.T, lines.wires.r_bl_ohm, lines.wires.r_sink_ohm, find_ends(topology.sense, cols, "far"), sensed, count
    )
    pairs, ohms = zip(*first_wires, *bit_wires, strict=True)
    wire, ohm = np.concatenate(pairs), np.concatenate(ohms)
    end = second
    if has_access:
        end = second + size
        wire = np.concatenate([wire, np.column_stack([end.ravel(), second.ravel()])])
        with np.errstate(divide="ignore"):
            access = lines.r_access_ohm / (np.ones(rows) if opening is None else opening)
        ohm = np.concatenate([ohm, np.repeat(access, cols)])
    return Circuit(
        rows=rows,
        cols=cols,
        wire=wire,
        wire_ohm=ohm,
        cell=np.column_stack([first.ravel(), end.ravel()]),
        driver=driver,
        driver_line=driver_line,
        sensor=sensor,
        sensor_col=sensor_col,
        nodes=count,
    )


Flags = NDArray[np.bool_]
Wired = list[tuple[Index, NDArray[np.float64]]]


def find_ends(ends: str, lines: int, even: str) -> tuple[Flags, Flags]:
    """Tell which lines have a terminal at their near end, and which at their far end.

    Parameters
    ----------
    ends : str
        ``near``, ``far``, ``both``, or ``alternate``: even lines at the end ``even``, odd lines at the other.
    lines : int
        Number of lines.
    even : str
        ``near`` or ``far``.

    Returns
    -------
    tuple of ndarray of bool, (lines,) each
        Lines with a terminal before their first node, and after their last.
    """
    if ends != "alternate":
        return np.full(lines, ends in ("near", "both")), np.full(lines, ends in ("far", "both"))
    turned = np.arange(lines) % 2 == (0 if even == "near" else 1)
    return turned, ~turned


def _lay(
    along: Index,
    segment: float,
    terminal: float,
    ends: tuple[Flags, Flags],
    connected: NDArray[np.bool_] | None,
    count: int,
) -> tuple[Wired, Index, Index, int]:
    """Lay lines over ``along`` (lines, nodes) and connect the wanted ends to terminals numbered from ``count`` on.

    Returns the wires with their resistances, the terminals, the line of each, and the number of nodes so far.
    """
    every = np.arange(len(along))
    on = np.ones(len(along), dtype=bool) if connected is None else connected
    near, far = on & ends[0], on & ends[1]
    inner = np.column_stack([along[:, :-1].ravel(), along[:, 1:].ravel()])
    laid: Wired = [(inner, np.full(len(inner), segment))]
    line = np.concatenate([every[near], every[far]])
    order = np.argsort(line, kind="stable")
    touched = np.concatenate([along[near, 0], along[far, -1]])[order]
    terminals = count + np.arange(len(line))
    laid.append((np.column_stack([terminals, touched]), np.full(len(line), segment + terminal)))
    return laid, terminals, line[order], count + len(line)
