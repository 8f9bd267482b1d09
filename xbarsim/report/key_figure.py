"""Answers of a report's first screen: each key figure, what dominates it, and what to try next.

What dominates is read off the report. What to try is a rule of thumb: the keys that the dominating part depends on;
whether they help is for a sweep or ``xbarsim explain`` to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xbarsim.network import LAYER_KINDS
from xbarsim.report.quantity import describe_column
from xbarsim.report.record import CostReport, Report
from xbarsim.timing.part import PARTS

if TYPE_CHECKING:
    from xbarsim.inference.accuracy import Accuracy
    from xbarsim.report.result import MetricResult


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One key figure."""

    title: str
    """What it is."""
    value: str
    """Value with its unit."""
    note: str = ""
    """How certain it is, or the same figure counted in another way."""
    cause: str = ""
    """What dominates it; empty where nothing can be said."""
    advice: str = ""
    """What to try next; empty where nothing can be said."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands below the value."""
        return (self.note, self.cause, f"Try: {self.advice}" if self.advice else "")


_ENERGY_KEYS = {
    "array": "device.read_volt, timing.pulse_s, or smaller conductances",
    "adc": "fewer adc.bits, or more crossbar.rows for each conversion",
    "dac": "more dac.bits in fewer reads, or fewer activation_bits",
    "off_chip": "fewer activation_bits",
    "write": "more arrays (chip.tiles), so that fewer weights are reloaded",
}
"""Action -> keys on which its energy depends; other actions move values, whose number falls with larger arrays."""
_AREA_KEYS = {
    "adc": "fewer converters (adc.per_array) or fewer adc.bits",
    "array": "more device.cell_bits or fewer weight_bits",
    "off_chip": "judge arrays by core area and core EDAP, which leave off-chip I/O out",
    "buffer": "more arrays in a tile (chip.cores_per_tile)",
    "bus": "more arrays in a tile (chip.cores_per_tile)",
}
"""Action -> keys on which its area depends."""
_MOVES = "larger crossbar.rows and crossbar.cols, which move fewer partial sums"
_WHOLE_CHIP = "fewer arrays: larger crossbars, more device.cell_bits, or fewer weight_bits"
_IDLE_SHARE = 0.5
_SMALL_LOSS = 0.005
"""A loss that is not worth a search for its cause: half a point of a share. Our choice."""
_LOW_UTILIZATION = 0.5


def answer_report(report: CostReport) -> list[KeyFigure]:
    """Answer what a report is asked first.

    Parameters
    ----------
    report : CostReport or Report
        The report.

    Returns
    -------
    list of KeyFigure
        Accuracy or another metric (of simulations), energy, delay, area and EDAP with and without off-chip I/O.
    """
    found = []
    if isinstance(report, Report) and report.accuracy is not None:
        found.append(_answer_accuracy(report, report.accuracy))
    elif isinstance(report, Report) and report.metric is not None:
        found.append(_answer_metric(report, report.metric))
    return [*found, _answer_energy(report), _answer_delay(report), _answer_area(report), _answer_edap(report)]


def show(name: str, value: float) -> str:
    """Write a stored quantity with its unit.

    Parameters
    ----------
    name : str
        Stored name, unit included.
    value : float
        Value in SI units.

    Returns
    -------
    str
        Such as ``41.2 uJ``.
    """
    column = describe_column(name, [value])
    return f"{column.show(value)} {column.unit}".strip()


def _answer_accuracy(report: Report, accuracy: Accuracy) -> KeyFigure:
    low, high = (100 * end for end in accuracy.interval)
    count = len(accuracy.trials)
    chips = f"{count} chips" if count > 1 else "1 chip"
    value = f"{100 * accuracy.hardware:.2f} %, {100 * accuracy.degradation:.2f} points lost"
    note = f"95 % interval {low:.2f} to {high:.2f} % over {accuracy.images:,} images and {chips}."
    integers = float(accuracy.reference) - float(accuracy.quantized)
    is_open = low <= 100 * float(accuracy.reference) <= high
    is_small = accuracy.degradation <= _SMALL_LOSS
    cause, advice = _find_loss(report, integers, accuracy.degradation, is_open=is_open, is_small=is_small)
    return KeyFigure(title="accuracy left on this hardware", value=value, note=note, cause=cause, advice=advice)


def _answer_metric(report: Report, metric: MetricResult) -> KeyFigure:
    sign = 1 if metric.higher_is_better else -1
    low, high = metric.interval
    note = f"95 % interval {metric.shown_interval} over {metric.images:,} images."
    integers, lost = sign * (metric.reference - metric.quantized), sign * (metric.reference - metric.hardware)
    is_open, is_small = low <= metric.reference <= high, lost <= _SMALL_LOSS * abs(metric.reference)
    cause, advice = _find_loss(report, integers, lost, is_open=is_open, is_small=is_small)
    value = f"{metric.show(metric.hardware)}, {metric.shown_loss} lost"
    return KeyFigure(title=f"{metric.name} on this hardware", value=value, note=note, cause=cause, advice=advice)


