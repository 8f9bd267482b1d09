"""How long the arrays of a layer take for a window: reads, sweeps of converters, and filling of input registers."""

from __future__ import annotations

import math

from xbarsim.component import rate_component
from xbarsim.config import Hardware
from xbarsim.kept import KeptResults
from xbarsim.mapping.layer import LayerDraft

_CYCLES: KeptResults[tuple[int, int]] = KeptResults(4096)


def read_period(layer: LayerDraft, converters: float | None = None) -> int:
    """Return the cycles between two array reads: the read itself or the converters' sweep, whichever is longer.

    The converters of a crossbar (``adc.per_array`` for each of its arrays) share the columns of its fullest column
    block (of one group, where groups are read one after the other) and its unit column, one conversion after the other
    at the rate of the component ``adc``.

    Parameters
    ----------
    layer : LayerDraft
        The layer.
    converters : float, optional
        Converters of an array where it has more; left out, all that it has.

    Returns
    -------
    int
        Period [cycles].
    """
    return sweep_period(layer.hardware, layer.partition.stripe.round_columns, converters)


def sweep_period(hardware: Hardware, columns: int, converters: float | None = None) -> int:
    """Return the cycles between two reads of a crossbar with so many used columns; see :func:`read_period`.

    Parameters
    ----------
    hardware : Hardware
        Converters and clock.
    columns : int
        Used columns of the crossbar.
    converters : float, optional
        Converters of an array where it has more; left out, all that it has.

    Returns
    -------
    int
        Period [cycles].
    """
    rate = rate_component("adc", hardware).rate_hz if "adc" in hardware.components else None
    if rate is None:
        return hardware.read_cycles
    each = min(hardware.adc.per_array, converters or hardware.adc.per_array)
    sweep = conversions_of(hardware, columns) / (each * hardware.arrays_per_crossbar) * hardware.clock_hz / rate
    return max(hardware.read_cycles, math.ceil(min(sweep, 1e18) - 1e-9))


def window_cycles(layer: LayerDraft, converters: float | None = None) -> tuple[int, int]:
    """Return how long one window occupies the arrays of a layer in all rounds, and how long it takes to come out.

    Parameters
    ----------
    layer : LayerDraft
        The layer.
    converters : float, optional
        Converters of an array where it has more; left out, all that it has.

    Returns
    -------
    int, int
        Occupancy and latency [cycles].
    """
    key = (id(layer.node), id(layer.hardware), layer.signed, converters)
    found = _CYCLES.get(key)
    if found is None:
        occupancy, latency = pass_cycles(layer.hardware, layer.streams, read_period(layer, converters))
        cycles = layer.rounds * occupancy, (layer.rounds - 1) * occupancy + latency
        found = _CYCLES.put(key, (layer.node, layer.hardware), cycles)
    return found


def pass_cycles(hardware: Hardware, streams: int, period: int) -> tuple[int, int]:
    """Return how long one window occupies its arrays, and how long it takes to come out.

    Every read waits for the converters' sweep of the last one; where an integrator adds reads up, they follow one
    another at the pace of the array, and the sweep of a window only has to be done before that of the next.

    Parameters
    ----------
    hardware : Hardware
        Stages behind the array, whether windows overlap, and where reads are added up.
    streams : int
        Array reads of one window.
    period : int
        Time of a read or of the converters' sweep, whichever is longer [cycles].

    Returns
    -------
    int, int
        Occupancy and latency [cycles].
    """
    reads = streams * period
    if hardware.dac.accumulate == "analog":
        reads = max(streams * hardware.read_cycles, period)
    latency = reads + hardware.timing.array_stages * period
    return (reads if hardware.timing.overlapped else latency), latency


def conversions_of(hardware: Hardware, columns: int, crossbars: int = 1) -> int:
    """Return the conversions of one read of crossbars with so many used columns.

    Parameters
    ----------
    hardware : Hardware
        Encoding of weights, and where differences are taken.
    columns : int
        Used columns of all these crossbars.
    crossbars : int
        Crossbars, each with a unit column where the encoding has one.

    Returns
    -------
    int
        Conversions, those of a unit column included.
    """
    unit = int(hardware.has_unit_column)
    twice = hardware.converted_polarities
    return (columns + crossbars * unit) * twice
