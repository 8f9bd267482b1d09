"""The analog matrix-vector engine: encodings, slices, streams, shift-add and the fused kernels."""

from xbarsim.config.encoding import EncodedWeights
from xbarsim.converter import stream_count
from xbarsim.mvm.build import program_matrix
from xbarsim.mvm.column_map import ColumnMap, map_columns, sample_worst
from xbarsim.mvm.encoding import columns_per_weight, decode_weights, encode_weights
from xbarsim.mvm.engine import Engine
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.leave_out import leave_out_errors
from xbarsim.mvm.statistics import Statistics
from xbarsim.mvm.window import Geometry, make_geometry

__all__ = [
    "ColumnMap", "EncodedWeights", "Engine", "Geometry", "ReadGroups", "Statistics", "columns_per_weight",
    "decode_weights", "encode_weights", "leave_out_errors", "make_geometry", "map_columns", "program_matrix",
    "sample_worst", "stream_count",
]  # fmt: skip
