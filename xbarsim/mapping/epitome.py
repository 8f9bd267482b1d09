"""Index tables that run a convolution patch by patch on the arrays that hold its epitome (EPIM, DAC 2024).

The arrays hold the epitome as one matrix: a row for every (input channel, p, q), a column for every output channel.
The patches of one pixel run one after another, each in a *round*. Three tables control a round.

* IFAT, input feature addresses: which input channels of the window are fetched.
* IFRT, input feature rows: which fetched feature drives which word line; the other word lines are at 0 V. A row pattern
  remains in the drivers until a round needs another one.
* OFAT, output feature addresses: which columns go to which outputs, overwriting or adding to what is there.

Output patches that sample the same weights from the same inputs are computed once where ``epitome.output_wrapping``
is set, and the OFAT copies the result. Input patches that sample the same weights for every output can be added up
before they are applied to the arrays (``epitome.input_wrapping``), which takes one round but widens the inputs.

The names of the tables are those of EPIM. Their contents are our own, since the paper does not give the layout. The
width of an entry is that of the largest number.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.network import EpitomeSampler, Node

Ints = NDArray[np.int64]

OVERWRITE, ACCUMULATE = 0, 1
"""Actions of the joint module with the results of a round."""
INPUT_BITS = 16
"""Widest input that can be streamed into arrays."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EpitomePlan:
    """A convolution that runs patch by patch."""

    sampler: EpitomeSampler
    """Where the patches lie."""
    rounds: Ints
    """(rounds, 2) output patch and input patch that are computed."""
    ifat: Ints
    """(fetches, 3) round, first input channel, end channel; several fetches of one round are added up."""
    patterns: Ints
    """(patterns, rows) IFRT: position in the fetch of the feature that drives a word line, -1 where it rests."""
    pattern_of: Ints
    """(rounds,) row pattern of a round."""
    ofat: Ints
    """(writes, 5) round, first column, first output, end output, :data:`OVERWRITE` or :data:`ACCUMULATE`."""
    extra_bits: int
    """Bits that inputs grow by when fetches are added up."""

    @property
    def round_count(self) -> int:
        """Array activations of one window, one after the other."""
        return len(self.rounds)

    @functools.cached_property
    def columns(self) -> Ints:
        """(rounds, 2) first column and end column that a round reads."""
        patches = self.sampler.outputs[self.rounds[:, 0]]
        return np.stack([patches[:, 2], patches[:, 2] + patches[:, 1] - patches[:, 0]], axis=1)

    @functools.cached_property
    def used_rows(self) -> int:
        """Rows up to the last one that any round drives."""
        return int(np.flatnonzero((self.patterns >= 0).any(axis=0))[-1]) + 1

    @functools.cached_property
    def used_columns(self) -> int:
        """Columns up to the last one that any round reads."""
        return int(self.columns[:, 1].max())

    def driven(self, row_starts: Ints) -> Ints:
        """Return how many word lines each round drives in each row block, (rounds, row blocks)."""
        each = np.add.reduceat(self.patterns >= 0, row_starts[:-1], axis=1, dtype=np.int64)
        return np.asarray(each)[self.pattern_of]

    def fetched(self, row_starts: Ints) -> Ints:
        """Return how many features each round fetches for each row block, (rounds, row blocks)."""
        features = math.prod(self.sampler.weight_shape[2:])
        found = np.zeros((self.round_count, len(row_starts) - 1), dtype=np.int64)
        for r, first, end in self.ifat:
            pattern = self.patterns[self.pattern_of[r]]
            meant = (pattern >= 0) & (pattern < (end - first) * features)
            found[r] += np.add.reduceat(meant, row_starts[:-1], dtype=np.int64)
        return found

    @property
    def pattern_loads(self) -> int:
        """Row patterns that one window loads; a single one stays for good."""
        return int(np.count_nonzero(self.pattern_of != np.roll(self.pattern_of, 1)))

    @property
    def input_additions(self) -> int:
        """Features that one window adds up before they enter the arrays."""
        features = math.prod(self.sampler.weight_shape[2:])
        sizes = (self.ifat[:, 2] - self.ifat[:, 1]) * features
        return int(sizes.sum() - sum(sizes[self.ifat[:, 0] == r].max() for r in range(self.round_count)))

    @property
    def joint_additions(self) -> int:
        """Results of one window that the joint module adds to those of earlier rounds; copied results are added
        once."""
        added = self.rounds[:, 1] != self.rounds[0, 1]
        return int((self.columns[added, 1] - self.columns[added, 0]).sum())

    @property
    def table_bits(self) -> dict[str, int]:
        """Bits of each table: ``ifat``, ``ifrt``, ``ofat``."""
        return {
            "ifat": len(self.ifat) * self._fetch_bits,
            "ifrt": self.patterns.size * self._row_bits,
            "ofat": len(self.ofat) * self._write_bits,
        }

    @property
    def lookup_bits(self) -> dict[str, int]:
        """Bits that one window reads from each table."""
        return {
            "ifat": len(self.ifat) * self._fetch_bits,
            "ifrt": self.pattern_loads * self.patterns.shape[1] * self._row_bits,
            "ofat": len(self.ofat) * self._write_bits,
        }

    @property
    def _fetch_bits(self) -> int:
        return 2 * _width(self.sampler.weight_shape[1] + 1) + _width(len(self.patterns))

    @property
    def _row_bits(self) -> int:
        return _width(int(self.patterns.max()) + 2)

    @property
    def _write_bits(self) -> int:
        return 2 * _width(self.sampler.weight_shape[0] + 1) + _width(self.sampler.epitome_shape[0]) + 1


