"""The end of a network with several outputs: one vector that holds them all, each under its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarsim.network.kinds.record import MANY, NO_LAYER, NOT_IN_YAML, NOT_READ, Codes, Kind, Reach, Shape, TimingClass
from xbarsim.network.kinds.rule import always, no_work, same_moments, sign_of_inputs
from xbarsim.network.kinds.setting import as_given
from xbarsim.network.onnx_writers import write_outputs

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

OUTPUTS = "outputs"
"""Kind of the last node of a network with several outputs; its attribute ``names`` has a name for each input."""


def _shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    return (sum(math.prod(shape) for shape in inputs),)


def _run(node: Node, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([values.reshape(len(values), -1) for values in inputs], axis=1)


def _torch(torch: Any, node: Node, inputs: Sequence[Any]) -> Any:
    return torch.cat([values.reshape(len(values), -1) for values in inputs], dim=1)


RECORDS = (
    Kind(
        name=OUTPUTS,
        inputs=MANY,
        shape=_shape,
        sign=sign_of_inputs,
        run=_run,
        torch=_torch,
        codes=Codes.LOSES,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.MOVE,
        work=no_work,
        reach=always(Reach.ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=write_outputs,
    ),
)
