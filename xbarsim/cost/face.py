"""How a cost looks in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim.notebook import Face, SmallTable, count_words
from xbarsim.units import format_si

if TYPE_CHECKING:
    from xbarsim.cost.record import Cost

MOST_COMPONENTS = 4
"""Components that are shown, those that take most energy."""


def show_cost(cost: Cost) -> Face:
    """Return what a notebook shows of a cost.

    Parameters
    ----------
    cost : Cost
        Cost of one inference.

    Returns
    -------
    Face
        Energy, delay, area and EDAP, and the components that take most energy.
    """
    energy, delay, area = (
        format_si(value, unit) for value, unit in ((cost.energy_joule, "J"), (cost.delay_s, "s"), (cost.area_m2, "m2"))
    )
    parts = sorted(cost.components, key=lambda part: -part.energy_joule)[:MOST_COMPONENTS]
    total = cost.energy_joule or 1.0
    rows = [
        (part.component, format_si(part.energy_joule, "J"), f"{100 * part.energy_joule / total:.1f} %")
        for part in parts
        if part.energy_joule
    ]
    size = f"{count_words(cost.arrays, 'array')} ({count_words(cost.crossbars, 'crossbar')})"
    return Face(
        title="Cost of one inference",
        text=f"{energy}, {delay}, {area}, EDAP {cost.edap:.3g} J s m2",
        pairs=(
            ("energy", f"{energy} for each inference"),
            ("delay", f"{delay}, {count_words(cost.cycles, 'cycle')}"),
            ("throughput", f"{cost.throughput_hz:,.4g} inferences per second"),
            ("power", format_si(cost.power_watt, "W")),
            ("area", f"{area}, {format_si(cost.core_area_m2, 'm2')} without off-chip I/O"),
            ("EDAP", f"{cost.edap:.3e} J s m2, {cost.edap_core:.3e} without off-chip I/O"),
            ("efficiency", f"{cost.tops:.3g} TOPS, {cost.tops_per_watt:.3g} TOPS/W, {cost.tops_per_mm2:.3g} TOPS/mm2"),
            ("size", f"{size} in {count_words(cost.tiles, 'tile')}, {100 * cost.utilization:.1f} % of cells in use"),
        ),
        tables=(SmallTable(("most energy", "energy", "share"), rows),),
        note=f"{count_words(len(cost.unpriced), 'counted action')} without a price (.unpriced)"
        if cost.unpriced
        else "",
    )
