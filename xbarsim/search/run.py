"""Run a search: ask for points, evaluate them, report the results, store them; resume an interrupted run."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xbarsim import api
from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, MappingError, SolverError
from xbarsim.network import Network, load_network
from xbarsim.plugin import hash_plugins, select_plugins
from xbarsim.search.baseline import MOST, ask_sampler, pick_points
from xbarsim.search.cache import fingerprint_code
from xbarsim.search.check import check_goals
from xbarsim.search.evaluate import Images, load_images, measure_design, weigh_metrics
from xbarsim.search.guided import ModelSampler
from xbarsim.search.oracle import CostOracle
from xbarsim.search.result import Entry, Result
from xbarsim.search.sampler import SAMPLERS, Sampler
from xbarsim.search.space import Point, Space, make_space
from xbarsim.search.store import LOG, SearchStore
from xbarsim.search.surrogate import LayerOracle, Surrogate
from xbarsim.search.task import GRADIENT, RULES, Search
from xbarsim.search.trace import Metrics, Trace, trace_runs
from xbarsim.target import describe_target

Progress = Callable[[str, int, int], None]


def open_space(search: Search) -> tuple[Space, api.Hardware]:
    """Load the backbone and hardware of a search and check its space.

    Parameters
    ----------
    search : Search
        From :func:`~xbarsim.search.load_search`.

    Returns
    -------
    tuple
        The space, and the hardware with what the search file sets.

    Raises
    ------
    ConfigError
        If the network, hardware or space is wrong.
    """
    network: Network = load_network(
        search.network, search.weights, search.seed, input_shape=search.input_shape, outputs=search.outputs
    )
    hardware = api.load_hardware(search.hardware, search.set)
    space = make_space(search.space, network, hardware)
    if not search.trains and search.data is not None:
        if not network.has_weights:
            raise ConfigError(f"network {network.name}: has no weights; accuracy needs a trained network")
        if any(axis in slot.axes for slot in (*space.slots, *space.fixed) for axis in ("kernel", "width")):
            raise ConfigError(
                "space: other kernels and widths must be trained; choose method: differentiable, or leave out data"
            )
    return space, hardware


def make_sampler(
    search: Search, space: Space, oracle: CostOracle | None = None, surrogate: Surrogate | None = None
) -> Sampler:
    """Return the sampler that a search file names, with uniform designs as its first points.

    Parameters
    ----------
    search : Search
        Method, seed and settings.
    space : Space
        What can be chosen.
    oracle : CostOracle, optional
        Who knows; one without a cache on disk if left out. Only for a differentiable search of costs.
    surrogate : Surrogate, optional
        Predicts accuracies, for methods that use it: ``model``, and a differentiable search with limits of accuracy.

    Returns
    -------
    Sampler
        Ask and tell.

    Raises
    ------
    ConfigError
        If Optuna or PyTorch is asked for and missing, or an objective is not one of the method.
    """
    if search.method == GRADIENT:
        from xbarsim.search.descent import GradientSampler

        oracle = oracle or CostOracle(api.load_hardware(search.hardware, search.set), cache=None)
        return GradientSampler(
            space, oracle, seed=search.seed, goals=search.goals, constraints=search.constraints, surrogate=surrogate
        )
    first = [space.native(), *space.homogeneous().values()]
    sampler: Sampler = SAMPLERS[search.method](space, seed=search.seed, first=first, **search.sampler_settings())
    if isinstance(sampler, ModelSampler) and surrogate is not None:
        sampler.guide(chance=surrogate.chance, is_whole=surrogate.limits_alone)
    return sampler


def name_search(search: Search, space: Space, oracle: CostOracle) -> str:
    """Return a hash of everything that decides which points are asked for and what they are worth."""
    name = f"{search.hash()}-{space.network.hash}-{oracle.hash}-{fingerprint_code()}"
    if search.needs_images or search.method in (GRADIENT, ModelSampler.name):
        name += f"-{hashlib.sha256(describe_target().encode()).hexdigest()[:16]}"
    plugins = select_plugins(search, names=_name_classes(search))
    return f"{name}-{hash_plugins(plugins)}" if plugins else name


def _name_classes(search: Search) -> list[str]:
    return [f"sampler:{search.method}", *(f"metric:{name}" for name in search.added)]


def run_search(
    search: Search,
    folder: str | Path,
    *,
    cache: str | Path | None = "auto",
    progress: Progress | None = None,
) -> Result:
    """Run a search and write its results.

    Parameters
    ----------
    search : Search
        From :func:`~xbarsim.search.load_search`.
    folder : str or Path
        Where results go; an earlier run of the same search in it is resumed.
    cache : str, Path or None
        As for :class:`~xbarsim.search.CostOracle`.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Result
        Points, front and chosen design; the files are written.

    Raises
    ------
    ConfigError
        If the search file is wrong, the folder holds another search, or no point keeps the constraints.
    """
    space, hardware = open_space(search)
    images = load_images(search)
    surrogate = Surrogate(search, space) if search.predicts else None
    oracle = LayerOracle(hardware, cache) if surrogate else CostOracle(hardware, cache)
    if not (Path(folder) / LOG).exists():
        check_goals(search, space, oracle)
    about = describe_search(search, space, hardware)
    with SearchStore(folder, name_search(search, space, oracle), about) as store:
        if search.trains:
            from xbarsim.search.gradient_run import run_gradient

            result = run_gradient(search, space, oracle, images, store, progress)
        else:
            sampler = make_sampler(search, space, oracle, surrogate)
            entries = run_sampler(search, space, oracle, images, store, progress, sampler=sampler, surrogate=surrogate)
            traces = compare_baselines(search, space, oracle, images, entries, progress)
            extra = dict(getattr(sampler, "extra", {}))
            if surrogate is not None:
                extra["surrogate"] = surrogate.report(entries)
            result = Result(search=search, space=space, entries=tuple(entries), extra=extra, traces=tuple(traces))
        result.write(store.folder)
    return result


def compare_baselines(
    search: Search,
    space: Space,
    oracle: CostOracle,
    images: Images | None,
    entries: Sequence[Entry],
    progress: Progress | None,
) -> list[Trace]:
    """Run the baselines of a search, each with as many points, and its own method with other seeds.

    Parameters
    ----------
    search, space, oracle, images, progress
        What is searched, and who knows.
    entries : sequence of Entry
        Points of the search itself.

    Returns
    -------
    list of Trace
        The search first; empty without baselines.

    Raises
    ------
    ConfigError
        If the baseline ``all`` is asked for and the space is too large for it.
    """
    if not search.baselines:
        return []
    if "all" in search.baselines and space.count > MOST:
        raise ConfigError(f"baselines: all: the space has {space.count} points, more than {MOST}; leave it out")
    known = {entry.point: entry.metrics for entry in entries if not entry.is_predicted}

    def evaluate(point: Point) -> Mapping[str, float] | None:
        if point not in known:
            known[point] = evaluate_point(search, space, oracle, images, point)["metrics"]
        return known[point]

    runs: list[tuple[str, int | None, list[Metrics]]] = [
        (search.method, search.seed, [entry.metrics for entry in entries])
    ]
    others = range(search.seed + 1, search.seed + search.baseline_seeds)
    planned: list[tuple[str, int | None]] = [(search.method, seed) for seed in others]
    for name in dict.fromkeys(name for name in search.baselines if name != search.method):
        is_rule = name in RULES
        planned += [(name, None)] if is_rule else [(name, search.seed)] + [(name, seed) for seed in others]
    for number, (name, seed) in enumerate(planned, 1):
        if seed is None:
            points = pick_points(name, space, search.points, search.seed)
            runs.append((name, None, [evaluate(point) for point in points]))
        else:
            given = {"method": name, "seed": seed, "settings": search.settings if name == search.method else {}}
            own = search.model_copy(update=given)
            runs.append((name, seed, ask_sampler(search, make_sampler(own, space, oracle), search.points, evaluate)))
        if progress is not None:
            progress("baselines", number, len(planned))
    return trace_runs(search, runs)


def describe_search(search: Search, space: Space, hardware: Hardware) -> dict[str, Any]:
    """Return what a store says about its search, for readers."""
    about = {"points_in_space": str(space.count), "search": search.model_dump(mode="json")}
    plugins = select_plugins(search, hardware, names=_name_classes(search))
    return {**about, "plugins": plugins} if plugins else about


def evaluate_point(
    search: Search,
    space: Space,
    oracle: CostOracle,
    images: Images | None,
    point: Point,
    surrogate: Surrogate | None = None,
) -> dict[str, Any]:
    """Evaluate a point; a design that cannot be built, does not fit or cannot be solved is an answer too.

    Parameters
    ----------
    search, space, oracle, images
        What is searched, and who knows.
    point : tuple of int
        Option of every slot.
    surrogate : Surrogate, optional
        Predicts the accuracy of designs that need no simulation.

    Returns
    -------
    dict
        ``metrics`` and ``error``, as the store keeps them; with a surrogate also ``predicted`` or ``snr_db``.
    """
    try:
        design = space.design(point)
        if surrogate is None or images is None or not isinstance(oracle, LayerOracle):
            return {"metrics": measure_design(search, oracle, design, images), "error": ""}
        if told := surrogate.skip(point, measure_design(search, oracle, design, None)):
            return {"metrics": told, "error": "", "predicted": True}
        metrics = measure_design(search, oracle, design, images)
        return {"metrics": metrics, "error": "", "snr_db": oracle.snr(search, design, images)}
    except (ConfigError, MappingError, SolverError) as error:
        return {"metrics": None, "error": str(error)}


def run_sampler(
    search: Search,
    space: Space,
    oracle: CostOracle,
    images: Images | None,
    store: SearchStore,
    progress: Progress | None,
    *,
    sampler: Sampler | None = None,
    labels: Mapping[Point, str] | None = None,
    surrogate: Surrogate | None = None,
) -> list[Entry]:
    """Ask for points, evaluate and store them until all are known.

    Parameters
    ----------
    search, space, oracle, images, store, progress
        What is searched, who knows, and where answers are kept.
    sampler : Sampler, optional
        Whom to ask; what the search file names if left out.
    labels : mapping, optional
        Names of points, for comparisons; uniform array sizes if left out.
    surrogate : Surrogate, optional
        Predicts accuracies, and learns from simulations.

    Returns
    -------
    list of Entry
        Points in the order in which they were asked for.

    Raises
    ------
    ConfigError
        If the store holds other points.
    """
    sampler = sampler or make_sampler(search, space, oracle)
    if labels is None:
        labels = {point: f"array {size}" for size, point in space.homogeneous().items()}
    entries: list[Entry] = []
    while len(entries) < search.points:
        asked = sampler.ask()
        if asked is None:
            break
        point = _check_point(search, space, asked)
        known = store.known[len(entries)] if len(entries) < len(store.known) else None
        if known is not None and tuple(known["point"]) != point:
            raise ConfigError(f"{store.folder}: its points are not those of this search; choose a new folder")
        if known is None:
            known = {"point": point, **evaluate_point(search, space, oracle, images, point, surrogate)}
            store.append(known)
        if surrogate is not None and known.get("snr_db") is not None:
            surrogate.learn(point, known["metrics"], known["snr_db"])
        entry = Entry(
            point=point, metrics=known["metrics"], error=known["error"], label=labels.get(point, ""),
            is_predicted=known.get("predicted", False),
        )  # fmt: skip
        entries.append(entry)
        sampler.tell(point, *weigh_metrics(search, entry.metrics))
        if progress is not None:
            progress("points", len(entries), search.points)
    return entries


def _check_point(search: Search, space: Space, asked: Any) -> Point:
    """Return what a sampler asked for as whole numbers; ConfigError where it is no point of the space."""
    try:
        point = tuple(operator.index(index) for index in asked)
    except TypeError:
        point = ()
    fits = len(point) == len(space.slots)
    if not fits or not all(0 <= index < slot.count for index, slot in zip(point, space.slots)):
        counts = ", ".join(str(slot.count) for slot in space.slots)
        raise ConfigError(
            f"method: {search.method}: {asked!r} is not a point of the space (options of each slot: {counts})"
        )
    return point
