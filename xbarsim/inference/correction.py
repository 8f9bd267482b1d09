"""A digital gain and offset for every output of a layer, fitted to calibration images.

The correction has the effect of a recalibrated batch normalisation on a chip. Variation, wires, drift and stuck cells
scale and shift each output. The gain and offset are a least-squares fit of the hardware's results to the exact integers
over the calibration images. If the inputs of the layer on the chip are used, which contain errors, mean and standard
deviation of each output are matched instead, as in batch normalisation. The correction takes one multiplication and one
addition for each output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.inference.machine import Codes, Machine
from xbarsim.mapping import LayerPlan
from xbarsim.mvm import Engine, Statistics
from xbarsim.network import Node, QuantizedLayer
from xbarsim.network.graph import rule_of


@dataclass(frozen=True, kw_only=True, eq=False)
class CorrectedMachine:
    """A layer on hardware with corrected outputs."""

    machine: Machine
    gain: NDArray[np.float64]
    """(outputs,) factor [-]."""
    offset: NDArray[np.float64]
    """(outputs,) offset in weight steps times input steps [-]."""

    @property
    def node(self) -> Node:
        """The layer."""
        return self.machine.node

    @property
    def quantized(self) -> QuantizedLayer:
        """Its integer weights."""
        return self.machine.quantized

    @property
    def plan(self) -> LayerPlan:
        """How it is cut."""
        return self.machine.plan

    @property
    def lsb(self) -> float:
        """What one unit of a result stands for, in level units of current [-]."""
        return self.machine.lsb

    @property
    def adc_step(self) -> float:
        """ADC step of the layer, in level units of current [-]."""
        return self.machine.adc_step

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Its matrices on arrays."""
        return self.machine.engines

    @property
    def mean_level(self) -> float:
        """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
        return self.machine.mean_level

    def accumulate(
        self, codes: Codes, *, first_image: int = 0, threads: int = 1, is_raw: bool = False
    ) -> NDArray[np.float64]:
        """Return corrected results, float64 in units of the layer's ADC step; see :meth:`Machine.accumulate`."""
        shape = self.quantized.along_outputs
        acc = self.machine.accumulate(codes, first_image=first_image, threads=threads)
        return acc * self.gain.reshape(shape) + (self.offset / self.lsb).reshape(shape)

    def survey(self, codes: Codes, *, threads: int = 1) -> list[Statistics]:
        """Return what the converters do on quantised inputs."""
        return self.machine.survey(codes, threads=threads)

    def input_activity(self, codes: Codes) -> float:
        """Return the mean squared word-line voltage as a fraction of full scale squared [-]."""
        return self.machine.input_activity(codes)

    def measure_watt(self, codes: Codes) -> float:
        """Return the mean power of an array over the pulses of a read [W]."""
        return self.machine.measure_watt(codes)


def correct_outputs(
    machine: Machine,
    codes: Codes,
    exact: NDArray[np.int64],
    *,
    fitted_on: Sequence[Machine] = (),
    keeps_spread: bool = False,
    threads: int = 1,
) -> CorrectedMachine:
    """Fit a gain and an offset for every output.

    Parameters
    ----------
    machine : Machine
        The layer, its ADC range set.
    codes : ndarray of int, (images, ...)
        Quantised inputs of the calibration images, exact or as they arrive from the layers before on this chip.
    exact : ndarray of int64, (images, ...)
        Results that the exact integer network has for these images.
    fitted_on : sequence of Machine
        The layer on other chips, which share one correction with this one; the layer itself by default.
    keeps_spread : bool
        Match mean and standard deviation of every output in place of least squares, which shrinks outputs layer by
        layer where inputs carry errors.
    threads : int
        Threads within the engine.

    Returns
    -------
    CorrectedMachine
        The layer; gain 1 and the mean error as offset where an output of the hardware does not vary.
    """
    found = np.concatenate([each.accumulate(codes, threads=threads) * each.lsb for each in fitted_on or (machine,)])
    exact = np.tile(exact, (max(1, len(fitted_on)), *(1,) * (exact.ndim - 1)))
    axis = rule_of(machine.node).output_axis % exact.ndim
    rest = tuple(i for i in range(exact.ndim) if i != axis)
    mean_found = found.mean(axis=rest, keepdims=True)
    mean_exact = exact.mean(axis=rest, keepdims=True)
    deviation = found - mean_found
    power = np.sum(deviation**2, axis=rest)
    overlap = np.sum(deviation * (exact - mean_exact), axis=rest)
    if keeps_spread:
        overlap = np.sqrt(power * np.sum((exact - mean_exact) ** 2, axis=rest))
    gain = np.where((power > 0) & (overlap > 0), overlap / np.where(power > 0, power, 1.0), 1.0)
    return CorrectedMachine(machine=machine, gain=gain, offset=mean_exact.ravel() - gain * mean_found.ravel())
