"""A convolution sampled from an epitome, programmed into arrays and run patch by patch through its index tables.

Every row block of the epitome is one matrix in the MVM engine. A round fetches input channels (IFAT), puts them on
word lines (IFRT) and hands columns to outputs (OFAT); see ``mapping.epitome``. In a round only row blocks with a
driven word line count. Rows and columns that no round uses are left empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from xbarsim.converter import split_inputs
from xbarsim.errors import MappingError
from xbarsim.inference.machine import Codes, Sums
from xbarsim.inference.power import PowerPart, average_power, average_weights, spread_images
from xbarsim.inference.sample import pick_images, pick_vectors, pick_windows
from xbarsim.mapping import EpitomePlan, LayerPlan
from xbarsim.mapping.epitome import OVERWRITE, Ints
from xbarsim.mvm import Engine, Statistics, leave_out_errors, program_matrix
from xbarsim.mvm.power import weigh_codes
from xbarsim.mvm.ranges import share_range
from xbarsim.mvm.window import gather_windows, make_geometry
from xbarsim.network import Node, QuantizedLayer
from xbarsim.network.quantize_epitome import QuantizedEpitome


@dataclass(frozen=True, kw_only=True, eq=False)
class EpitomeMachine:
    """A convolution as programmed hardware."""

    node: Node
    quantized: QuantizedLayer
    plan: LayerPlan
    tables: EpitomePlan
    epitome: QuantizedEpitome
    engines: tuple[Engine, ...]
    """One for each row block that is used."""

    @property
    def lsb(self) -> float:
        """What one unit of a result stands for, in level units of current [-]."""
        return self.engines[0].lsb

    @property
    def adc_step(self) -> float:
        """ADC step of the layer, in level units of current [-]."""
        return self.engines[0].adc.lsb

    @property
    def mean_level(self) -> float:
        """Mean level of the cells that hold weights, as a fraction of the highest [-]."""
        sizes = [engine.rows for engine in self.engines]
        return float(np.average([engine.programmed.mean_level for engine in self.engines], weights=sizes))

    def accumulate(self, codes: Codes, *, first_image: int = 0, threads: int = 1, is_raw: bool = False) -> Sums:
        """Multiply quantised inputs with the programmed epitome, round by round; see :meth:`Machine.accumulate`."""
        rounds = self.tables.round_count
        first = first_image * self.plan.windows * rounds
        total = None
        for block, engine, lines in self._lines(codes):
            sums = engine.multiply(lines, first_vector=first, threads=threads).reshape(-1, rounds, engine.outputs)
            sums = sums * (1 << self._shift(block)[: engine.outputs])
            sums[:, self._driven[:, block] == 0] = 0
            total = sums if total is None else total + sums
        assert total is not None
        result = np.zeros((len(total), self.tables.sampler.weight_shape[0]), total.dtype)
        for r, column, low, high, mode in self.tables.ofat.tolist():
            part = total[:, r, column : column + high - low]
            if mode == OVERWRITE:
                result[:, low:high] = part
            else:
                result[:, low:high] += part
        shape = (len(codes), *self.node.shape[1:], -1)
        return np.ascontiguousarray(result.reshape(shape).transpose(0, 3, 1, 2))

    def calibrate(self, codes: Codes, *, is_even: bool = False, threads: int = 1) -> EpitomeMachine:
        """Return the layer with its ADC range set; see :meth:`AdjustableMachine.calibrate`."""
        parts: Any = [(engine, lines, {}) for _, engine, lines in self._lines(codes)]
        return self.with_engines(share_range(parts, is_even=is_even, threads=threads))

    def with_lsb(self, lsb: float) -> EpitomeMachine:
        """Return the layer with another ADC step [level units]."""
        return self.with_engines([engine.with_lsb(lsb) for engine in self.engines])

    def with_engines(self, engines: Sequence[Engine]) -> EpitomeMachine:
        """Return the layer with other matrices, row block by row block."""
        return replace(self, engines=tuple(engines))

    def leave_out(self) -> EpitomeMachine:
        """Return the layer without what ``adc.clips`` and ``adc.rounds`` leave out."""
        return self.with_engines([leave_out_errors(engine) for engine in self.engines])

    def solve_reads(self) -> EpitomeMachine:
        """Return the layer with every read solved; see :meth:`AdjustableMachine.solve_reads`."""
        if self.plan.hardware.response != "exact":
            return self
        return self.with_engines([replace(engine, solves=True) for engine in self.engines])

    def survey(self, codes: Codes, *, threads: int = 1) -> list[Statistics]:
        """Return what the converters of each row block do on quantised inputs."""
        return [engine.survey(lines, threads=threads) for _, engine, lines in self._lines(codes)]

    def input_activity(self, codes: Codes) -> float:
        """Return the mean squared word-line voltage as a fraction of full scale squared, resting lines included [-]."""
        streams = self.engines[0].streams.reads
        highest = (1 << streams.dac_bits) - 1
        squares = lines_count = 0.0
        for _, _, lines in self._lines(codes):
            squares += float(np.mean((split_inputs(lines, streams) / highest) ** streams.power)) * lines.shape[1]
            lines_count += lines.shape[1]
        return squares / lines_count

    def measure_watt(self, codes: Codes) -> float:
        """Return the mean power of an array over the pulses of a read [W]; only arrays that a round needs are read."""
        streams = self.engines[0].streams
        weights, lowest = weigh_codes(streams, self.plan.hardware), streams.reads.lowest
        columns = self.plan.columns
        needed = (self.plan.wanted_columns > 0).reshape(-1, columns.runs, columns.run_blocks)
        parts = []
        for block, engine, lines in self._lines(spread_images(codes, most=0)):
            of_round = average_weights(lines.reshape(-1, self.tables.round_count, engine.rows), weights, lowest)
            held = needed[:, :, : engine.programmed.power.run_blocks].reshape(len(needed), -1)
            is_read = held & (self._driven[:, [block]] > 0)  # columns that no round wants are not even programmed
            activity = np.einsum("rc,rk->ck", is_read.astype(np.float64), of_round)
            some = pick_vectors(lines)
            reads = int(is_read.sum()) * engine.hardware.arrays_per_crossbar
            parts.append(PowerPart(engine, activity, some, None, reads))
        return average_power(parts)

    def _shift(self, block: int) -> Ints:
        """Return the binary places by which the results of a row block are shifted up, by column."""
        place = np.searchsorted(self.epitome.row_starts, self.plan.row_starts[block], side="right") - 1
        shift: Ints = self.epitome.shift[place]
        return shift

    @cached_property
    def _driven(self) -> Ints:
        """Word lines that each round drives in each row block, (rounds, row blocks)."""
        return self.tables.driven(self.plan.row_starts)

    def _lines(self, codes: Codes) -> Iterator[tuple[int, Engine, Codes]]:
        """Yield row block, engine and word-line inputs (windows * rounds, rows of the block), rounds innermost."""
        features = _fetch(self.node, self.quantized, self.tables, codes)
        for block, engine in enumerate(self.engines):
            start = self.plan.row_starts[block]
            lines = _place(self.tables, features, slice(start, start + engine.rows))
            yield block, engine, lines.reshape(-1, engine.rows)


def _fetch(node: Node, quantized: QuantizedLayer, tables: EpitomePlan, codes: Codes) -> list[Codes]:
    """Return the features (windows, features) that each round fetches, several fetches added up."""
    attributes = node.attributes
    geometry = make_geometry(
        codes.shape, **{key: attributes[key] for key in ("kernel", "stride", "padding", "dilation")}
    )
    windows = gather_windows(codes, geometry, channels_last=False, pad_code=quantized.input_zero_point)
    size = attributes["kernel"][0] * attributes["kernel"][1]
    found: list[Codes] = []
    for r in range(tables.round_count):
        fetches = tables.ifat[tables.ifat[:, 0] == r, 1:] * size
        if len(fetches) == 1:
            found.append(windows[:, fetches[0, 0] : fetches[0, 1]])
            continue
        total = np.zeros((len(windows), int(np.diff(fetches).max())), dtype=np.int32)
        for low, high in fetches.tolist():
            total[:, : high - low] += windows[:, low:high]
        found.append(total)
    return found


def _place(tables: EpitomePlan, features: list[Codes], rows: slice) -> Codes:
    """Return the inputs (windows, rounds, rows) of some word lines; lines that a round does not drive rest."""
    lines = np.zeros((len(features[0]), tables.round_count, rows.stop - rows.start), features[0].dtype)
    for r, pattern in enumerate(tables.patterns[tables.pattern_of, rows]):
        driven = pattern >= 0
        lines[:, r, driven] = features[r][:, pattern[driven]]
    return lines


def _sample_lines(node: Node, quantized: QuantizedLayer, tables: EpitomePlan, codes: Codes, rows: slice) -> Codes:
    """Return inputs (vectors, rows) of some word lines, of every round that drives any, spread over images."""
    is_driven = (tables.patterns[tables.pattern_of, rows] >= 0).any(axis=1)
    images = pick_images(codes)
    found = [
        pick_windows(_place(tables, _fetch(node, quantized, tables, images[k : k + 1]), rows), k)[:, is_driven]
        for k in range(len(images))
    ]
    return pick_vectors(np.concatenate(found).reshape(-1, rows.stop - rows.start))


def program_epitome(
    node: Node,
    quantized: QuantizedLayer,
    plan: LayerPlan,
    *,
    seed: int,
    trial: int,
    codes: Codes | None = None,
    threads: int | None = None,
) -> EpitomeMachine:
    """Program an epitome into its arrays; arguments as in :func:`~xbarsim.inference.layer.program_layer`.

    Returns
    -------
    EpitomeMachine
        With the ADC range that the hardware has without calibration.

    Raises
    ------
    MappingError
        If the epitome was quantised for other arrays.
    """
    tables, epitome = plan.epitome, quantized.epitome
    assert tables is not None
    assert epitome is not None
    if not np.isin(epitome.row_starts, plan.row_starts).all():
        raise MappingError(f"layer {node.name}: its epitome was quantised for arrays with other row blocks")
    engines = []
    ends = np.minimum(plan.row_starts[1:], tables.used_rows)
    for block, (low, high) in enumerate(zip(plan.row_starts[:-1], ends)):
        if low >= high:
            break
        sample = None
        if codes is not None and plan.hardware.response != "operator":
            sample = _sample_lines(node, quantized, tables, codes, slice(low, high))
        engines.append(
            program_matrix(
                epitome.codes[low:high, : tables.used_columns],
                plan.hardware,
                weight_bits=quantized.weight_bits,
                activation_bits=plan.input_bits,
                signed=quantized.signed,
                seed=seed,
                trial=trial,
                layer=node.name if len(plan.row_starts) == 2 else f"{node.name}/{block}",
                codes=sample,
                threads=threads,
            )
        )
    return EpitomeMachine(
        node=node, quantized=quantized, plan=plan, tables=tables, epitome=epitome, engines=tuple(engines)
    )
