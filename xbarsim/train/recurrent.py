"""Recurrent PyTorch layers whose input weights run on arrays.

As in networks that are read from ONNX files, the inputs of all steps go through one linear layer for each layer of the
module, with the weights of two directions side by side; the recurrence itself is computed in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xbarsim.errors import ShapeError
from xbarsim.train.form import PlainForm
from xbarsim.train.torch_network import Tensor, functional, nn, torch

if TYPE_CHECKING:
    from xbarsim.train.session import ArraySession

PackedSequence = nn.utils.rnn.PackedSequence


def _step_lstm(inputs: Tensor, own: Tensor, now: Sequence[Tensor]) -> list[Tensor]:
    i, o, f, c = (inputs + own).chunk(4, -1)
    cell = f.sigmoid() * now[1] + i.sigmoid() * c.tanh()
    return [o.sigmoid() * cell.tanh(), cell]


def _step_gru(inputs: Tensor, own: Tensor, now: Sequence[Tensor]) -> list[Tensor]:
    (z, r, n), (own_z, own_r, own_n) = inputs.chunk(3, -1), own.chunk(3, -1)
    keep = (z + own_z).sigmoid()
    new = (n + (r + own_r).sigmoid() * own_n).tanh()
    return [(1 - keep) * new + keep * now[0]]


def _step_tanh(inputs: Tensor, own: Tensor, now: Sequence[Tensor]) -> list[Tensor]:
    return [(inputs + own).tanh()]


def _step_relu(inputs: Tensor, own: Tensor, now: Sequence[Tensor]) -> list[Tensor]:
    return [(inputs + own).relu()]


class RecurrentRule(NamedTuple):
    """What a recurrent layer does in a step."""

    gates: tuple[int, ...]
    """PyTorch's gates in the order of ONNX."""
    step: Callable[[Tensor, Tensor, Sequence[Tensor]], list[Tensor]]
    """``(gates of the inputs, gates of the hidden values, states) -> new states``, the hidden values first."""


MODES = {
    "LSTM": RecurrentRule((0, 3, 1, 2), _step_lstm), "GRU": RecurrentRule((1, 0, 2), _step_gru),
    "RNN_TANH": RecurrentRule((0,), _step_tanh), "RNN_RELU": RecurrentRule((0,), _step_relu),
}  # fmt: skip
"""Mode of a module -> its rule."""


class StepWeights:
    """The input weights of one layer of a recurrent module, as a layer that runs on arrays.

    Parameters
    ----------
    module : torch.nn.LSTM, torch.nn.GRU or torch.nn.RNN
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

    def cells(self) -> list[Tensor]:
        """Return the parameters that its arrays store, (gates * hidden, inputs) for each direction."""
        return [getattr(self.module, f"weight_ih_l{self.layer}{way}") for way in self._ways()]

    def run(
        self, session: ArraySession, x: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute the layer.

        Parameters
        ----------
        session : ArraySession
            The arrays.
        x : Tensor, (images, steps, inputs)
            Inputs.
        state : tuple of Tensor, (directions, images, hidden)
            Hidden values at the beginning, and those of the cells of an LSTM.
        lengths : Tensor of int, (images,), or None
            Steps of each image; outputs behind them are 0, and the state at the end is that of the last one.

        Returns
        -------
        Tensor, list of Tensor
            Outputs (images, steps, directions * hidden), and states at the end.
        """
        given = session.run(self, x)
        step_rule, results, ends = MODES[self.module.mode].step, [], []
        for place, (way, gates) in enumerate(zip(self._ways(), given.chunk(len(self._ways()), -1), strict=True)):
            recurrent = self._gates("weight_hh", way)
            bias = self._gates("bias_hh", way) if self.module.bias else None
            now, outputs = [part[place] for part in state], []
            steps = range(x.shape[1])
            for step in reversed(steps) if way else steps:
                new = step_rule(gates[:, step], functional.linear(now[0], recurrent, bias), now)
                if lengths is None:
                    now, y = new, new[0]
                else:
                    lives = (step < lengths).unsqueeze(1)
                    now = [torch.where(lives, after, before) for after, before in zip(new, now, strict=True)]
                    y = torch.where(lives, new[0], 0.0)
                outputs.append(y)
            results.append(torch.stack(outputs[::-1] if way else outputs, 1))
            ends.append(now)
        return torch.cat(results, -1), [torch.stack(parts) for parts in zip(*ends, strict=True)]

    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.module.bidirectional else ("",)

    def _gates(self, name: str, way: str) -> Tensor:
        values = getattr(self.module, f"{name}_l{self.layer}{way}")
        order = MODES[self.module.mode].gates
        parts = values.chunk(len(order))
        return torch.cat([parts[place] for place in order])


