"""Explanation of the loss of accuracy on hardware: causes, layers, remedies."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import api, config
from xbarsim.diagnosis.attempt import Attempt, Attempts, join_attempts, list_attempts
from xbarsim.diagnosis.bench import COSTS, Bench, Layers, Subject
from xbarsim.diagnosis.cause import QUANTISATION
from xbarsim.diagnosis.explanation import CauseShare, Explanation, RemedyGain, Whole
from xbarsim.diagnosis.layer_share import count_images, share_layers
from xbarsim.diagnosis.score import AGREEMENT, COSINE, check_name
from xbarsim.diagnosis.shapley import Chosen, Floats, Joining, estimate_ends, list_steps, share_loss
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.limits import check_count
from xbarsim.network.execute import check_images
from xbarsim.report.judge import USUAL_METRIC, choose_judge
from xbarsim.rng import check_seed

PARTS = ("causes", "layers", "remedies")
"""Parts of an explanation."""
LITTLE_MORE = 1.1
"""Largest energy and area, relative to the unchanged hardware, up to which remedies are combined. Our choice."""
MOST_JOINED = 4
"""Simulations of remedies together."""
Progress = Callable[[str, int, int], None]


def explain(
    network: Any,
    hardware: config.Hardware | str | Path,
    data: Any,
    labels: ArrayLike | None = None,
    calibration: ArrayLike | None = None,
    layers: Layers | None = None,
    trials: int = 1,
    seed: int = 0,
    threads: int | None = None,
    *,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    metric: str | Callable[..., Any] = USUAL_METRIC,
    parts: Collection[str] = PARTS,
    orders: int | None = None,
    remedies: Collection[str] | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Attribute the loss of accuracy on hardware to causes and layers, and rank remedies.

    Parameters
    ----------
    network : Network, str or Path
        With weights.
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    data : Dataset, (images, labels), or array_like of float, (images, *input_shape)
        Test images, normalised as the network expects, with or without labels.
    labels : array_like, (images, ...), optional
        What outputs should be, as ``metric`` takes it: for ``top1`` the class of each image. Given here if ``data`` are
        images only. Without labels, points refer to the agreement with the float network.
    calibration : array_like of float, (images, *input_shape), optional
        Images for calibration of activation scales and ADC ranges; the first 64 of the images if left out.
    layers : mapping, optional
        Layer name or glob -> dotted key -> value.
    trials : int
        Number of chips, where anything is random.
    seed : int
        Seed of all random numbers.
    threads : int, optional
        Number of threads, all cores if left out; does not change results.
    weight_bits, activation_bits : int, optional
        Bits of all layers; those of the hardware if left out.
    metric : str or callable
        What points are points of, with labels, as in :func:`~xbarsim.simulate`. A point of a share is a hundredth; of
        any other metric it is 1 in the metric's own unit. Points lost are above 0 where hardware is worse, whatever the
        metric's direction.
    parts : collection of str
        Parts of the analysis: ``causes``, ``layers``, ``remedies``.
    orders : int, optional
        Number of orders in which causes are enabled, in pairs of an order and its reverse. If left out, all orders are
        evaluated for up to 5 causes (32 simulations), and 6 orders are drawn for more causes.
    remedies : collection of str, optional
        Names or globs of the remedies to simulate, of :data:`~xbarsim.diagnosis.REMEDIES`; all that apply if left out.
    checkpoint : str or Path, optional
        Folder in which the result of every simulation is stored. An interrupted explanation is resumed, and one with
        more parts uses the results in the folder. Results are identical bit for bit.
    progress : callable, optional
        Called with ``(stage, done, total)`` during the analysis.

    Returns
    -------
    Explanation
        Tables ``causes``, ``layers``, ``remedies``; ``to_json`` and ``to_html``.

    Raises
    ------
    ConfigError, ShapeError
        If an input is wrong.
    MappingError
        If the network does not fit where ``chip.count`` is a number.
    SolverError
        If the circuit of an array could not be solved within the tolerance.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise ConfigError(f"parts: {', '.join(map(str, unknown)) or 'none given'}; should be of {', '.join(PARTS)}")
    for name, count in (("trials", trials), ("orders", orders)):
        check_count(name, count)
    check_seed(seed)
    judge = check_name(choose_judge(metric))
    widths = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    net = api.load_network(network)
    net.require_weights()
    images, truth = _split_data(data, labels)
    images = check_images(net, images)
    if not len(images):
        raise ShapeError("images: none given")
    subject = Subject(
        network=net,
        hardware=api.load_hardware(hardware).override(
            {key: value for key, value in widths.items() if value is not None}
        ),
        images=images,
        labels=None if truth is None else judge.check(truth, len(images), net.output_shapes or net.output_shape),
        judge=judge,
        calibration=None if calibration is None else check_images(net, calibration, "calibration"),
        layers=layers or {},
        trials=trials,
        seed=seed,
        threads=threads,
        checkpoint=None if checkpoint is None else Path(checkpoint),
    )
    attempts = list_attempts(subject, remedies) if "remedies" in parts else Attempts(found=(), refused={})
    return _explain(subject, frozenset(parts), orders, attempts, progress)


def _split_data(data: Any, labels: ArrayLike | None) -> tuple[Any, ArrayLike | None]:
    """Return images and labels, whatever holds them, as they are."""
    if hasattr(data, "images") and hasattr(data, "labels"):
        data, found = data.images, data.labels
    elif isinstance(data, tuple) and len(data) == 2:
        data, found = data
    else:
        return data, labels
    if labels is not None and found is not None:
        raise ConfigError("labels: given twice, with the images and beside them; leave one out")
    return data, labels if found is None else found


class _Counter:
    """Counts simulated chips for the progress."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._done, self.total = progress, 0, 0

    def count(self) -> None:
        """Count one chip."""
        self._done += 1
        self.show("chips simulated", min(self._done, self.total), self.total)

    def show(self, stage: str, done: int, total: int) -> None:
        """Hand the progress on where someone looks at it."""
        if self._progress is not None and total:
            self._progress(stage, done, total)


