"""Programmed chips: solved once, called many times, saved and loaded.

A chip holds the arrays of every layer as programmed, with wires solved, responses fitted and converter ranges set. A
call passes images through them; it changes nothing. The images of a call are numbered from ``first_image``, and the
noise of reads is keyed by this number: a call gives what :func:`~xbarsim.api.run.simulate` gives for the same images,
whatever was called before, and parts of a data set with ``first_image`` give what the whole gives.

A saved chip is a folder of JSON and one .npy file (:mod:`xbarsim.store.snapshot`). Its arrays are mapped into memory
when it is loaded, so that processes of one machine share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim import __version__
from xbarsim.api.prepare import (
    Progress,
    check_counts,
)
from xbarsim.config.coding import CODINGS, UNSIGNED
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference import LayerError
from xbarsim.inference.machine import Machine
from xbarsim.inference.simulate import run_machines
from xbarsim.mvm import map_columns
from xbarsim.network import FloatRun, Network, QuantizedNetwork, find_executor, run_integer
from xbarsim.network.execute import available_cores, check_images, read_array
from xbarsim.notebook import Face, Shown, SmallTable, count_words
from xbarsim.plugin import find_table, list_plugins
from xbarsim.report import Provenance
from xbarsim.report.record import tabulate_records
from xbarsim.store import load_snapshot, save_snapshot

if TYPE_CHECKING:
    import pandas as pd

KIND = "chip"
"""What a folder holds; its header is ``chip.json``."""
_NAMED = {f"coding:{coding.name}": coding for coding in (*CODINGS.values(), UNSIGNED)}

Outputs = np.ndarray | dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Programmed:
    """The state of a chip."""

    quantized: QuantizedNetwork
    """The network in integers, and in floats."""
    machines: Mapping[str, Machine]
    """Layer -> its arrays."""
    errors: tuple[LayerError, ...]
    """Error of each layer on the calibration images."""
    provenance: Provenance
    """What the chip was made from."""
    trial: int
    """Number of the chip: key of its random streams, with the seed."""


class Chip(Shown):
    """A network programmed into arrays; made by :func:`~xbarsim.api.programming.program` or :func:`load_chip`.

    ``chip(images)`` returns raw outputs. A chip does not change, and may be called from several threads.

    Parameters
    ----------
    programmed : Programmed or None
        The state; None where it follows from the first images.
    make : callable, optional
        Programs on the first images where ``programmed`` is None.
    threads : int, optional
        Threads of a call that names none.
    """

    def __init__(
        self,
        programmed: Programmed | None,
        make: Callable[[np.ndarray], Programmed] | None = None,
        threads: int | None = None,
    ) -> None:
        self._state = programmed
        self._make = make
        self._threads = threads

    def __call__(
        self,
        images: ArrayLike,
        *,
        first_image: int = 0,
        batch_size: int | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Outputs:
        """Pass images through the arrays.

        Parameters
        ----------
        images : array_like of float, (images, *input_shape)
            Normalised images, any number.
        first_image : int
            Index of the first of them in the data set. It keys the noise of single reads: a call with 0 gives what
            ``simulate`` gives for these images, and parts of a data set give the same as the whole.
        batch_size : int, optional
            Images in a block; does not change results.
        threads : int, optional
            Threads, those of the chip if left out; does not change results.
        progress : callable, optional
            Called with ``(stage, done, total)``.

        Returns
        -------
        ndarray of float32, (images, *output_shape), or dict
            Raw outputs; by name where the network has several.

        Raises
        ------
        ShapeError
            If images have the wrong shape or type, or hold NaN or infinite values.
        """
        check_counts(batch_size=batch_size, threads=threads)
        if isinstance(first_image, bool) or int(first_image) != first_image or first_image < 0:
            raise ConfigError(f"first_image: {first_image} is not a whole number of at least 0")
        state = self._state
        if state is None:
            state = self._program(images)
        net = state.quantized.network
        x = check_images(net, images)
        outputs = np.empty((len(x), *net.output_shape), np.float32)
        if len(x):
            run_machines(
                net, state.machines, x, outputs, first_image=int(first_image), batch_size=batch_size,
                threads=threads or self._threads or available_cores(),
                progress=None if progress is None else lambda done, total: progress("images on hardware", done, total),
            )  # fmt: skip
        return net.split_outputs(outputs)

    def quantized(self, images: ArrayLike, *, threads: int | None = None) -> Outputs:
        """Return the outputs of the integer network on ideal hardware for images (images, *input_shape)."""
        return self.network.split_outputs(
            run_integer(self.programmed.quantized, read_array(images, "images"), threads=threads or self._threads)
        )

    def reference(self, images: ArrayLike, *, threads: int | None = None) -> Outputs:
        """Return the outputs of the float network for images (images, *input_shape)."""
        run = find_executor("own").run
        how = FloatRun(threads=threads or self._threads)
        return self.network.split_outputs(run(self.network, read_array(images, "images"), how))

    def save(self, folder: str | Path) -> Path:
        """Write the chip to a folder: JSON and one .npy file, readable by every machine with the same version.

        Parameters
        ----------
        folder : str or Path
            Made where missing. A chip that is there is replaced at once, whatever happens while it is written.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ConfigError
            If the folder holds something else or cannot be written, or the chip is not programmed yet.
        """
        state = self.programmed
        made = state.provenance
        about = {
            "version": __version__, "network": made.network, "network_hash": made.network_hash,
            "hardware": made.hardware, "hardware_hash": made.hardware_hash, "trial": state.trial, "seed": made.seed,
            "plugins": dict(made.plugins), "target": made.settings["target"],
        }  # fmt: skip
        return save_snapshot(folder, state, about, kind=KIND, named=_NAMED)

    @property
    def programmed(self) -> Programmed:
        """The state; ConfigError where no images have calibrated the chip yet."""
        if self._state is None:
            raise ConfigError("calibration: none was given, and the chip is programmed on the images of its first call")
        return self._state

    @property
    def network(self) -> Network:
        """The network."""
        return self.programmed.quantized.network

    @property
    def provenance(self) -> Provenance:
        """What the chip was made from, with hashes."""
        return self.programmed.provenance

    @property
    def trial(self) -> int:
        """Number of the chip among the trials of a simulation."""
        return self.programmed.trial

    @property
    def seed(self) -> int:
        """Seed of its random streams."""
        return self.provenance.seed

    @property
    def layers(self) -> pd.DataFrame:
        """Error of each layer on the calibration images, its converter step and what clips; units in column names."""
        return tabulate_records(self.programmed.errors)

    def map_columns(self) -> pd.DataFrame:
        """Return what each column of the arrays loses; :func:`xbarsim.report.plot_columns` draws it.

        Returns
        -------
        pandas.DataFrame
            One row a column of each row block: ``layer``, ``row_block``, ``column``, ``lost_share`` (share of the
            current of ideal cells that it does not deliver [-]) and ``fit_rms_lsb`` (error of its fitted response,
            NaN where none is fitted [lsb]).
        """
        import pandas as pd

        found = []
        for name, machine in self.programmed.machines.items():
            first = 0
            for engine in machine.engines:
                columns = map_columns(engine)
                blocks, count = columns.lost_share.shape
                fit = np.full((blocks, count), np.nan) if columns.fit_rms_lsb is None else columns.fit_rms_lsb
                row_block, column = np.indices((blocks, count))
                found.append(
                    pd.DataFrame({
                        "layer": name, "row_block": row_block.ravel(), "column": first + column.ravel(),
                        "lost_share": columns.lost_share.ravel(), "fit_rms_lsb": fit.ravel(),
                    })
                )  # fmt: skip
                first += count
        return pd.concat(found, ignore_index=True)

    def _show(self) -> Face:
        if self._state is None:
            return Face(title="Chip", text="programmed on its first images")
        made, layers = self.provenance, count_words(len(self._state.machines), "layer")
        rows = [
            (each.name, "-" if each.snr_db is None else f"{each.snr_db:.1f}", f"{100 * each.clipped_share:.2f}")
            for each in self._state.errors
        ]
        return Face(
            title=f"Chip {made.network} on {made.hardware}",
            text=f"{layers}, trial {self.trial}, seed {made.seed}",
            pairs=(("trial", str(self.trial)), ("seed", str(made.seed)), ("hardware", made.hardware_hash)),
            tables=(SmallTable(("layer", "SNR [dB]", "clipped [%]"), rows),),
            note="chip(images) returns raw outputs; .save(folder) keeps it",
        )

    def _program(self, images: ArrayLike) -> Programmed:
        x = read_array(images, "images")
        if not len(x):
            raise ShapeError("images: none given, and the chip is to be calibrated on the first ones")
        assert self._make is not None
        self._state = self._make(x)
        return self._state


def load_chip(folder: str | Path, *, verify: bool = True, threads: int | None = None) -> Chip:
    """Load a chip that :meth:`Chip.save` has written.

    Parameters
    ----------
    folder : str or Path
        The folder. Its arrays are mapped into memory, and shared by all processes of a machine that load it.
    verify : bool
        Whether the arrays are checked against their hash, which reads all of them once. The other files always are.
    threads : int, optional
        Threads of calls; all cores if left out.

    Returns
    -------
    Chip
        Gives the same bits as the one that was saved.

    Raises
    ------
    ConfigError
        If the folder is missing, damaged, holds something else or comes from another version, or a plug-in that the
        chip was made with is missing or has changed.
    """
    check_counts(threads=threads)
    place = Path(folder)
    found = load_snapshot(
        place, kind=KIND, named=_NAMED, verify=verify, find_class=_find_plugin,
        check=lambda about: _check_header(place, about),
    )  # fmt: skip
    if not isinstance(found.root, Programmed):
        raise ConfigError(f"{place}: holds no chip; give a folder that Chip.save has written")
    return Chip(found.root, threads=threads)


def _check_header(folder: Path, about: Mapping[str, Any]) -> None:
    """Refuse a chip of another version, or one whose plug-ins are not at hand."""
    if about.get("version") != __version__:
        raise ConfigError(
            f"{folder}: programmed by version {str(about.get('version'))[:20]}, this is {__version__}; program it again"
        )
    here = list_plugins()
    for name, source in about.get("plugins", {}).items():
        if here.get(name) != source:
            rule = "has changed since" if name in here else "is not registered here"
            raise ConfigError(
                f"{folder}: made with the plug-in {name}, which {rule}; register the same class first (--plugin)"
            )


def _find_plugin(name: str) -> type[Any] | None:
    """Return the class of a component law that a plug-in added, by ``module:name``."""
    laws = find_table("component_law")
    return next((cls for cls in map(laws.__getitem__, laws) if f"{cls.__module__}:{cls.__qualname__}" == name), None)
