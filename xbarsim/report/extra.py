"""Key figures that only some designs have: what programming takes, turns and their wear, look-ups in index tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xbarsim.network.stored import STORED_PRODUCT
from xbarsim.report.quantity import show_number
from xbarsim.units import format_si

if TYPE_CHECKING:
    from xbarsim.cost import Cost


@dataclass(frozen=True, kw_only=True, slots=True)
class Extra:
    """One figure, ready to be shown."""

    name: str
    """What it is."""
    text: str
    """Its value with its unit."""
    note: str
    """What it means."""


def list_extras(cost: Cost) -> list[Extra]:
    """List the figures that this cost has beyond those that every design has.

    Parameters
    ----------
    cost : Cost
        Cost of one inference.

    Returns
    -------
    list of Extra
        Programming where ``device.write`` is known, turns where weights are reloaded, writes where products of
        activations run on arrays, look-ups where a layer has index tables.
    """
    found: list[Extra] = []
    if cost.programming_s:
        when = "in every inference, part of" if cost.turns > 1 else "once and for all, not part of"
        time, energy = format_si(cost.programming_s, "s"), format_si(cost.programming_joule, "J")
        found.append(Extra(name="programming time", text=time, note=f"all weights, {when} the delay"))
        found.append(Extra(name="programming energy", text=energy, note=f"all weights, {when} the energy"))
    if cost.turns > 1:
        life = "-" if cost.lifetime_inferences is None else show_number(cost.lifetime_inferences)
        found.append(Extra(name="turns", text=f"{cost.turns}", note="loads of the arrays in one inference"))
        found.append(Extra(name="life in inferences", text=life, note="until cells rewritten in each are worn out"))
    found += _describe_products(cost)
    tables = [component for component in cost.components if component.action == "index_table"]
    bits = max((component.actions for component in tables), default=0)
    if bits:
        energy = format_si(math.fsum(component.energy_joule for component in tables), "J")
        found.append(Extra(name="index look-ups", text=format_si(bits, "bit"), note="read from tables of epitomes"))
        found.append(Extra(name="look-up energy", text=energy, note="index tables, idle energy included"))
    return found


def _describe_products(cost: Cost) -> list[Extra]:
    """Return what writing operands of products of activations takes in one inference."""
    if all(part.kind != STORED_PRODUCT for part in cost.layers):
        return []
    component = next((each for each in cost.components if each.action == "write"), None)
    cells = format_si(0 if component is None else component.actions, "cells")
    life = "-" if cost.lifetime_inferences is None else show_number(cost.lifetime_inferences)
    return [
        Extra(name="cells written", text=cells, note="operands of products, in every inference"),
        Extra(name="life in inferences", text=life, note="until cells rewritten in each are worn out"),
    ]
