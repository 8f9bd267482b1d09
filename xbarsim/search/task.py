"""The search file: space, objectives and method of a search."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from xbarsim.config.explain import explain_error
from xbarsim.config.record import Record
from xbarsim.errors import ConfigError
from xbarsim.limits import LIMITS
from xbarsim.names import is_place, suggest, suggest_or_list
from xbarsim.report.catalogue import check_limit
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.outputs import METRICS
from xbarsim.search.sampler import SAMPLERS, check_settings
from xbarsim.yaml_file import load_yaml

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Numbers = float | tuple[float, ...]

ACCURACY = "accuracy.hardware"
"""The metric that needs images."""
GRADIENT = "differentiable"
"""The method that is no sampler: it trains."""


RULES = ("single", "stage", "all")
"""Baselines that are no samplers."""


class Bound(Record):
    """Limits of one metric."""

    min: float | None = None
    """Smallest allowed value, in the unit of the metric."""
    max: float | None = None
    """Largest allowed value, in the unit of the metric."""

    @model_validator(mode="after")
    def _check(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("has no limit; give min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class EvolutionSettings(Record):
    """Settings of the evolutionary search."""

    population: Annotated[int, Field(ge=2, le=LIMITS["points"].most)] = 32
    """Number of points that survive a generation."""


class OptunaSettings(Record):
    """Settings of ``method: optuna``."""

    sampler: Literal["tpe", "nsgaii", "nsgaiii", "random", "gp"] = "tpe"
    """Optuna's sampler."""
    storage: str | None = None
    """Optuna's storage URL, for example ``sqlite:///search.db``; in memory if left out."""


class GradientSettings(Record):
    """Settings of ``method: differentiable``."""

    mode: Literal["ideal", "non-ideal"] = "non-ideal"
    """Hardware model in architecture steps: none, or the simulator's model with wires, variation and converters."""
    epochs: Count = 20
    """Passes over the training images in the search."""
    warmup: Annotated[int, Field(ge=0)] = 5
    """Epochs before the search in which only weights are trained, on paths without zero operators."""
    finetune: Annotated[int, Field(ge=0)] = 10
    """Epochs of fine-tuning of the chosen network with its hardware model, after the search."""
    compare: bool = True
    """Whether uniform designs are trained and simulated beside the chosen one, for comparison; they start from the
    backbone's own weights where it has some."""
    batch: Count = 64
    """Images in a training step."""
    rate: NonNegative = 2e-3
    """Learning rate of the weights (Adam); 0 leaves the weights of a trained backbone as they are."""
    finetune_rate: Positive | None = None
    """Learning rate of the fine-tuning; ``rate`` if left out."""
    gate_rate: Positive = 1.0
    """Learning rate of the architecture parameters, the logarithms of the options' chances (plain gradient steps). At 1
    a layer is decided within some hundred steps; at much larger rates the noise of the first batches decides it."""
    zero_chance: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Initial probability of a zero operator [-]; that of any other option if left out. With a trained backbone, use a
    lower one: paths without several of their branches at once give gradients that are of little use."""
    weight_decay: NonNegative = 1e-4
    """Decay of the weights: the lambda of |w|^2."""
    objective: Literal["edap", "edap_core", "layers"] | None = None
    """Price in the loss: the logarithm of the chip's expected EDAP, with or without off-chip I/O, or sums over
    layers, as in NAX. ``layers`` if left out where ``latency``, ``energy`` or ``area`` is given, else ``edap``."""
    price: NonNegative = 0.1
    """Lambda of the logarithm of the expected EDAP [-]; with 0.1, a tenth less EDAP is worth 0.01 of cross-entropy."""
    anneal: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the architecture steps in which prices rise from 0 to their lambdas [-]."""
    sharpen: NonNegative = 0.1
    """Lambda of the mean entropy of the probabilities, relative to even chances, in the last step; it rises from 0 in
    the second half of the architecture steps."""
    polish: Annotated[int, Field(ge=0, le=LIMITS["points"].most)] = 50
    """Number of designs that the following local search evaluates; it first enumerates the options of undecided
    layers. With a single objective designs are evaluated as by samplers, else by the EDAP of the whole chip and the
    cross-entropy on images held back."""
    latency: NonNegative = 0.1
    """Lambda of the expected latency, relative to that of the most expensive uniform network; for ``layers``."""
    energy: NonNegative = 0.1
    """Lambda of the expected energy, relative to that of the most expensive uniform network; for ``layers``."""
    area: NonNegative = 0.0
    """Lambda of the expected area, relative to that of the most expensive uniform network; for ``layers``. 0 in NAX."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Fraction of the training images for architecture steps [-]."""
    refresh: Count = 1
    """Epochs after which arrays are programmed again."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Augmentation: largest random shift of training images in pixels."""
    flip: bool = False
    """Augmentation: whether training images are mirrored left to right at random."""

    @property
    def priced(self) -> str:
        """What the price is: the given objective, or the default one."""
        is_nax = bool(self.model_fields_set & {"latency", "energy", "area"})
        return self.objective or ("layers" if is_nax else "edap")

    @model_validator(mode="after")
    def _check(self) -> GradientSettings:
        given = sorted(self.model_fields_set & {"latency", "energy", "area"})
        if given and self.priced != "layers":
            raise ValueError(f"{given[0]} is a price of objective: layers, not of {self.priced}; leave one of them out")
        if self.rate == 0 and self.finetune and self.finetune_rate is None:
            raise ValueError("rate 0 leaves fine-tuning without a rate; set finetune_rate, or finetune: 0")
        return self


