"""How many tiles and chips arrays take; where chips hold fewer, layers take turns and weights are reloaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping.partition import LayerMatrix, partition_matrix
from xbarsim.mvm import is_paired


def count_slots(hardware: Hardware) -> int | None:
    """Return the arrays that all chips hold, None where there are as many as needed."""
    chip = hardware.chip
    if chip.tiles == "auto" or chip.count == "auto":
        return None
    return chip.count * chip.tiles * chip.arrays_per_core * chip.cores_per_tile


def assign_turns(names: Sequence[str], arrays: Sequence[int], hardware: Hardware) -> list[int]:
    """Share layers out into turns: in their order, each turn as many as the chips hold.

    Parameters
    ----------
    names : sequence of str
        Layer names.
    arrays : sequence of int
        Physical arrays of every layer.
    hardware : Hardware
        Chips, and whether weights may be reloaded (``mapping.reload``).

    Returns
    -------
    list of int
        Turn of every layer, from 0; all 0 where everything fits, or where nothing may be reloaded.

    Raises
    ------
    ConfigError
        If layers would take turns and ``device.write`` does not say what writing takes.
    MappingError
        If a single layer does not fit.
    """
    slots = count_slots(hardware)
    if hardware.mapping.reload == "never" or slots is None or sum(arrays) <= slots:
        return [0] * len(arrays)
    if hardware.device.write is None:
        raise ConfigError("device.write: needed for mapping.reload: turns, where the network does not fit at once")
    turns: list[int] = []
    turn = held = 0
    for name, count in zip(names, arrays):
        if count > slots:
            per_tile = hardware.chip.arrays_per_core * hardware.chip.cores_per_tile
            raise MappingError(
                f"layer {name}: {count} arrays do not fit into {slots}, and it is not cut by outputs; "
                f"{-(-count // per_tile)} tiles in all would fit"
            )
        if held + count > slots:
            turn, held = turn + 1, 0
        held += count
        turns.append(turn)
    return turns


def count_parts(matrix: LayerMatrix, hardware: Hardware, slots: int) -> int | None:
    """Return into how many parts of its outputs a layer has to be cut so that each fits; None where none does.

    Parameters
    ----------
    matrix : LayerMatrix
        The layer, one group.
    hardware : Hardware
        Hardware of the layer.
    slots : int
        Arrays that all chips hold.

    Returns
    -------
    int or None
        Parts.
    """
    each = 2 if is_paired(hardware) else 1

    def arrays(parts: int) -> int:
        part = dataclasses.replace(matrix, cols=-(-matrix.cols // parts))
        return partition_matrix(part, hardware).crossbars * each

    low, high = 1, matrix.cols
    if arrays(high) > slots:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if arrays(middle) <= slots else (middle + 1, high)
    return high


def fit_chips(arrays: int, hardware: Hardware) -> tuple[int, int]:
    """Return tiles per chip and number of chips for so many physical arrays.

    Parameters
    ----------
    arrays : int
        Physical arrays that hold weights at once.
    hardware : Hardware
        Arrays of a tile; tiles and chips, numbers or ``auto``.

    Returns
    -------
    int, int
        Tiles of a chip; chips.

    Raises
    ------
    MappingError
        If ``chip.tiles`` and ``chip.count`` are numbers and the arrays do not fit.
    """
    chip = hardware.chip
    per_tile = chip.arrays_per_core * chip.cores_per_tile
    tiles = -(-arrays // per_tile)
    if chip.tiles == "auto":
        chips = 1 if chip.count == "auto" else chip.count
        return -(-tiles // chips), chips
    needed = -(-tiles // chip.tiles)
    if chip.count == "auto":
        return chip.tiles, needed
    if needed > chip.count:
        held = chip.count * chip.tiles * per_tile
        raise MappingError(
            f"{arrays} arrays do not fit: {chip.count} chip{'s' * (chip.count > 1)} of {chip.tiles} tiles hold {held}, "
            f"{arrays - held} are missing; chip.count: {needed}, or chip.tiles: {-(-tiles // chip.count)}, would fit"
        )
    return chip.tiles, chip.count
