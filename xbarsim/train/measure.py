"""Errors of the arrays of one layer of one chip, as training models use them.

A layer is programmed, solved and calibrated by the same code that ``simulate`` runs. Measured are the weights that its
arrays apply (with programming variation, stuck cells, drift and wires; found with unit vectors and ideal converters),
the fraction of their error, and the gain, that remain with real converters on calibration images, and mean and standard
deviation of what is left over (ADC rounding and clipping, read noise).

Neglected: correlation of errors between cells and between outputs beyond their means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbarsim.inference.calibrate import calibrate_machine
from xbarsim.inference.epitome import EpitomeMachine
from xbarsim.inference.layer import LayerMachine, program_layer
from xbarsim.mapping import LayerPlan
from xbarsim.mvm.reuse import KeptArrays, keep_arrays
from xbarsim.network import Node, QuantizedLayer
from xbarsim.network.codes import code_range
from xbarsim.network.graph import rule_of
from xbarsim.network.integer import integer_layer, quantize_input
from xbarsim.train.torch_network import run_layer, torch

SAMPLE_IMAGES = 8
"""Calibration images on which the residual of a layer is measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CellErrors:
    """What the arrays of one layer of one chip do, in integer steps.

    Cells hold the weight, or the epitome that it is sampled from.
    """

    codes: np.ndarray
    """What cells hold, shape of the weight or epitome [weight steps]."""
    error: np.ndarray
    """What the arrays apply beyond it, shape of ``codes`` [weight steps]."""
    mean: np.ndarray
    """Mean residual of an output, (out,) [weight steps times input steps]."""
    deviation: np.ndarray
    """Standard deviation of the residual of an output, (out,) [weight steps times input steps]."""


def measure_layer(
    node: Node, layer: QuantizedLayer, plan: LayerPlan, x: np.ndarray, *, seed: int, trial: int
) -> CellErrors:
    """Program one layer and measure its errors.

    Parameters
    ----------
    node : Node
        The layer.
    layer : QuantizedLayer
        Its integer weights.
    plan : LayerPlan
        How it is cut, and its hardware.
    x : ndarray of float32, (images, channels, height, width) or (images, ..., features)
        Inputs of the layer for the calibration images.
    seed, trial : int
        Key of the device's random streams.

    Returns
    -------
    CellErrors
        Of this chip.
    """
    codes = quantize_input(layer, x)
    with keep_arrays(KeptArrays()):  # both differ in their converters alone
        programmed = program_layer(node, layer, plan, seed=seed, trial=trial, codes=codes)
        machine = calibrate_machine(programmed, codes, integer_layer(layer, node, codes))
        applied = find_cells(node, layer, plan, seed=seed, trial=trial)
    sample = codes[:SAMPLE_IMAGES].astype(np.float64)
    held = held_codes(layer)
    asked, added = (expand_cells(layer, part) for part in (held, applied - held))
    zero = float(layer.input_zero_point)
    inputs = torch.tensor(sample - zero)
    with torch.no_grad():
        wanted, drawn = (run_layer(node, inputs, torch.tensor(part), None).numpy() for part in (asked, added))
        digital = run_layer(node, torch.tensor(sample), torch.tensor(asked), None, zero).numpy()
    # zero points are subtracted digitally with the nominal weights
    error = machine.accumulate(codes[:SAMPLE_IMAGES]) * machine.lsb - digital
    axis = rule_of(node).output_axis % error.ndim
    (gain, share), mean, deviation = _explain(error, (wanted, drawn), axis)
    return CellErrors(codes=held, error=gain * held + share * (applied - held), mean=mean, deviation=deviation)


def held_codes(layer: QuantizedLayer) -> np.ndarray:
    """Return what the cells of a layer hold.

    Parameters
    ----------
    layer : QuantizedLayer
        In integers.

    Returns
    -------
    ndarray of float64, shape of the weight or epitome
        In weight steps.
    """
    epitome = layer.epitome
    if epitome is None:
        return layer.weight.astype(np.float64)
    return np.ascontiguousarray(epitome.codes.T, np.float64).reshape(epitome.sampler.epitome_shape)


def expand_cells(layer: QuantizedLayer, cells: np.ndarray) -> np.ndarray:
    """Return the weight that cells stand for.

    Parameters
    ----------
    layer : QuantizedLayer
        The layer.
    cells : ndarray of float64, shape of the weight or epitome
        As :func:`held_codes` returns them [weight steps].

    Returns
    -------
    ndarray of float64, shape of the weight
        The same where the layer is no epitome, else sampled and shifted by row blocks [weight steps].
    """
    if layer.epitome is None:
        return cells
    return layer.epitome.sampler.rebuild(cells * shift_factors(layer))


