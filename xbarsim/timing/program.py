"""Programming of arrays in turns: when each turn begins, and how many cells are written.

The arrays of a turn are programmed before its other work begins. All cells of every array are written, since the
weights of the previous turn must be erased: row by row, all cells of a row together, one array after another for each
set of write drivers (``device.write.drivers``).

A row is finished when its last cell is.

Neglected: moving the weights from memory to the chip, and verification beyond ``device.write.pulse_s``.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from xbarsim.config.verify import row_pulses
from xbarsim.mapping import LayerPlan, Plan


def program_seconds(plan: Plan) -> list[float]:
    """Return how long programming takes before each turn [s]; zeros where ``device.write`` is not known.

    Parameters
    ----------
    plan : Plan
        Network on hardware.

    Returns
    -------
    list of float, (turns,)
        By turn [s].
    """
    sizes = _driver_arrays(plan)
    seconds = []
    for turn in range(plan.turn_count):
        layers = [layer for layer in plan.layers if layer.turn == turn and not layer.is_product]
        busy: dict[tuple[str, int], float] = {}
        for layer in layers:
            write = layer.hardware.device.write
            if write is None:
                continue
            crossbar = layer.hardware.crossbar
            each = crossbar.rows * row_pulses(layer.hardware.device, crossbar.cols) * write.pulse_s
            size, first, end = sizes[write.drivers], layer.first_array, layer.first_array + layer.arrays
            for unit in range(first // size, (end - 1) // size + 1):
                count = min(end, (unit + 1) * size) - max(first, unit * size)
                key = (write.drivers, unit)
                busy[key] = busy.get(key, 0.0) + count * each
        seconds.append(max(busy.values(), default=0.0))
    return seconds


def write_cycles(plan: Plan, product: LayerPlan) -> int:
    """Return the cycles in which the operand of a product is written into one set of its arrays.

    Every array takes as long as the fullest one, whose rows in use are written one after the other.

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    product : LayerPlan
        A product of activations; its hardware has ``device.write``.

    Returns
    -------
    int
        Cycles, rounded up.
    """
    device, stripe = product.hardware.device, product.partition.stripe
    assert device.write is not None
    rows = max(end - begin for begin, end in itertools.pairwise(stripe.row_starts))
    size, first = _driver_arrays(plan)[device.write.drivers], product.first_array
    end = first + product.replica_arrays
    most = max(min(end, (unit + 1) * size) - max(first, unit * size) for unit in range(first // size, -(-end // size)))
    each = rows * row_pulses(device, stripe.columns.most_used) * device.write.pulse_s
    return math.ceil(most * each * plan.hardware.clock_hz - 1e-9)


def _driver_arrays(plan: Plan) -> dict[str, int]:
    """Return the arrays that write drivers serve, by the unit that has its own (``device.write.drivers``)."""
    chip = plan.hardware.chip
    return {
        "array": 1, "core": chip.arrays_per_core, "tile": plan.arrays_per_tile,
        "chip": plan.arrays_per_tile * plan.tiles_per_chip,
    }  # fmt: skip


def step_offsets(plan: Plan, names: list[str]) -> tuple[list[int], int]:
    """Return the cycles that programming has taken before each step begins, and all of it in one inference.

    Parameters
    ----------
    plan : Plan
        In turns.
    names : list of str
        Names of all steps in order; a step without weights belongs to the turn of the layer before it.

    Returns
    -------
    list of int, int
        By step; all turns together.
    """
    clock = plan.hardware.clock_hz
    spent = np.cumsum([math.ceil(each * clock - 1e-9) for each in program_seconds(plan)])
    turns = {layer.name: layer.turn for layer in plan.layers}
    offsets, turn = [], 0
    for name in names:
        turn = max(turn, turns.get(name, 0))
        offsets.append(int(spent[turn]))
    return offsets, int(spent[-1])


def written_cells(layer: LayerPlan) -> int:
    """Return the cells that are written when a layer is: all of its arrays, weights or not, those in use of a product.

    Parameters
    ----------
    layer : LayerPlan
        The layer.

    Returns
    -------
    int
        Cells of all replicas; of one set of arrays of a product.
    """
    if layer.is_product:
        return layer.used_cells // layer.sets * layer.polarities
    return layer.cells * layer.polarities
