"""What precedes every run: arguments are loaded, the network is mapped and quantised, and provenance is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import __version__, config
from xbarsim.api.hardware import RatedHardware, load_hardware
from xbarsim.api.shared import Shared
from xbarsim.config.source import mark_source
from xbarsim.cost import describe_reads
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.device import load_levels
from xbarsim.errors import ConfigError
from xbarsim.limits import check_count, check_memory
from xbarsim.mapping import Plan
from xbarsim.network import FloatRun, Network, QuantizedNetwork, find_executor, load_network, quantize_network
from xbarsim.network.execute import check_images
from xbarsim.network.kinds.opaque import describe_opaque
from xbarsim.plugin import find_table, select_plugins
from xbarsim.report import Provenance
from xbarsim.timing import plan_pipeline

Layers = Mapping[str, Mapping[str, Any]]
Progress = Callable[[str, int, int], None]

WATCHED_IMAGES = 512
"""First images of a stream, whose labels are compared with the float network's answers."""
CALIBRATION_IMAGES = 64
"""Number of images for ADC ranges, and for activation scales where no calibration images are given."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A network with weights on hardware, mapped but not yet quantised."""

    plan: Plan
    """How layers are cut and where they lie."""
    hardware: RatedHardware
    """The hardware as given."""
    layers: Layers | None
    """Per-layer choices as given."""
    executor: str
    """Name of what runs the float network."""

    @property
    def network(self) -> Network:
        """The network that is run; layers may have been cut."""
        return self.plan.network

    @property
    def key(self) -> tuple[Any, ...]:
        """What the quantised network depends on beside the calibration images."""
        bits = {layer.name: layer.quantization for layer in self.plan.layers}
        return (self.network.hash, repr(bits), *self.ran)

    @property
    def ran(self) -> tuple[str, ...]:
        """What the float network was run by, where that is not the package itself."""
        return () if self.executor == "own" else (find_executor(self.executor).describe(),)

    def choose_calibration(self, images: np.ndarray | None, calibration: ArrayLike | None) -> np.ndarray | None:
        """Return the calibration images, (images, *input_shape) float32: those given, or the first of ``images``."""
        if calibration is not None:
            return check_images(self.network, calibration, "calibration")
        return None if images is None else images[:CALIBRATION_IMAGES]

    def quantize(self, known: np.ndarray | None, threads: int | None, keep: Shared | None = None) -> QuantizedNetwork:
        """Quantise the network on calibration images, (images, *input_shape), or recall it."""
        found: QuantizedNetwork = (keep or Shared()).recall(
            ("quantized", *self.key),
            lambda: quantize_network(
                self.network, known,
                weight_bits=self.plan.hardware.weight_bits, activation_bits=self.plan.hardware.activation_bits,
                layers={layer.name: layer.quantization for layer in self.plan.layers}, executor=self.executor,
                threads=threads,
            ),
        )  # fmt: skip
        return found


def prepare_job(
    network: Network | str | Path,
    hardware: config.Hardware | str | Path,
    *,
    layers: Layers | None,
    weight_bits: int | None,
    activation_bits: int | None,
    executor: str,
) -> Job:
    """Load and map a network with weights.

    Parameters
    ----------
    network, hardware, layers, weight_bits, activation_bits, executor
        As :func:`~xbarsim.api.run.simulate` takes them.

    Returns
    -------
    Job
        Ready to be quantised.

    Raises
    ------
    ConfigError, MappingError
        If an input is wrong, or the network does not fit.
    """
    find_executor(executor)
    net, record = load_network(network), load_hardware(hardware)
    net.require_weights()
    plan = plan_pipeline(net, record, layers=layers, weight_bits=weight_bits, activation_bits=activation_bits)
    products = [layer.name for layer in plan.layers if layer.is_product]
    if products:
        raise ConfigError(
            f"mapping.dynamic_products: {record.mapping.dynamic_products}: values of products on arrays, such as "
            f"{products[0]}, are not simulated, only their cost (estimate); choose digital to simulate"
        )
    for layer in plan.layers:  # files of measured levels are read before anything runs
        if layer.hardware.device.levels_file is not None:
            load_levels(layer.hardware.device)
    return Job(plan=plan, hardware=record, layers=layers, executor=executor)