def shift_factors(layer: QuantizedLayer) -> np.ndarray:
    """Return what the shifts of row blocks multiply each element of a layer's epitome by.

    Parameters
    ----------
    layer : QuantizedLayer
        With an epitome.

    Returns
    -------
    ndarray of float64, (Cout_e, Cin_e, p, q)
        Powers of 2 [-].
    """
    epitome = layer.epitome
    assert epitome is not None
    places = np.repeat(epitome.shift, np.diff(epitome.row_starts), axis=0)
    return np.ascontiguousarray(2.0**places.T).reshape(epitome.sampler.epitome_shape)


def cell_steps(node: Node, layer: QuantizedLayer) -> np.ndarray:
    """Return the real value of one weight step of every cell.

    Parameters
    ----------
    node : Node
        The layer.
    layer : QuantizedLayer
        In integers.

    Returns
    -------
    ndarray of float64, (out, 1, ...) or (Cout_e, Cin_e, p, q)
        Of weights, or of an epitome before the gain of its outputs.
    """
    epitome = layer.epitome
    if epitome is None:
        plain: np.ndarray = layer.weight_scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        return plain
    assert node.epitome is not None
    sampler, gain = epitome.sampler, node.epitome.gain
    column = sampler.index.reshape(len(layer.weight), -1)[:, 0] // int(np.prod(sampler.epitome_shape[1:]))
    scale = np.ones(sampler.epitome_shape[0])
    is_known = np.ones(len(column), bool) if gain is None else gain != 0
    scale[column[is_known]] = (layer.weight_scale / np.where(is_known, 1.0 if gain is None else gain, 1.0))[is_known]
    found: np.ndarray = scale[:, None, None, None] * shift_factors(layer)
    return found


def find_cells(node: Node, layer: QuantizedLayer, plan: LayerPlan, *, seed: int, trial: int) -> np.ndarray:
    """Return what the cells of a layer apply, found with unit vectors and ideal converters.

    Parameters
    ----------
    node, layer, plan, seed, trial
        As in :func:`measure_layer`.

    Returns
    -------
    ndarray of float64, shape of the weight or epitome
        In units of one integer weight step; elements of an epitome that no weight uses as they were asked for.
    """
    ideal = plan.hardware.override({"adc.bits": "ideal"})
    machine = program_layer(node, layer, dataclasses.replace(plan, hardware=ideal), seed=seed, trial=trial)
    high = code_range(layer.activation_bits, layer.signed)[1]

    def read(engine: Any) -> np.ndarray:
        found: np.ndarray = engine.multiply(np.eye(engine.rows, dtype=np.int64) * high) / high
        return found

    if isinstance(machine, EpitomeMachine):
        epitome = machine.epitome
        matrix = epitome.codes.astype(np.float64)
        for engine, start in zip(machine.engines, plan.row_starts):
            matrix[start : start + engine.rows, : engine.outputs] = read(engine)
        return np.ascontiguousarray(matrix.T).reshape(epitome.sampler.epitome_shape)
    assert isinstance(machine, LayerMachine)
    parts = [read(block.engine) for block in machine.blocks]
    return np.concatenate([_unpack(part, plan.stripe(i), plan, layer) for i, part in enumerate(parts)])


def _explain(error: np.ndarray, parts: Sequence[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit an error by multiples of some parts, one for all outputs; return them, and mean and deviation of the rest.

    Converters that cannot go below zero undo half of what variation does to columns that hold little, and wide sums
    are clipped: taken for noise beside the drawn weights, either would count twice.
    """
    flat = [np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1) for part in (error, *parts)]
    means = np.array([part.mean(axis=1) for part in flat])
    rest, *explaining = (part - mean[:, np.newaxis] for part, mean in zip(flat, means))
    matrix = np.array([part.ravel() for part in explaining])
    # parts of the size of rounding errors are left out of the fit
    factors = np.linalg.pinv(matrix @ matrix.T, rcond=1e-9, hermitian=True) @ (matrix @ rest.ravel())
    rest = rest - np.tensordot(factors, explaining, axes=1)
    return factors, means[0] - factors @ means[1:], rest.std(axis=1)


def _unpack(dense: np.ndarray, cut: Any, plan: LayerPlan, layer: QuantizedLayer) -> np.ndarray:
    """Take the weights of a stripe's groups out of its block-diagonal matrix."""
    outputs = layer.weight.shape[0] // plan.groups
    channels, *kernel = layer.weight.shape[1:]
    inputs = cut.groups * channels
    if plan.rows_order == "packed":
        whole = np.moveaxis(dense.reshape(*kernel, inputs, -1), (-1, -2), (0, 1))
    else:
        whole = np.moveaxis(dense.reshape(inputs, *kernel, -1), -1, 0)
    return np.concatenate(
        [whole[g * outputs : (g + 1) * outputs, g * channels : (g + 1) * channels] for g in range(cut.groups)]
    )
