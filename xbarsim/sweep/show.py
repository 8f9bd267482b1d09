"""How metrics and axes of a sweep are called and scaled where people read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xbarsim.report.quantity import Column, describe_column

_TITLES = {
    "accuracy.hardware": "accuracy", "accuracy.degradation": "accuracy lost", "accuracy.low": "accuracy, low",
    "accuracy.quantized": "accuracy, integers", "accuracy.reference": "accuracy, float",
    "accuracy.high": "accuracy, high",
}  # fmt: skip
SMALLER_IS_BETTER = (
    "accuracy.degradation", "cost.energy_joule", "cost.delay_s", "cost.area_m2", "cost.edap", "cost.power_watt",
    "cost.cycles", "cost.crossbars", "cost.arrays", "cost.tiles", "seconds.setup", "seconds.run",
)  # fmt: skip


def describe_metric(name: str, values: Iterable[Any] = ()) -> Column:
    """Choose title, unit and prefix for a metric.

    Parameters
    ----------
    name : str
        Dotted name.
    values : iterable, optional
        What the column holds; the greatest magnitude picks the prefix.

    Returns
    -------
    Column
        Title, unit and factor.
    """
    room, _, field = name.partition(".")
    if room == "accuracy":
        return Column(title=_TITLES.get(name, name.replace(".", " ")), unit="%", factor=100.0)
    if room == "layers":
        return Column(
            title=field.replace("snr_db.min", "lowest SNR").replace("snr_db.mean", "mean SNR"), unit="dB", factor=1.0
        )
    if room == "seconds":
        return Column(title=f"{field} time", unit="s", factor=1.0)
    return describe_column(field, values)
