"""Export of PyTorch's plain recurrent layers as RNN of ONNX.

PyTorch's exporter knows LSTM and GRU, and writes an RNN step by step, which repeats its weights for every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def recurrent_settings(module: Any) -> dict[str, Any]:
    """Return what PyTorch's exporter is given for recurrent layers with one gate.

    Parameters
    ----------
    module : torch.nn.Module
        What is exported.

    Returns
    -------
    dict
        Arguments of ``torch.onnx.export``: for each operator of PyTorch the function that writes it in operators of
        ONNX. Nothing for a module without such layers, so that it is exported by versions that lack the argument.
    """
    import torch

    if not any(isinstance(part, torch.nn.RNN) for part in module.modules()):
        return {}
    names = {"Tanh": "rnn_tanh", "Relu": "rnn_relu"}
    table = {getattr(torch.ops.aten, name).input: _write_with(activation) for activation, name in names.items()}
    return {"custom_translation_table": table}


def _write_with(activation: str) -> Callable[..., Any]:
    """Return a function that writes a recurrent layer with an activation, which ONNX names so."""

    def write(
        x: Any, state: Any, params: Sequence[Any], has_biases: bool, num_layers: int, dropout: float, train: bool,
        bidirectional: bool, batch_first: bool,
    ) -> tuple[Any, Any]:  # fmt: skip
        from onnxscript import opset18 as op

        ways = 2 if bidirectional else 1
        values, ends = op.Transpose(x, perm=[1, 0, 2]) if batch_first else x, []
        for layer in range(num_layers):
            size = (4 if has_biases else 2) * ways
            sides = [params[layer * size + place : (layer + 1) * size : size // ways] for place in range(size // ways)]
            weights = [_stack(op, side) for side in sides[:2]]
            biases = [op.Concat(*(_stack(op, side) for side in sides[2:]), axis=1)] if has_biases else []
            outputs, end = op.RNN(
                values, *weights, *biases, initial_h=op.Slice(state, [layer * ways], [(layer + 1) * ways], [0]),
                activations=[activation] * ways, direction="bidirectional" if bidirectional else "forward",
                hidden_size=int(state.shape[2]),
            )  # fmt: skip
            values = op.Reshape(op.Transpose(outputs, perm=[0, 2, 1, 3]), [0, 0, -1])
            ends.append(end)
        return op.Transpose(values, perm=[1, 0, 2]) if batch_first else values, op.Concat(*ends, axis=0)

    return write


def _stack(op: Any, values: Sequence[Any]) -> Any:
    """Return the values of all directions, with an axis for them before the others."""
    return op.Concat(*(op.Unsqueeze(each, [0]) for each in values), axis=0)
