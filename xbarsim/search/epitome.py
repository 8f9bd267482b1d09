"""Search for the epitome of each layer: evolution over shapes within a budget of arrays, after EPIM (DAC 2024).

Every searched convolution is unchanged or uses one of the epitome shapes, and one of the numbers of weight bits where
several are given. The first generation holds the uniform design, and two that follow from counting arrays alone: for
every layer the shape with the fewest arrays, and the plain layer wherever it takes no more arrays than the uniform
epitome; the rest of it are neighbours of these. The simulator computes the cost of every design. The results are
compared with the network without epitomes, with the uniform epitome, and with the network pruned to the same number of
arrays.

Pruning keeps one share of the output channels in every searched layer whose channels are free (not tied to an
addition), those with the largest weights. No design is trained: where there are images, accuracies are those of the
closest epitomes and of the weights that pruning leaves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from xbarsim.config import Hardware
from xbarsim.config.explain import explain_error
from xbarsim.config.record import Record
from xbarsim.errors import ConfigError
from xbarsim.limits import LIMITS
from xbarsim.mapping import plan_network
from xbarsim.names import is_place, match_names
from xbarsim.network import INPUT, Network, load_network
from xbarsim.network.prune import prune_channels
from xbarsim.network.reshape import reshape_network
from xbarsim.report.csv_table import encode_rows
from xbarsim.rng import stream
from xbarsim.search.design import Design
from xbarsim.search.evaluate import Images, load_images, measure_design
from xbarsim.search.oracle import CostOracle
from xbarsim.search.result import Result
from xbarsim.search.run import Progress, describe_search, name_search, open_space, run_sampler
from xbarsim.search.sampler import EvolutionSampler
from xbarsim.search.space import Point, SearchSlot, Space
from xbarsim.search.store import SearchStore
from xbarsim.search.task import EvolutionSettings, Search, make_search
from xbarsim.store import write_file
from xbarsim.yaml_file import load_yaml

Count = Annotated[int, Field(ge=1)]
GOALS = {
    "latency": ("cost.delay_s", "min"), "energy": ("cost.energy_joule", "min"), "edap": ("cost.edap", "min"),
    "edap_core": ("cost.edap_core", "min"), "accuracy": ("accuracy.hardware", "max"),
}  # fmt: skip
"""Objective -> metric and direction."""
_SHARED_KEYS = (
    "network", "outputs", "input_shape", "hardware", "weights", "data", "images", "calibration", "mean", "std", "set",
    "trials",
)  # fmt: skip
"""Keys of both kinds of search."""


KEPT = ("crossbars", "delay_s", "energy_joule", "area_m2", "core_area_m2", "edap", "edap_core")
"""Figures of the cost in comparisons of designs."""


class Shape(Record):
    """Shape of an epitome."""

    rows: Count
    """Number of array rows that it may take."""
    channels: Count
    """Output channels."""
    height: Count | None = None
    """Rows of one channel; the kernel's if left out."""
    width: Count | None = None
    """Columns of one channel; the kernel's if left out."""
    patch: tuple[Count, Count] | None = None
    """Output and input channels of one patch; the whole epitome's if left out."""
    step: tuple[Count, Count] | None = None
    """Output and input channels between patches inside the epitome; half a patch if left out."""

    def as_option(self) -> dict[str, Any]:
        """Return what the space calls it."""
        return self.model_dump(exclude_none=True)


