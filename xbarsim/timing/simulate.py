"""From a plan to its activity: times of all windows and numbers of actions.

Neglected: refresh of buffers, operands of one step in several banks, width limits of output registers (a finished
result waits for its unit without holding up the arrays), protocol overhead of packets. A packet books its links when
it is injected, in the order of injections.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import MappingError
from xbarsim.kept import KeptResults
from xbarsim.mapping import LayerPlan, Plan
from xbarsim.network.stored import name_write
from xbarsim.timing._kernels import DONE, HEAP_FULL, INPUT_STEP, LAYER_STEP, run_class_events, run_events
from xbarsim.timing._state import LoopState
from xbarsim.timing.busy import count_resources
from xbarsim.timing.counts import count_actions
from xbarsim.timing.layout import Layout
from xbarsim.timing.machine import LARGEST_COUNT, EventTables, build_machine
from xbarsim.timing.program import step_offsets


@dataclass(frozen=True, kw_only=True)
class StepActivity:
    """One step: a weight layer, a digital operation, or an end of the network."""

    name: str
    """Name of the network node; ``input`` or ``output``."""
    kind: str
    """Kind of the node; ``input`` or ``output``."""
    layer: LayerPlan | None
    """Plan of a weight layer."""
    windows: int
    """Windows of one inference."""
    start_cycles: int
    """Cycle in which the first window starts on the arrays or the unit."""
    finish_cycles: int
    """Cycle in which the last result has arrived at its consumers."""
    busy_cycles: int
    """Cycles that the busiest arrays of the layer (the unit of a digital step) work for it in one inference."""
    operations: int
    """Digital operations of the network in one inference, two for a multiply-accumulate; additions of partial sums are
    not among them."""
    counts: Mapping[str, int | float]
    """Action -> number in one inference; whole, but for actions counted by a formula."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Activity of one inference."""

    plan: Plan
    """The plan."""
    cycles: int
    """Cycles of one inference, from input to output."""
    interval_cycles: int
    """Between two inferences in steady state: the busiest resource if pipelined, else the whole inference."""
    bottleneck: str
    """Name of the resource that determines the interval."""
    machine: EventTables
    """Inputs of the event loop."""
    layout: Layout
    """Meaning of the numbers."""
    start: NDArray[np.int64]
    """Cycle in which every window of every step starts, step by step."""
    finish: NDArray[np.int64]
    """Cycle in which its result has arrived."""
    busy: NDArray[np.int64]
    """Busy cycles of every shared resource in one inference."""

    @functools.cached_property
    def steps(self) -> tuple[StepActivity, ...]:
        """All steps in order, input first, output last."""
        return _describe_steps(self)

    @functools.cached_property
    def totals(self) -> dict[str, int | float]:
        """Action -> number in one inference, summed over all steps."""
        found: dict[str, int | float] = {}
        for step in self.steps:
            for action, count in step.counts.items():
                found[action] = found.get(action, 0) + count
        return found

    @property
    def delay_s(self) -> float:
        """Time of one inference [s]."""
        return self.cycles / self.plan.hardware.clock_hz

    @property
    def interval_s(self) -> float:
        """Time between two inferences in steady state [s]."""
        return self.interval_cycles / self.plan.hardware.clock_hz


