"""Reuse of programmed arrays between runs that differ only in their converters.

Programming and solving arrays depends on weights, device, wires and seed, not on the resolution of the ADC. A sweep
over converters would solve the same circuits repeatedly; within :func:`keep_arrays` they are solved once. Arrays are
identified by a hash of all their inputs, so results do not change.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.config.encoding import EncodedWeights
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.layout import ColumnLayout
from xbarsim.mvm.probe import Probes
from xbarsim.mvm.program import ProgrammedMatrix, program_arrays

_NOT_PROGRAMMED = {"name", "description", "sources", "components", "activity", "timing", "chip", "epitome", "adc"}


class KeptArrays:
    """Programmed arrays, the least recently used ones dropped beyond a limit.

    Parameters
    ----------
    limit_bytes : int
        Memory that may be held.
    """

    def __init__(self, limit_bytes: int = 1 << 29) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._kept: OrderedDict[str, ProgrammedMatrix] = OrderedDict()

    def find(self, key: str) -> ProgrammedMatrix | None:
        """Return what is kept under a key, None where nothing is."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, programmed: ProgrammedMatrix) -> None:
        """Keep a matrix; others go where it needs their room, and one that is larger than the limit is not kept."""
        size = _count_bytes(programmed)
        if size > self._limit_bytes:
            return
        self._kept[key] = programmed
        self._held_bytes += size
        while self._held_bytes > self._limit_bytes:
            self._held_bytes -= _count_bytes(self._kept.popitem(last=False)[1])


_active: ContextVar[KeptArrays | None] = ContextVar("xbarsim_kept_arrays", default=None)


@contextmanager
def keep_arrays(kept: KeptArrays) -> Iterator[None]:
    """Look for programmed arrays in ``kept``, and leave new ones there, within a ``with`` statement."""
    token = _active.set(kept)
    try:
        yield
    finally:
        _active.reset(token)


def recall_arrays(
    encoded: EncodedWeights,
    layout: ColumnLayout,
    row_starts: NDArray[np.int64],
    hardware: Hardware,
    groups: ReadGroups,
    *,
    seed: int,
    trial: int,
    layer: str,
    probes: Probes | None,
    keeps_samples: bool = True,
    threads: int | None = None,
) -> ProgrammedMatrix:
    """Program every array of a layer as :func:`~xbarsim.mvm.program.program_arrays` does, or find it programmed.

    Parameters
    ----------
    row_starts : ndarray of int, (row blocks + 1,)
        First row of every row block, and K.
    encoded, layout, hardware, groups, seed, trial, layer, probes, keeps_samples, threads
        As there.

    Returns
    -------
    ProgrammedMatrix
        Effective matrix in level units.
    """
    kept = _active.get()
    # files of measurements may change under their names, and arrays to be solved are too large to keep
    if kept is None or hardware.device.files or hardware.response == "exact":
        return program_arrays(
            encoded, layout, row_starts, hardware, groups, seed=seed, trial=trial, layer=layer, probes=probes,
            keeps_samples=keeps_samples, threads=threads,
        )  # fmt: skip
    device: Any = hardware.model_dump_json(exclude=_NOT_PROGRAMMED)
    sensed = (hardware.adc.subtract, hardware.adc.off_current)
    turns = (groups.count, groups.of_row.tolist(), groups.of_output.tolist())
    about = (device, sensed, seed, trial, layer, encoded.digits.shape, row_starts.tolist(), turns, keeps_samples)
    digest = hashlib.sha256(repr(about).encode())
    digest.update(np.ascontiguousarray(encoded.digits).data)
    if probes is not None:
        for part in (probes.fitted, probes.refined, probes.kept_back, probes.drive):
            for each in part:
                digest.update(repr(each.shape).encode() + np.ascontiguousarray(each).data)
    key = digest.hexdigest()
    programmed = kept.find(key)
    if programmed is None:
        programmed = program_arrays(
            encoded, layout, row_starts, hardware, groups, seed=seed, trial=trial, layer=layer, probes=probes,
            keeps_samples=keeps_samples, threads=threads,
        )  # fmt: skip
        kept.keep(key, programmed)
    return programmed


def _count_bytes(programmed: ProgrammedMatrix) -> int:
    held: list[Any] = [programmed, programmed.power]
    held += [] if programmed.bend is None else [programmed.bend]
    samples = sum(pair.g.nbytes for pair in programmed.power.kept)
    return samples + sum(
        value.nbytes for each in held for value in vars(each).values() if isinstance(value, np.ndarray)
    )