class Search(Record):
    """Content of a search file."""

    network: str
    """Backbone: a shipped name, or a path relative to the search file."""
    outputs: str | tuple[str, ...] | None = None
    """Outputs of an .onnx file by name or glob, one or a list; the first if left out."""
    input_shape: tuple[Count, ...] | dict[str, tuple[Count, ...]] | None = None
    """Sizes of one image that an .onnx file leaves free; by name where it has several inputs."""
    hardware: str = "reference"
    """Hardware: a shipped name, or a path relative to the search file."""
    weights: Literal["random"] | None = None
    """``random``: random weights for a backbone without weights."""
    space: dict[str, dict[str, Any]]
    """Layer or glob -> axis -> list of values; the axes are listed in docs/keys/search.md."""
    method: str = "local"
    """Search method: ``local`` (moves of groups of layers, with restarts), ``model`` (the largest expected improvement,
    by Gaussian processes over what is known; few points suffice where limits leave little), ``evolution``, ``random``,
    ``optuna``, ``differentiable``, or a registered sampler. ``evolution`` if left out where its settings are given."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of a registered sampler: arguments of its class."""
    points: Annotated[int, Field(ge=1, le=LIMITS["points"].most)] = 100
    """Points to evaluate; not used by ``differentiable`` with training."""
    baselines: tuple[str, ...] = ()
    """What the search is compared with, each with as many points: ``single`` (one array size for all layers),
    ``stage`` (one value for all layers with feature maps of one size), ``all`` (every point of a space of at most
    20,000), or a sampler."""
    baseline_seeds: Count = 3
    """Seeds of every sampler among the baselines, and of the method itself beside its own."""
    objectives: dict[str, Literal["min", "max"]] = Field(default_factory=dict)
    """Metric -> direction; EDAP, and accuracy where there are images, if left out. Metrics that users registered are
    named as they are."""
    constraints: dict[str, Bound] = Field(default_factory=dict)
    """Metric -> limits."""
    data: str | None = None
    """Test images; without them only costs are computed."""
    images: Count | None = None
    """Number of images to use, from the first on."""
    train: str | None = None
    """Training images; only for ``differentiable``."""
    train_images: Count | None = None
    """Number of images to use, from the first on."""
    calibration: str | None = None
    """Calibration images; the first 64 test images if left out."""
    calibration_images: Count | None = None
    """Number of images to use, from the first on."""
    mean: Numbers | str | None = None
    """Mean to subtract from images: a number, one for each channel, or the name of a preset ("imagenet")."""
    std: Numbers | None = None
    """Standard deviation to divide images by: a number, or one for each channel."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the hardware for all points: dotted key -> value."""
    trials: Annotated[int, Field(ge=1, le=LIMITS["trials"].most)] = 1
    """Number of chips for every point."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all random numbers."""
    surrogate: bool = False
    """Whether accuracies are predicted from the signal-to-noise ratios of layers, fitted during the search; designs
    that may be better than all simulated ones are simulated. Not with axes that change the network."""
    evolution: EvolutionSettings = EvolutionSettings()
    """Settings of the evolutionary search."""
    optuna: OptunaSettings = OptunaSettings()
    """Settings of Optuna."""
    differentiable: GradientSettings = GradientSettings()
    """Settings of the differentiable search."""

    @property
    def goals(self) -> dict[str, str]:
        """The given objectives, or the default ones."""
        usual = {**({ACCURACY: "max"} if self.data else {}), "cost.edap": "min"}
        return dict(self.objectives) or usual

    @property
    def needs_images(self) -> bool:
        """Whether an objective or a constraint is an accuracy or a metric of the outputs."""
        return bool(self.added) or any(name.startswith("accuracy.") for name in (*self.goals, *self.constraints))

    @property
    def trains(self) -> bool:
        """Whether the search trains; a differentiable one of costs, with limits of accuracy or without, does not."""
        is_limited = self.needs_images and all(name.startswith("cost.") for name in self.goals)
        is_untrained = self.objectives and self.train is None and (self.data is None or is_limited)
        return self.method == GRADIENT and not is_untrained

    @property
    def predicts(self) -> bool:
        """Whether accuracies are predicted; a differentiable search that does not train has no other way to know."""
        return self.surrogate or (self.method == GRADIENT and not self.trains and self.needs_images)

    @property
    def added(self) -> tuple[str, ...]:
        """Metrics of the outputs, registered by users, among objectives and constraints."""
        return tuple(dict.fromkeys(name for name in (*self.goals, *self.constraints) if name in METRICS))

    def sampler_settings(self) -> dict[str, Any]:
        """Return the arguments of the sampler that ``method`` names, beside space, seed and first points."""
        if self.method == "evolution":
            return self.evolution.model_dump()
        if self.method == "optuna":
            return {**self.optuna.model_dump(), "objectives": len(self.goals), "study": f"xbarsim-{self.hash()}"}
        return dict(self.settings)

    def hash(self) -> str:
        """Return a hash of what decides which points are evaluated and what they are worth.

        Returns
        -------
        str
            16 hex digits; the number of points, baselines and the place of Optuna's storage do not count.
        """
        left_out: Any = {"points": True, "baselines": True, "baseline_seeds": True, "optuna": {"storage"}}
        content = self.model_dump(mode="json", exclude=left_out)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def load_search(path: str | Path) -> Search:
    """Read a search file.

    Parameters
    ----------
    path : str or Path
        YAML file.

    Returns
    -------
    Search
        Search with checked values and resolved paths.

    Raises
    ------
    ConfigError
        If a key or value is wrong; one line that names it.
    """
    return make_search(load_yaml(path), origin=str(path))