class EpitomeSearch(Record):
    """Content of a search file for epitomes."""

    network: str
    """Network: a shipped name, or a path relative to the search file."""
    outputs: str | tuple[str, ...] | None = None
    """Outputs of an .onnx file by name or glob, one or a list; the first if left out."""
    input_shape: tuple[Count, ...] | dict[str, tuple[Count, ...]] | None = None
    """Sizes of one image that an .onnx file leaves free; by name where it has several inputs."""
    hardware: str = "epim"
    """Hardware: a shipped name, or a path relative to the search file."""
    weights: Literal["random"] | None = None
    """``random``: random weights for a network without weights."""
    layers: tuple[str, ...] = ("*",)
    """Globs of the convolutions that are searched."""
    shapes: tuple[Shape, ...]
    """Shapes that a layer may take."""
    uniform: Shape
    """Epitome of all searched layers in the uniform design, for comparison and as a starting point."""
    plain: bool = True
    """Whether a layer may remain a convolution without an epitome."""
    weight_bits: tuple[Annotated[int, Field(ge=2, le=16)], ...] = ()
    """Numbers of weight bits that a searched layer may have; those of the hardware if left out."""
    budget: Count | Literal["uniform"] = "uniform"
    """Number of crossbars that a design may take; that of the uniform design if left out."""
    objectives: tuple[Literal["latency", "energy", "edap", "edap_core", "accuracy"], ...] = ("latency", "energy")
    """Objectives; accuracy needs data."""
    points: Annotated[int, Field(ge=1, le=LIMITS["points"].most)] = 100
    """Designs to evaluate."""
    data: str | None = None
    """Test images, for accuracy."""
    images: Count | None = None
    """Number of test images to use, from the first on."""
    calibration: str | None = None
    """Calibration images; the first 64 test images if left out."""
    mean: float | tuple[float, ...] | str | None = None
    """Mean to subtract from images: a number, one for each channel, or the name of a preset."""
    std: float | tuple[float, ...] | None = None
    """Standard deviation to divide images by."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the hardware for all designs: dotted key -> value."""
    trials: Annotated[int, Field(ge=1, le=LIMITS["trials"].most)] = 1
    """Number of chips for every design."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all random numbers."""
    evolution: EvolutionSettings = EvolutionSettings()
    """Settings of the evolution."""


@dataclass(frozen=True, kw_only=True)
class EpitomeTask:
    """A search for epitomes, ready to run."""

    search: Search
    space: Space
    hardware: Hardware
    starts: Mapping[Point, str]
    """First designs and what they are called."""
    budget: int
    """Crossbars that a design may take."""


def load_epitome_search(path: str | Path) -> EpitomeSearch:
    """Read a search file for epitomes; ConfigError names what is wrong in it."""
    search = make_epitome_search(load_yaml(path), str(path))
    folder = Path(path).parent
    beside = {
        key: str(folder / text)
        for key in ("network", "hardware", "data", "calibration")
        if (text := getattr(search, key)) and ("/" in text or "." in text) and is_place(folder / text)
    }
    return search.model_copy(update=beside)


def make_epitome_search(content: dict[str, Any], origin: str = "") -> EpitomeSearch:
    """Check the content of a search file; ConfigError names the key, the value and the rule."""
    try:
        search = EpitomeSearch.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain_error(error, EpitomeSearch, origin)) from None
    if "accuracy" in search.objectives and search.data is None:
        raise ConfigError("data: missing; accuracy needs test images, for example digits")
    return search


def open_epitome_search(wanted: EpitomeSearch) -> EpitomeTask:
    """Turn a search for epitomes into a space, a budget and first designs.

    Parameters
    ----------
    wanted : EpitomeSearch
        What the file says.

    Returns
    -------
    EpitomeTask
        Ready for :func:`run_epitome_search`.

    Raises
    ------
    ConfigError
        If something does not exist or fit, or no design meets the budget; the least feasible one is named.
    """
    content: dict[str, Any] = {
        key: value for key, value in wanted.model_dump(exclude_none=True).items() if key in _SHARED_KEYS
    }
    shapes = list(dict.fromkeys((wanted.uniform, *wanted.shapes)))
    axes: dict[str, Any] = {"epitome": [*([None] if wanted.plain else []), *(shape.as_option() for shape in shapes)]}
    if wanted.weight_bits:
        axes["weight_bits"] = list(wanted.weight_bits)
    network = load_network(wanted.network, input_shape=wanted.input_shape, outputs=wanted.outputs)
    content |= {
        "space": dict.fromkeys(_match_layers(network, wanted.layers), axes), "points": wanted.points,
        "seed": wanted.seed, "evolution": wanted.evolution.model_dump(),
        "objectives": dict(GOALS[name] for name in wanted.objectives),
    }  # fmt: skip
    space, hardware = open_space(make_search(content))
    uniform = wanted.uniform.as_option()
    counts = [[_count(space, hardware, slot, option) for option in range(slot.count)] for slot in space.slots]
    same = tuple(_find(slot, uniform, wanted.weight_bits) for slot in space.slots)
    least = tuple(min(range(len(each)), key=each.__getitem__) for each in counts)
    spare = tuple(_spare(slot, each, uniform, wanted) for slot, each in zip(space.slots, counts))
    starts = {least: "fewest arrays", spare: "plain where no larger", same: "uniform"}
    budget = _total(space, hardware, same) if wanted.budget == "uniform" else wanted.budget
    smallest = _total(space, hardware, least)
    if smallest > budget:
        raise ConfigError(f"budget: {budget} crossbars are too few for any design; the smallest takes {smallest}")
    search = make_search({**content, "constraints": {"cost.crossbars": {"max": budget}}})
    return EpitomeTask(search=search, space=space, hardware=hardware, starts=starts, budget=budget)