def _explain(
    subject: Subject, parts: frozenset[str], orders: int | None, attempts: Attempts, progress: Progress | None
) -> Explanation:
    counter = _Counter(progress)
    bench = Bench.prepare(subject, counter.count)
    everything: Chosen = frozenset(bench.causes)
    steps = list_steps(bench.causes, orders, subject.seed) if "causes" in parts else ()
    sets = _list_sets(bench, steps)
    chips = [bench.count_chips(present) for present in sets]
    counter.total = sum(chips) + (len(attempts.found) + 1) * bench.count_chips(everything)
    measures = _list_measures(bench)
    shares = {name: _share_causes(bench, steps, name) for name in measures} if "causes" in parts else {}
    gains = _try_remedies(bench, attempts, measures[0])
    count = count_images(len(bench.plan.layers), len(subject.images)) if "layers" in parts else 0
    layers = share_layers(bench, measures[0], count, functools.partial(counter.show, "layers")) if count else ()
    made = bench.plain.provenance
    settings = {**made.settings, "trials": subject.trials, "causes": ", ".join(bench.causes) or "none"}
    return Explanation(
        measure=measures[0],
        wholes={name: _measure_whole(bench, name) for name in measures},
        shares=shares,
        layer_shares=layers,
        gains=gains,
        refused=attempts.refused,
        orders=len({step.group for step in steps}) * 2 if any(step.is_drawn for step in steps) else 0,
        layer_images=count,
        provenance=dataclasses.replace(made, settings=settings),
    )


def _list_measures(bench: Bench) -> list[str]:
    """Return the measures, the first for points; ConfigError where it is not finite for the float network."""
    scores = bench.rate(bench.reference[np.newaxis])
    first = next(iter(scores))
    value = bench.measure(first).value(scores[first])
    if not math.isfinite(value):
        raise ConfigError(f"metric: {first} is {value} for the float network on these images, so nothing can be lost")
    return list(scores)


def _list_sets(bench: Bench, steps: Sequence[Joining]) -> tuple[Chosen, ...]:
    """Return the sets of causes to be evaluated: none, all, each alone, all but each, and those of the steps."""
    causes, everything = bench.causes, frozenset(bench.causes)
    sets: list[Chosen] = [frozenset(), everything]
    if steps:
        sets += [frozenset((cause,)) for cause in causes] + [everything - {cause} for cause in causes]
    sets += [present for step in steps for present in (step.before, step.after)]
    return tuple(dict.fromkeys(sets))


