"""Activity -> a trace for ui.perfetto.dev: tiles as processes, steps as tracks, windows as slices, buffers as counters.

The format is the Trace Event Format (JSON), times in microseconds. A layer over several tiles is drawn on its home
tile. Long runs of windows are joined, so that the file stays small enough for a browser; a joined slice says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim.store import write_file
from xbarsim.timing._kernels import LAYER_STEP
from xbarsim.timing.simulate import Activity


def write_trace(activity: Activity, path: str | Path, *, most_slices: int = 1000) -> Path:
    """Write the trace of one inference.

    Parameters
    ----------
    activity : Activity
        From :func:`~xbarsim.timing.simulate_plan`.
    path : str or Path
        File to write.
    most_slices : int
        Slices (and steps of a counter) of one replica of a layer at most.

    Returns
    -------
    Path
        The file.
    """
    events = [*_name_tracks(activity), *_trace_windows(activity, most_slices), *_trace_buffers(activity, most_slices)]
    text = ",\n".join(json.dumps(event, allow_nan=False) for event in events)
    return write_file(path, '{"displayTimeUnit": "ns", "traceEvents": [\n' + text + "\n]}\n")


def _microseconds(activity: Activity) -> float:
    return 1e6 / activity.plan.hardware.clock_hz


def _name_tracks(activity: Activity) -> Iterator[dict[str, Any]]:
    tiles = sorted({home for each in activity.layout.steps for home in each.homes})
    for tile in tiles:
        yield {"ph": "M", "pid": tile, "name": "process_name", "args": {"name": f"tile {tile}"}}
    for index, step in enumerate(activity.steps):
        for tile in sorted(set(activity.layout.steps[index].homes)):
            yield {"ph": "M", "pid": tile, "tid": index, "name": "thread_name", "args": {"name": step.name}}


def _trace_windows(activity: Activity, most: int) -> Iterator[dict[str, Any]]:
    """Yield a slice for every window on arrays or unit, several joined where there are many; rounds lie inside."""
    machine, unit = activity.machine, _microseconds(activity)
    for index, step in enumerate(activity.steps):
        group = activity.layout.steps[index].step.group
        homes = activity.layout.steps[index].homes
        starts = activity.start[machine.first_window[index] : machine.first_window[index + 1]]
        for replica, tile in enumerate(homes):
            own = starts[replica :: len(homes)]
            at = machine.first_replica[index] + replica
            is_layer = machine.kind[index] == LAYER_STEP
            busy = (
                machine.slot_occupancy[machine.first_slot[at]]
                if is_layer
                else machine.unit_cycles[index] * machine.group[index]
            )
            joined = max(1, -(-len(own) // most))  # a replica has no window where there are more replicas
            for first in range(0, len(own), joined):
                last = min(first + joined, len(own)) - 1
                begin, end = ((replica + place * len(homes)) * group for place in (first, last))
                end += group - 1
                name = f"windows {begin} to {end}" if end > begin else f"window {begin}"
                span = int(own[last] + busy - own[first])
                rounds = step.layer.rounds if step.layer is not None else 1
                more = {"rounds": rounds} if rounds > 1 else {}
                yield {
                    "ph": "X", "pid": tile, "tid": index, "name": name, "cat": step.kind, "ts": int(own[first]) * unit,
                    "dur": span * unit, "args": {"cycle": int(own[first]), **more},
                }  # fmt: skip
                for number in range(rounds if rounds > 1 and last == first else 0):
                    cycle = int(own[first] + number * busy // rounds)
                    yield {
                        "ph": "X", "pid": tile, "tid": index, "name": f"round {number}", "cat": "round",
                        "ts": cycle * unit, "dur": int(busy) // rounds * unit, "args": {"cycle": cycle},
                    }  # fmt: skip


def _trace_buffers(activity: Activity, most: int) -> Iterator[dict[str, Any]]:
    """Yield the bits that wait in front of every step, one counter for each stream."""
    machine, unit, steps = activity.machine, _microseconds(activity), activity.layout.steps
    for index, own in enumerate(steps):
        step, tile = own.step, own.homes[0]
        reads = activity.start[machine.first_window[index] : machine.first_window[index + 1]]
        for (source, _), keep in zip(step.edges, step.keeps):
            window_bits = steps[source].result_bits * steps[source].step.group
            first = machine.first_window[source]
            arrivals = np.sort(activity.finish[first : machine.first_window[source + 1]])
            dropped = np.append(keep[1:], steps[source].step.classes)  # once a window has started, what lies before
            changes = np.unique(np.concatenate([arrivals, reads]))
            changes = changes[:: -(-len(changes) // most)]
            arrived = np.searchsorted(arrivals, changes, side="right")
            started = np.searchsorted(np.maximum.accumulate(reads), changes, side="right")
            gone = np.where(started > 0, dropped[np.maximum(started, 1) - 1], keep[0])
            for cycle, held in zip(changes.tolist(), np.maximum(arrived - gone, 0).tolist()):
                yield {
                    "ph": "C", "pid": tile, "name": f"{steps[source].step.name} -> {step.name}", "ts": cycle * unit,
                    "args": {"bits": int(held) * window_bits},
                }  # fmt: skip