def run_epitome_search(
    wanted: EpitomeSearch, folder: str | Path, *, cache: str | Path | None = "auto", progress: Progress | None = None
) -> Result:
    """Search epitomes layer by layer, and write designs, front, comparison and figures.

    Parameters
    ----------
    wanted : EpitomeSearch
        What the file says.
    folder : str or Path
        Where results go; an earlier run of the same search in it is resumed.
    cache : str, Path or None
        As for :class:`~xbarsim.search.CostOracle`.
    progress : callable, optional
        ``(stage, done, total)``.

    Returns
    -------
    Result
        Designs, front and chosen design; the files are written, ``comparison.csv`` and its figure among them. What
        it has to say beside: ``budget``, and ``comparison`` as :func:`compare_designs` returns it.

    Raises
    ------
    ConfigError
        If the search is wrong, or the folder holds another one.
    """
    from xbarsim.report.style import save_figure
    from xbarsim.search.epitome_figure import plot_comparison

    task = open_epitome_search(wanted)
    search, space, oracle = task.search, task.space, CostOracle(task.hardware, cache)
    name = f"epitome-{name_search(search, space, oracle)}"
    about = {**describe_search(search, space, task.hardware), "search": wanted.model_dump(mode="json")}
    first = [*task.starts, *_vary(task, wanted)]
    sampler = EvolutionSampler(space, seed=wanted.seed, first=first, population=wanted.evolution.population)
    images = load_images(search)
    with SearchStore(folder, name, about) as store:
        entries = run_sampler(search, space, oracle, images, store, progress, sampler=sampler, labels=task.starts)
        result = Result(search=search, space=space, entries=tuple(entries), extra={"budget": task.budget})
        result.write(store.folder)
        rows = compare_designs(result, task, oracle, images)
        write_file(store.folder / "comparison.csv", encode_rows(rows))
        save_figure(plot_comparison(rows), store.folder / "comparison")
    return dataclasses.replace(result, extra={**result.extra, "comparison": rows})


def compare_designs(
    result: Result, task: EpitomeTask, oracle: CostOracle, images: Images | None = None
) -> list[dict[str, Any]]:
    """Compare the designs found with the plain network, the uniform epitome and pruning to the same number of arrays.

    Parameters
    ----------
    result : Result
        What the search found.
    task : EpitomeTask
        What was searched.
    oracle : CostOracle
        Who prices the plain and the pruned network.
    images : Images, optional
        What the accuracy of both is measured on.

    Returns
    -------
    list of dict
        One row a design: arrays, how many times fewer than the plain network's, latency, energy, area, EDAP, accuracy.
    """
    network = task.space.network
    pruned, share = prune_network(task)
    rows: list[tuple[str, Mapping[str, float]]] = []
    for name, each in (("plain", network), (f"pruned to {100 * share:.1f} %", pruned)):
        design = Design(network=each, layers={}, removed=())
        rows.append((name, measure_design(task.search, oracle, design, images if each.has_weights else None)))
    plain = rows[0][1]["cost.crossbars"]
    rows += [(label, result.entries[number].metrics or {}) for label, number in name_designs(result)]
    return [
        {
            "design": label,
            **{key: metrics[f"cost.{key}"] for key in KEPT},
            "compression": plain / metrics["cost.crossbars"],
            **{key: value for key, value in metrics.items() if key.startswith("accuracy.")},
        }
        for label, metrics in rows
    ]


