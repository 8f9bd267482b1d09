"""The interface of all programmed weight layers.

Three kinds of machine exist: :class:`~xbarsim.inference.layer.LayerMachine` (dense and grouped layers),
:class:`~xbarsim.inference.epitome.EpitomeMachine`, and :class:`~xbarsim.inference.correction.CorrectedMachine`, which
corrects the results of one of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbarsim.mapping import LayerPlan
from xbarsim.mvm import Engine, Statistics
from xbarsim.network import Node, QuantizedLayer, dequantize_output, quantize_input

Codes = NDArray[np.integer[Any]]
Sums = NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


class Machine(Protocol):
    """A weight layer as programmed hardware; calls do not change it."""

    @property
    def node(self) -> Node:
        """The layer."""

    @property
    def quantized(self) -> QuantizedLayer:
        """Its integer weights and its scales."""

    @property
    def plan(self) -> LayerPlan:
        """How it is cut, and the hardware that it runs on."""

    @property
    def lsb(self) -> float:
        """What one unit of a result stands for, in level units of current [-]."""

    @property
    def adc_step(self) -> float:
        """ADC step of the layer, in level units of current [-]; ``lsb`` unless the digital side counts finer."""

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Its matrices on arrays, in the order of their outputs; those of an epitome, row block by row block."""

    @property
    def mean_level(self) -> float:
        """Mean level of the cells that hold weights, as a fraction of the highest [-]."""

    def accumulate(self, codes: Codes, *, first_image: int = 0, threads: int = 1, is_raw: bool = False) -> Sums:
        """Multiply quantised inputs with the programmed weights.

        Parameters
        ----------
        codes : ndarray of int, (images, channels, height, width) or (images, ..., features)
            Quantised inputs of the whole layer.
        first_image : int
            Index of the first image within the run; it keys the noise of single reads, so that batches do not.
        threads : int
            Threads within the engine.
        is_raw : bool
            Whether int32 and any order in memory are returned where they save a copy.

        Returns
        -------
        ndarray, (images, outputs, height, width) or (images, ..., outputs)
            Results in units of ``lsb``; int64, or float64 where converters are ideal or outputs corrected.
        """

    def survey(self, codes: Codes, *, threads: int = 1) -> list[Statistics]:
        """Return what the converters do on quantised inputs.

        Parameters
        ----------
        codes : ndarray of int
            Quantised inputs, axes as in :meth:`accumulate`.
        threads : int
            Threads within the engine.

        Returns
        -------
        list of Statistics
            One for each engine.
        """

    def input_activity(self, codes: Codes) -> float:
        """Return the mean squared word-line voltage as a fraction of full scale squared [-].

        Parameters
        ----------
        codes : ndarray of int
            Quantised inputs, axes as in :meth:`accumulate`.

        Returns
        -------
        float
            Mean over word lines and streams [-].
        """

    def measure_watt(self, codes: Codes) -> float:
        """Return the mean power of an array over the pulses of a read.

        Parameters
        ----------
        codes : ndarray of int
            Quantised inputs, axes as in :meth:`accumulate`.

        Returns
        -------
        float
            Mean over the arrays that are read, the windows and the streams [W].
        """


class AdjustableMachine(Machine, Protocol):
    """A machine whose ADC range can still be set; none of its results depends on an earlier one."""

    def calibrate(self, codes: Codes, *, is_even: bool = False, threads: int = 1) -> AdjustableMachine:
        """Return the layer with its ADC range set from the quantised inputs of calibration images.

        Parameters
        ----------
        codes : ndarray of int
            Quantised inputs, axes as in :meth:`accumulate`.
        is_even : bool
            Whether all reads have one step, but for that of a sign bit, whatever ``adc.step_per`` says.
        threads : int
            Threads within the engine.

        Returns
        -------
        AdjustableMachine
            The layer with one step for all its engines: the largest that any of them needs.
        """

    def with_lsb(self, lsb: float) -> AdjustableMachine:
        """Return the layer with another ADC step [level units]."""

    def with_engines(self, engines: Sequence[Engine]) -> AdjustableMachine:
        """Return the layer with other matrices, in the order of ``engines``."""

    def leave_out(self) -> AdjustableMachine:
        """Return the layer without what ``adc.clips`` and ``adc.rounds`` leave out, its range set before."""

    def solve_reads(self) -> AdjustableMachine:
        """Return the layer with every read solved, where its hardware says so; its range is set before."""


def run_machine(machine: Machine, x: Floats, *, first_image: int = 0, threads: int = 1) -> NDArray[np.float32]:
    """Return a layer's float output on the hardware for float inputs.

    Parameters
    ----------
    machine : Machine
        The layer.
    x : ndarray of float32, (images, channels, height, width) or (images, ..., features)
        Input activations.
    first_image : int
        Index of the first image within the run.
    threads : int
        Threads within the engine.

    Returns
    -------
    ndarray of float32, (images, outputs, height, width) or (images, ..., outputs)
        Output activations.
    """
    codes = quantize_input(machine.quantized, x)
    sums = machine.accumulate(codes, first_image=first_image, threads=threads, is_raw=True)
    return dequantize_output(machine.quantized, sums, machine.lsb)
