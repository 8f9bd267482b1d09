"""The analog matrix-vector engine: encodings, slices, streams, shift-add and the fused kernels."""

from xbarsim.converter import stream_count
from xbarsim.mvm.encoding import EncodedWeights, columns_per_weight, encode_weights, is_paired
from xbarsim.mvm.engine import Engine, Statistics, program_matrix

__all__ = [
    "EncodedWeights", "Engine", "Statistics", "columns_per_weight", "encode_weights", "is_paired", "program_matrix", "stream_count",
]  # fmt: skip