def name_designs(result: Result) -> list[tuple[str, int]]:
    """Return the named designs and the best feasible one of each objective, with their numbers."""
    named = [(entry.label, number) for number, entry in enumerate(result.entries) if entry.label and entry.metrics]
    for name, way in result.search.goals.items():
        sign = 1.0 if way == "min" else -1.0
        best = min(result.front, key=lambda number: sign * (result.entries[number].metrics or {})[name])
        named.append((f"best {next(key for key, goal in GOALS.items() if goal[0] == name)}", best))
    return [*named, ("chosen", result.chosen)]


def prune_network(task: EpitomeTask) -> tuple[Network, float]:
    """Keep one share of the channels of every searched layer, as large as fits the budget.

    Returns
    -------
    Network, float
        With weights where the network has them and the graph tells which channels stay, and the share [-]; the smallest
        share tried where none fits, 1 where no channels are free.
    """
    network = task.space.network
    free = []
    for slot in task.space.slots:
        for name in slot.layers:
            try:
                reshape_network(network, widths={name: 0.5})
            except ConfigError:
                continue
            free.append(name)
    if not free:
        return network, 1.0
    low, high = 0, 256
    while high - low > 1:
        middle = (low + high) // 2
        candidate = reshape_network(network, widths=dict.fromkeys(free, middle / 256))
        if plan_network(candidate, task.hardware).crossbars <= task.budget:
            low = middle
        else:
            high = middle
    share = max(1, low) / 256
    try:
        return prune_channels(network, dict.fromkeys(free, share)), share
    except ConfigError:
        return reshape_network(network, widths=dict.fromkeys(free, share)), share


def _vary(task: EpitomeTask, wanted: EpitomeSearch) -> list[Point]:
    """Return neighbours of the first designs, two layers changed, that fill up the first generation.

    A design drawn evenly hardly ever meets a budget; stream ``"search.epitome"``, one by neighbour.
    """
    slots, starts = task.space.slots, list(task.starts)
    found = []
    for number in range(wanted.evolution.population - len(starts)):
        rng = stream(wanted.seed, "search.epitome", number)
        point = list(starts[number % len(starts)])
        for at in rng.choice(len(slots), size=min(2, len(slots)), replace=False):
            point[at] = int((point[at] + 1 + rng.integers(slots[at].count - 1)) % slots[at].count)
        found.append(tuple(point))
    return found


def _match_layers(network: Network, globs: tuple[str, ...]) -> list[str]:
    """Return the convolutions without groups that any glob matches."""
    names = [node.name for node in network.layers if node.kind == "conv2d" and node.groups == 1]
    matched = {name for glob in globs for name in match_names(glob, names, f"layers: {glob!r}", "convolution")}
    return [name for name in names if name in matched]


def _find(slot: SearchSlot, shape: Mapping[str, int] | None, widths: tuple[int, ...]) -> int:
    option: dict[str, Any] = {"epitome": dict(shape) if shape is not None else None}
    if widths:
        option["weight_bits"] = max(widths)
    return slot.index(option)


def _spare(slot: SearchSlot, counts: list[int], uniform: Mapping[str, int], wanted: EpitomeSearch) -> int:
    """Return the plain layer where it takes no more crossbars than the uniform epitome, else the epitome."""
    epitome = _find(slot, uniform, wanted.weight_bits)
    if not wanted.plain:
        return epitome
    plain = _find(slot, None, wanted.weight_bits)
    return plain if counts[plain] <= counts[epitome] else epitome


def _count(space: Space, hardware: Hardware, slot: SearchSlot, option: int) -> int:
    """Return the crossbars of a slot's layer on its own for one of its options."""
    design = Space(network=space.network, slots=(slot,)).design((option,))
    node = design.network.node(slot.layers[0])
    alone = dataclasses.replace(node, inputs=(INPUT,))
    network = Network(name=node.name, nodes=(alone,), input_shape=design.network.shape_of(node.inputs[0]))
    return plan_network(network, hardware, layers=design.layers or None).crossbars


def _total(space: Space, hardware: Hardware, point: Point) -> int:
    design = space.design(point)
    return plan_network(design.network, hardware, layers=design.layers or None).crossbars
