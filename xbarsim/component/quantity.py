"""Numbers of a step that formulas of actions may use beside the counted actions, one record each."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xbarsim.component.action import ACTIONS, Action
from xbarsim.component.work import StepWork
from xbarsim.config import Component, Hardware
from xbarsim.errors import ConfigError
from xbarsim.formula import Number, parse_formula
from xbarsim.names import suggest


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A number that belongs to a step."""

    name: str
    """Name in formulas."""
    meaning: str
    """What it is."""
    count: Callable[[StepWork], Number]
    """Function that returns it for a step."""


_TABLE = (
    Quantity(name="windows", meaning="windows of one inference, of every step", count=lambda work: work.windows),
    Quantity(name="reads", meaning="reads of each crossbar in one inference", count=lambda work: work.reads),
    Quantity(name="streams", meaning="reads of a crossbar for one window", count=lambda work: work.arrays.streams),
    Quantity(name="crossbars", meaning="crossbars that are read at once", count=lambda work: work.arrays.crossbars),
    Quantity(name="polarities", meaning="arrays of a crossbar", count=lambda work: work.arrays.polarities),
    Quantity(name="rows", meaning="rows driven in one read, all crossbars", count=lambda work: work.arrays.rows),
    Quantity(
        name="columns", meaning="columns converted after a read, all crossbars",
        count=lambda work: work.arrays.conversions,
    ),
    Quantity(
        name="cells", meaning="cells of driven rows and used columns in one read, all crossbars, one polarity",
        count=lambda work: work.arrays.cells,
    ),
    Quantity(
        name="results", meaning="sums of products of one window, row blocks counted apart",
        count=lambda work: work.arrays.results,
    ),
    Quantity(name="input_bits", meaning="bits of an input", count=lambda work: work.arrays.input_bits),
    Quantity(name="sum_bits", meaning="bits of a sum of products", count=lambda work: work.arrays.sum_bits),
    Quantity(name="result_bits", meaning="bits of the result of one window", count=lambda work: work.result_bits),
    Quantity(name="operations", meaning="digital operations of one window", count=lambda work: work.operations),
    Quantity(name="adc_bits", meaning="resolution of converters", count=lambda work: work.hardware.adc_bits or 0),
    Quantity(name="dac_bits", meaning="input bits of one read", count=lambda work: work.hardware.dac.bits),
    Quantity(name="cell_bits", meaning="bits of a cell", count=lambda work: work.hardware.device.cell_bits),
    Quantity(name="array_rows", meaning="rows of an array", count=lambda work: work.hardware.crossbar.rows),
    Quantity(name="array_cols", meaning="columns of an array", count=lambda work: work.hardware.crossbar.cols),
)  # fmt: skip

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}
"""Every quantity by name; no action has one of these names."""


LINE = 220
"""Most characters of a list of names in a message."""


def check_action(key: str, text: str) -> None:
    """Check that an action is counted, or is a formula over what is.

    Parameters
    ----------
    key : str
        Dotted key that messages begin with.
    text : str
        Name of an action, or formula.

    Raises
    ------
    ValueError
        In one line, with the nearest known name.
    """
    if text in ACTIONS or text in QUANTITIES:
        return
    if text.isidentifier():
        near = suggest(text, (*ACTIONS, *QUANTITIES))
        raise ValueError(f"{key}: {text[:40]!r} is not counted{near}; one of {', '.join(ACTIONS)}")
    try:
        names = parse_formula(text).names
    except ConfigError as error:
        raise ValueError(f"{key}: {error}") from None
    known = [*ACTIONS, *QUANTITIES]
    for name in names:
        if name not in known:
            raise ValueError(f"{key}: unknown count {name[:40]!r}; the nearest first: {_list_nearest(name, known)}")


def _list_nearest(name: str, known: list[str]) -> str:
    """List known names, the nearest first, as far as a line holds them."""
    nearest = sorted(known, key=lambda each: -difflib.SequenceMatcher(None, name[:40], each).ratio())
    shown = list(itertools.takewhile(lambda n: len(", ".join(nearest[:n])) <= LINE, range(1, len(nearest) + 1)))
    more = ", ..." if len(shown) < len(nearest) else ""
    return ", ".join(nearest[: len(shown)]) + more


def find_formula(name: str, component: Component) -> str | None:
    """Return the formula that counts the actions of a component; the name of a quantity is one too.

    Parameters
    ----------
    name : str
        Name of the component.
    component : Component
        Its ``action`` is one that :func:`check_action` accepts.

    Returns
    -------
    str or None
        None where it is charged for a counted action, or for none.
    """
    action = component.action or name
    return action if action in QUANTITIES or (component.action and not action.isidentifier()) else None


def count_formula(text: str, work: StepWork) -> Number:
    """Return the number of actions that a formula gives for a step.

    Parameters
    ----------
    text : str
        Formula that :func:`check_action` accepts.
    work : StepWork
        The step.

    Returns
    -------
    int or float
        Actions in one inference.

    Raises
    ------
    ConfigError
        If the formula divides by zero or its value is negative.
    """
    formula = parse_formula(text)
    known: Mapping[str, Action | Quantity] = {**ACTIONS, **QUANTITIES}
    try:
        return formula.evaluate({name: known[name].count(work) for name in formula.names})
    except ConfigError as error:
        raise ConfigError(f"action {error} (a step of kind {work.kind})") from None


def list_formulas(hardware: Hardware) -> list[str]:
    """Return the actions of components that are formulas, each once.

    Parameters
    ----------
    hardware : Hardware
        Its components.

    Returns
    -------
    list of str
        Formulas in the order of the components.
    """
    found = dict.fromkeys(itertools.starmap(find_formula, hardware.components.items()))
    return [text for text in found if text is not None]
