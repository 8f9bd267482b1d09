"""Choice of the steps of slices, reads and columns by the error that they cause in the output of a layer.

Steps that suit the sums of single columns (:mod:`xbarsim.mvm.steps`) are not always those of least error in the output:
errors of small sums are all rounded the same way and add up over row blocks and streams, and a step of whole levels
removes noise that a finer one keeps. So the layer is run on calibration inputs, and steps are changed binary place by
binary place as long as the error falls. All columns of a plane are changed together, and every output keeps the change
where its own error falls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xbarsim.inference.machine import AdjustableMachine
from xbarsim.mvm.steps import MOST_PLACES, Steps

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PASSES = 3
"""Times that all planes and streams are changed, at most. Our choice: few change in the third."""


def refine_steps(machine: AdjustableMachine, error_of: Callable[[AdjustableMachine], Floats]) -> AdjustableMachine:
    """Change steps of planes, streams and columns as long as the error in the output falls.

    Parameters
    ----------
    machine : AdjustableMachine
        The layer with its range set.
    error_of : callable
        Mean squared error of every output of a layer, (outputs,) [square of weight steps times input steps].

    Returns
    -------
    AdjustableMachine
        As it is where ``adc.step_per`` is ``layer``, and for columns of an epitome, which several outputs share.
    """
    per = machine.plan.hardware.adc.step_per
    if per == "layer" or (per == "column" and machine.plan.epitome is not None):
        return machine
    begun = [engine.steps.fit(machine.adc_step).widen() for engine in machine.engines]
    machine = machine.with_lsb(2 * machine.adc_step)  # the same steps, with room for coarser ones
    if per == "column":
        begun = [each.by_column(engine.outputs) for each, engine in zip(begun, machine.engines)]
    best = _with_steps(machine, begun)
    least = error_of(best)
    for is_shared in (True, False) if per == "column" else (True,):
        for _ in range(PASSES):
            is_changed = False
            for changed in _list_changes(best):
                candidate = _with_steps(best, changed([engine.steps for engine in best.engines]))
                error = error_of(candidate)
                is_better = np.full(len(least), error.sum() < least.sum()) if is_shared else error < least
                if is_better.any():
                    is_changed = True
                    best = candidate if is_better.all() else _keep(best, candidate, is_better)
                    least = np.where(is_better, error, least)
            if not is_changed:
                break
    return best


def _list_changes(machine: AdjustableMachine) -> Iterator[Callable[[Sequence[Steps]], list[Steps]]]:
    """Yield changes of all steps of a plane, or of a stream, by a binary place."""
    engine = machine.engines[0]
    for plane in range(engine.recipe.planes):
        for shift in (1, -1):
            yield lambda steps, plane=plane, shift=shift: [_move_plane(each, plane, shift) for each in steps]  # type: ignore[misc]
    if machine.plan.hardware.adc.step_per == "read":
        for stream in range(len(engine.streams)):
            for shift in (1, -1):
                yield lambda steps, stream=stream, shift=shift: [_move_stream(each, stream, shift) for each in steps]  # type: ignore[misc]


def _move_plane(steps: Steps, plane: int, shift: int) -> Steps:
    """Return steps with those of a plane finer by some binary places."""
    places = steps.places.copy()
    places[plane] = np.clip(places[plane] + shift, 0, MOST_PLACES)
    return replace(steps, planes=places) if steps.columns is None else replace(steps, columns=places)


def _move_stream(steps: Steps, stream: int, shift: int) -> Steps:
    """Return steps with those of a stream finer by some binary places."""
    streams = steps.streams.copy()
    streams[stream] = np.clip(streams[stream] + shift, 0, MOST_PLACES)
    return replace(steps, streams=streams)


def _keep(old: AdjustableMachine, new: AdjustableMachine, is_better: Bools) -> AdjustableMachine:
    """Return a layer with the new steps of the columns of some outputs, and the old ones of all others."""
    ends = np.cumsum([engine.outputs for engine in old.engines])
    steps = []
    for number, chosen in enumerate(np.split(is_better, ends[:-1])):
        before, after = old.engines[number].steps, new.engines[number].steps
        assert before.columns is not None
        assert after.columns is not None
        steps.append(replace(after, columns=np.where(chosen, after.columns, before.columns)))
    return _with_steps(old, steps)


def _with_steps(machine: AdjustableMachine, steps: Sequence[Steps]) -> AdjustableMachine:
    """Return a layer with other steps; columns of all its matrices count in one unit."""
    most = max(int(each.places.max()) for each in steps)
    shared = [each if each.columns is None else replace(each, planes=np.full_like(each.planes, most)) for each in steps]
    return machine.with_engines([replace(engine, steps=each) for engine, each in zip(machine.engines, shared)])
