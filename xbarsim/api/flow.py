"""Simulation of a stream: block by block, in this process, in several, or on a cluster.

All chips are programmed before the first block, so that a stream is read once: every block passes through the float
network, the integer network and all chips. A block depends on its own images and their index alone, so that the bits
are those of one process, wherever blocks are computed, in whatever order and however often.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import __version__, config
from xbarsim.api.block import FACTORY, BlockOutputs, BlockRunner, BlockTask, BlockWork, Remake, read_files
from xbarsim.api.chip import Chip, Programmed, load_chip
from xbarsim.api.kept import BlockFolder, KeptOutputs
from xbarsim.api.prepare import CALIBRATION_IMAGES, AnswerWatch, Job, Progress, check_size
from xbarsim.api.programming import program_job
from xbarsim.api.result import Found, check_truth
from xbarsim.data import ImageBlock, Stream, prefetch
from xbarsim.data.plausible import Facts, check_plausible
from xbarsim.errors import ConfigError, ModelRangeWarning, ShapeError, SolverError
from xbarsim.fleet import StreamQueue, TaskResult, connect, run_dask, run_local
from xbarsim.inference import LayerError
from xbarsim.network import Network, QuantizedNetwork
from xbarsim.network.execute import available_cores, block_size, check_images
from xbarsim.plugin import select_plugins
from xbarsim.report import Seconds
from xbarsim.report.judge import USUAL_METRIC, Judge
from xbarsim.store import hash_arrays
from xbarsim.target import describe_target

if TYPE_CHECKING:
    from distributed import Client

BLOCK_BYTES = 1 << 26
"""Images of a block in float32, at most [bytes]."""
TASKS = 4
"""Blocks of a worker, at least, where the number of images is known."""
AHEAD = 2
"""Blocks handed to a cluster for each of its threads."""
LINK_BYTES_PER_S = 1e8
"""Speed at which a cluster is assumed to send chips; a chip is programmed anew where that takes less time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowOptions:
    """Settings of a run that do not change results, but for ``trials`` and ``seed``."""

    trials: int
    seed: int
    batch_size: int | None
    threads: int | None
    workers: int | None
    cluster: str | Client | None
    checkpoint: str | Path | None
    progress: Progress | None

    @property
    def is_spread(self) -> bool:
        """Whether blocks are computed by other processes."""
        return self.workers is not None or self.cluster is not None


@dataclass(kw_only=True, eq=False)
class _Labels:
    """Labels of a stream, given apart or collected while it is read, checked block by block."""

    judge: Judge
    job: Job
    apart: np.ndarray | None
    parts: list[np.ndarray] = field(default_factory=list)

    def add(self, first: int, block: ImageBlock) -> np.ndarray | None:
        """Return the labels of a block as the metric takes them; None where there are none."""
        if self.apart is not None:
            return self.apart[first : first + len(block.images)]
        if block.labels is None:
            return None
        self.parts.append(block.labels)
        return check_truth(self.judge, block.labels, len(block.images), self.job, part=True)

    def join(self, images: int) -> np.ndarray | None:
        if self.apart is not None:
            return self.apart
        return check_truth(self.judge, np.concatenate(self.parts) if self.parts else None, images, self.job)


def run_stream(
    job: Job,
    stream: Stream,
    labels: ArrayLike | None,
    calibration: ArrayLike | None,
    origin: Network | None,
    judge: Judge,
    options: FlowOptions,
) -> tuple[Found, dict[str, Any]]:
    """Run a stream through the float network, the integer network and every chip.

    Parameters
    ----------
    job : Job
        The network on its hardware.
    stream : Stream
        Images, with labels or without.
    labels : array_like, (images, ...), or None
        Labels that are given apart.
    calibration : array_like, (images, *input_shape), or None
        Calibration images; the first of the stream if left out.
    origin : Network or None
        The float network, where it is not that of the job.
    judge : Judge
        The metric that labels are checked by.
    options : FlowOptions
        Trials, seed, processes.

    Returns
    -------
    tuple of Found and dict
        Outputs, and settings for the provenance.
    """
    truth = None
    if labels is not None:
        if stream.count is None:
            raise ConfigError("labels: the number of images is not known; give labels with the images of each block")
        truth = check_truth(judge, labels, stream.count, job)
    check_size(job.plan, 0)
    size = options.batch_size or _choose_size(job.network, stream.count, options)
    blocks = prefetch(stream.blocks(job.network.input_shape, size))
    with contextlib.closing(blocks):
        known, first, rest = _choose_calibration(job, blocks, calibration)
        check_plausible(Facts(images=first, calibration=None if calibration is None else known, hardware=job.hardware))
        quantized = job.quantize(known, options.threads)
        collected = _Labels(judge=judge, job=job, apart=truth)
        flow = _Flow(job, quantized, known, origin, options)
        values, errors, seconds = flow.run(rest, collected, stream.count)
    runs, hardware = len(values) - 2, values[2:]
    if runs < options.trials:
        hardware = np.broadcast_to(hardware, (options.trials, *hardware.shape[1:]))
    found = Found(
        reference=values[0],
        quantized=values[1],
        hardware=hardware,
        labels=collected.join(values.shape[1]),
        runs=runs,
        errors=errors,
        seconds=seconds,
    )
    return found, {"calibration_images": len(known), "scale_images": quantized.scale_images}


