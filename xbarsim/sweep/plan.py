"""Plan of a sweep: loads its inputs, checks its axes and lists its points, each with a key.

A point's key is a hash of everything that can change its result: contents of the network, the hardware record and the
images, its settings, trials, seed and the version of xbarsim. A stored result is therefore never used for other
inputs, and extending an axis needs only its new points.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xbarsim import __version__, api
from xbarsim.config import Hardware, hash_hardware
from xbarsim.data import load_data, normalize_images
from xbarsim.data.plausible import Facts, find_doubts
from xbarsim.errors import ConfigError, PlausibilityWarning, ShapeError
from xbarsim.limits import check_limit
from xbarsim.names import match_names
from xbarsim.network import Network, find_executor, hash_network
from xbarsim.plugin import select_plugins
from xbarsim.report.catalogue import find_metric, find_output_metrics
from xbarsim.report.judge import choose_judge
from xbarsim.store import hash_arrays
from xbarsim.sweep.axis import split_key
from xbarsim.sweep.design import combine_axes
from xbarsim.sweep.file import Sweep, choose_metric
from xbarsim.target import describe_target

DOUBTED_POINTS = 200
"""Points, spread evenly, whose hardware is looked at for doubtful values."""
WIDTH_KEYS = ("weight_bits", "activation_bits")
"""Keys that change how a network is quantised."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of a network, a hardware file and the axes' values."""

    key: str
    """Hash of everything that can change the result."""
    network: str
    """Name of the network, as in the sweep file."""
    hardware: str
    """Name of the hardware, as in the sweep file."""
    settings: Mapping[str, Any]
    """Key of an axis -> value."""

    @property
    def family(self) -> tuple[str, str]:
        """What points share that can use one quantised network."""
        return self.network, repr([item for item in self.settings.items() if split_key(item[0])[1] in WIDTH_KEYS])

    @property
    def group(self) -> tuple[tuple[str, str], str, str]:
        """What points share that can use the same programmed arrays: everything but the converters."""
        rest = [item for item in self.settings.items() if not split_key(item[0])[1].startswith("adc.")]
        return self.family, self.hardware, repr(rest)


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """Inputs that all points share; sent once to every worker."""

    networks: Mapping[str, Network]
    hardware: Mapping[str, Hardware]
    """Hardware, with the overrides for all points."""
    layers: Mapping[str, Mapping[str, Any]]
    images: np.ndarray | None
    """Normalised test images, (images, *input_shape); None where only cost is asked for."""
    labels: np.ndarray | None
    calibration: np.ndarray | None
    trials: int
    seed: int
    executor: str
    """What runs the float network."""
    runner: str
    """Its name and version where points were planned."""
    metrics: tuple[str, ...]
    """Names of the metrics."""
    metric: str
    """What simulations measure on the outputs."""
    plugins: tuple[str, ...]
    """Plug-in classes that points need, as ``kind:name``."""
    target: str
    """What floats are computed with where points were planned; empty where only cost is asked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepPlan:
    """A sweep, ready to run."""

    sweep: Sweep
    workload: Workload
    points: tuple[Point, ...]
    axes: tuple[tuple[str, ...], ...]
    """Keys that vary, those that move together as one group; networks and hardware stand apart."""
    common: Mapping[str, Any] = field(default_factory=dict)
    """Common provenance of all results: version, seed, hashes."""


def plan_sweep(sweep: Sweep) -> SweepPlan:
    """Load the inputs of a sweep, check its axes and list its points.

    Parameters
    ----------
    sweep : Sweep
        From :func:`~xbarsim.sweep.file.load_sweep`.

    Returns
    -------
    SweepPlan
        Points in order: networks, then hardware, then the axes, the last one fastest.

    Raises
    ------
    ConfigError
        If a name is unknown, data do not fit a network, or an axis names an unknown key or a value that no point can
        take.
    """
    workload = _load_workload(sweep)
    axes = sweep.parsed_axes
    keys = tuple(axis.keys for axis in axes)
    common = _describe_common(sweep, workload)
    rows = combine_axes(axes, sweep.design)
    check_limit("points", len(rows) * len(sweep.network) * len(sweep.hardware), "sweep")
    networks = {name: hash_network(network) for name, network in workload.networks.items()}
    hardware = {name: hash_hardware(record) for name, record in workload.hardware.items()}
    points = tuple(
        Point(
            key=_hash([common, networks[network], hardware[record], list(settings.items())]),
            network=network,
            hardware=record,
            settings=settings,
        )
        for network in workload.networks
        for record in workload.hardware
        for settings in rows
    )
    _check_layers(rows, workload)
    _check_axes(rows, workload)
    _check_doubts(rows, workload)
    common = {**common, "network_hash": networks, "hardware_hash": hardware}
    return SweepPlan(sweep=sweep, workload=workload, points=points, axes=keys, common=common)


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split a point's settings into changes of the hardware and changes by layer."""
    changes: dict[str, Any] = {}
    layers: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        glob, dotted = split_key(key)
        if glob is None:
            changes[dotted] = value
        else:
            layers.setdefault(glob, {})[dotted] = value
    return changes, layers