_RUNS: KeptResults[Activity] = KeptResults(1)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Raw result of the event loop."""

    is_done: bool
    """Whether every window has finished; otherwise limited buffers have caused a deadlock."""

    start: NDArray[np.int64]
    """By window."""
    finish: NDArray[np.int64]
    """By window."""
    busy: NDArray[np.int64]
    """By resource."""

    @property
    def cycles(self) -> int:
        """Cycle in which the last window is done."""
        return int(self.finish.max())


def run(machine: EventTables) -> Run:
    """Run a machine; allocates what the event loop needs.

    Parameters
    ----------
    machine : EventTables
        From :func:`~xbarsim.timing.machine.build_machine`.

    Returns
    -------
    Run
        When every window started and finished, and how long every resource was busy.
    """
    windows, slots = int(machine.first_window[-1]), machine.slot_wires.size
    edges = machine.edge_to.size
    resources = count_resources(machine)
    free, busy = np.zeros(resources, dtype=np.int64), np.zeros(resources, dtype=np.int64)
    start = np.full(windows, np.iinfo(np.int64).max)
    finish, latest = np.zeros(windows, dtype=np.int64), np.zeros(windows, dtype=np.int64)
    slots_of = np.diff(machine.first_slot).astype(np.int32)
    owners: NDArray[np.int64] = np.repeat(machine.first_replica.astype(np.int64), machine.windows)
    if machine.replicas.max() > 1:  # replicas take windows in turn
        number = np.arange(windows) - np.repeat(machine.first_window[:-1].astype(np.int64), machine.windows)
        owners = owners + number % np.repeat(machine.replicas, machine.windows)
    waiting = slots_of[owners]
    outgoing = np.diff(machine.first_out)
    producers = np.repeat(np.arange(machine.windows.size), outgoing)
    capacity = 64 + 8 * slots + int(machine.windows.max()) + 4 * machine.windows.size
    while True:
        times, keys = np.empty(capacity, dtype=np.int64), np.empty(capacity, dtype=np.int64)
        state = LoopState(
            free=free, busy=busy, slot_free=np.zeros(slots, dtype=np.int64),
            slot_passed=np.zeros(slots, dtype=np.int64), slot_end=np.zeros(2 * slots, dtype=np.int64),
            released=np.zeros(machine.windows.size, dtype=np.int64), prefix=np.full(edges, -1, dtype=np.int64),
            arrived=np.zeros(int(machine.windows[producers].sum()), dtype=np.uint8), waiting=waiting.copy(),
            latest=latest, left=machine.windows * outgoing, taken=waiting.copy(),
            read=np.zeros(machine.windows.size, dtype=np.int64), room=np.zeros(edges, dtype=np.int64), start=start,
            finish=finish, heads=np.zeros(machine.tree_link.size, dtype=np.int64),
            lasts=np.zeros(machine.tree_link.size if machine.has_classes else 0, dtype=np.int64),
            tails=np.zeros(machine.tree_link.size, dtype=np.int64), times=times, keys=keys,
        )  # fmt: skip
        code, _ = (run_class_events if machine.has_classes else run_events)(machine, state)
        if code != HEAP_FULL:
            break
        capacity *= 4
        free[:], busy[:], finish[:], latest[:] = 0, 0, 0, 0
        start[:] = np.iinfo(np.int64).max
    return Run(is_done=code == DONE, start=start, finish=finish, busy=busy)


def simulate_plan(plan: Plan, *, input_s: float | None = None) -> Activity:
    """Run one inference through the machine.

    Parameters
    ----------
    plan : Plan
        Network on hardware, from :func:`~xbarsim.mapping.plan_network`.
    input_s : float, optional
        Time in which the whole input arrives, at an even pace; left out, that of the off-chip link [s].

    Returns
    -------
    Activity
        Cycles, when every window ran, and how often every component acted.

    Raises
    ------
    MappingError
        If ``timing.stream_bits`` is too small for the network, or the network too large for the event loop's numbers.
    """
    known = _RUNS.get(id(plan)) if input_s is None else None
    if known is not None:
        return known
    machine, layout = build_machine(plan)
    if input_s is not None:
        if input_s * plan.hardware.clock_hz > LARGEST_COUNT:
            most = LARGEST_COUNT / plan.hardware.clock_hz
            raise MappingError(
                f"producers_s: {input_s:g} s are more than {LARGEST_COUNT:.0e} cycles; give at most {most:.3g} s"
            )
        pace = math.ceil(input_s * plan.hardware.clock_hz / int(machine.windows[0]) - 1e-9)
        cycles = np.where(machine.kind == INPUT_STEP, pace, machine.unit_cycles)
        machine = machine._replace(unit_cycles=cycles, input_pace=0)
    result = run(machine)
    least = _least_stream_bits(plan, machine, result.is_done)
    if least is not None:
        given = plan.hardware.timing.stream_bits
        raise MappingError(f"timing.stream_bits: {given} causes a deadlock in this network; {least} or more are needed")
    if plan.turn_count > 1:
        result = _add_programming(plan, machine, layout, result)
    interval, bottleneck = find_interval(plan, machine, layout, result)
    return Activity(
        plan=plan, cycles=result.cycles, interval_cycles=interval, bottleneck=bottleneck, machine=machine,
        layout=layout, start=result.start, finish=result.finish, busy=result.busy,
    )  # fmt: skip


def keep_activity(activity: Activity) -> None:
    """Keep one activity, in place of the one before, so that :func:`simulate_plan` need not run its plan again.

    Parameters
    ----------
    activity : Activity
        From :func:`simulate_plan`.
    """
    _RUNS.put(id(activity.plan), (activity.plan,), activity)


def _describe_steps(activity: Activity) -> tuple[StepActivity, ...]:
    """Cut an activity by step; only here are actions counted, which a plan that is tried and dropped does without."""
    machine, first = activity.machine, activity.machine.first_window[:-1]
    starts = np.minimum.reduceat(activity.start, first).tolist()
    finishes = np.maximum.reduceat(activity.finish, first).tolist()
    slots = np.minimum(machine.first_slot[machine.first_replica], machine.slot_occupancy.size - 1)
    pace = np.where(machine.kind == LAYER_STEP, machine.slot_occupancy[slots], machine.unit_cycles).tolist()
    steps, counts = activity.layout.steps, count_actions(activity.plan, activity.layout)
    return tuple(
        [
            StepActivity(
                name=each.step.name,
                kind=each.step.kind,
                layer=each.layer,
                windows=each.step.windows,
                start_cycles=starts[index],
                finish_cycles=finishes[index],
                busy_cycles=pace[index] * -(-each.step.classes // len(each.homes)) * each.step.group,
                operations=each.step.windows * each.step.arithmetic,
                counts=counts[index],
            )
            for index, each in enumerate(steps)
        ]
    )


def _add_programming(plan: Plan, machine: EventTables, layout: Layout, result: Run) -> Run:
    """Shift every step by the programming that comes before it; steps of a plan in turns never overlap."""
    offsets, _ = step_offsets(plan, [each.step.name for each in layout.steps])
    shift = np.repeat(np.array(offsets, dtype=np.int64), machine.windows)
    return Run(is_done=result.is_done, start=result.start + shift, finish=result.finish + shift, busy=result.busy)


def _least_stream_bits(plan: Plan, machine: EventTables, is_done: bool) -> int | None:
    """Return the least size of a stream's buffer that lets every window finish, None where the given one does."""
    given = plan.hardware.timing.stream_bits
    if given is None:
        return None
    whole = int((machine.value_bits * machine.windows[machine.edge_from]).max())
    if not machine.pipelined:  # a whole result waits for the next layer
        return None if given >= whole else whole
    if is_done:
        return None
    low, high = given, whole
    while high - low > 1:
        middle = (low + high) // 2
        if run(machine._replace(capacity=middle // machine.value_bits)).is_done:
            high = middle
        else:
            low = middle
    return high


def find_interval(plan: Plan, machine: EventTables, layout: Layout, result: Run) -> tuple[int, str]:
    """Return the cycles between two inferences in steady state, and what sets them.

    A pipeline with room for all results runs at the pace of its busiest resource. Arrays are fed by two input
    registers: a register is filled again only when its pass is over, so that two windows take no less than one
    pass and one filling. Arrays into which an operand is written are held until it has been read (:func:`_list_held`).

    Parameters
    ----------
    plan : Plan
        Network on hardware.
    machine, layout : EventTables, Layout
        From :func:`~xbarsim.timing.machine.build_machine`.
    result : Run
        From :func:`run`.

    Returns
    -------
    int, str
        Cycles, and the name of a resource or of the arrays of a layer.
    """
    if not plan.pipelined:
        return result.cycles, "layer by layer"
    at = int(result.busy.argmax())
    best, name = int(result.busy[at]), layout.resources.name(at)
    steps = np.repeat(np.arange(machine.windows.size), machine.replicas)
    layers = np.flatnonzero(machine.kind[steps] == LAYER_STEP)  # replicas of layers
    refill = (machine.slot_occupancy + machine.slot_read + machine.slot_bus) / 2
    firsts = machine.first_slot[:-1].astype(np.int64)  # all replicas have slots but that of the input, which is first
    longest = np.maximum.reduceat(np.maximum(machine.slot_occupancy, refill), firsts)[layers]
    replicas = machine.replicas[steps]
    numbers = np.arange(steps.size) - machine.first_replica[steps]
    windows = (machine.windows[steps] - numbers + replicas - 1) // replicas * machine.group[steps]
    paces = np.ceil(windows[layers] * longest)
    if paces.size and paces.max() > best:
        worst = int(paces.argmax())
        best, name = int(paces[worst]), f"arrays of {layout.steps[int(steps[layers[worst]])].step.name}"
    for product, cycles in _list_held(machine, layout, result):
        if cycles > best:
            best, name = cycles, f"arrays of {product} (written and read)"
    return best, name


def _list_held(machine: EventTables, layout: Layout, result: Run) -> Iterator[tuple[str, int]]:
    """Yield for every product of activations how long its arrays are held, over the sets that take turns.

    A set is held from the beginning of its write to the end of the last read; the next inference may write it then.
    """
    index = {each.step.name: number for number, each in enumerate(layout.steps)}
    for number, each in enumerate(layout.steps):
        if each.layer is None or not each.layer.is_product:
            continue
        write = index[name_write(each.step.name)]
        first, last = machine.first_window[number : number + 2].tolist()
        slot = int(machine.first_slot[machine.first_replica[number]])
        begin = int(result.start[machine.first_window[write]])
        end = int(result.start[first:last].max()) + int(machine.slot_occupancy[slot])
        yield each.step.name, -(-(end - begin) // each.layer.sets)
