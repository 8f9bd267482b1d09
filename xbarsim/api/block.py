"""One block of images on every version of a network, in this process or in a worker.

A worker loads saved chips, whose arrays are mapped into memory and shared with the other processes of its machine. On
a machine that does not see the folder it writes what it was sent to one of its own, or programs the chips anew from
the keys of their random streams.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xbarsim.api.chip import Programmed, load_chip
from xbarsim.api.prepare import Job
from xbarsim.api.programming import program_job
from xbarsim.inference.simulate import run_machines
from xbarsim.network import FloatRun, Network, QuantizedNetwork, find_executor, run_integer
from xbarsim.target import compare_target, describe_target

FACTORY = f"{__name__}:BlockRunner"
"""Makes the function of blocks from work and threads, as ``module:name``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Remake:
    """What a worker programs chips from."""

    job: Job
    """The mapped network."""
    quantized: QuantizedNetwork
    """The network in integers."""
    known: np.ndarray
    """(images, *input_shape) calibration images."""
    trials: tuple[int, ...]
    """Numbers of the chips."""
    seed: int
    """Seed of their random streams."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockWork:
    """What all blocks share; sent once to every worker. Exactly one of the last three fields is given."""

    origin: Network | None
    """The float network; None where it is that of the chips."""
    executor: str
    """What runs it."""
    plugins: tuple[str, ...]
    """Classes of users that workers need, as ``kind:name``."""
    target: str
    """What the simulation was planned for."""
    folders: tuple[str, ...] = ()
    """Folders of the chips, on this machine."""
    files: tuple[Mapping[str, bytes], ...] = ()
    """Name -> content of the files of each chip."""
    recipe: Remake | None = None
    """What chips are programmed from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockTask:
    """Images to be computed."""

    key: str
    """Name of the block."""
    first_image: int
    """Index of its first image in the data."""
    images: np.ndarray
    """(images, *input_shape) float32."""
    group: tuple[int] = (0,)
    """All blocks share everything."""
    family: int = 0
    """All blocks share everything."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockOutputs:
    """Results of one block."""

    values: np.ndarray
    """(2 + chips, images, *output_shape) outputs: float network, integer network, chips; float32."""
    seconds: float
    """Time on the hardware, mean over chips [s]."""


class BlockRunner:
    """Computes blocks; a call changes nothing.

    Parameters
    ----------
    work : BlockWork
        Chips and float network.
    threads : int
        Threads; they do not change results.
    """

    def __init__(self, work: BlockWork, threads: int = 1) -> None:
        if work.recipe is not None:
            chips = [_remake(work.recipe, trial, threads) for trial in work.recipe.trials]
        else:
            chips = [load_chip(folder, verify=False).programmed for folder in work.folders or _unpack(work.files)]
        self._set(tuple(chips), work.origin, work.executor, threads)
        self._planned = work.target

    @classmethod
    def of(cls, chips: tuple[Programmed, ...], origin: Network | None, executor: str, threads: int) -> BlockRunner:
        """Return a runner for chips of this process."""
        made = cls.__new__(cls)
        made._set(chips, origin, executor, threads)
        return made

    def __call__(self, task: BlockTask) -> BlockOutputs:
        """Return the outputs of a block."""
        compare_target(self._planned)
        x, first = task.images, self._chips[0]
        network = first.quantized.network
        values = np.empty((2 + len(self._chips), len(x), *network.output_shape), np.float32)
        values[0] = find_executor(self._executor).run(self._origin or network, x, FloatRun(threads=self._threads))
        values[1] = run_integer(first.quantized, x, threads=self._threads)
        started = time.perf_counter()
        for chip, outputs in zip(self._chips, values[2:], strict=True):
            run_machines(
                network, chip.machines, x, outputs, first_image=task.first_image, threads=self._threads
            )  # fmt: skip
        return BlockOutputs(values=values, seconds=(time.perf_counter() - started) / len(self._chips))

    def _set(self, chips: tuple[Programmed, ...], origin: Network | None, executor: str, threads: int) -> None:
        self._chips, self._origin, self._executor, self._threads = chips, origin, executor, threads
        self._planned = describe_target()


def _remake(recipe: Remake, trial: int, threads: int) -> Programmed:
    return program_job(
        recipe.job, recipe.known, trial=trial, seed=recipe.seed, threads=threads, quantized=recipe.quantized
    )


def _unpack(files: tuple[Mapping[str, bytes], ...]) -> list[str]:
    """Write the files of chips to a folder of this process, which is removed when it ends."""
    root = Path(tempfile.mkdtemp(prefix="xbarsim-chips-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folders = []
    for number, content in enumerate(files):
        folder = root / str(number)
        folder.mkdir()
        for name, part in content.items():
            (folder / name).write_bytes(part)
        folders.append(str(folder))
    return folders


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a saved chip by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