def make_search(content: dict[str, Any], origin: str = "") -> Search:
    """Check the content of a search file.

    Parameters
    ----------
    content : dict
        Keys and values as in the file.
    origin : str
        File that it came from, for messages and relative paths; nothing for a search made in a program.

    Returns
    -------
    Search
        The record.

    Raises
    ------
    ConfigError
        If a key or value is wrong.
    """
    where = f" ({origin})" if origin else ""
    if "evolution" in content and "method" not in content:
        content = {"method": "evolution", **content}
    try:
        search = Search.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain_error(error, Search, origin)) from None
    for section in ("objectives", "constraints"):
        for metric in getattr(search, section):
            known = [*(name for name, record in REPORT_METRICS.items() if record.is_searched), *METRICS]
            if metric not in known:
                raise ConfigError(f"{section}.{metric}: unknown metric{suggest(metric, known)}{where}")
    for metric, bound in search.constraints.items():
        for limit in (bound.min, bound.max):
            if limit is not None:
                check_limit(metric, limit, f"constraints.{metric}")
    _check_method(search, where)
    if search.needs_images and search.data is None:
        raise ConfigError(f"data: missing; accuracy and metrics of outputs need test images, such as digits{where}")
    if search.trains and (search.train is None or search.data is None):
        missing = "train" if search.train is None else "data"
        raise ConfigError(
            f"{missing}: missing; a differentiable search needs training and test images, or objectives of cost "
            f"alone, with limits of accuracy or without images{where}"
        )
    if not search.space:
        raise ConfigError(f"space: empty; name a layer or glob and its axes{where}")
    return _resolve_paths(search, Path(origin).parent) if origin else search


def _check_method(search: Search, where: str) -> None:
    """Refuse a method that does not exist, and settings that it does not take."""
    if search.method != GRADIENT and search.method not in SAMPLERS:
        raise ConfigError(
            f"method: {search.method!r}: unknown{suggest_or_list(search.method, [*SAMPLERS, GRADIENT])}{where}"
        )
    for name in search.baselines:
        if name not in (*RULES, *SAMPLERS):
            raise ConfigError(f"baselines: {name!r}: unknown{suggest_or_list(name, [*RULES, *SAMPLERS])}{where}")
    if search.surrogate and search.trains:
        raise ConfigError(f"surrogate: a differentiable search that trains takes none; leave it out{where}")
    if search.baselines and search.method == GRADIENT and (search.trains or search.needs_images):
        raise ConfigError(
            f"baselines: a differentiable search that trains or limits accuracy takes none; choose a sampler{where}"
        )
    if not search.settings:
        return
    if search.method in ("evolution", "optuna", GRADIENT):
        raise ConfigError(f"settings: method {search.method} is configured in its own section, {search.method}{where}")
    check_settings(search.method, SAMPLERS[search.method], search.settings)


def _resolve_paths(search: Search, folder: Path) -> Search:
    """Take names that are files beside the search file as those files."""

    def resolve(name: str) -> str:
        beside = folder / name
        return str(beside) if is_place(beside) and ("/" in name or "." in name) else name

    names = ("network", "hardware", "data", "train", "calibration")
    return search.model_copy(update={name: resolve(text) for name in names if (text := getattr(search, name))})
