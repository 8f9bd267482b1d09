"""A digital gain and offset for every output of a layer, fitted to calibration images.

What recalibrating a batch normalisation does on a chip: variation, wires, drift and stuck cells shrink and shift each
output by factors of their own; least squares over the calibration images finds the factor and the offset that bring
the hardware's results closest to the exact integers. It costs one multiplication and one addition for each output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xbarsim.inference.epitome import EpitomeMachine
from xbarsim.inference.machine import LayerMachine
from xbarsim.mapping import LayerPlan
from xbarsim.mvm import Statistics
from xbarsim.network import Node, QuantizedLayer, dequantize_output, quantize_input


@dataclass(frozen=True, kw_only=True, eq=False)
class CorrectedMachine:
    """A layer on hardware and its correction; the same face as :class:`~xbarsim.inference.machine.LayerMachine`."""

    machine: LayerMachine | EpitomeMachine
    gain: np.ndarray
    """(outputs,) factor [-]."""
    offset: np.ndarray
    """(outputs,) what is added, in weight steps times input steps [-]."""

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
        """ADC step of the layer, in level steps of current [-]."""
        return self.machine.lsb

    @property
    def mean_level(self) -> float:
        """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
        return self.machine.mean_level

    def accumulate(self, codes: np.ndarray, *, first_image: int = 0, threads: int = 1) -> np.ndarray:
        """Return corrected results, float64 in units of the layer's ADC step; arguments as for a machine."""
        shape = (-1, 1, 1) if self.node.kind == "conv2d" else (-1,)
        acc = self.machine.accumulate(codes, first_image=first_image, threads=threads)
        return acc * self.gain.reshape(shape) + (self.offset / self.lsb).reshape(shape)

    def run(self, x: np.ndarray, *, first_image: int = 0, threads: int = 1) -> np.ndarray:
        """Return the layer's float output for float inputs; arguments as for a machine."""
        codes = quantize_input(self.quantized, x)
        acc = self.accumulate(codes, first_image=first_image, threads=threads)
        return dequantize_output(self.quantized, acc, self.lsb)

    def survey(self, codes: np.ndarray, *, threads: int = 1) -> list[Statistics]:
        """Return what the converters do on quantised inputs."""
        return self.machine.survey(codes, threads=threads)

    def input_activity(self, codes: np.ndarray) -> float:
        """Return the mean squared word-line voltage as a fraction of full scale squared [-]."""
        return self.machine.input_activity(codes)


def correct_outputs(
    machine: LayerMachine | EpitomeMachine, codes: np.ndarray, exact: np.ndarray, *, threads: int = 1
) -> CorrectedMachine:
    """Fit a gain and an offset for every output.

    Parameters
    ----------
    machine : LayerMachine or EpitomeMachine
        The layer, its ADC range set.
    codes : ndarray of int, (images, ...)
        Quantised inputs of the calibration images.
    exact : ndarray of int64, (images, ...)
        Exact results for them.
    threads : int
        Threads within the engine.

    Returns
    -------
    CorrectedMachine
        The layer; gain 1 and the mean error as offset where an output of the hardware does not vary.
    """
    found = machine.accumulate(codes, threads=threads) * machine.lsb
    axis = 1 if machine.node.kind == "conv2d" else -1
    rest = tuple(i for i in range(exact.ndim) if i != axis % exact.ndim)
    mean_found = found.mean(axis=rest, keepdims=True)
    mean_exact = exact.mean(axis=rest, keepdims=True)
    deviation = found - mean_found
    power = np.sum(deviation**2, axis=rest)
    overlap = np.sum(deviation * (exact - mean_exact), axis=rest)
    gain = np.where((power > 0) & (overlap > 0), overlap / np.where(power > 0, power, 1.0), 1.0)
    return CorrectedMachine(machine=machine, gain=gain, offset=mean_exact.ravel() - gain * mean_found.ravel())
