"""One weight layer programmed into arrays: quantised inputs in, integer results out.

A layer is divided into stripes (sets of groups of a grouped convolution that share arrays; one stripe otherwise). Each
stripe is one matrix in the MVM engine, a *block* of the machine. All blocks have the ADC step of the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.converter import split_inputs
from xbarsim.inference.epitome import program_epitome
from xbarsim.inference.machine import AdjustableMachine, Codes, Sums
from xbarsim.inference.power import PowerPart, average_power, average_weights, count_arrays, spread_images
from xbarsim.inference.sample import SAMPLE_WINDOWS, pick_images, pick_vectors, pick_windows
from xbarsim.mapping import LayerPlan, Stripe
from xbarsim.mvm import Engine, ReadGroups, Statistics, leave_out_errors, program_matrix
from xbarsim.mvm.power import weigh_codes
from xbarsim.mvm.ranges import share_range
from xbarsim.mvm.window import gather_windows, make_geometry
from xbarsim.network import Node, QuantizedLayer
from xbarsim.network.graph import rule_of

POWER_VECTORS = 256
"""Inputs from which reads are chosen to measure what lines take of their power, about. Our choice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Part of a layer that is one matrix: an engine, and the input channels that drive it."""

    engine: Engine
    inputs: slice


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerMachine:
    """A dense or grouped weight layer as programmed hardware."""

    node: Node
    quantized: QuantizedLayer
    plan: LayerPlan
    blocks: tuple[Block, ...]

    @property
    def lsb(self) -> float:
        """What one unit of a result stands for, in level units of current [-]."""
        return self.blocks[0].engine.lsb

    @property
    def adc_step(self) -> float:
        """ADC step of the layer, in level units of current [-]."""
        return self.blocks[0].engine.adc.lsb

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Its matrices on arrays."""
        return tuple(block.engine for block in self.blocks)

    @property
    def mean_level(self) -> float:
        """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
        return float(np.mean([block.engine.programmed.mean_level for block in self.blocks]))

    def accumulate(self, codes: Codes, *, first_image: int = 0, threads: int = 1, is_raw: bool = False) -> Sums:
        """Multiply quantised inputs with the programmed weights; see :meth:`Machine.accumulate`."""
        first = first_image * self.plan.windows
        if not self.node.has_kernel:
            vectors = codes.reshape(-1, codes.shape[-1])
            result = self.blocks[0].engine.multiply(vectors, first_vector=first, threads=threads, is_raw=is_raw)
            return result.reshape(*codes.shape[:-1], -1)
        parts = [
            block.engine.convolve(
                codes[:, block.inputs],
                **self._geometry(),
                pad_code=self.quantized.input_zero_point,
                row_order=self._row_order,
                first_vector=first,
                threads=threads,
                is_raw=is_raw,
            )
            for block in self.blocks
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def calibrate(self, codes: Codes, *, is_even: bool = False, threads: int = 1) -> LayerMachine:
        """Return the layer with its ADC range set; see :meth:`AdjustableMachine.calibrate`."""
        parts = [(block.engine, args[0], window) for block, args, window in self._parts(codes)]
        return self.with_engines(share_range(parts, is_even=is_even, threads=threads))

    def with_lsb(self, lsb: float) -> LayerMachine:
        """Return the layer with another ADC step [level units]."""
        return self.with_engines([engine.with_lsb(lsb) for engine in self.engines])

    def with_engines(self, engines: Sequence[Engine]) -> LayerMachine:
        """Return the layer with other matrices, block by block."""
        return replace(self, blocks=tuple(replace(each, engine=new) for each, new in zip(self.blocks, engines)))

    def leave_out(self) -> LayerMachine:
        """Return the layer without what ``adc.clips`` and ``adc.rounds`` leave out."""
        return self.with_engines([leave_out_errors(engine) for engine in self.engines])

    def solve_reads(self) -> LayerMachine:
        """Return the layer with every read solved; see :meth:`AdjustableMachine.solve_reads`."""
        if self.plan.hardware.response != "exact":
            return self
        return self.with_engines([replace(engine, solves=True) for engine in self.engines])

    def survey(self, codes: Codes, *, threads: int = 1) -> list[Statistics]:
        """Return what the converters of each block do on quantised inputs; see :meth:`Machine.survey`."""
        return [block.engine.survey(*args, threads=threads, **window) for block, args, window in self._parts(codes)]

    def input_activity(self, codes: Codes) -> float:
        """Return the mean squared word-line voltage as a fraction of full scale squared [-]; padding not counted."""
        streams = self.blocks[0].engine.streams.reads
        highest = (1 << streams.dac_bits) - 1
        return float(np.mean((split_inputs(codes, streams) / highest) ** streams.power))

    def measure_watt(self, codes: Codes) -> float:
        """Return the mean power of an array over the pulses of a read [W]; see :meth:`Machine.measure_watt`."""
        engine, plan = self.blocks[0].engine, self.plan
        weights, lowest = weigh_codes(engine.streams, plan.hardware), engine.streams.reads.lowest
        sample = spread_images(codes)
        few = spread_images(codes, most=0)
        if not self.node.has_kernel:
            average = average_weights(sample.reshape(-1, codes.shape[-1]), weights, lowest)
            some = sample_vectors(self.node, self.quantized, plan, few, slice(None))
            return average_power([PowerPart(engine, average, some, None, count_arrays(engine))])
        pad = float(weights[self.quantized.input_zero_point - lowest])
        average, chosen, parts = average_weights(sample, weights, lowest), choose_stripes(plan), []
        for index, block in enumerate(self.blocks):
            cut, part = plan.stripe(index), average[np.newaxis, block.inputs]
            geometry, is_last = make_geometry(part.shape, **self._geometry()), plan.rows_order == "packed"
            activity = gather_windows(part, geometry, channels_last=is_last, pad_code=pad).mean(axis=0)
            is_chosen = index in chosen and bool(block.engine.programmed.power.kept)
            vectors = None
            if is_chosen:
                vectors = sample_vectors(
                    self.node, self.quantized, plan, few, block.inputs, most_windows=POWER_VECTORS // len(few)
                )
            groups = read_groups(cut, plan)
            turns = None if groups is None else np.equal.outer(np.arange(groups.count), groups.of_row)
            reads = count_arrays(block.engine) * cut.rounds
            parts.append(PowerPart(block.engine, activity, vectors, turns, reads))
        return average_power(parts)

    def _parts(self, codes: Codes) -> Iterator[tuple[Block, tuple[Codes], dict[str, Any]]]:
        """Yield each block with its inputs and the windows that cut them."""
        if not self.node.has_kernel:
            yield self.blocks[0], (codes.reshape(-1, codes.shape[-1]),), {}
            return
        for block in self.blocks:
            part = codes[:, block.inputs]
            geometry = make_geometry(part.shape, **self._geometry())
            pad_code = self.quantized.input_zero_point
            yield block, (part,), {"geometry": geometry, "pad_code": pad_code, "row_order": self._row_order}

    def _geometry(self) -> dict[str, Any]:
        return {key: self.node.attributes[key] for key in rule_of(self.node).geometry}

    @property
    def _row_order(self) -> str:
        return "channels_last" if self.plan.rows_order == "packed" else "channels_first"


def program_layer(
    node: Node,
    quantized: QuantizedLayer,
    plan: LayerPlan,
    *,
    seed: int,
    trial: int,
    codes: Codes | None = None,
    threads: int | None = None,
) -> AdjustableMachine:
    """Program a layer's integer weights into its arrays.

    Parameters
    ----------
    node : Node
        The layer.
    quantized : QuantizedLayer
        Its integer weights.
    plan : LayerPlan
        How it is cut, and the hardware that it runs on.
    seed, trial : int
        Key of the device's random streams, with the layer's name.
    codes : ndarray of int, (images, channels, height, width) or (images, ..., features), optional
        Quantised inputs of calibration images, on which responses are fitted where the circuit depends on its inputs;
        uniform inputs by default.
    threads : int, optional
        Threads for solving arrays.

    Returns
    -------
    AdjustableMachine
        With the ADC range that the hardware has without calibration.
    """
    if plan.epitome is not None:
        return program_epitome(node, quantized, plan, seed=seed, trial=trial, codes=codes, threads=threads)
    blocks = []
    for index in range(plan.stripes):
        cut = plan.stripe(index)
        matrix = stripe_matrix(quantized.weight, cut, plan)
        channels = quantized.weight.shape[1]
        inputs = slice(cut.first_group * channels, (cut.first_group + cut.groups) * channels)
        sample = None
        if codes is not None and plan.hardware.response != "operator":
            sample = sample_vectors(node, quantized, plan, codes, inputs)
        engine = program_matrix(
            matrix,
            plan.hardware,
            weight_bits=quantized.weight_bits,
            activation_bits=quantized.activation_bits,
            signed=quantized.signed,
            row_starts=np.array(cut.row_starts, dtype=np.int64),
            groups=read_groups(cut, plan),
            seed=seed,
            trial=trial,
            layer=node.name if plan.stripes == 1 else f"{node.name}#{index}",
            codes=sample,
            keeps_samples=index in choose_stripes(plan),
            threads=threads,
        )
        blocks.append(Block(engine=engine, inputs=inputs))
    return LayerMachine(node=node, quantized=quantized, plan=plan, blocks=tuple(blocks))


def choose_stripes(plan: LayerPlan) -> set[int]:
    """Return the stripes of a layer that show what lines take of the power of reads: first, middle and last."""
    return {0, plan.stripes // 2, plan.stripes - 1}


def sample_vectors(
    node: Node,
    quantized: QuantizedLayer,
    plan: LayerPlan,
    codes: Codes,
    inputs: slice,
    *,
    most_windows: int = SAMPLE_WINDOWS,
) -> NDArray[Any]:
    """Return input vectors of a layer, spread over images and windows.

    Parameters
    ----------
    node, quantized, plan
        As in :func:`program_layer`.
    codes : ndarray of int, (images, channels, height, width) or (images, ..., features)
        Quantised inputs.
    inputs : slice
        Channels that drive a matrix.
    most_windows : int
        Windows of an image, at most.

    Returns
    -------
    ndarray of int, (vectors, K)
        Some windows of some images (:mod:`~xbarsim.inference.sample`), in the order of the images.
    """
    images = pick_images(codes)
    if not node.has_kernel:
        return pick_vectors(images.reshape(-1, codes.shape[-1]))
    found = []
    for k in range(len(images)):
        part = images[k : k + 1, inputs]
        geometry = make_geometry(part.shape, **{key: node.attributes[key] for key in rule_of(node).geometry})
        is_last, pad = plan.rows_order == "packed", quantized.input_zero_point
        windows = gather_windows(part, geometry, channels_last=is_last, pad_code=pad)
        found.append(pick_windows(windows, k, most_windows))
    return np.concatenate(found)


def read_groups(cut: Stripe, plan: LayerPlan) -> ReadGroups | None:
    """Return the groups of a stripe that are read one after the other.

    Parameters
    ----------
    cut : Stripe
        Groups of the stripe, and the rounds that they take.
    plan : LayerPlan
        Row order of the layer.

    Returns
    -------
    ReadGroups or None
        Rows and outputs as in :func:`stripe_matrix`; None where all rows are driven at once.
    """
    if cut.rounds == 1:
        return None
    kernel, row = plan.matrix.kernel_rows, np.arange(cut.rows)
    channel = row % (cut.rows // kernel) if plan.rows_order == "packed" else row // kernel
    return ReadGroups(
        count=cut.groups,
        of_row=channel * cut.groups // (cut.rows // kernel),
        of_output=np.arange(cut.cols) * cut.groups // cut.cols,
    )


def stripe_matrix(weight: np.ndarray, cut: Stripe, plan: LayerPlan) -> np.ndarray:
    """Return the block-diagonal weight matrix of one stripe.

    Parameters
    ----------
    weight : ndarray of int, (outputs, inputs / groups, *kernel)
        Integer weights of the whole layer.
    cut : Stripe
        Groups of the stripe.
    plan : LayerPlan
        Groups and row order of the layer.

    Returns
    -------
    ndarray of int, (K, N)
        Rows in the order of the plan, outputs in the order of the layer.
    """
    outputs = weight.shape[0] // plan.groups
    channels = weight.shape[1]
    dense = np.zeros((cut.groups * outputs, cut.groups * channels, *weight.shape[2:]), dtype=weight.dtype)
    for g in range(cut.groups):
        first = (cut.first_group + g) * outputs
        rows = slice(g * outputs, (g + 1) * outputs)
        dense[rows, g * channels : (g + 1) * channels] = weight[first : first + outputs]
    kernel = range(2, weight.ndim)
    order = (*kernel, 1, 0) if plan.rows_order == "packed" else (1, *kernel, 0)
    return dense.transpose(order).reshape(-1, dense.shape[0])