def join_layers(*parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge changes by layer; later ones win."""
    joined: dict[str, dict[str, Any]] = {}
    for part in parts:
        for glob, changes in part.items():
            joined[glob] = {**joined.pop(glob, {}), **changes}  # to the end: later globs win too
    return joined


def _load_workload(sweep: Sweep) -> Workload:
    files = [name for name in sweep.network if name.lower().endswith(".onnx")] or sweep.network
    networks = {
        name: api.load_network(name, weights=sweep.weights, **(sweep.ends if name in files else {}))
        for name in sweep.network
    }
    hardware = {name: api.load_hardware(name).override(sweep.set) for name in sweep.hardware}
    images, labels, calibration = _load_images(sweep)
    for name, network in networks.items():
        if images is None:
            continue
        if not network.has_weights:
            raise ConfigError(f"network {name}: has shapes but no weights; set 'weights: random', or leave out 'data'")
        for what, found in (("data", images), ("calibration", calibration)):
            if found is not None and found.shape[1:] != network.input_shape:
                shape = " x ".join(map(str, found.shape[1:]))
                needed = " x ".join(map(str, network.input_shape))
                raise ConfigError(f"{what}: images of {shape} do not fit network {name}, which takes {needed}")
        _check_labels(sweep, labels, network)
    for glob in sweep.layers:
        _check_glob(glob, networks.values(), "layers")
    executor = find_executor(sweep.executor)
    return Workload(
        networks=networks, hardware=hardware, layers=sweep.layers, images=images, labels=labels,
        calibration=calibration, trials=sweep.trials, seed=sweep.seed, executor=executor.name,
        runner=executor.describe(), metrics=sweep.chosen_metrics, metric=choose_metric(sweep.chosen_metrics),
        plugins=tuple(_select_plugins(sweep, hardware)), target="" if images is None else describe_target(),
    )  # fmt: skip


def _check_labels(sweep: Sweep, labels: np.ndarray | None, network: Network) -> None:
    """Refuse labels that do not fit the metrics that a sweep names; ConfigError names the data."""
    if labels is None:
        return
    for name in {choose_metric(sweep.chosen_metrics), *find_output_metrics(sweep.chosen_metrics)}:
        try:
            choose_judge(name).check(labels, len(labels), network.output_shapes or network.output_shape)
        except (ConfigError, ShapeError) as error:
            raise ConfigError(f"data: {sweep.data}: {error} (network {network.name})") from None


def _select_plugins(sweep: Sweep, hardware: Mapping[str, Hardware]) -> dict[str, str]:
    return select_plugins(sweep, hardware, names=map("metric:{}".format, find_output_metrics(sweep.chosen_metrics)))


def _load_images(sweep: Sweep) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    if sweep.data is None:
        return None, None, None
    data = load_data(sweep.data).take(sweep.images)
    needed = [name for name in sweep.chosen_metrics if find_metric(name).needs == "labels"]
    if needed and data.labels is None:
        raise ConfigError(f"data: {sweep.data} has no labels, but metric {needed[0]} needs them")
    labels = data.labels if needed or data.classes is not None else None
    images = normalize_images(data.images, sweep.mean, sweep.std)
    if sweep.calibration is None:
        return images, labels, None
    return images, labels, normalize_images(load_data(sweep.calibration, "train").images, sweep.mean, sweep.std)


def _describe_common(sweep: Sweep, workload: Workload) -> dict[str, Any]:
    arrays = (workload.images, workload.labels, workload.calibration)
    plugins, measured = _select_plugins(sweep, workload.hardware), find_output_metrics(sweep.chosen_metrics)
    return {
        **({"plugins": plugins} if plugins else {}),
        **({"executor": workload.runner} if workload.executor != "own" else {}),
        **({"outputs": [workload.metric, *measured]} if measured else {}),
        **({"target": workload.target} if workload.target else {}),
        "version": __version__,
        "seed": sweep.seed,
        "trials": sweep.trials if sweep.data is not None else 1,
        "data": None if sweep.data is None else hash_arrays(arrays),
        "layers": {glob: dict(changes) for glob, changes in sweep.layers.items()},
    }


def _check_axes(rows: list[dict[str, Any]], workload: Workload) -> None:
    """Refuse keys that do not exist and values that no point can take.

    A value that breaks a rule alone may keep it together with another axis's value; it is refused only where every
    point that has it breaks a rule.
    """
    for key in rows[0]:
        glob, _ = split_key(key)
        if glob is not None:
            _check_glob(glob, workload.networks.values(), f"axes.{key}")
        values = {repr(row[key]): row[key] for row in rows}
        for record in workload.hardware.values():
            for shown, value in values.items():
                error = _try(record, {key: value})
                if error is None:
                    continue
                holders = (row for row in rows if repr(row[key]) == shown)
                if all(_try(record, row) is not None for row in holders):
                    raise ConfigError(f"axes.{key}: {error}")


def _check_doubts(rows: list[dict[str, Any]], workload: Workload) -> None:
    """Refuse points that cannot be meant, and warn once of a key that is doubted, before anything is simulated."""
    chosen = {int(place) for place in np.linspace(0, len(rows) - 1, min(len(rows), DOUBTED_POINTS))}
    told: set[str] = set()
    for record in workload.hardware.values():
        for place in sorted(chosen):
            changes, layers = split_settings(rows[place])
            for more in ({}, *layers.values()):
                try:
                    found = find_doubts(Facts(hardware=record.override({**changes, **more})))
                except ConfigError:  # told of where the point is run
                    continue
                for doubt in found:
                    key = doubt.text.partition(":")[0]
                    if doubt.certain:
                        raise ConfigError(f"sweep: point {place + 1}: {doubt.text}")
                    if key not in told:
                        warnings.warn(f"sweep: point {place + 1}: {doubt.text}", PlausibilityWarning, stacklevel=3)
                    told.add(key)


def _check_layers(rows: list[dict[str, Any]], workload: Workload) -> None:
    """Refuse keys and values of ``layers`` that no point can take."""
    for glob, changes in workload.layers.items():
        fixed = {f"{glob}:{key}": value for key, value in changes.items()}
        for record in workload.hardware.values():
            error = _try(record, fixed)
            if error is not None and all(_try(record, {**fixed, **row}) is not None for row in rows):
                raise ConfigError(f"layers.{glob}: {error}")


def _try(record: Hardware, settings: Mapping[str, Any]) -> ConfigError | None:
    changes, layers = split_settings(settings)
    try:
        record = record.override(changes)
        for by_layer in layers.values():
            record.override(by_layer)
    except ConfigError as error:
        return error
    return None


def _check_glob(glob: str, networks: Iterable[Network], where: str) -> None:
    for network in networks:
        names = [layer.name for layer in network.layers]
        match_names(glob, names, f"{where}: {glob!r}", f"layer of network {network.name}")


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
