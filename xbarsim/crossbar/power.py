"""Power that drivers give in array reads: in closed form where that is exact enough, else from solved circuits.

Without resistance in lines, every cell of a driven row conducts at the full voltage of its input, and currents and
powers add up (the *ideal* power ``P0``). Lines lower the power. To first order they lower it by what the ideal currents
would dissipate in them, ``D``. For ohmic cells and driven rows Thomson's principle bounds the power from both sides::

    P0 / (1 + D / P0)  <=  P  <=  P0

and the lower bound is right to first order, so that it is taken while ``D / P0`` is small. All other reads are solved.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.iv import Curve, cell_current, secant_conductance
from xbarsim.crossbar.argument import check_shares
from xbarsim.crossbar.circuit import Lines
from xbarsim.crossbar.read import solve_reads
from xbarsim.crossbar.topology import Topology
from xbarsim.crossbar.wires import Wires, check_conductance
from xbarsim.errors import ModelRangeWarning, SolverError

Floats = NDArray[np.float64]

FIRST_ORDER = 0.1
"""Loss in lines relative to the ideal power up to which the first order is taken: it is then within 0.3 % [-]."""
TOLERANCE = 1e-4
"""Error of currents of reads that are solved, relative to full scale [-]."""


class ArrayCircuit(NamedTuple):
    """What arrays of one kind have in common."""

    topology: Topology
    """Layout of the lines."""
    lines: Lines
    """Resistances."""
    iv: Curve | None
    """Curve of the cells; None is ohmic."""
    read_volt: float
    """Voltage of a full input, or of the source lines where inputs open gates [V]."""
    pulses: int
    """Equal pulses at full voltage that a full input takes, one after the other; 1 where inputs are voltages."""

    @property
    def is_ohmic(self) -> bool:
        """Whether cells have no curve."""
        return self.iv is None

    @property
    def has_losses(self) -> bool:
        """Whether a line that carries current has a resistance."""
        return self.lines.has_losses(self.topology)

    @property
    def is_ideal(self) -> bool:
        """Whether the ideal power is exact."""
        has_gates = self.lines.r_access_ohm or self.lines.g_leak_siemens
        return not self.has_losses and (self.is_ohmic or not has_gates)

    @property
    def has_first_order(self) -> bool:
        """Whether the first-order loss in lines is known in closed form."""
        return self.is_ohmic and self.topology.solver == "operator"

    @property
    def full_watt(self) -> float:
        """Power of a cell of one siemens at a full input [W]."""
        return self.read_volt**2 * secant_conductance(self.iv, self.read_volt)

    def weigh(self, opening: Floats) -> Floats:
        """Return the power of a cell relative to that at a full input.

        Parameters
        ----------
        opening : ndarray
            Inputs as shares of a full one [-].

        Returns
        -------
        ndarray, shape of ``opening``
            Mean over the pulses of a read [-].
        """
        if self.pulses > 1 or self.topology.inputs == "gates":
            return opening
        volt = opening * self.read_volt
        found: Floats = volt * cell_current(self.iv, volt)[0] / self.full_watt
        return found

    def conduct(self, g: Floats) -> Floats:
        """Return the conductance of cells in series with their transistors, at the secant of a full input [S].

        Parameters
        ----------
        g : ndarray
            Programmed conductances [S].

        Returns
        -------
        ndarray, shape of ``g``
            Divided by the secant, as programmed conductances are [S].
        """
        access = self.lines.r_access_ohm
        return g if not access else g / (1.0 + access * secant_conductance(self.iv, self.read_volt) * g)

    def leak(self, g: Floats) -> Floats:
        """Return the conductance of cells behind closed gates, like :meth:`conduct`; that at 0 V of cells with a curve.

        Parameters
        ----------
        g : ndarray
            Programmed conductances [S].

        Returns
        -------
        ndarray, shape of ``g``
            Divided by the secant, as programmed conductances are [S].
        """
        if not self.lines.g_leak_siemens:
            return np.zeros_like(g)
        slope = float(cell_current(self.iv, 0.0)[1])
        return self.lines.closed_cells(g * slope) / secant_conductance(self.iv, self.read_volt)


def describe_circuit(hardware: Hardware) -> ArrayCircuit:
    """Return the circuit of the arrays of a hardware record; ``crossbar.method: ideal`` leaves the lines out.

    Parameters
    ----------
    hardware : Hardware
        Its sections ``crossbar``, ``device`` and ``dac``.

    Returns
    -------
    ArrayCircuit
        For :func:`find_power`.
    """
    crossbar, device = hardware.crossbar, hardware.device
    ohms = (crossbar.r_wl_ohm, crossbar.r_bl_ohm, crossbar.r_source_ohm, crossbar.r_sink_ohm, crossbar.r_sl_ohm)
    word, bit, source, sink, supply = (0.0,) * 5 if crossbar.method == "ideal" else ohms
    wires = Wires(r_wl_ohm=word, r_bl_ohm=bit, r_source_ohm=source, r_sink_ohm=sink)
    return ArrayCircuit(
        topology=crossbar.layout,
        lines=Lines(
            wires=wires, r_sl_ohm=supply, r_access_ohm=crossbar.r_access_ohm, g_leak_siemens=crossbar.g_leak_siemens
        ),
        iv=None if device.is_ohmic else device.iv,
        read_volt=device.read_volt,
        pulses=hardware.dac.pulses,
    )


class ReadPower(NamedTuple):
    """Power of reads, mean over their pulses."""

    ideal_watt: Floats
    """(arrays, reads) without resistance in lines [W]."""
    watt: Floats
    """(arrays, reads) [W]."""


def find_power(g: Floats, opening: Floats, circuit: ArrayCircuit, *, threads: int | None = None) -> ReadPower:
    """Find the power that the drivers of arrays give in reads.

    Parameters
    ----------
    g : ndarray, (arrays, rows, cols)
        Conductance of the cells [S].
    opening : ndarray, (reads, rows)
        Inputs as shares of a full one [-].
    circuit : ArrayCircuit
        Layout, resistances, cells and inputs.
    threads : int, optional
        Threads to solve circuits on; the result does not depend on it.

    Returns
    -------
    ReadPower
        Ideal and actual power.

    Warns
    -----
    ModelRangeWarning
        If a circuit could not be solved; the ideal power is then returned.
    """
    g = check_conductance(g)
    opening = check_shares("opening", opening, g.shape[1], 2)
    cells = circuit.conduct(g)
    ideal = circuit.full_watt * np.einsum("ri,ai->ar", circuit.weigh(opening), cells.sum(axis=2))
    if circuit.lines.g_leak_siemens:
        ideal += circuit.full_watt * np.einsum("ri,ai->ar", 1.0 - opening, circuit.leak(g).sum(axis=2))
    if circuit.is_ideal:
        return ReadPower(ideal, ideal)
    if circuit.has_first_order:
        share = lose_first_order(cells, opening, circuit) / np.where(ideal > 0, ideal, 1.0)
        if share.max(initial=0.0) <= FIRST_ORDER:
            return ReadPower(ideal, ideal / (1.0 + share))
    try:
        return ReadPower(ideal, solve_power(g, opening, circuit, threads=threads))
    except SolverError as error:
        warnings.warn(
            f"power of array reads: a circuit was not solved ({error}); lines are neglected",
            ModelRangeWarning,
            stacklevel=2,
        )
        return ReadPower(ideal, ideal)


def solve_power(g: Floats, opening: Floats, circuit: ArrayCircuit, *, threads: int | None = None) -> Floats:
    """Solve reads for the power that drivers give; arguments as in :func:`find_power`.

    Returns
    -------
    ndarray, (arrays, reads)
        Mean over the pulses of a read [W].

    Raises
    ------
    ShapeError, ConfigError, SolverError
        As in :func:`~xbarsim.crossbar.solve_reads`.
    """
    lines, pulses = circuit.lines, circuit.pulses
    total: Floats = np.zeros((len(g), len(opening)))
    for pulse in range(pulses):
        driven = opening if pulses == 1 else (np.rint(opening * pulses) > pulse).astype(np.float64)
        some = driven.any(axis=1) | (lines.g_leak_siemens > 0)
        if not some.any():
            continue
        total[:, some] += solve_reads(
            g, driven[some] * circuit.read_volt, **vars(lines.wires), r_sl_ohm=lines.r_sl_ohm,
            r_access_ohm=lines.r_access_ohm, g_leak_siemens=lines.g_leak_siemens, topology=circuit.topology,
            iv=circuit.iv, read_volt=circuit.read_volt if circuit.topology.inputs == "gates" else None, tol=TOLERANCE,
            threads=threads,
        ).power_watt  # fmt: skip
    return total / pulses


def lose_first_order(cells: Floats, opening: Floats, circuit: ArrayCircuit) -> Floats:
    """Return the power that the ideal currents of reads would dissipate in lines.

    Parameters
    ----------
    cells : ndarray, (arrays, rows, cols)
        Conductance of ohmic cells with their transistors [S].
    opening : ndarray, (reads, rows)
        Inputs as shares of a full one [-].
    circuit : ArrayCircuit
        One with a first order.

    Returns
    -------
    ndarray, (arrays, reads)
        Mean over the pulses of a read [W].
    """
    wires, layout = circuit.lines.wires, circuit.topology
    along = cells if layout.drive == "far" else cells[:, :, ::-1]
    word = wires.r_wl_ohm * np.square(np.cumsum(along, axis=2)).sum(axis=2)
    word += wires.r_source_ohm * np.square(cells.sum(axis=2))  # (arrays, rows) for the square of a voltage
    found: Floats = np.zeros((len(cells), len(opening)))
    down = range(cells.shape[1]) if layout.sense == "far" else range(cells.shape[1] - 1, -1, -1)
    for pulse in range(circuit.pulses):
        driven = opening if circuit.pulses == 1 else (np.rint(opening * circuit.pulses) > pulse).astype(np.float64)
        volt = driven * circuit.read_volt
        found += np.einsum("ri,ai->ar", np.square(volt), word)
        sums = np.zeros((len(cells), len(opening), cells.shape[2]))  # current of every bit line, row by row
        squares = np.zeros(sums.shape)
        for row in down:
            sums += volt[:, row, np.newaxis] * cells[:, np.newaxis, row]
            squares += sums * sums
        found += wires.r_bl_ohm * squares.sum(axis=2) + wires.r_sink_ohm * np.square(sums).sum(axis=2)
    return found / circuit.pulses