def plan_epitome(node: Node, hardware: Hardware) -> EpitomePlan | None:
    """Generate the index tables of a convolution.

    Parameters
    ----------
    node : Node
        A weight layer.
    hardware : Hardware
        Its hardware; ``epitome.output_wrapping`` and ``epitome.input_wrapping`` decide.

    Returns
    -------
    EpitomePlan or None
        None where the layer has no epitome.

    Raises
    ------
    ConfigError
        If inputs that are added up become too wide.
    """
    if node.epitome is None:
        return None
    rules = hardware.epitome
    plan = make_tables(node.epitome.sampler, rules.output_wrapping, rules.input_wrapping)
    if hardware.activation_bits + plan.extra_bits > INPUT_BITS:
        raise ConfigError(
            f"layer {node.name}: epitome.input_wrapping: sums of {1 << plan.extra_bits} inputs of "
            f"{hardware.activation_bits} bits need more than {INPUT_BITS}; "
            f"at most activation_bits: {INPUT_BITS - plan.extra_bits}"
        )
    return plan


@functools.lru_cache(maxsize=1024)
def make_tables(sampler: EpitomeSampler, output_wrapping: bool, input_wrapping: bool) -> EpitomePlan:
    """Generate the index tables of a sampler.

    Parameters
    ----------
    sampler : EpitomeSampler
        Where the patches lie.
    output_wrapping, input_wrapping : bool
        Compute equal output patches once; add up equal input patches first.

    Returns
    -------
    EpitomePlan
        Rounds and tables; input patches of one output patch follow each other.
    """
    outputs, inputs = len(sampler.outputs), len(sampler.inputs)
    same_out = sampler.same_outputs if output_wrapping else np.arange(outputs)
    same_in = sampler.same_inputs if input_wrapping else np.arange(inputs)
    chosen_in = np.unique(same_in)
    rounds = np.array([(o, i) for o in np.unique(same_out) for i in chosen_in], dtype=np.int64)
    ifat, ofat, lines = [], [], []
    for r, (o, i) in enumerate(rounds.tolist()):
        ifat += [(r, *sampler.inputs[other, :2]) for other in np.flatnonzero(same_in == i)]
        mode = OVERWRITE if i == chosen_in[0] else ACCUMULATE
        for other in np.flatnonzero(same_out == o):
            first, end, column = sampler.outputs[other]
            ofat.append((r, column, first, end, mode))
        lines.append(_row_pattern(sampler, o, i))
    patterns, pattern_of = np.unique(np.array(lines), axis=0, return_inverse=True)
    groups = np.bincount(same_in).max()
    return EpitomePlan(
        sampler=sampler,
        rounds=rounds,
        ifat=np.array(ifat, dtype=np.int64),
        patterns=patterns,
        pattern_of=pattern_of.reshape(-1),
        ofat=np.array(ofat, dtype=np.int64),
        extra_bits=math.ceil(math.log2(groups)),
    )


def _row_pattern(sampler: EpitomeSampler, output: int, inp: int) -> Ints:
    """Return the position in the fetch of the feature that drives each row, -1 where none does."""
    _, depth, p, q = sampler.epitome_shape
    kh, kw = sampler.weight_shape[2:]
    first, end, start = sampler.inputs[inp]
    row, col = sampler.places[output, inp]
    pattern = np.full((depth, p, q), -1, dtype=np.int64)
    count = end - first
    pattern[start : start + count, row : row + kh, col : col + kw] = np.arange(count * kh * kw).reshape(count, kh, kw)
    return pattern.reshape(-1)


def _width(values: int) -> int:
    """Return the bits that tell so many values apart; nothing for a single one."""
    return math.ceil(math.log2(values)) if values > 1 else 0