def _measure_whole(bench: Bench, measure: str) -> Whole:
    counted, reference = bench.measure(measure), bench.rate(bench.reference[np.newaxis])
    return Whole(
        measure=measure,
        unit=counted.unit,
        higher_is_better=counted.higher_is_better,
        reference=counted.value(reference[measure]),
        integers=counted.value(bench.score(frozenset())[measure]),
        hardware=counted.value(bench.score(frozenset(bench.causes))[measure]),
    )


def _share_causes(bench: Bench, steps: Sequence[Joining], measure: str) -> tuple[CauseShare, ...]:
    """Return what each cause takes, quantisation first, then the largest share first."""
    scores: dict[Chosen, Floats] = {present: bench.score(present)[measure] for present in _list_sets(bench, steps)}
    none, everything, seed = scores[frozenset()], frozenset(bench.causes), bench.subject.seed
    points, scale = bench.measure(measure).points, bench.measure(measure).scale
    rounding = bench.rate(bench.reference[np.newaxis])[measure] - none
    low, high = estimate_ends(rounding[np.newaxis], seed)
    first = CauseShare(
        cause=QUANTISATION, alone_points=points(rounding), share_points=points(rounding), low=scale * low,
        high=scale * high, removed_points=points(rounding),
    )  # fmt: skip
    rows = []
    for cause, losses in share_loss(steps, scores).items():
        low, high = estimate_ends(losses, seed)
        rows.append(
            CauseShare(
                cause=cause,
                alone_points=points(none) - points(scores[frozenset((cause,))]),
                share_points=points(losses),
                low=scale * low,
                high=scale * high,
                removed_points=points(scores[everything - {cause}]) - points(scores[everything]),
            )
        )
    return (first, *sorted(rows, key=lambda row: -row.share_points))


def _try_remedies(bench: Bench, attempts: Attempts, measure: str) -> tuple[RemedyGain, ...]:
    """Return what each remedy gives back, the best first, alone and put together."""
    gains = _rank([_try(bench, attempt, measure) for attempt in attempts.found])
    return _rank([*gains, *_put_together(bench, attempts, gains, measure)])


def _put_together(bench: Bench, attempts: Attempts, gains: Sequence[RemedyGain], measure: str) -> Iterator[RemedyGain]:
    """Add remedies that cost little to the best of them, one after the other, and keep those that help there too."""
    cheap = [gain for gain in gains if gain.points > 0 and max(gain.energy_ratio, gain.area_ratio) <= LITTLE_MORE]
    by_name = {attempt.name: attempt for attempt in attempts.found}
    best, tried = cheap[:1], 0
    for gain in cheap[1:]:
        joined = join_attempts(bench.subject, by_name[best[0].remedy], by_name[gain.remedy])
        if joined is None or tried == MOST_JOINED:
            continue
        together, tried = _try(bench, joined, measure), tried + 1
        by_name[joined.name] = joined
        yield together
        best = list(_rank([*best, together])[:1])


def _rank(gains: Iterable[RemedyGain]) -> tuple[RemedyGain, ...]:
    best = sorted(gains, key=lambda gain: (-gain.points, -gain.cosine, gain.energy_ratio))
    return tuple(sorted(best, key=lambda gain: math.isnan(gain.points)))


def _try(bench: Bench, attempt: Attempt, measure: str) -> RemedyGain:
    chips = bench.count_chips(frozenset(bench.causes))
    after, before = bench.run(attempt.hardware, bench.subject.layers, chips), bench.plain
    scores, base = bench.rate(after.outputs), bench.rate(before.outputs)
    energy, area, delay = (after.costs[name] / before.costs[name] for name in COSTS)
    gained = scores[measure] - base[measure]
    low, high = estimate_ends(gained[np.newaxis], bench.subject.seed)
    counted = bench.measure(measure)
    return RemedyGain(
        remedy=attempt.name,
        points=counted.points(gained),
        energy_ratio=energy,
        area_ratio=area,
        delay_ratio=delay,
        low=counted.scale * low,
        high=counted.scale * high,
        agreement=bench.measure(AGREEMENT).points(scores[AGREEMENT]) if AGREEMENT in scores else None,
        cosine=float(scores[COSINE].mean()),
    )
