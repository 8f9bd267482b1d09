"""What a step does for one window, wherever its replicas lie; kept, since most steps of a new design are as before."""

from __future__ import annotations

from typing import NamedTuple

from xbarsim.config.hardware import Timing
from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan
from xbarsim.mapping.period import window_cycles
from xbarsim.network.stored import STORE
from xbarsim.timing.dataflow import POOLS, Step
from xbarsim.timing.part import ACTIVATION, BUFFER_READ, BUFFER_WRITE, BUS, POOLING, VECTOR, WRITER, Part, part_width
from xbarsim.timing.slots import result_bits


class WindowWork(NamedTuple):
    """Work of one window of a step."""

    unit: Part
    """Part of the home tile that works on its results; the ends of the network leave it alone."""
    operand_bits: int
    """Bits that a digital step reads from its buffer, 0 for weight layers."""
    unit_cycles: int
    """Cycles of that part; 0 for the ends of the network."""
    write_cycles: int
    """Cycles in which its result is written to a buffer."""
    result_bits: int
    """Bits of its result."""
    input_bits: int
    """Bits of an input of a weight layer, 0 for other steps."""
    partial_bits: int
    """Bits of a partial sum of a weight layer, 0 for other steps."""
    operand_cycles: int
    """Cycles in which a digital step reads its operands from its buffer, 0 for weight layers."""
    occupancy: int
    """Cycles that it occupies the arrays of a weight layer, 0 for other steps."""
    latency: int
    """Cycles until its sums have come out of the arrays, 0 for other steps."""


_WINDOWS: KeptResults[WindowWork] = KeptResults(4096)


def describe_window(
    step: Step, layer: LayerPlan | None, bits: int, timing: Timing, *, tiles: int, written_cycles: int
) -> WindowWork:
    """Work out what a step does for one window.

    Parameters
    ----------
    step : Step
        The step.
    layer : LayerPlan or None
        Plan of a weight layer, None for digital steps.
    bits : int
        Bits of one value of its result.
    timing : Timing
        Widths of the parts of a tile.
    tiles : int
        Tiles that share a digital step.
    written_cycles : int
        Cycles in which its operand is written into arrays; 0 for all other steps.

    Returns
    -------
    WindowWork
        The same for equal arguments.
    """
    about = () if layer is None else (id(layer.node), id(layer.hardware), layer.signed)
    key = (id(step), about, bits, id(timing), tiles, written_cycles)
    found = _WINDOWS.get(key)
    if found is not None:
        return found
    if layer is not None:
        work = _describe_layer(step, layer, bits, timing)
        return _WINDOWS.put(key, (step, timing, layer.node, layer.hardware), work)
    return _WINDOWS.put(key, (step, timing), _describe_digital(step, bits, timing, tiles, written_cycles))


def _describe_layer(step: Step, layer: LayerPlan, bits: int, timing: Timing) -> WindowWork:
    occupancy, latency = window_cycles(layer)
    return WindowWork(
        unit=ACTIVATION, unit_cycles=divide(step.values, part_width(ACTIVATION, timing)),
        write_cycles=divide(step.values * bits, part_width(BUFFER_WRITE, timing)), result_bits=step.values * bits,
        input_bits=layer.activation_bits, partial_bits=result_bits(layer), operand_bits=0, operand_cycles=0,
        occupancy=occupancy, latency=latency,
    )  # fmt: skip


def _describe_digital(step: Step, bits: int, timing: Timing, tiles: int, written_cycles: int) -> WindowWork:
    is_write, is_end = step.kind == STORE, step.kind in ("input", "output")
    unit = WRITER if is_write else POOLING if step.kind in POOLS else VECTOR
    work = written_cycles if is_write else step.operations
    operands = step.count_operands(timing.operand_bits, bits, tiles) * bits
    moved, reads = 0 if step.kind == "input" else operands, part_width(BUFFER_READ, timing)
    return WindowWork(
        unit=unit, unit_cycles=0 if is_end else divide(work, part_width(unit, timing)),
        write_cycles=divide(step.values * bits, part_width(BUFFER_WRITE, timing)), result_bits=step.values * bits,
        input_bits=0, partial_bits=0, operand_bits=operands,
        operand_cycles=divide(moved, min(reads, part_width(BUS, timing)) if is_write else reads), occupancy=0,
        latency=0,
    )  # fmt: skip


def divide(work: int, width: int) -> int:
    """Return the cycles of some work, rounded up."""
    return -(-work // width)
