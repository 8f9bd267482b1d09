"""Actions that are counted and cost nothing, because no component has a price for them.

An action has a price if a component that is charged for it, or for a formula that contains it, takes energy, is always
on, or says that it is meant to be free (``components.X.free``). Cells that are written take the energy of
``device.write`` also without a component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xbarsim.component import ACTIONS, CostLaw, action_energy, idle_power, rate_component
from xbarsim.component.quantity import find_formula
from xbarsim.config import Hardware
from xbarsim.formula import parse_formula
from xbarsim.kept import KeptResults
from xbarsim.timing import StepActivity

WRITE = "write"
"""Action of writing cells, which ``device.write`` prices where no component does."""


_FREE: KeptResults[tuple[tuple[str, int], ...]] = KeptResults(4096)


def list_priced(hardware: Hardware) -> frozenset[str]:
    """Return the actions that have a price, or are meant to have none.

    Parameters
    ----------
    hardware : Hardware
        Hardware of a layer.

    Returns
    -------
    frozenset of str
        Names in :data:`~xbarsim.component.ACTIONS`.
    """
    found = {WRITE} if hardware.device.write is not None else set()
    for name, component in hardware.components.items():
        formula, action = find_formula(name, component), component.action or name
        covered = {action} if formula is None else set(parse_formula(formula).names)
        covered &= set(ACTIONS)
        if covered - found:
            rating = rate_component(name, hardware)
            takes = action_energy(rating) > 0 or idle_power(rating) > 0
            if takes or component.free or (isinstance(component, CostLaw) and component.reads_arrays):
                found |= covered
    return frozenset(found)


def find_unpriced(steps: Iterable[StepActivity], priced: Mapping[int, frozenset[str]], whole: int) -> dict[str, int]:
    """Return the counted actions that cost nothing.

    Parameters
    ----------
    steps : iterable of StepActivity
        Counts of one inference.
    priced : mapping
        Identity of a hardware record -> actions with a price on it.
    whole : int
        Identity of the record of the whole chip, for steps without arrays.

    Returns
    -------
    dict of str to int
        Action -> actions without a price in one inference, in the order of :data:`~xbarsim.component.ACTIONS`.
    """
    totals: dict[str, int] = {}
    for step in steps:
        known = priced[id(step.layer.hardware) if step.layer else whole]
        key = (id(step.counts), id(known))
        found = _FREE.get(key)
        if found is None:
            free = [(name, int(count)) for name, count in step.counts.items() if name in ACTIONS and name not in known]
            found = _FREE.put(key, (step.counts, known), tuple(free))
        for action, number in found:
            totals[action] = totals.get(action, 0) + number
    return {name: totals[name] for name in ACTIONS if name in totals}
