"""Converters without clipping or without rounding, to separate the two errors (``adc.clips``, ``adc.rounds``)."""

from __future__ import annotations

from dataclasses import replace

from xbarsim.mvm.engine import Engine


def leave_out_errors(engine: Engine) -> Engine:
    """Return an engine without the errors that its hardware leaves out.

    Parameters
    ----------
    engine : Engine
        Its range set.

    Returns
    -------
    Engine
        With the same step and no ends (``adc.clips: false``); or with the same ends and 256 steps in place of one
        (``adc.rounds: false``; fewer where the converter has more than 13 bits), which changes the unit of results.
        As it is where nothing is left out.
    """
    return replace(engine, adc=engine.adc.leave_out(engine.hardware.adc))
