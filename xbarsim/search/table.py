"""Costs of all options of a space, layer by layer."""

from __future__ import annotations

import numpy as np

from xbarsim.network.reshape import describe_context, describe_layer
from xbarsim.search.design import choose_keys
from xbarsim.search.oracle import CostOracle
from xbarsim.search.space import Space

TERMS = {"latency": "delay_s", "energy": "energy_joule", "area": "area_m2"}
"""Lambda -> what it weighs."""


def tabulate_options(space: Space, oracle: CostOracle) -> dict[str, list[np.ndarray]]:
    """Ask the oracle for every option of every slot.

    Parameters
    ----------
    space : Space
        What can be chosen.
    oracle : CostOracle
        Who knows.

    Returns
    -------
    dict
        ``delay_s``, ``energy_joule`` and ``area_m2`` -> one array a slot, sums over the slot's layers; 0 for the zero
        operator.
    """
    table: dict[str, list[np.ndarray]] = {name: [] for name in TERMS.values()}
    for slot in space.slots:
        found = np.zeros((len(TERMS), slot.count))
        for index in range(slot.count):
            option = slot.option(index)
            if isinstance(option, str):
                continue
            for layer in slot.layers:
                kernel = option.get("kernel") if space.network.node(layer).has_kernel else None
                asked = describe_layer(space.network, layer, kernel)
                around = describe_context(space.network, layer)
                cost = oracle.layer(*asked, choose_keys(option), **around)
                found[:, index] += [getattr(cost, name) for name in TERMS.values()]
        for name, row in zip(TERMS.values(), found):
            table[name].append(row)
    return table
