"""Operators that are read as several others of ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xbarsim.network.onnx_fused import FUSED_EXPANDERS
from xbarsim.network.onnx_layers import Operator, Unsupported
from xbarsim.network.onnx_parts import Expander, Parts
from xbarsim.network.onnx_qoperator import CODE_EXPANDERS

if TYPE_CHECKING:
    from xbarsim.network.onnx_reader import GraphReader

EXPANDERS: dict[str, Expander] = CODE_EXPANDERS | FUSED_EXPANDERS
"""Operator -> what it is made of."""


def expand_operator(graph: GraphReader, op: Operator) -> list[Any]:
    """Take an operator apart.

    Parameters
    ----------
    graph : GraphReader
        What has been read so far; constants are added to it.
    op : Operator
        The operator.

    Returns
    -------
    list of onnx.NodeProto
        In the order to be computed in; the last gives the operator's output. Empty where that cannot be, for example
        because scales or weights are computed: ONNX Runtime runs the operator as it is.
    """
    try:
        return EXPANDERS[op.kind](Parts(graph, op))
    except Unsupported:
        return []