def _find_loss(report: Report, integers: float, lost: float, *, is_open: bool, is_small: bool) -> tuple[str, str]:
    """Say what takes most of a loss, and what to try."""
    if is_small:
        return "Hardly anything is lost.", "a cheaper converter (fewer adc.bits), as long as accuracy stays"
    if is_open:
        return (
            "The interval includes no loss.",
            "more images or trials, which narrow the interval",
        )
    if integers > 0.5 * lost:
        share = 100 * min(1.0, integers / lost)
        return (f"Integers on ideal hardware take {share:.0f} % of the loss.", "more weight_bits or activation_bits")
    clipped = _extreme(report.errors, "clipped_share", max)
    is_chosen = report.provenance.record.get("adc", {}).get("full_scale") == "calibrated"  # it clips where that helps
    if clipped is not None and clipped[1] > 0.01 and not is_chosen:
        cause = f"Largest share of clipped conversions: {100 * clipped[1]:.1f} %, in {clipped[0]}."
        return cause, "adc.full_scale: calibrated; xbarsim explain tests it and other remedies"
    worst = _extreme(report.errors, "snr_db", min)
    if worst is None:
        return "Analog errors take most of the loss.", "xbarsim explain, which finds causes and remedies"
    return (
        f"Lowest ratio of signal to error: {worst[1]:.1f} dB, in {worst[0]}.",
        "xbarsim explain, which shares the loss among causes and layers and tests remedies",
    )


def _extreme(records: Iterable[Any], name: str, pick: Any) -> tuple[str, float] | None:
    """Return the layer whose number is the smallest or largest."""
    read = [
        (record["name"], record.get(name)) if isinstance(record, Mapping) else (record.name, getattr(record, name))
        for record in records
    ]
    found = [(layer, float(value)) for layer, value in read if value is not None and value == value]
    return pick(found, key=lambda each: each[1]) if found else None


def _answer_energy(report: CostReport) -> KeyFigure:
    cost = report.cost
    title, value = "energy of one inference", show("energy_joule", cost.energy_joule)
    parts = [part for part in cost.components if part.energy_joule > 0]
    if not parts:
        return KeyFigure(title=title, value=value)
    top = max(parts, key=lambda part: part.energy_joule)
    total = math.fsum(part.energy_joule for part in parts)
    idle = math.fsum(part.idle_energy_joule for part in parts)
    cause = f"{top.component} takes {100 * top.energy_joule / total:.0f} %{_top_layer(report, 'energy_joule')}."
    if idle > _IDLE_SHARE * total:
        cause += f" {100 * idle / total:.0f} % is idle energy."
        return KeyFigure(title=title, value=value, cause=cause, advice="more inferences a second, or fewer idle tiles")
    return KeyFigure(title=title, value=value, cause=cause, advice=_ENERGY_KEYS.get(top.action, _MOVES))


def _answer_delay(report: CostReport) -> KeyFigure:
    cost, bounds = report.cost, report.bounds
    note = f"{show('throughput_hz', cost.throughput_hz)} at steady rate."
    title, value = "delay of one inference", show("delay_s", cost.delay_s)
    if bounds is None or not len(bounds) or not cost.cycles:
        return KeyFigure(title=title, value=value, note=note)
    worst = max(bounds.to_dict("records"), key=lambda row: row["busy_cycles"])
    resource, name = str(worst["resource"]), str(worst["name"])
    what = f"the arrays of {name}" if resource == "arrays" else f"{resource} (used by {name})"
    cause = f"{what[:1].upper()}{what[1:]}: busy for {100 * worst['busy_cycles'] / cost.cycles:.0f} % of it."
    return KeyFigure(title=title, value=value, note=note, cause=cause, advice=_advise_time(resource))


def _advise_time(resource: str) -> str:
    if resource == "arrays":
        return "mapping.replication: balanced with more arrays, or fewer timing.read_cycles"
    part = next((part for part in PARTS if f" {part.name}" in f" {resource}"), None)
    if part is not None:
        return f"timing.{part.width}"
    return "timing.io_bits" if resource.startswith("off-chip") else "timing.link_bits, or mapping.placement: traffic"


def _answer_area(report: CostReport) -> KeyFigure:
    cost = report.cost
    title, value = "area of the chip", show("area_m2", cost.area_m2)
    note = f"{show('core_area_m2', cost.core_area_m2)} without off-chip I/O."
    parts = [part for part in cost.components if part.area_m2 > 0]
    if not parts:
        return KeyFigure(title=title, value=value, note=note)
    top = max(parts, key=lambda part: part.area_m2)
    cause = f"{top.component} takes {100 * top.area_m2 / math.fsum(part.area_m2 for part in parts):.0f} %."
    advice = _AREA_KEYS.get(top.action, _WHOLE_CHIP)
    return KeyFigure(title=title, value=value, note=note, cause=cause, advice=advice)


def _answer_edap(report: CostReport) -> KeyFigure:
    cost = report.cost
    title, value = "energy x delay x area (EDAP)", show("edap", cost.edap)
    note = f"{show('edap_core', cost.edap_core)} without off-chip I/O."
    io = 1 - cost.core_area_m2 / cost.area_m2 if cost.area_m2 else 0.0
    cause = f"Off-chip I/O is {100 * io:.0f} % of the area."
    if 0 < cost.utilization < _LOW_UTILIZATION:
        cause += f" Only {100 * cost.utilization:.0f} % of the cells in use hold weights."
        advice = "smaller crossbar.rows and crossbar.cols"
        return KeyFigure(title=title, value=value, note=note, cause=cause, advice=advice)
    advice = "a sweep of array sizes and adc.bits, or xbarsim search nax"
    return KeyFigure(title=title, value=value, note=note, cause=cause, advice=advice)


def _top_layer(report: CostReport, name: str) -> str:
    layers = [layer for layer in report.cost.layers if layer.kind in LAYER_KINDS]
    total = math.fsum(getattr(layer, name) for layer in report.cost.layers)
    if not layers or not total:
        return ""
    top = max(layers, key=lambda layer: getattr(layer, name))
    return f"; of the layers {top.name} takes most, {100 * getattr(top, name) / total:.0f} %"
