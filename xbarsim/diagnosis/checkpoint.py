"""Simulations of an explanation, kept in a folder, so that one that was killed goes on where it was.

A file holds what one simulation left. Its name is a hash of everything that can change that: network, images,
calibration, hardware, choices by layer, chips, seed and version. So several explanations may share a folder, and what
comes out of it is what would be computed anew, to the last bit.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.store import make_folder, write_file


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What one simulation left."""

    outputs: NDArray[np.float32]
    """Raw outputs; axes as the simulation gives them."""
    record: Mapping[str, Any]
    """Whatever else it left, as JSON can say it."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder of simulations, or none."""

    folder: Path | None
    """None keeps nothing."""
    about: Any
    """What all simulations share, as JSON can say it."""

    def find(self, about: Any) -> Kept | None:
        """Return what a simulation left, as ``about`` (which JSON can say) sets it apart; None where it has to run."""
        return None if self.folder is None else _read(self._name(self.folder, about))

    def keep(self, about: Any, kept: Kept) -> None:
        """Keep what a simulation left; ConfigError if the folder cannot be written."""
        if self.folder is None:
            return
        written = io.BytesIO()
        np.savez(written, outputs=kept.outputs, record=np.array(json.dumps(dict(kept.record))))
        write_file(self._name(make_folder(self.folder), about), written.getvalue())

    def _name(self, folder: Path, about: Any) -> Path:
        text = json.dumps([self.about, about], sort_keys=True, default=str)
        return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _read(path: Path) -> Kept | None:
    """Return what a file holds; None where it is missing or damaged, and has to be made anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Kept(outputs=file["outputs"], record=json.loads(str(file["record"])))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
