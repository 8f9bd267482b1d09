"""Simulations of one network, one set of images and one hardware file with some causes enabled, or with a remedy.

Float and integer references and programmed arrays are kept between simulations, no set of causes is simulated twice,
and results may be kept in a folder (:mod:`~xbarsim.diagnosis.checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim import __version__, api, config
from xbarsim.diagnosis.cause import find_causes, is_random, switch_off
from xbarsim.diagnosis.checkpoint import Checkpoint, Kept
from xbarsim.diagnosis.score import Measure, Scores, describe_measure, score_images
from xbarsim.mapping import Plan, plan_network
from xbarsim.mvm.reuse import KeptArrays, keep_arrays
from xbarsim.names import match_names
from xbarsim.network import Network, QuantizedNetwork, hash_network, quantize_network, run_network
from xbarsim.report import Provenance, Report
from xbarsim.report.document import plain
from xbarsim.report.judge import Judge
from xbarsim.report.record import describe_record
from xbarsim.store import hash_arrays
from xbarsim.target import describe_target

COSTS = ("energy_joule", "area_m2", "delay_s")
"""What remedies are compared in beside what they give back: fields of the cost of an inference."""
Chosen = frozenset[str]
Layers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Inputs that are common to all simulations of an explanation."""

    network: Network
    hardware: api.RatedHardware
    """Hardware, with the bits of the whole network."""
    images: np.ndarray
    """(images, *input_shape), normalised."""
    labels: np.ndarray | None
    """(images, ...), as the metric takes them."""
    judge: Judge
    """The metric that points are points of."""
    calibration: np.ndarray | None
    """(images, *input_shape); None: the first of ``images``."""
    layers: Layers
    """Choices by layer."""
    trials: int
    """Chips."""
    seed: int
    threads: int | None
    checkpoint: Path | None
    """Folder of simulations that are kept; None keeps none."""

    @property
    def known(self) -> np.ndarray:
        """(images, *input_shape) images that scales are set from."""
        return self.images[: api.CALIBRATION_IMAGES] if self.calibration is None else self.calibration

    def plan(self) -> Plan:
        """Return the mapping of the network to the hardware."""
        return plan_network(self.network, self.hardware, layers=self.layers)

    def describe_layers(self, hardware: api.RatedHardware, layers: Layers) -> list[Any]:
        """Return what a simulation on other hardware depends on: choices, and the content of what each layer names."""
        plan = plan_network(self.network, hardware, layers=layers)
        return [list(layers.items()), [config.hash_hardware(layer.hardware) for layer in plan.layers]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulated:
    """What is used of one simulation."""

    outputs: np.ndarray
    """(chips, images, ...) raw outputs."""
    costs: Mapping[str, float]
    """Each of :data:`COSTS`."""
    snr_db: Mapping[str, float | None]
    """Layer -> power of its exact results over power of their error, mean over chips [dB]."""
    provenance: Provenance


@dataclass(kw_only=True, eq=False)
class Bench:
    """Simulations of one subject, each done once."""

    subject: Subject
    on_chip: Callable[[], None]
    """Called after every chip that was simulated."""
    plan: Plan
    reference: np.ndarray
    """(images, ...) outputs of the float network."""
    causes: tuple[str, ...]
    """Causes that are present."""
    checkpoint: Checkpoint
    """Simulations that are kept."""
    _shared: api.Shared
    _kept: KeptArrays = field(default_factory=KeptArrays)
    _found: dict[Chosen, Scores] = field(default_factory=dict)
    _plain: Simulated | None = None

    @classmethod
    def prepare(cls, subject: Subject, on_chip: Callable[[], None]) -> Bench:
        """Run the float network and find the causes."""
        plan, shared = subject.plan(), api.Shared()
        return cls(
            subject=subject,
            on_chip=on_chip,
            plan=plan,
            reference=shared.recall(
                ("float reference", hash_network(plan.network)),
                lambda: run_network(plan.network, subject.images, threads=subject.threads),
            ),
            causes=find_causes(layer.hardware for layer in plan.layers),
            checkpoint=Checkpoint(
                folder=subject.checkpoint,
                about=[
                    __version__,
                    describe_target(),
                    hash_network(plan.network),
                    hash_arrays([subject.images, subject.calibration]),
                    subject.seed,
                ],
            ),
            _shared=shared,
        )

    def quantize(self) -> QuantizedNetwork:
        """Return the network in integers."""
        network, hardware = self.plan.network, self.plan.hardware
        bits = {layer.name: layer.quantization for layer in self.plan.layers}
        quantized: QuantizedNetwork = self._shared.recall(
            ("quantized", hash_network(network), repr(bits)),
            lambda: quantize_network(
                network, self.subject.known, weight_bits=hardware.weight_bits,
                activation_bits=hardware.activation_bits, layers=bits,
            ),
        )  # fmt: skip
        return quantized

    @property
    def plain(self) -> Simulated:
        """Result on the unchanged hardware."""
        if self._plain is None:
            self._plain = self.run(self.subject.hardware, self.subject.layers, self.count_chips(frozenset(self.causes)))
        return self._plain

    def score(self, present: Chosen) -> Scores:
        """Return the scores of hardware with some of its causes; (1, images) where no chip differs from another."""
        if present not in self._found:
            if present == frozenset(self.causes):
                outputs = self.plain.outputs
            else:
                off = switch_off([name for name in self.causes if name not in present])
                layers = {layer.name: {**self._choices(layer.name), **off} for layer in self.plan.layers}
                outputs = self.run(self.subject.hardware, layers, self.count_chips(present)).outputs
            self._found[present] = self.rate(outputs)
        return self._found[present]

    def rate(self, outputs: np.ndarray | Mapping[str, np.ndarray]) -> Scores:
        """Score outputs (chips, images, ...), or several by name, of the first images one by one."""
        outputs = _join(outputs)
        count, labels = outputs.shape[1], self.subject.labels
        truth = None if labels is None else labels[:count]
        return score_images(outputs, self.reference[:count], truth, self.subject.judge, self.plan.network)

    def measure(self, name: str) -> Measure:
        """Return what a measure counts."""
        return describe_measure(name, self.subject.judge)

    def run(self, hardware: api.RatedHardware, layers: Layers, trials: int) -> Simulated:
        """Simulate the network on other hardware, arguments as in :func:`xbarsim.simulate`."""
        about = [hardware.name, hardware.overrides, self.subject.describe_layers(hardware, layers), trials]
        kept = self.checkpoint.find(about)
        if kept is None:
            report = self._simulate(hardware, layers, trials)
            record = {
                "costs": {name: getattr(report.cost, name) for name in COSTS},
                "snr_db": {error.name: error.snr_db for error in report.errors},
                "provenance": describe_record(report.provenance),
            }
            kept = Kept(outputs=_join(report.outputs), record=plain(record))
            self.checkpoint.keep(about, kept)
        else:
            for _ in range(trials):
                self.on_chip()
        made = Provenance(**kept.record["provenance"])
        return Simulated(
            outputs=kept.outputs, costs=kept.record["costs"], snr_db=kept.record["snr_db"], provenance=made
        )

    def _simulate(self, hardware: api.RatedHardware, layers: Layers, trials: int) -> Report:
        subject = self.subject

        def count(stage: str, done: int, total: int) -> None:
            if stage.startswith("images on hardware") and done == total:
                self.on_chip()

        with keep_arrays(self._kept):
            return api.simulate(
                subject.network, hardware, subject.images, calibration=subject.calibration, layers=layers,
                trials=trials, seed=subject.seed, threads=subject.threads, shared=self._shared, progress=count,
            )  # fmt: skip

    def count_chips(self, present: Chosen) -> int:
        """Return the chips to draw: one where nothing that is present is random."""
        return self.subject.trials if is_random(present) else 1

    def _choices(self, name: str) -> dict[str, Any]:
        """Return what was chosen for a layer, globs resolved."""
        names = [layer.name for layer in self.plan.layers]
        chosen: dict[str, Any] = {}
        for glob, changes in self.subject.layers.items():
            if name in match_names(glob, names, f"layers.{glob}"):
                chosen.update(changes)
        return chosen


def _join(outputs: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
    """Return outputs (chips, images, ...), several by name side by side."""
    if not isinstance(outputs, Mapping):
        return outputs
    return np.concatenate([values.reshape(*values.shape[:2], -1) for values in outputs.values()], axis=2)
