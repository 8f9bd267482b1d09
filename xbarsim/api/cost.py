"""Estimates of costs: what they need is loaded, and nothing that simulates."""

from __future__ import annotations

from pathlib import Path

from xbarsim import config
from xbarsim.api.hardware import load_hardware
from xbarsim.api.prepare import Layers, describe_array_reads, write_provenance
from xbarsim.cost import Cost, price
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.network import Network, load_network
from xbarsim.report import CostReport
from xbarsim.timing import Activity, plan_pipeline, simulate_plan


def estimate(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    layers: Layers | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
) -> CostReport:
    """Estimate energy, delay and area of one inference, without data or weights.

    Parameters
    ----------
    network : Network, str or Path
        A network, or an argument of :func:`load_network`.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value, for example ``{"conv1": {"crossbar.rows": 32, "weight_bits": 6}}``.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.

    Returns
    -------
    CostReport
        Energy [J], delay [s], area [m2] and other results as attributes, and the tables ``layers`` and ``components``.

    Raises
    ------
    ConfigError
        If an input is wrong.
    MappingError
        If ``chip.count`` is a number and the network does not fit.
    """
    net, record = load_network(network), load_hardware(hardware)
    activity, cost = _run_once(net, record, layers, weight_bits, activation_bits)
    settings = {
        "assumed_mean_level": record.assumed_level,
        "assumed_input_activity": record.activity.input_activity,
        **describe_array_reads(record),
    }
    return CostReport(
        cost=cost,
        provenance=write_provenance(activity.plan, record, layers, 0, settings),
        activity=activity,
    )


def find_cost(
    network: Network,
    hardware: config.Hardware,
    layers: Layers | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
) -> Cost:
    """Return the cost that :func:`estimate` reports, without a report around it.

    Parameters
    ----------
    network : Network
        A network.
    hardware : Hardware
        A record.
    layers, weight_bits, activation_bits
        As in :func:`estimate`.

    Returns
    -------
    Cost
        Total cost, with its parts by layer and by component.

    Raises
    ------
    ConfigError, MappingError
        As in :func:`estimate`.
    """
    return _run_once(network, hardware, layers, weight_bits, activation_bits)[1]


def _run_once(
    network: Network,
    hardware: config.Hardware,
    layers: Layers | None,
    weight_bits: int | None,
    activation_bits: int | None,
) -> tuple[Activity, Cost]:
    """Plan, time and price one inference."""
    plan = plan_pipeline(network, hardware, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits)
    check_plausible(Facts(hardware=hardware))
    activity = simulate_plan(plan)
    return activity, price(plan, activity)
