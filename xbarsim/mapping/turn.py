"""Number of tiles and chips; weight reloading in turns where the chips have too few arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping.layer import LayerDraft
from xbarsim.mapping.partition import partition_matrix


def count_slots(hardware: Hardware) -> int | None:
    """Return the arrays that all chips hold, None where there are as many as needed."""
    chip = hardware.chip
    if chip.tiles == "auto" or chip.count == "auto":
        return None
    return chip.count * chip.tiles * chip.arrays_per_tile


def assign_turns(drafts: Sequence[LayerDraft], hardware: Hardware) -> list[LayerDraft]:
    """Assign layers to turns, in their order, each turn with as many as the chips hold.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers in the order of the network, one replica each.
    hardware : Hardware
        Chips, and whether weights may be reloaded (``mapping.reload``).

    Returns
    -------
    list of LayerDraft
        The same layers with their turns; all 0 where everything fits, or where nothing may be reloaded.

    Raises
    ------
    ConfigError
        If layers would take turns and ``device.write`` does not say what writing takes.
    MappingError
        If a single layer does not fit.
    """
    slots = count_slots(hardware)
    if hardware.mapping.reload == "never" or slots is None or sum(draft.arrays for draft in drafts) <= slots:
        return list(drafts)
    if hardware.device.write is None:
        raise ConfigError(
            "device.write: missing; mapping.reload: turns needs it where the network does not fit on the chips at once"
        )
    assigned: list[LayerDraft] = []
    turn = held = 0
    for draft in drafts:
        if draft.arrays > slots:
            raise MappingError(
                f"layer {draft.name}: {draft.arrays} arrays do not fit into {slots}, and it cannot be divided by "
                "outputs; "
                f"{-(-draft.arrays // hardware.chip.arrays_per_tile)} tiles in all would fit"
            )
        if held + draft.arrays > slots:
            turn, held = turn + 1, 0
        held += draft.arrays
        assigned.append(dataclasses.replace(draft, turn=turn))
    return assigned


def check_products(drafts: Sequence[LayerDraft], hardware: Hardware) -> None:
    """Refuse products of activations on arrays that cannot be written in every inference.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers, one replica each.
    hardware : Hardware
        Chips, and whether weights may be reloaded (``mapping.reload``).

    Raises
    ------
    ConfigError
        If ``device.write`` does not say what writing takes, replicas are asked for, or the arrays would take turns.
    """
    products = [draft for draft in drafts if draft.is_product]
    if not products:
        return
    where = f"mapping.dynamic_products: {hardware.mapping.dynamic_products}"
    for draft in products:
        if draft.hardware.device.write is None:
            raise ConfigError(
                f"device.write: missing; {where} needs its volt and pulse_s for {draft.name}; set them, or use digital"
            )
        if (draft.hardware.mapping.replicas or 1) > 1:
            raise ConfigError(
                f"mapping.replicas: {draft.hardware.mapping.replicas} for {draft.name} contradicts {where}, where a "
                "product has one replica; give replicas to other layers by name, or choose double_arrays or digital"
            )
    slots = count_slots(hardware)
    if hardware.mapping.reload == "turns" and slots is not None and sum(draft.arrays for draft in drafts) > slots:
        raise ConfigError(
            f"{where} contradicts mapping.reload: turns where the network does not fit at once; choose digital, or "
            "give more tiles"
        )


def cut_for_turns(drafts: Sequence[LayerDraft], hardware: Hardware) -> dict[str, int]:
    """Find the layers that are cut by their outputs because all chips hold fewer arrays than they take.

    Parameters
    ----------
    drafts : sequence of LayerDraft
        Layers, one replica each.
    hardware : Hardware
        Chips, and whether weights may be reloaded (``mapping.reload``).

    Returns
    -------
    dict
        Layer name -> parts, of the layers that are cut.
    """
    slots = count_slots(hardware)
    if hardware.mapping.reload == "never" or slots is None or hardware.device.write is None:
        return {}
    parts = {draft.name: count_parts(draft, slots) for draft in drafts if draft.arrays > slots}
    return {name: count for name, count in parts.items() if count is not None}


def count_parts(draft: LayerDraft, slots: int) -> int | None:
    """Return the number of parts into which the outputs of a layer are cut so that each part fits.

    Parameters
    ----------
    draft : LayerDraft
        The layer.
    slots : int
        Arrays that all chips hold.

    Returns
    -------
    int or None
        Parts; None where a part of one output does not fit, and for grouped convolutions and epitomes, which are not
        cut.
    """
    if draft.groups > 1 or draft.epitome is not None:
        return None

    def arrays(parts: int) -> int:
        part = dataclasses.replace(draft.matrix, cols=-(-draft.cols // parts))
        return partition_matrix(part, draft.hardware).crossbars * draft.polarities

    low, high = 1, draft.cols
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
    tiles = -(-arrays // chip.arrays_per_tile)
    if chip.tiles == "auto":
        chips = 1 if chip.count == "auto" else chip.count
        return -(-tiles // chips), chips
    needed = -(-tiles // chip.tiles)
    if chip.count == "auto":
        return chip.tiles, needed
    if needed > chip.count:
        held = chip.count * chip.tiles * chip.arrays_per_tile
        raise MappingError(
            f"{arrays} arrays do not fit: {chip.count} chip{'s' * (chip.count > 1)} of {chip.tiles} tiles hold {held}, "
            f"{arrays - held} are missing; chip.count: {needed}, or chip.tiles: {-(-tiles // chip.count)}, would fit"
        )
    return chip.tiles, chip.count
