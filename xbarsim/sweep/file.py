"""The sweep file: networks, hardware, axes and metrics of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WithJsonSchema, field_validator

from xbarsim.config.explain import explain_error
from xbarsim.config.record import Record
from xbarsim.errors import ConfigError
from xbarsim.limits import LIMITS
from xbarsim.names import is_place, suggest
from xbarsim.network.executor import EXECUTORS
from xbarsim.report.catalogue import COMPARED, check_limit, find_metric, find_output_metrics, list_metrics
from xbarsim.report.judge import USUAL_METRIC
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.outputs import METRICS
from xbarsim.sweep.answer import name_metric, parse_condition
from xbarsim.sweep.axis import Axis, parse_axes
from xbarsim.sweep.design import SweepDesign
from xbarsim.yaml_file import load_yaml

OTHER_COLUMNS = (
    "network", "hardware", "status", "error", "point", "trials", "seed", "version", "network_hash", "hardware_hash",
)  # fmt: skip
"""Columns of the table of points that are neither axes nor metrics."""
Names = Annotated[
    tuple[str, ...], WithJsonSchema({"anyOf": [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]})
]
Numbers = float | tuple[float, ...]
Size = Annotated[int, Field(ge=1)]


def _accept_name(schema: dict[str, Any]) -> None:
    """Let the schema of a design take its kind alone."""
    schema.pop("default", None)
    schema["anyOf"] = [{"enum": ["grid", "random", "latin_hypercube"]}, {"$ref": schema.pop("$ref")}]


class Sweep(Record):
    """Content of a sweep file."""

    network: Names
    """Networks: shipped names, or paths relative to the sweep file."""
    outputs: str | tuple[str, ...] | None = None
    """Outputs of .onnx files by name or glob, one or a list; the first if left out."""
    input_shape: tuple[Size, ...] | dict[str, tuple[Size, ...]] | None = None
    """Sizes of one image that .onnx files leave free; by name where they have several inputs."""
    hardware: Names = ("reference",)
    """Hardware: shipped names, or paths relative to the sweep file."""
    weights: Literal["random"] | None = None
    """``random``: random weights for networks without weights."""
    data: str | None = None
    """Test images; without them only costs are computed."""
    images: Annotated[int, Field(ge=1)] | None = None
    """Number of test images to use, from the first on."""
    calibration: str | None = None
    """Calibration images; the first 64 test images if left out."""
    mean: Numbers | str | None = None
    """Mean to subtract from images: a number, one for each channel, or the name of a preset ("imagenet")."""
    std: Numbers | None = None
    """Standard deviation to divide images by: a number, or one for each channel."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the hardware for all points: dotted key -> value."""
    layers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Overrides of layers for all points: glob -> dotted key -> value."""
    axes: dict[str, Any] = Field(default_factory=dict)
    """Axes: dotted key, or GLOB:dotted key -> list, range or ``same as KEY``."""
    design: Annotated[SweepDesign, Field(json_schema_extra=_accept_name)] = SweepDesign()
    """Grid, random draws or a Latin hypercube."""
    executor: str = "own"
    """What runs the float network, for its own accuracy and for activation ranges: ``own``, or ``onnxruntime``, whose
    last bits differ; its version is part of the keys of points."""
    trials: Annotated[int, Field(ge=1, le=LIMITS["trials"].most)] = 1
    """Number of chips for every point."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all random numbers of the simulations."""
    metrics: tuple[str, ...] = ()
    """Columns of the result: ``accuracy.hardware``, ``miou``, ``cost.edap``, ..."""
    where: Names = ()
    """Conditions of the question, all of which must hold: one or a list, such as ``accuracy.lost <= 0.01``."""
    minimize: str | None = None
    """Metric whose lowest value, among the points that meet ``where``, answers the question."""
    maximize: str | None = None
    """Metric whose highest value answers it; in place of ``minimize``."""

    @field_validator("network", "hardware", "where", mode="before")
    @classmethod
    def _accept_one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("design", mode="before")
    @classmethod
    def _accept_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @property
    def question(self) -> tuple[str, str] | None:
        """``minimize`` or ``maximize``, and the metric; None without a question."""
        found = [(way, goal) for way in ("minimize", "maximize") if (goal := getattr(self, way)) is not None]
        return found[0] if found else None

    @property
    def ends(self) -> dict[str, Any]:
        """Arguments of :func:`xbarsim.load_network` for .onnx files."""
        found = {"outputs": self.outputs, "input_shape": self.input_shape}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def parsed_axes(self) -> tuple[Axis, ...]:
        """The axes, read."""
        return parse_axes(self.axes, is_grid=self.design.kind == "grid")

    @property
    def chosen_metrics(self) -> tuple[str, ...]:
        """The given metrics, or the default ones; and those that the question names."""
        usual = self.metrics or tuple(
            name for name, metric in REPORT_METRICS.items() if metric.is_usual and (self.data or metric.needs == "cost")
        )
        asked = [] if self.question is None else [name_metric(self.question[1], "minimize")]
        asked += [parse_condition(text).metric for text in self.where]
        return tuple(dict.fromkeys([*usual, *asked]))


