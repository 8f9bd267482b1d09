"""Branches of an array's circuit, from which both the nodal equations and the SPICE deck are built.

Nodes are numbered: a cell's node on its first line, its node on the bit line, the node between cell and access
transistor where that has a resistance, then drivers and sensors. Wires of zero ohm merge the nodes at their ends, so
that no division by zero occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xbarsim.crossbar.argument import RESISTANCE, check_number
from xbarsim.crossbar.topology import Topology
from xbarsim.crossbar.wires import Wires, check_leak, check_ohms
from xbarsim.errors import ConfigError

Index = NDArray[np.int64]


Ohms: TypeAlias = "float | NDArray[np.float64]"
"""One resistance for all, or an array with one a line or one per segment [ohm]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ladder:
    """Resistances of all lines of one kind."""

    ohm: NDArray[np.float64]
    """(lines or 1, nodes + 1) wire before every node and after the last [ohm]."""
    terminal_ohm: NDArray[np.float64]
    """(lines or 1,) driver or sensor [ohm]."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Resistances of every kind of line and of the access transistors."""

    wires: Wires
    """Word lines, bit lines, drivers and sensors."""
    r_sl_ohm: float = 0.0
    """One source-line segment of a gate-driven array."""
    r_access_ohm: float = 0.0
    """Resistance of a cell's open transistor, in series with it."""
    g_leak_siemens: float = 0.0
    """Conductance of a cell's closed transistor, in series with it; 0 is an ideal switch."""
    uneven: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Arrays that stand for one of the others, by name: one resistance per line, or one per segment."""

    def __post_init__(self) -> None:
        """Refuse negative and infinite resistances."""
        for name in ("r_sl_ohm", "r_access_ohm"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), RESISTANCE))
        object.__setattr__(self, "g_leak_siemens", check_leak(self.g_leak_siemens, self.r_access_ohm))

    def has_losses(self, topology: Topology) -> bool:
        """Return whether a line that carries current has a resistance."""
        if self.uneven:
            return True
        first = self.wires.r_wl_ohm if topology.inputs == "rows" else self.r_sl_ohm
        return any((first, self.wires.r_bl_ohm, self.wires.r_source_ohm, self.wires.r_sink_ohm))

    def open_cells(self, g: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the conductance of ohmic cells behind open transistors, shape of ``g`` [S]."""
        return g / (1.0 + self.r_access_ohm * g) if self.r_access_ohm else g

    def closed_cells(self, g: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the conductance of ohmic cells behind closed transistors, shape of ``g`` [S]."""
        leak = self.g_leak_siemens
        return g * (leak / (g + leak)) if leak else np.zeros_like(g)

    def lay_first(self, topology: Topology, shape: tuple[int, int]) -> Ladder:
        """Return the resistances of the cells' first lines, for an array of ``shape``."""
        by_column = topology.source_lines == "columns"
        size = (shape[1], shape[0]) if by_column else shape
        name = "r_wl_ohm" if topology.inputs == "rows" else "r_sl_ohm"
        return Ladder(ohm=self._segments(name, size), terminal_ohm=self._terminals("r_source_ohm", size[0]))

    def lay_second(self, shape: tuple[int, int]) -> Ladder:
        """Return the resistances of the bit lines, for an array of ``shape``."""
        size = (shape[1], shape[0])
        return Ladder(ohm=self._segments("r_bl_ohm", size), terminal_ohm=self._terminals("r_sink_ohm", size[0]))

    def _segments(self, name: str, size: tuple[int, int]) -> NDArray[np.float64]:
        lines, nodes = size
        if name not in self.uneven:
            return np.full((1, nodes + 1), self.r_sl_ohm if name == "r_sl_ohm" else getattr(self.wires, name))
        ohm = self.uneven[name]
        if ohm.shape not in ((lines,), (lines, nodes + 1)):
            raise ConfigError(
                f"{name}: shape {ohm.shape} is neither ({lines},), one resistance per line"
                f", nor ({lines}, {nodes + 1}), one per segment"
            )
        return np.array(np.broadcast_to(ohm.reshape(lines, -1), (lines, nodes + 1)))

    def _terminals(self, name: str, lines: int) -> NDArray[np.float64]:
        if name not in self.uneven:
            return np.full(1, getattr(self.wires, name))
        ohm = self.uneven[name]
        if ohm.shape != (lines,):
            raise ConfigError(f"{name}: shape {ohm.shape} is not ({lines},), one resistance per line")
        return ohm


def gather_lines(
    r_wl_ohm: Ohms, r_bl_ohm: Ohms, r_source_ohm: Ohms, r_sink_ohm: Ohms, r_sl_ohm: Ohms, r_access_ohm: float,
    g_leak_siemens: float,
) -> Lines:  # fmt: skip
    """Gather the resistances that a caller gives.

    Parameters
    ----------
    r_wl_ohm, r_bl_ohm, r_sl_ohm : float, or ndarray of (lines,) or (lines, nodes + 1)
        One segment of word lines, bit lines and source lines [ohm].
    r_source_ohm, r_sink_ohm : float, or ndarray of (lines,)
        Drivers and sensors [ohm].
    r_access_ohm : float
        Open transistor in series with each cell [ohm].
    g_leak_siemens : float
        Closed transistor in series with each cell [S].

    Returns
    -------
    Lines
        The same, checked.
    """
    given = {
        "r_wl_ohm": r_wl_ohm, "r_bl_ohm": r_bl_ohm, "r_source_ohm": r_source_ohm, "r_sink_ohm": r_sink_ohm,
        "r_sl_ohm": r_sl_ohm,
    }  # fmt: skip
    uneven = {
        name: check_ohms(name, value)
        for name, value in given.items()
        if isinstance(value, (list, tuple)) or np.ndim(value) > 0
    }
    even: dict[str, Any] = {name: 0.0 if name in uneven else value for name, value in given.items()}
    r_sl = even.pop("r_sl_ohm")
    return Lines(
        wires=Wires(**even), r_sl_ohm=r_sl, r_access_ohm=r_access_ohm, g_leak_siemens=g_leak_siemens, uneven=uneven
    )


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
    """(rows * cols, 2) nodes that a cell joins, row by row; where closed transistors conduct twice as many: each cell
    for the share of time that its gate is open, and then each for the rest."""
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
    inner: str
    """Kinds of nodes between cells and transistors, a letter each: ``m`` of open ones, ``n`` of closed ones."""

    @cached_property
    def merged(self) -> Index:
        """(nodes,) number of the node that each node is merged with by wires of zero ohm."""
        from scipy.sparse import coo_matrix  # SciPy takes a while to import, and most simulations do without
        from scipy.sparse.csgraph import connected_components

        zero = self.wire[self.wire_ohm == 0]
        graph = coo_matrix((np.ones(len(zero)), (zero[:, 0], zero[:, 1])), shape=(self.nodes, self.nodes))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Name of every node in a SPICE deck; merged nodes share one name."""
        size = self.rows * self.cols
        kinds = f"ab{self.inner}"
        own = [f"{kind}{i}_{j}" for kind in kinds for i in range(self.rows) for j in range(self.cols)]
        own += [f"d{k}" for k in range(len(self.driver))] + [f"s{j}" for j in self.sensor_col]
        shown: dict[int, str] = {}
        # terminals come last, so that merged nodes take their names
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
        Relative conductance of the transistors of a row; 1 by default [-].

    Returns
    -------
    Circuit
        Nodes and branches.
    """
    rows, cols = shape
    size = rows * cols
    first = np.arange(size).reshape(rows, cols)
    second = first + size
    has_access, has_leak = lines.r_access_ohm > 0, lines.g_leak_siemens > 0 and opening is not None
    inner = "m" * has_access + "n" * has_leak
    count = size * (2 + len(inner))
    along = first.T if topology.source_lines == "columns" else first
    first_wires, driver, driver_line, count = _lay(
        along, lines.lay_first(topology, shape), find_ends(topology.drive, len(along), "near"), driven, count
    )
    bit_wires, sensor, sensor_col, count = _lay(
        second.T, lines.lay_second(shape), find_ends(topology.sense, cols, "far"), sensed, count
    )
    pairs, ohms = zip(*first_wires, *bit_wires, strict=True)
    wire, ohm = np.concatenate(pairs), np.concatenate(ohms)
    share = np.ones(rows) if opening is None else opening
    ends, next_inner = [], second
    for has_node, gate_ohm, time in (
        (has_access, lines.r_access_ohm, share),
        (has_leak, 1.0 / lines.g_leak_siemens if has_leak else 0.0, 1.0 - share),
    ):
        if not has_node:
            continue
        next_inner = next_inner + size
        wire = np.concatenate([wire, np.column_stack([next_inner.ravel(), second.ravel()])])
        with np.errstate(divide="ignore"):
            ohm = np.concatenate([ohm, np.repeat(gate_ohm / time, cols)])
        ends.append(next_inner)
    ends = ends if has_access else [second, *ends]
    return Circuit(
        rows=rows,
        cols=cols,
        wire=wire,
        wire_ohm=ohm,
        cell=np.concatenate([np.column_stack([first.ravel(), end.ravel()]) for end in ends]),
        driver=driver,
        driver_line=driver_line,
        sensor=sensor,
        sensor_col=sensor_col,
        nodes=count,
        inner=inner,
    )


Flags = NDArray[np.bool_]
Wired = list[tuple[Index, NDArray[np.float64]]]


def find_ends(ends: str, lines: int, even: str) -> tuple[Flags, Flags]:
    """Return the lines with a terminal at their near end, and those with one at their far end.

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
    along: Index, ladder: Ladder, ends: tuple[Flags, Flags], connected: NDArray[np.bool_] | None, count: int
) -> tuple[Wired, Index, Index, int]:
    """Lay lines over ``along`` (lines, nodes) and connect the wanted ends to terminals numbered from ``count`` on.

    Returns the wires with their resistances, the terminals, the line of each, and the number of nodes so far.
    """
    every = np.arange(len(along))
    on = np.ones(len(along), dtype=bool) if connected is None else connected
    near, far = on & ends[0], on & ends[1]
    ohm = np.broadcast_to(ladder.ohm, (len(along), along.shape[1] + 1))
    terminal = np.broadcast_to(ladder.terminal_ohm, len(along))
    inner = np.column_stack([along[:, :-1].ravel(), along[:, 1:].ravel()])
    laid: Wired = [(inner, ohm[:, 1:-1].ravel())]
    line = np.concatenate([every[near], every[far]])
    order = np.argsort(line, kind="stable")
    touched = np.concatenate([along[near, 0], along[far, -1]])[order]
    last = np.concatenate([(ohm[:, 0] + terminal)[near], (ohm[:, -1] + terminal)[far]])[order]
    terminals = count + np.arange(len(line))
    laid.append((np.column_stack([terminals, touched]), last))
    return laid, terminals, line[order], count + len(line)
