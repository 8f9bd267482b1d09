"""The analog matrix-vector engine: encodings, slices, streams, shift-add and the fused kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xbarsim._lazy import load_lazily

if TYPE_CHECKING:
    from xbarsim.config.encoding import EncodedWeights as EncodedWeights
    from xbarsim.converter import stream_count as stream_count
    from xbarsim.mvm.build import program_matrix as program_matrix
    from xbarsim.mvm.column_map import ColumnMap as ColumnMap
    from xbarsim.mvm.column_map import map_columns as map_columns
    from xbarsim.mvm.column_map import sample_worst as sample_worst
    from xbarsim.mvm.encoding import columns_per_weight as columns_per_weight
    from xbarsim.mvm.encoding import decode_weights as decode_weights
    from xbarsim.mvm.encoding import encode_weights as encode_weights
    from xbarsim.mvm.engine import Engine as Engine
    from xbarsim.mvm.groups import ReadGroups as ReadGroups
    from xbarsim.mvm.leave_out import leave_out_errors as leave_out_errors
    from xbarsim.mvm.statistics import Statistics as Statistics
    from xbarsim.mvm.window import Geometry as Geometry
    from xbarsim.mvm.window import make_geometry as make_geometry

_SOURCES = {
    "xbarsim.config.encoding": ("EncodedWeights",),
    "xbarsim.converter": ("stream_count",),
    "xbarsim.mvm.build": ("program_matrix",),
    "xbarsim.mvm.column_map": ("ColumnMap", "map_columns", "sample_worst"),
    "xbarsim.mvm.encoding": ("columns_per_weight", "decode_weights", "encode_weights"),
    "xbarsim.mvm.engine": ("Engine",),
    "xbarsim.mvm.groups": ("ReadGroups",),
    "xbarsim.mvm.leave_out": ("leave_out_errors",),
    "xbarsim.mvm.statistics": ("Statistics",),
    "xbarsim.mvm.window": ("Geometry", "make_geometry"),
}

__all__ = [name for names in _SOURCES.values() for name in names]


if not TYPE_CHECKING:  # a module's __getattr__ tells type checkers that every name exists
    __getattr__, __dir__ = load_lazily("xbarsim.mvm", _SOURCES)