def choose_metric(names: Iterable[str]) -> str:
    """Return the metric that simulations measure: accuracy where it is named, else the first of the outputs."""
    names = list(names)
    found = find_output_metrics(names)
    return found[0] if found and not any(name.startswith("accuracy.") for name in names) else USUAL_METRIC


def load_sweep(path: str | Path) -> Sweep:
    """Read a sweep file.

    Parameters
    ----------
    path : str or Path
        YAML file.

    Returns
    -------
    Sweep
        Sweep with checked values and resolved paths.

    Raises
    ------
    ConfigError
        If a key or value is wrong; one line that names it.
    """
    return make_sweep(load_yaml(path), origin=str(path))


def make_sweep(content: dict[str, Any], origin: str = "") -> Sweep:
    """Check the content of a sweep file.

    Parameters
    ----------
    content : dict
        Keys and values as in the file.
    origin : str
        File that it came from, for messages and relative paths; nothing for a sweep made in a program.

    Returns
    -------
    Sweep
        The record.

    Raises
    ------
    ConfigError
        If a key or value is wrong.
    """
    where = f" ({origin})" if origin else ""
    try:
        sweep = Sweep.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain_error(error, Sweep, origin)) from None
    for name in ("network", "hardware"):
        values = getattr(sweep, name)
        if not values:
            raise ConfigError(f"{name}: is empty; name at least one{where}")
        if len(set(values)) < len(values):
            raise ConfigError(f"{name}: a name is given twice{where}")
    _check_question(sweep, where)
    _check_metrics(sweep, where)
    if sweep.executor not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise ConfigError(
            f"executor: {sweep.executor!r} is not one of {known}{suggest(sweep.executor, EXECUTORS)}{where}"
        )
    if sweep.executor != "own" and sweep.data is None:
        raise ConfigError(
            f"executor: {sweep.executor} runs a float network on images; name some under data, or leave it out{where}"
        )
    if sweep.design.kind != "grid" and sweep.design.points is None:
        raise ConfigError(f"design.points: missing; a {sweep.design.kind} design needs a number of points{where}")
    if sweep.design.kind == "grid" and sweep.design.points is not None:
        raise ConfigError(
            f"design.points: not for a grid, whose axes determine the number of points; leave it out{where}"
        )
    axes = parse_axes(sweep.axes, is_grid=sweep.design.kind == "grid", origin=origin)
    for key in [key for axis in axes for key in axis.keys if key in sweep.set]:
        raise ConfigError(f"axes.{key}: is also given under set; leave one of them out{where}")
    return _resolve_paths(sweep, Path(origin).parent) if origin else sweep


def _check_metrics(sweep: Sweep, where: str) -> None:
    """Refuse metrics that are unknown, need images where there are none, or are called as another column."""
    for name in sweep.metrics:
        if name not in list_metrics():
            raise ConfigError(f"metrics: {name!r} is unknown{suggest(name, list_metrics())}{where}")
        if name in OTHER_COLUMNS or name in sweep.axes:
            raise ConfigError(f"metrics: {name!r} is the name of another column; write {name}.hardware{where}")
        base, _, part = name.partition(".")
        if part in COMPARED and base in METRICS and base != choose_metric(sweep.metrics):
            raise ConfigError(
                f"metrics: {name}: a sweep compares one metric with the float network, here "
                f"{choose_metric(sweep.metrics)}; name {base} first and leave out accuracy{where}"
            )
        if find_metric(name).needs != "cost" and sweep.data is None:
            raise ConfigError(f"metrics: {name} needs images; give them under data, for example digits{where}")


def _check_question(sweep: Sweep, where: str) -> None:
    """Refuse a question that is incomplete, asks for unknown metrics, or needs images where there are none."""
    if sweep.minimize is not None and sweep.maximize is not None:
        raise ConfigError(f"minimize, maximize: give only one of them{where}")
    if sweep.where and sweep.question is None:
        raise ConfigError(f"where: needs minimize or maximize, such as 'minimize: cost.edap'{where}")
    if sweep.question is None:
        return
    way, goal = sweep.question
    conditions = [parse_condition(text, where) for text in sweep.where]
    for each in conditions:
        check_limit(each.metric, each.limit, f"where: {each.text}")
    limits = [("where", each.metric) for each in conditions]
    for key, name in [(way, name_metric(goal, way, where)), *limits]:
        if find_metric(name).needs != "cost" and sweep.data is None:
            raise ConfigError(f"{key}: {name} needs images; give them under data, for example digits{where}")


def _resolve_paths(sweep: Sweep, folder: Path) -> Sweep:
    """Take names that are files beside the sweep file as those files."""

    def resolve(name: str) -> str:
        beside = folder / name
        return str(beside) if is_place(beside) and ("/" in name or "." in name) else name

    changes: dict[str, Any] = {name: tuple(map(resolve, getattr(sweep, name))) for name in ("network", "hardware")}
    changes |= {name: resolve(text) for name in ("data", "calibration") if (text := getattr(sweep, name)) is not None}
    return sweep.model_copy(update=changes)