def write_provenance(
    plan: Plan, hardware: RatedHardware, layers: Layers | None, seed: int, settings: Mapping[str, Any]
) -> Provenance:
    """Collect what a result was made from.

    Parameters
    ----------
    plan : Plan
        The mapped network.
    hardware : Hardware
        The record as given.
    layers : mapping or None
        Per-layer choices.
    seed : int
        Seed of all random numbers.
    settings : mapping
        Settings of the run.

    Returns
    -------
    Provenance
        With hashes, overrides, sources and plug-ins.
    """
    sources = {**hardware.sources, **{f"components.{k}": v.source for k, v in hardware.components.items()}}
    bits = {key: getattr(hardware, key) for key in ("weight_bits", "activation_bits")}
    given = {key: getattr(plan.hardware, key) for key, old in bits.items() if getattr(plan.hardware, key) != old}
    chosen = {f"layers.{glob}": dict(changes) for glob, changes in (layers or {}).items()}
    for key in (*given, *(key for changes in chosen.values() for key in changes)):
        sources = mark_source(sources, key, where="here", file=hardware.origin)
    return Provenance(
        version=__version__,
        hardware=hardware.name,
        hardware_hash=config.hash_hardware(plan.hardware),
        network=plan.network.name,
        network_hash=plan.network.hash,
        seed=seed,
        overrides=hardware.overrides | given | chosen,
        replaced=hardware.replaced | {key: bits[key] for key in given},
        settings={
            "weight_bits": plan.hardware.weight_bits,
            "activation_bits": plan.hardware.activation_bits,
            **settings,
            **describe_opaque(plan.network.nodes),
        },
        sources=sources,
        plugins=select_plugins(
            *(layer.hardware for layer in plan.layers), names=map("metric:{}".format, find_table("metric").added)
        ),
        record=plan.hardware.model_dump(mode="json", exclude={"description", "sources"}),
    )


def check_counts(**given: int | None) -> None:
    """Refuse counts that are not whole numbers of at least 1; None passes. ConfigError names the argument."""
    for name, value in given.items():
        check_count(name, value)


def check_answers(
    job: Job,
    images: np.ndarray,
    labels: np.ndarray,
    outputs: np.ndarray,
    threads: int | None,
    calibration: np.ndarray | None = None,
) -> None:
    """Warn of labels and images that do not fit a network whose float outputs are known.

    Parameters
    ----------
    job : Job
        The network and what runs it.
    images : ndarray of float32, (images, *input_shape)
        Test images.
    labels : ndarray of int64, (images,)
        Their classes.
    outputs : ndarray of float32, (images, classes)
        Outputs of the float network.
    threads : int or None
        Threads.
    calibration : ndarray of float32, (images, *input_shape), optional
        Calibration images that were given apart.
    """
    runner = find_executor(job.executor)

    def rerun(turned: np.ndarray) -> np.ndarray:
        return runner.run(job.network, turned, FloatRun(threads=threads))

    facts = Facts(images=images, labels=labels, outputs=outputs, rerun=rerun)
    check_plausible(facts)
    if calibration is not None:
        check_plausible(Facts(calibration=calibration, labels=labels, outputs=outputs, rerun=rerun))


class AnswerWatch:
    """Checks the first images of a stream as soon as their float outputs are known (:func:`check_answers`).

    Parameters
    ----------
    job : Job
        The network and what runs it.
    threads : int or None
        Threads.
    """

    def __init__(self, job: Job, threads: int | None) -> None:
        self._job, self._threads = job, threads
        self._waiting: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._known: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._read = 0

    def note_images(self, first: int, images: np.ndarray, labels: np.ndarray | None) -> None:
        """Note a block whose outputs will follow: index of its first image, images (n, ...), classes (n,)."""
        if labels is not None and first < WATCHED_IMAGES:
            left = WATCHED_IMAGES - first
            self._waiting[first] = images[:left], labels[:left]
        self._read = max(self._read, first + len(images))

    def note_outputs(self, first: int, outputs: np.ndarray) -> None:
        """Note the float outputs (n, ...) of a block, and warn where the first blocks are known."""
        if first in self._waiting:
            images, labels = self._waiting.pop(first)
            self._known[first] = images, labels, outputs[: len(images)].copy()
            if not self._waiting and self._read >= WATCHED_IMAGES:
                self.finish()

    def finish(self) -> None:
        """Warn of what the blocks that are known show, once."""
        if self._known:
            parts = [self._known[first] for first in sorted(self._known)]
            self._known = {}
            images, labels, outputs = (np.concatenate(part) for part in zip(*parts))
            check_answers(self._job, images, labels, outputs, self._threads)


def check_size(plan: Plan, passes: int) -> None:
    """Refuse more cells and outputs than this machine has memory for, before anything is programmed."""
    sizes = ((layer.replica_arrays, layer.hardware.crossbar) for layer in plan.layers)
    cells = sum(arrays * crossbar.rows * crossbar.cols for arrays, crossbar in sizes)
    check_memory(
        4 * (cells + passes * math.prod(plan.network.output_shape)), f"network {plan.network.name}",
        "use fewer trials, images or layers, or arrays with fewer unused cells",
    )  # fmt: skip


def describe_array_reads(hardware: config.Hardware, images: int | None = None) -> dict[str, str]:
    """Return where the energy of array reads comes from, as a setting of the provenance; nothing where it is a number.

    ``images`` counts those on which it was measured.
    """
    found = describe_reads(hardware, images)
    return {} if found is None else {"array_energy": found}
