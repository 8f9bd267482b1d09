"""Products of activations on arrays: the second operand is written into cells, the first one drives word lines.

Plans contain these kinds in place of ``matmul`` where ``mapping.dynamic_products`` says so; no file names them. The
matrices of a stack (heads of attention) are groups of a layer, and a window is one row of the first operand of all of
them. The write is a step of its own, which needs the whole second operand and which every window waits for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.kinds.arithmetic import multiply_matrices, multiply_shapes
from xbarsim.network.kinds.record import (
    NO_KERNEL,
    NO_LAYER,
    NO_TORCH,
    NOT_ASKED,
    NOT_IN_YAML,
    NOT_READ,
    NOT_WRITTEN,
    ONE,
    TWO,
    Codes,
    Kind,
    LayerRule,
    Reach,
    Shape,
    TimingClass,
    Work,
)
from xbarsim.network.kinds.rule import always, no_work, same_moments, same_shape, sign_of_inputs
from xbarsim.network.kinds.setting import as_given

if TYPE_CHECKING:
    from xbarsim.network.graph import Node

STORED_PRODUCT = "array_matmul"
"""Kind of a product whose second operand lies in arrays."""
STORE = "array_write"
"""Kind of the step that writes it."""


def _write_work(node: Node, inputs: Sequence[Shape]) -> Work:
    """Read the whole operand from its buffer, once."""
    return Work(operands=math.prod(inputs[0]), operations=0, activations=0, factors=None)


def _refuse(node: Node, *_: Any) -> NoReturn:
    raise ConfigError(f"{node.name}: a product of activations has no weights of its own")


def _refuse_kernel(node: Node, kernel: int) -> Mapping[str, Any]:
    raise ConfigError(f"{node.name}: a product of activations has no kernel")


def _refuse_torch(torch: Any, node: Node, *_: Any) -> Any:
    _refuse(node)


RECORDS = (
    Kind(
        name=STORED_PRODUCT,
        inputs=TWO,
        shape=multiply_shapes,
        sign=sign_of_inputs,
        run=multiply_matrices,
        torch=NO_TORCH,
        codes=Codes.MULTIPLIES,
        moments=same_moments,
        layer=LayerRule(
            rows=lambda node: node.attributes["in_features"] // node.groups,
            inputs="in_features",
            outputs="out_features",
            windows=lambda node: node.shape[-2],
            weight_shape=lambda node: (node.columns * node.groups, node.rows),
            geometry=NO_KERNEL,
            resize=_refuse_kernel,
            query=NOT_ASKED,
            output_axis=-1,
            scratch=lambda node: 0,
            multiply=_refuse,
            torch=_refuse_torch,
        ),
        timing=TimingClass.LAYER,
        work=no_work,
        reach=always(Reach.ROW_AND_ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=NOT_WRITTEN,
    ),
    Kind(
        name=STORE,
        inputs=ONE,
        shape=same_shape,
        sign=sign_of_inputs,
        run=lambda node, inputs: np.ascontiguousarray(inputs[0]),
        torch=NO_TORCH,
        codes=Codes.KEEPS,
        moments=same_moments,
        layer=NO_LAYER,
        timing=TimingClass.WRITE,
        work=_write_work,
        reach=always(Reach.ALL),
        settings=NOT_IN_YAML,
        attributes=as_given,
        onnx_read=NOT_READ,
        onnx_write=NOT_WRITTEN,
    ),
)