class _Flow:
    """One run of a stream."""

    def __init__(
        self, job: Job, quantized: QuantizedNetwork, known: np.ndarray, origin: Network | None, options: FlowOptions
    ) -> None:
        self._job, self._quantized, self._known, self._origin = job, quantized, known, origin
        self._options = options
        is_random = any(layer.hardware.is_random for layer in job.plan.layers)
        self._runs = options.trials if is_random else 1
        self._kept = KeptOutputs()
        self._sent: dict[str, tuple[BlockTask, str]] = {}  # blocks that are computed, with the hashes of their images
        self._chips: tuple[Programmed, ...] = ()
        self._watch = AnswerWatch(job, options.threads)
        self._images = 0
        self._run_s = 0.0

    def run(
        self, blocks: Iterator[ImageBlock], labels: _Labels, count: int | None
    ) -> tuple[np.ndarray, tuple[LayerError, ...], Seconds]:
        """Program the chips and pass all blocks through them; return outputs, errors of layers and times."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._kept.close)
            checkpoint, place = None, None
            if self._options.checkpoint is not None:
                checkpoint = stack.enter_context(BlockFolder(self._options.checkpoint, self._describe()))
                place = checkpoint.folder
            elif self._options.is_spread:
                place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xbarsim-chips-")))
            started = time.perf_counter()
            self._chips = tuple(self._program(place))
            setup_s = (time.perf_counter() - started) / self._runs
            errors = tuple(LayerError.mean(parts) for parts in zip(*(chip.errors for chip in self._chips)))
            check_plausible(Facts(layers=errors))
            tasks = self._make_tasks(blocks, labels, checkpoint)
            results = stack.enter_context(contextlib.closing(self._compute(stack, tasks, place, setup_s)))
            for result in results:
                self._take(result, checkpoint)
                if self._options.progress is not None:
                    self._options.progress("images", self._images, max(count or 0, self._images))
            self._watch.finish()
            values = self._kept.join()
        return values, errors, Seconds(setup=setup_s, run=self._run_s)

    def _describe(self) -> dict[str, Any]:
        """Return what outputs depend on beside the images, for a checkpoint."""
        origin = self._origin or self._job.network
        layers = [config.hash_hardware(layer.hardware) for layer in self._job.plan.layers]
        return {
            "version": __version__, "network": self._job.network.hash, "reference": origin.hash,
            "hardware": hashlib.sha256(repr(layers).encode()).hexdigest()[:16],
            "bits": hashlib.sha256(repr(self._job.key).encode()).hexdigest()[:16], "chips": self._runs,
            "seed": self._options.seed, "calibration": hash_arrays([self._known]), "target": describe_target(),
        }  # fmt: skip

    def _program(self, place: Path | None) -> list[Programmed]:
        chips = []
        for trial in range(self._runs):
            folder = None if place is None else place / f"chip-{trial}"
            if folder is not None and folder.exists():
                with contextlib.suppress(ConfigError):  # a damaged one is programmed anew
                    chips.append(load_chip(folder).programmed)
                    continue
            chip = program_job(
                self._job, self._known, trial=trial, seed=self._options.seed, threads=self._options.threads,
                quantized=self._quantized, progress=_name_trial(self._options.progress, trial, self._runs),
            )  # fmt: skip
            if folder is not None:
                Chip(chip).save(folder)
                chip = load_chip(folder, verify=False).programmed  # mapped into memory, so that processes share it
            chips.append(chip)
        return chips

    def _make_tasks(
        self, blocks: Iterator[ImageBlock], labels: _Labels, checkpoint: BlockFolder | None
    ) -> Iterator[BlockTask]:
        """Yield the blocks that are to be computed; take the others from the checkpoint."""
        first = 0
        for block in blocks:
            x = check_images(self._job.network, block.images)
            truth = labels.add(first, block)
            done = None if checkpoint is None else checkpoint.find(first, x)
            if done is not None:
                self._kept.refer(first, done)
                self._images += len(x)
            else:
                task = BlockTask(key=f"images-{first}", first_image=first, images=x)
                if labels.judge.name == USUAL_METRIC:
                    self._watch.note_images(first, x, truth)
                self._sent[task.key] = task, "" if checkpoint is None else hash_arrays([x])
                yield task
            first += len(x)

    def _compute(
        self,
        stack: contextlib.ExitStack,
        tasks: Iterator[BlockTask],
        place: Path | None,
        setup_s: float,
    ) -> Generator[TaskResult, None, None]:
        options = self._options
        if not options.is_spread:
            threads = options.threads or available_cores()
            runner = BlockRunner.of(self._chips, self._origin, self._job.executor, threads)
            for task in tasks:
                yield TaskResult(key=task.key, value=runner(task))
            return
        assert place is not None
        folders = [place / f"chip-{trial}" for trial in range(self._runs)]
        plugins = tuple(select_plugins(*(layer.hardware for layer in self._job.plan.layers)))
        work = BlockWork(
            origin=self._origin,
            executor=self._job.executor,
            plugins=plugins,
            folders=tuple(map(str, folders)),
            target=describe_target(),
        )
        queue = StreamQueue(tasks)
        if options.cluster is None:
            yield from run_local(queue, work, factory=FACTORY, workers=options.workers)
            return
        client = options.cluster
        if isinstance(client, str):
            client = stack.enter_context(connect(client))
        sent = self._pack(work, folders, setup_s)
        yield from run_dask(queue, sent, client=client, factory=FACTORY, ahead=AHEAD)

    def _pack(self, work: BlockWork, folders: list[Path], setup_s: float) -> BlockWork:
        """Return work for machines that do not see our folders: the files of chips, or what they are made from."""
        size = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
        if size / LINK_BYTES_PER_S <= setup_s * self._runs:
            return replace(work, folders=(), files=tuple(map(read_files, folders)))
        remake = Remake(
            job=self._job, quantized=self._quantized, known=self._known, trials=tuple(range(self._runs)),
            seed=self._options.seed,
        )  # fmt: skip
        return replace(work, folders=(), recipe=remake)

    def _take(self, result: TaskResult, checkpoint: BlockFolder | None) -> None:
        """Keep the outputs of a block."""
        task, images = self._sent.pop(result.key)
        for text in result.warnings:
            warnings.warn(text, ModelRangeWarning, stacklevel=4)
        if result.error is not None:
            last = task.first_image + len(task.images) - 1
            raise SolverError(f"images {task.first_image} to {last}: {result.error}")
        outputs: BlockOutputs = result.value
        self._watch.note_outputs(task.first_image, outputs.values[0])
        self._images += len(task.images)
        self._run_s += outputs.seconds
        if checkpoint is None:
            self._kept.put(task.first_image, outputs.values)
        else:
            self._kept.refer(task.first_image, checkpoint.keep(task.first_image, images, outputs.values))


def _choose_size(network: Network, count: int | None, options: FlowOptions) -> int:
    """Return the images of a block: several inner blocks for every thread, or blocks enough for every worker."""
    floats = int(np.prod(network.input_shape))
    most = max(1, BLOCK_BYTES // (4 * floats))
    inner = block_size(network, BLOCK_BYTES // 4)
    if not options.is_spread:
        return min(most, TASKS * inner * (options.threads or available_cores()))
    size = min(most, inner)
    if count is not None and options.workers is not None:
        size = min(size, -(-count // (TASKS * options.workers)))
    return max(1, size)


def _choose_calibration(
    job: Job, blocks: Iterator[ImageBlock], calibration: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, Iterator[ImageBlock]]:
    """Return calibration images, the first images, and all blocks: those that were read and the others."""
    read: list[ImageBlock] = []
    for block in blocks:
        read.append(block)
        if calibration is not None or sum(len(each.images) for each in read) >= CALIBRATION_IMAGES:
            break
    if not read:
        raise ShapeError("images: none given; an iterator that was read before gives none")
    first = check_images(job.network, np.concatenate([each.images for each in read]))
    known = job.choose_calibration(first if calibration is None else None, calibration)
    assert known is not None
    return known, first, chain(read, blocks)


def _name_trial(progress: Progress | None, trial: int, runs: int) -> Progress | None:
    if progress is None or runs == 1:
        return progress
    return lambda stage, done, total: progress(f"{stage} (trial {trial + 1} of {runs})", done, total)
