"""Recurrent PyTorch layers whose input weights run on arrays.

As in networks that are read from ONNX files, the inputs of all steps go through one linear layer for each layer of the
module, with the weights of two directions side by side; the recurrence itself is computed in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xbarsim.errors import ConfigError
from xbarsim.train.form import PlainForm
from xbarsim.train.torch_network import Tensor, functional, nn, torch

if TYPE_CHECKING:
    from xbarsim.train.session import ArraySession

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""Mode of a module -> PyTorch's gates in the order of ONNX."""


class StepWeights:
    """The input weights of one layer of a recurrent module, as a layer that runs on arrays.

    Parameters
    ----------
    module : torch.nn.LSTM or torch.nn.GRU
        Holds the parameters.
    layer : int
        Which of its layers.
    """

    form = PlainForm()
    folded: tuple[Any, ...] = ()

    def __init__(self, module: Any, layer: int) -> None:
        self.module, self.layer, self.array_name = module, layer, ""

    @property
    def is_read(self) -> bool:
        """Whether the simulator's kernels run, and not the model for training."""
        return not self.module.training

    @property
    def weight(self) -> Tensor:
        """Weights (directions * gates * hidden, inputs), gates in the order of ONNX."""
        return torch.cat([self._gates("weight_ih", way) for way in self._ways()])

    @property
    def bias(self) -> Tensor | None:
        """Biases of inputs, (directions * gates * hidden,)."""
        return torch.cat([self._gates("bias_ih", way) for way in self._ways()]) if self.module.bias else None

    def run(self, session: ArraySession, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        """Compute the layer.

        Parameters
        ----------
        session : ArraySession
            The arrays.
        x : Tensor, (images, steps, inputs)
            Inputs.
        state : tuple of Tensor, (directions, images, hidden)
            Hidden values at the beginning, and those of the cells of an LSTM.

        Returns
        -------
        Tensor, list of Tensor
            Outputs (images, steps, directions * hidden), and states at the end.
        """
        given = session.run(self, x)
        results, ends = [], []
        for place, (way, gates) in enumerate(zip(self._ways(), given.chunk(len(self._ways()), -1), strict=True)):
            recurrent = self._gates("weight_hh", way)
            bias = self._gates("bias_hh", way) if self.module.bias else None
            now, outputs = [part[place] for part in state], []
            steps = range(x.shape[1])
            for step in reversed(steps) if way else steps:
                now = self._step(gates[:, step], functional.linear(now[0], recurrent, bias), now)
                outputs.append(now[0])
            results.append(torch.stack(outputs[::-1] if way else outputs, 1))
            ends.append(now)
        return torch.cat(results, -1), [torch.stack(parts) for parts in zip(*ends, strict=True)]

    def _step(self, inputs: Tensor, own: Tensor, now: list[Tensor]) -> list[Tensor]:
        if self.module.mode == "LSTM":
            i, o, f, c = (inputs + own).chunk(4, -1)
            cell = f.sigmoid() * now[1] + i.sigmoid() * c.tanh()
            return [o.sigmoid() * cell.tanh(), cell]
        (z, r, n), (own_z, own_r, own_n) = inputs.chunk(3, -1), own.chunk(3, -1)
        keep = (z + own_z).sigmoid()
        new = (n + (r + own_r).sigmoid() * own_n).tanh()
        return [(1 - keep) * new + keep * now[0]]

    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.module.bidirectional else ("",)

    def _gates(self, name: str, way: str) -> Tensor:
        values = getattr(self.module, f"{name}_l{self.layer}{way}")
        order = GATES[self.module.mode]
        parts = values.chunk(len(order))
        return torch.cat([parts[place] for place in order])


class RecurrentOnArrays(nn.Module):
    """Mixed into a recurrent layer whose input weights run on arrays."""

    session: ArraySession
    """Shared by all layers of a module."""
    parts: tuple[StepWeights, ...]
    """Its layers."""

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """Compute all layers, (B, T, inputs), or (T, B, inputs) without ``batch_first``; (T, inputs) for one image."""
        if not isinstance(x, Tensor):
            raise ConfigError("convert: recurrent layers on arrays take tensors; give packed sequences padded")
        given: Any = self
        is_single, is_first = x.ndim == 2, given.batch_first
        x = x.unsqueeze(0) if is_single else x if is_first else x.transpose(0, 1)
        ways = 2 if given.bidirectional else 1
        if hx is None:
            zeros = x.new_zeros(given.num_layers * ways, len(x), given.hidden_size)
            hx = (zeros, zeros) if given.mode == "LSTM" else zeros
        elif is_single:
            hx = tuple(each.unsqueeze(1) for each in hx) if given.mode == "LSTM" else hx.unsqueeze(1)
        states = hx if given.mode == "LSTM" else (hx,)
        ends = []
        for part in self.parts:
            own = tuple(each[part.layer * ways : (part.layer + 1) * ways] for each in states)
            x, end = part.run(self.session, x, own)
            ends.append(end)
            if given.training and given.dropout and part is not self.parts[-1]:
                x = functional.dropout(x, given.dropout)
        last = [torch.cat(each) for each in zip(*ends, strict=True)]
        if is_single:
            x, last = x[0], [each[:, 0] for each in last]
        elif not is_first:
            x = x.transpose(0, 1)
        return x, tuple(last) if given.mode == "LSTM" else last[0]


class ArrayLSTM(RecurrentOnArrays, nn.LSTM):
    """A long short-term memory on arrays."""


class ArrayGRU(RecurrentOnArrays, nn.GRU):
    """Gated recurrent units on arrays."""


RECURRENT: dict[Any, type[RecurrentOnArrays]] = {nn.LSTM: ArrayLSTM, nn.GRU: ArrayGRU}
"""Class of a recurrent layer -> its class on arrays."""
