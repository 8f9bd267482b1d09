"""The search file: what is searched, what counts, and how."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from xbarsim.config.load import explain_error
from xbarsim.config.record import Record
from xbarsim.errors import ConfigError
from xbarsim.names import suggest, suggest_or_list
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


class Bound(Record):
    """Limits of one metric."""

    min: float | None = None
    """Least value."""
    max: float | None = None
    """Largest value."""

    @model_validator(mode="after")
    def _check(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("a constraint needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class EvolutionSettings(Record):
    """Settings of ``method: evolution``."""

    population: Annotated[int, Field(ge=2)] = 32
    """Points that survive."""


class OptunaSettings(Record):
    """Settings of ``method: optuna``."""

    sampler: Literal["tpe", "nsgaii", "nsgaiii", "random", "gp"] = "tpe"
    """Optuna's sampler."""
    storage: str | None = None
    """Optuna's storage URL, for example ``sqlite:///search.db``; in memory if left out."""


class GradientSettings(Record):
    """Settings of ``method: differentiable``."""

    mode: Literal["ideal", "non-ideal"] = "non-ideal"
    """Hardware that architecture steps see: none, or the simulator's model with wires, variation and converters."""
    epochs: Count = 20
    """Passes over the training images in the search."""
    warmup: Annotated[int, Field(ge=0)] = 5
    """Epochs that train weights alone, before, on paths without zero operators."""
    finetune: Annotated[int, Field(ge=0)] = 10
    """Epochs that train the chosen network through its hardware, behind."""
    compare: bool = True
    """Whether uniform designs are trained and simulated beside the chosen one, for comparison; they start from the
    backbone's own weights where it has some."""
    batch: Count = 64
    """Images of a step."""
    rate: Positive = 2e-3
    """Learning rate of the weights (Adam)."""
    finetune_rate: Positive | None = None
    """Learning rate of the fine-tuning; ``rate`` if left out."""
    gate_rate: Positive = 1.0
    """Learning rate of the architecture parameters, the logarithms of the options' chances (plain gradient steps). At 1
    a layer is decided within some hundred steps; much more, and the noise of the first batches decides it."""
    zero_chance: Annotated[float, Field(gt=0, lt=1)] | None = None
    """First probability of a zero operator [-]; as likely as any other option if left out. Lower keeps a trained
    backbone whole while its kernels learn: paths that miss several branches at once teach it little."""
    weight_decay: NonNegative = 1e-4
    """Decay of the weights: the lambda of |w|^2."""
    latency: NonNegative = 0.1
    """Lambda of the expected latency, as a share of the dearest uniform network's."""
    energy: NonNegative = 0.1
    """Lambda of the expected energy, likewise."""
    area: NonNegative = 0.0
    """Lambda of the expected area, likewise; 0 in NAX."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the training images that architecture steps use [-]."""
    refresh: Count = 1
    """Epochs between two draws of new arrays."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Pixels that training images are moved by at most, at random."""
    flip: bool = False
    """Whether training images are mirrored left to right at random."""


class Search(Record):
    """Everything that a search file says."""

    network: str
    """Backbone: a shipped name, or a path relative to the search file."""
    hardware: str = "reference"
    """Hardware: a shipped name, or a path relative to the search file."""
    weights: Literal["random"] | None = None
    """Random weights for a backbone that ships shapes alone."""
    space: dict[str, dict[str, Any]]
    """Layer or glob -> axis -> list of values; see :mod:`xbarsim.search.space`."""
    method: str = "evolution"
    """How points are chosen: ``random``, ``evolution``, ``optuna``, ``differentiable``, or a sampler of one's own."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of a sampler of one's own: arguments of its class."""
    points: Count = 100
    """Points to evaluate; not used by ``differentiable``."""
    objectives: dict[str, Literal["min", "max"]] = Field(default_factory=dict)
    """Metric -> direction; EDAP, and accuracy where there are images, if left out. Metrics that users registered are
    named as they are."""
    constraints: dict[str, Bound] = Field(default_factory=dict)
    """Metric -> limits."""
    data: str | None = None
    """Test images; left out, only cost is worked out."""
    images: Count | None = None
    """Use the first ones only."""
    train: str | None = None
    """Training images; only for ``differentiable``."""
    train_images: Count | None = None
    """Use the first ones only."""
    calibration: str | None = None
    """Images that set ranges; the first 64 test images if left out."""
    calibration_images: Count | None = None
    """Use the first ones only."""
    mean: Numbers | str | None = None
    """Subtracted from images: a number, one by channel, or the name of a preset ("imagenet")."""
    std: Numbers | None = None
    """What images are divided by: a number, or one by channel."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Changes of the hardware that hold for every point: dotted key -> value."""
    trials: Count = 1
    """Chips that are drawn for every point."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything that is drawn."""
    evolution: EvolutionSettings = EvolutionSettings()
    """Settings of the evolutionary search."""
    optuna: OptunaSettings = OptunaSettings()
    """Settings of Optuna."""
    differentiable: GradientSettings = GradientSettings()
    """Settings of the differentiable search."""

    @property
    def goals(self) -> dict[str, str]:
        """The objectives asked for, or the usual ones."""
        usual = {**({ACCURACY: "max"} if self.data else {}), "cost.edap": "min"}
        return dict(self.objectives) or usual

    @property
    def needs_images(self) -> bool:
        """Whether an objective or a constraint is an accuracy or a metric of the outputs."""
        return bool(self.added) or any(name.startswith("accuracy.") for name in (*self.goals, *self.constraints))

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
            16 hex digits; the number of points and the place of Optuna's storage do not count.
        """
        content = self.model_dump(mode="json", exclude={"points": True, "optuna": {"storage"}})
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
        Checked as far as the file alone allows, its paths resolved.

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
    try:
        search = Search.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain_error(error, Search, origin)) from None
    for section in ("objectives", "constraints"):
        for metric in getattr(search, section):
            known = [*(name for name, record in REPORT_METRICS.items() if record.is_searched), *METRICS]
            if metric not in known:
                raise ConfigError(f"{section}.{metric}: unknown metric{suggest(metric, known)}{where}")
    _check_method(search, where)
    if search.needs_images and search.data is None:
        raise ConfigError(f"data: missing; accuracy and metrics of outputs need test images, such as digits{where}")
    if search.method == GRADIENT and (search.train is None or search.data is None):
        missing = "train" if search.train is None else "data"
        raise ConfigError(f"{missing}: missing; a differentiable search needs training and test images{where}")
    if not search.space:
        raise ConfigError(f"space: empty; name a layer or glob and its axes{where}")
    return _resolve_paths(search, Path(origin).parent) if origin else search


def _check_method(search: Search, where: str) -> None:
    """Refuse a method that does not exist, and settings that it does not take."""
    if search.method != GRADIENT and search.method not in SAMPLERS:
        raise ConfigError(
            f"method: {search.method!r}: unknown{suggest_or_list(search.method, [*SAMPLERS, GRADIENT])}{where}"
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
        return str(beside) if beside.exists() and ("/" in name or "." in name) else name

    names = ("network", "hardware", "data", "train", "calibration")
    return search.model_copy(update={name: resolve(text) for name in names if (text := getattr(search, name))})
