"""Runs of the differentiable search: epochs, exact search from where they end, training and simulation.

When the epochs are over, layers whose choice is still open are enumerated, the most probable designs first, and local
search goes on from the best one. It compares whole chips: cross-entropy on images held back, with the weights and the
arrays of the last epoch, plus the price of the EDAP from the oracle. With a single objective it evaluates designs as
samplers do, by objective and constraints, with simulated accuracy where they ask for it.

The best design and, for comparison, every uniform design are then fine-tuned in the same way on the hardware they run
on, and simulated.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np

from xbarsim.errors import ConfigError, MappingError, SolverError
from xbarsim.network.write_onnx import write_onnx
from xbarsim.search.chip_model import LEAST
from xbarsim.search.descent import MOST_DESIGNS, find_undecided, list_likely
from xbarsim.search.evaluate import Images, load_part, measure_design, weigh_limits, weigh_metrics
from xbarsim.search.gradient import Clock, GradientSearch
from xbarsim.search.local import LocalSampler
from xbarsim.search.oracle import CostOracle
from xbarsim.search.record import describe_cost
from xbarsim.search.result import Entry, Result
from xbarsim.search.space import Point, Space
from xbarsim.search.store import SearchStore
from xbarsim.search.table import TERMS
from xbarsim.search.task import Search
from xbarsim.store import write_file
from xbarsim.train.finetune import finetune
from xbarsim.train.torch_network import use_threads

Progress = Callable[[str, int, int], None]


def run_gradient(
    search: Search,
    space: Space,
    oracle: CostOracle,
    images: Images | None,
    store: SearchStore,
    progress: Progress | None,
) -> Result:
    """Search, train what was found and every uniform design, and simulate them.

    Parameters
    ----------
    search, space, oracle, images
        What is searched, who knows, and the test images.
    store : SearchStore
        The folder; ``state.pt`` in it holds the last epoch, ``network-*.onnx`` the trained designs.
    progress : callable or None
        ``(stage, done, total)``.

    Returns
    -------
    Result
        Uniform designs, and the searched one.
    """
    training = load_part(search, search.train or "", search.train_images, "train")
    with use_threads(1):
        task = GradientSearch(search, space, oracle, *training)
        _run_epochs(task, store, progress)
        polished = _find_polished(task, oracle, images, store, progress)
        uniform = space.homogeneous() if task.settings.compare else {}
        designs = {f"array {size}": point for size, point in uniform.items()}
        designs["searched"] = tuple(polished["point"])
        entries, steps = [], [*task.history, polished]
        for number, (label, point) in enumerate(designs.items()):
            known = store.known[number + 1] if number + 1 < len(store.known) else None
            if known is None:
                clock = Clock()
                found = _finish(task, oracle, images, training, store, point, label)
                known = {"point": point, **found, **clock.read()}
                store.append(known)
            if tuple(known["point"]) != point:
                raise ConfigError(f"{store.folder}: its points are not those of this search; choose a new folder")
            entries.append(Entry(point=point, metrics=known["metrics"], error=known["error"], label=label))
            steps.append(known)
            if progress is not None:
                progress("designs", number + 1, len(designs))
    chances = _list_chances(task)
    probabilities = {slot.name: [round(float(p), 6) for p in chance] for slot, chance in zip(space.slots, chances)}
    spent = {name: math.fsum(step.get(name, 0.0) for step in steps) for name in ("seconds", "cpu_seconds")}
    extra = {
        "probabilities": probabilities, "undecided": find_undecided(space, chances),
        "descent": space.options(task.net.best()), "polish": polished["polish"], "history": task.history, **spent,
    }  # fmt: skip
    return Result(search=search, space=space, entries=tuple(entries), extra=extra)


def _run_epochs(task: GradientSearch, store: SearchStore, progress: Progress | None) -> None:
    """Run all epochs, each kept on disk before the next one begins."""
    state = store.folder / "state.pt"
    total = task.settings.warmup + task.settings.epochs
    if state.exists():
        try:
            task.load(state.read_bytes())
        except Exception as error:  # torch raises many kinds on a damaged file
            raise ConfigError(
                f"{state}: damaged ({type(error).__name__}); remove it to start the search again"
            ) from None
    while len(task.history) < total:
        task.run_epoch()
        write_file(state, task.save())
        if progress is not None:
            progress("epochs", len(task.history), total)


def _list_chances(task: GradientSearch) -> list[np.ndarray]:
    """Return the probabilities of the options of every slot."""
    return [alpha.detach().softmax(0).numpy() for alpha in task.net.alphas]


def _find_polished(
    task: GradientSearch, oracle: CostOracle, images: Images | None, store: SearchStore, progress: Progress | None
) -> dict[str, Any]:
    """Return the record of the exact search, the first one in the store; work it out where it is not there."""
    if store.known:
        found = store.known[0]
        if "polish" not in found:
            raise ConfigError(f"{store.folder}: its points are not those of this search; choose a new folder")
        return found
    clock = Clock()
    found = {**polish(task, oracle, images, progress), **clock.read()}
    store.append(found)
    return found


def polish(
    task: GradientSearch, oracle: CostOracle, images: Images | None, progress: Progress | None = None
) -> dict[str, Any]:
    """Enumerate undecided layers and search on from the best design, on whole chips.

    Parameters
    ----------
    task : GradientSearch
        A search whose epochs are over.
    oracle : CostOracle
        Who knows.
    images : Images or None
        Test images, for a single objective that needs them.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    dict
        ``point``, the best one; ``polish``, with the number of ``designs`` and the ``loss`` at its beginning and end,
        None where a design could not be built.
    """
    space, budget = task.space, task.settings.polish
    likely = list_likely(_list_chances(task), max(1, min(budget, MOST_DESIGNS)))
    if not budget:
        return {"point": likely[0], "polish": {"designs": 0}}
    sampler = LocalSampler(space, seed=task.search.seed, first=likely)
    found: dict[Point, tuple[float, float]] = {}
    while len(found) < budget and (point := sampler.ask()) is not None:
        found[point] = _weigh_design(task, oracle, images, point)
        sampler.tell(point, found[point][:1], found[point][1])
        if progress is not None:
            progress("polish", len(found), budget)
    best = min(found, key=lambda point: found[point][::-1])
    losses = {name: found[at][0] if math.isfinite(found[at][0]) else None for name, at in
              (("first_loss", likely[0]), ("loss", best))}  # fmt: skip
    return {"point": best, "polish": {"designs": len(found), "enumerated": len(likely), **losses}}


def _weigh_design(task: GradientSearch, oracle: CostOracle, images: Images | None, point: Point) -> tuple[float, float]:
    """Return loss and violation of a design; infinite where it cannot be built."""
    search, settings = task.search, task.settings
    try:
        design = task.space.design(point)
        if len(search.goals) == 1:
            network = task.net.weights_of(design.network, point) if search.needs_images else design.network
            shaped = dataclasses.replace(design, network=network)
            values, violation = weigh_metrics(
                search, measure_design(search, oracle, shaped, images if search.needs_images else None)
            )
            return values[0], violation
        metrics = describe_cost(oracle.cost(design.network, design.layers))
    except (ConfigError, MappingError, SolverError):
        return math.inf, math.inf
    loss = task.score(point)
    if task.chip is not None:
        loss += settings.price * math.log(max(metrics[settings.priced], LEAST))
    else:
        loss += math.fsum(
            getattr(settings, term) * float(sum(row[i] for row, i in zip(task.table[name], point)))
            / (task.scale[name] or 1.0)
            for term, name in TERMS.items()
        )  # fmt: skip
    limits = {name: bound for name, bound in search.constraints.items() if name.startswith("cost.")}
    return loss, weigh_limits(limits, {f"cost.{name}": value for name, value in metrics.items()})


def _finish(
    task: GradientSearch,
    oracle: CostOracle,
    images: Images | None,
    training: tuple[np.ndarray, np.ndarray],
    store: SearchStore,
    point: Point,
    label: str,
) -> dict[str, Any]:
    """Fine-tune one design on its hardware, keep its network and simulate it."""
    search, settings = task.search, task.settings
    name = label.replace(" ", "-")
    unfinished = store.folder / f"training-{name}"
    try:
        design = task.space.design(point)
        network = design.network
        if label == "searched" or not network.has_weights:
            network = task.net.weights_of(network, point)
        if settings.finetune:
            network = finetune(
                network, oracle.hardware, *training, layers=design.layers or None, epochs=settings.finetune,
                batch=settings.batch, rate=settings.finetune_rate or settings.rate, weight_decay=settings.weight_decay,
                shift=settings.shift, flip=settings.flip, checkpoint=unfinished, seed=search.seed,
            )  # fmt: skip
        write_onnx(network, store.folder / f"network-{name}.onnx")
        shutil.rmtree(unfinished, ignore_errors=True)
        return {
            "metrics": measure_design(search, oracle, dataclasses.replace(design, network=network), images),
            "error": "",
        }
    except (MappingError, SolverError) as error:
        return {"metrics": None, "error": str(error)}
