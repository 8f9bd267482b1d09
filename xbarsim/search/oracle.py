"""A cost oracle for searches: the cost of layers, networks and choices, with a cache.

Results are those of the simulator, kept in memory and on disk under a hash of code, hardware, network and choice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import api, config
from xbarsim.cost import Cost, price_layer
from xbarsim.cost.layer import LayerContext, check_shape
from xbarsim.inference import Accuracy
from xbarsim.network import Network
from xbarsim.network.execute import read_array
from xbarsim.notebook import Face, Shown
from xbarsim.plugin import hash_plugins, select_plugins
from xbarsim.report import Report
from xbarsim.report.catalogue import measure_outputs
from xbarsim.report.outputs import METRICS
from xbarsim.search.cache import fingerprint_code, open_cache
from xbarsim.search.choice import check_choice, count_records, hash_array, refuse_value, write_choices
from xbarsim.search.design import Choice, Design, apply_choices, choose_shape, has_accuracy, load_backbone
from xbarsim.search.record import decode_accuracy, decode_cost, encode_accuracy, encode_cost
from xbarsim.target import describe_target

AnswerT = TypeVar("AnswerT", Cost, Accuracy, float, str)


class CostOracle(Shown):
    """Costs and accuracies on one hardware, with a cache.

    Parameters
    ----------
    hardware : Hardware, str or Path
        A record, a shipped name or a path.
    cache : str, Path or None
        Folder of the cache on disk; ``"auto"`` is the cache folder of the user (``XBARSIM_CACHE``, or
        ``~/.cache/xbarsim``); None caches in memory only. Any number of processes may share a folder.
    memory : int
        Number of records kept in memory, beyond which the oldest results are removed: a result of a network counts
        one for each of its layers, operations and ends.

    Raises
    ------
    ConfigError
        If the hardware is wrong, or a folder that was named cannot be written.
    """

    def __init__(
        self, hardware: config.Hardware | str | Path, cache: str | Path | None = "auto", *, memory: int = 100_000
    ) -> None:
        self.hardware = api.load_hardware(hardware)
        self.hash = config.hash_hardware(self.hardware)
        self._base = (fingerprint_code(), self.hash)
        self._disk = open_cache(cache)
        self._memory: dict[Hashable, Any] = {}
        self._limit, self._held = max(1, memory), 0
        self._last: dict[str, Report] = {}

    def _show(self) -> Face:
        return Face(title=f"CostOracle on {self.hardware.name}", text=f"{len(self._memory):,} answers in memory")

    def layer(
        self,
        kind: str,
        shape: Mapping[str, Any],
        choice: Choice | None = None,
        *,
        signed: bool = False,
        activations: int = 0,
        replicas: int | None = None,
        producers_s: float = 0.0,
    ) -> Cost:
        """Return the cost of one layer: its actions, and the share of its arrays in tile area; without I/O.

        Parameters
        ----------
        kind : str
            ``conv2d`` or ``linear``.
        shape : mapping
            ``in_channels``, ``out_channels``, ``kernel``, ``stride`` (1), ``padding`` (0), ``dilation`` (1), ``groups``
            (1), and ``height`` and ``width`` of the input; or ``in_features``, ``out_features``, ``vectors`` (1).
        choice : mapping, optional
            Dotted key -> value for this layer, as ``{"crossbar.rows": 64, "crossbar.cols": 64}``, or an axis of search
            spaces: ``array``, ``kernel`` (padded so that the output keeps its size), ``width``, ``epitome``.
        signed : bool
            Whether inputs can be negative. :func:`~xbarsim.network.reshape.describe_context` finds this and
            ``activations`` of a layer in a network.
        activations : int
            Activation functions that every output passes.
        replicas : int, optional
            Replicas; as the choice or the hardware says if left out, else 1.
        producers_s : float
            Time in which producers deliver all inputs; 0: inputs lie in the buffer from the start [s].

        Returns
        -------
        Cost
            Energy [J], delay [s], area [m2] and other figures.

        Raises
        ------
        ConfigError
            If the kind, a key or a value is wrong.
        """
        key: Hashable
        try:
            around = (signed, activations, replicas, producers_s)
            given = shape.items(), choice.items() if choice else (), enumerate(around)
            # 1, 1.0 and true are one key of a dictionary, but not all of them are right
            key = (kind, *(frozenset((name, value, type(value)) for name, value in part) for part in given))
            found: Cost | None = self._memory.get(key)
            if found is not None:
                return found
        except (TypeError, AttributeError):
            key = None
        context = LayerContext(signed=signed, activations=activations, replicas=replicas, producers_s=producers_s)
        wanted = choose_shape(kind, check_shape(kind, shape), check_choice(choice))
        name = self._name(
            "layer", kind, wanted.shape, wanted.choice, vars(context), vars(wanted.epitome) if wanted.epitome else None
        )
        answer = self._find(
            name, encode_cost, decode_cost,
            lambda: price_layer(
                kind, wanted.shape, self.hardware, wanted.choice or None, epitome=wanted.epitome, context=context
            ),
        )  # fmt: skip
        if key is not None:
            self._keep(key, answer)
        return answer

    def cost(
        self,
        network: Network | str | Path,
        layers: Mapping[str, Choice] | None = None,
        *,
        weight_bits: int | None = None,
        activation_bits: int | None = None,
    ) -> Cost:
        """Return the cost of one inference of a network, as :func:`xbarsim.estimate` does.

        Parameters
        ----------
        network : Network, str or Path
            A network, or an argument of :func:`~xbarsim.network.load_network`.
        layers : mapping, optional
            Layer name or glob -> dotted key or axis of search spaces (``array``, ``kernel``, ``width``, ``epitome``,
            ``zero``) -> value.
        weight_bits, activation_bits : int, optional
            Bits of all layers, in place of the hardware's own.

        Returns
        -------
        Cost
            Total cost, with its parts by layer and by component.

        Raises
        ------
        ConfigError
            If an input is wrong.
        MappingError
            If the network does not fit where ``chip.count`` is a number.
        """
        backbone = load_backbone(network)
        bits = (weight_bits, activation_bits)
        # the later of two globs wins, so their order belongs to the key
        asked: Hashable = ("cost", backbone.hash, write_choices(layers), *bits, self._plugins(layers))
        found: Cost | None = self._memory.get(asked)
        if found is not None:
            return found
        design = self.design(backbone, layers)
        net, choices = design.network, design.layers

        def work() -> Cost:
            return api.find_cost(net, self.hardware, choices or None, *bits)

        if self._disk is None:
            found = work()
        else:
            name = self._name("cost", net.hash, list(choices.items()), *bits)
            found = self._find(name, encode_cost, decode_cost, work)
        self._keep(asked, found)
        return found

    def accuracy(
        self,
        network: Network | str | Path,
        images: ArrayLike,
        labels: ArrayLike,
        layers: Mapping[str, Choice] | None = None,
        *,
        calibration: ArrayLike | None = None,
        trials: int = 1,
        seed: int = 0,
        weight_bits: int | None = None,
        activation_bits: int | None = None,
        threads: int | None = None,
    ) -> Accuracy:
        """Return the accuracy of a trained network on this hardware, as :func:`xbarsim.simulate` does.

        Parameters
        ----------
        network : Network, str or Path
            With weights.
        images, labels : array_like
            Test images, normalised as the network expects, and their classes.
        layers : mapping, optional
            Layer name or glob -> dotted key -> value.
        calibration : array_like, optional
            Calibration images; the first 64 of ``images`` if left out.
        trials, seed : int
            Number of chips, and the seed of all random numbers.
        weight_bits, activation_bits : int, optional
            Bits of all layers, in place of the hardware's own.
        threads : int, optional
            Number of threads; does not change results.

        Returns
        -------
        Accuracy
            In float, in integers and on the hardware.

        Raises
        ------
        ConfigError, ShapeError
            If an input is wrong.
        SolverError
            If an array's circuit could not be solved.
        """
        key, run = self._prepare(
            network, images, labels, layers, calibration=calibration, trials=trials, seed=seed, threads=threads,
            weight_bits=weight_bits, activation_bits=activation_bits,
        )  # fmt: skip

        def measure() -> Accuracy:
            found = run().accuracy
            assert found is not None  # labels are given
            return found

        return self._find(self._name("accuracy", *key), encode_accuracy, decode_accuracy, measure)

    def measure(
        self,
        metric: str,
        network: Network | str | Path,
        images: ArrayLike,
        labels: ArrayLike,
        layers: Mapping[str, Choice] | None = None,
        *,
        calibration: ArrayLike | None = None,
        trials: int = 1,
        seed: int = 0,
    ) -> float:
        """Measure a metric of the outputs that a user registered.

        Parameters
        ----------
        metric : str
            Its name.
        network, images, labels, layers, calibration, trials, seed
            As in :meth:`accuracy`.

        Returns
        -------
        float
            Mean over the chips; NaN where it is not finite.

        Raises
        ------
        ConfigError, ShapeError
            If an input is wrong, or the metric returns no number.
        SolverError
            If an array's circuit could not be solved.
        """
        # one simulation serves accuracy and other metrics
        kind = {} if has_accuracy(network, labels) else {"metric": metric}
        key, run = self._prepare(
            network, images, labels, layers, calibration=calibration, trials=trials, seed=seed, **kind
        )

        def work() -> float:
            value = measure_outputs(metric, run().outputs, np.asarray(labels))
            return math.nan if value is None else value

        name = self._name("metric", metric, METRICS.fingerprint(metric), *key)
        return self._find(name, lambda value: repr(value).encode(), float, work)

    def _prepare(
        self,
        network: Network | str | Path,
        images: ArrayLike,
        labels: ArrayLike,
        layers: Mapping[str, Choice] | None,
        *,
        calibration: ArrayLike | None,
        **settings: Any,
    ) -> tuple[list[Any], Callable[[], Report]]:
        """Return what a simulation depends on, and a function that runs it unless it was the last one."""
        design = self.design(network, layers)
        net, choices = design.network, design.layers
        x, truth = read_array(images, "images"), np.asarray(labels)
        known = None if calibration is None else read_array(calibration, "calibration")
        data = [None if part is None else hash_array(part) for part in (x, truth, known)]
        plain = {key: value for key, value in settings.items() if key != "threads" and value is not None}
        key = [net.hash, list(choices.items()), data, plain, describe_target()]

        def run() -> Report:
            name = self._name("simulation", *key)
            if name not in self._last:
                self._last = {
                    name: api.simulate(
                        net, self.hardware, x, truth, calibration=known, layers=choices or None, **settings
                    )
                }
            return self._last[name]

        return key, run

    def design(self, network: Network | str | Path, layers: Mapping[str, Choice] | None = None) -> Design:
        """Apply choices to a network, without working out what it costs.

        Parameters
        ----------
        network, layers
            As in :meth:`cost`.

        Returns
        -------
        Design
            The network of the chosen shapes, hardware keys by layer, and the layers that were removed.

        Raises
        ------
        ConfigError
            If an input is wrong.
        """
        net = load_backbone(network)
        choices = {glob: check_choice(choice) for glob, choice in (layers or {}).items()}
        key = ("design", net.hash, write_choices(choices))
        found: Design | None = self._memory.get(key)
        if found is None:
            self._keep(key, found := apply_choices(net, choices))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process without the answers in memory."""
        return {**self.__dict__, "_memory": {}, "_held": 0, "_last": {}}

    def _plugins(self, content: Any) -> str:
        """Return a hash of the plug-ins that choices name; the hash of the hardware has its own."""
        return hash_plugins(select_plugins(content))

    def _name(self, *parts: Any) -> str:
        plugins = self._plugins(parts)
        text = json.dumps([*self._base, *parts, *([plugins] if plugins else [])], sort_keys=True, default=refuse_value)
        return hashlib.sha256(text.encode()).hexdigest()

    def _find(
        self,
        name: str,
        encode: Callable[[AnswerT], bytes],
        decode: Callable[[bytes], AnswerT],
        work: Callable[[], AnswerT],
    ) -> AnswerT:
        """Look an answer up in memory, then on disk, then work it out and keep it in both."""
        found: AnswerT | None = self._memory.get(name)
        if found is not None:
            return found
        text = None if self._disk is None else self._disk.get(name)
        answer: AnswerT | None = None
        if text is not None:
            try:
                answer = decode(text)
            except (ValueError, TypeError, KeyError):
                answer = None
        if answer is None:
            answer = work()
            if self._disk is not None:
                self._disk.put(name, encode(answer))
        self._keep(name, answer)
        return answer

    def _keep(self, key: Hashable, answer: Any) -> None:
        self._held += count_records(answer) - (count_records(self._memory[key]) if key in self._memory else 0)
        self._memory[key] = answer
        while self._held > self._limit and len(self._memory) > 1:
            for old in list(self._memory)[: max(1, len(self._memory) // 10)]:
                self._held -= count_records(self._memory.pop(old))