class RecurrentOnArrays(nn.Module):
    """Mixed into a recurrent layer whose input weights run on arrays."""

    session: ArraySession
    """Shared by all layers of a module."""
    parts: tuple[StepWeights, ...]
    """Its layers."""

    def cells(self) -> list[Tensor]:
        """Return the parameters that its arrays store, (gates * hidden, inputs) for each layer and direction."""
        return [cells for part in self.parts for cells in part.cells()]

    def forward(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        """Compute all layers.

        Parameters
        ----------
        x : Tensor or PackedSequence
            (B, T, inputs), or (T, B, inputs) without ``batch_first``; (T, inputs) for one image.
        hx : Tensor or tuple of Tensor, optional
            State at the beginning.

        Returns
        -------
        Tensor or PackedSequence, and the state at the end
            As the plain module.
        """
        given: Any = self
        if isinstance(x, PackedSequence):
            return self._run_packed(x, hx)
        is_single, is_first = x.ndim == 2, given.batch_first
        x = x.unsqueeze(0) if is_single else x if is_first else x.transpose(0, 1)
        if is_single and hx is not None:
            hx = tuple(each.unsqueeze(1) for each in hx) if given.mode == "LSTM" else hx.unsqueeze(1)
        x, last = self._run(x, hx, None)
        if is_single:
            x, last = x[0], [each[:, 0] for each in last]
        elif not is_first:
            x = x.transpose(0, 1)
        return x, tuple(last) if given.mode == "LSTM" else last[0]

    def _run_packed(self, x: Any, hx: Any) -> tuple[Any, Any]:
        """Compute sequences of several lengths, padded to the length of those of the calibration."""
        given: Any = self
        network, name = self.session.network, self.parts[0].array_name
        steps, longest = network.shape_of(network.node(name).inputs[0])[-2], len(x.batch_sizes)
        if longest > steps:
            raise ShapeError(
                f"layer {name}: packed sequences of up to {longest} steps, those of the calibration have {steps}; "
                "convert the module with the longest ones"
            )
        padded, lengths = nn.utils.rnn.pad_packed_sequence(x, batch_first=True, total_length=steps)
        y, last = self._run(padded, hx, lengths)
        if x.sorted_indices is not None:
            y, lengths = y.index_select(0, x.sorted_indices), lengths.index_select(0, x.sorted_indices)
        data = nn.utils.rnn.pack_padded_sequence(y, lengths, batch_first=True).data
        found = PackedSequence(data, x.batch_sizes, x.sorted_indices, x.unsorted_indices)
        return found, tuple(last) if given.mode == "LSTM" else last[0]

    def _run(self, x: Tensor, hx: Any, lengths: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Return outputs (B, T, outputs) and states at the end, of inputs (B, T, inputs)."""
        given: Any = self
        ways = 2 if given.bidirectional else 1
        if hx is None:
            zeros = x.new_zeros(given.num_layers * ways, len(x), given.hidden_size)
            hx = (zeros, zeros) if given.mode == "LSTM" else zeros
        states, ends = hx if given.mode == "LSTM" else (hx,), []
        for part in self.parts:
            own = tuple(each[part.layer * ways : (part.layer + 1) * ways] for each in states)
            x, end = part.run(self.session, x, own, lengths)
            ends.append(end)
            if given.training and given.dropout and part is not self.parts[-1]:
                x = functional.dropout(x, given.dropout)
        return x, [torch.cat(each) for each in zip(*ends, strict=True)]


class ArrayLSTM(RecurrentOnArrays, nn.LSTM):
    """A long short-term memory on arrays."""


class ArrayGRU(RecurrentOnArrays, nn.GRU):
    """Gated recurrent units on arrays."""


class ArrayRNN(RecurrentOnArrays, nn.RNN):
    """Recurrent units of one gate on arrays."""


RECURRENT: dict[Any, type[RecurrentOnArrays]] = {nn.LSTM: ArrayLSTM, nn.GRU: ArrayGRU, nn.RNN: ArrayRNN}
"""Class of a recurrent layer -> its class on arrays."""
