"""What training on noisy arrays needs beside a model of them, for fine-tuning and for loops of users.

The largest weights are cut off before the noise is measured, because the noise of a cell is a share of the largest
weight of its output. The loss joins the labels with the outputs of the float network. The weights are averaged over the
last steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xbarsim.train.torch_network import Tensor, functional, torch

AVERAGED = 0.05
"""Share of the steps of a run over which weights are averaged."""
TEMPERATURE = 2.0
"""What outputs are divided by before they are compared with those of the float network."""


class WeightAverage:
    """A running mean of parameters over the last steps of a run.

    Parameters
    ----------
    parameters : iterable of Tensor
        What is averaged.
    steps : int
        Steps of the whole run; :data:`AVERAGED` says what share of them counts.
    """

    def __init__(self, parameters: Iterable[Any], steps: int) -> None:
        self.parameters = tuple(parameters)
        self.steps, self.done = steps, 0
        self.means = [part.detach().clone() for part in self.parameters]

    def update(self) -> None:
        """Take in the present values; to be called after every step of the optimiser."""
        self.done += 1
        kept = min(1 - 1 / max(1.0, AVERAGED * self.steps), self.done / (self.done + 9))
        with torch.no_grad():
            for mean, part in zip(self.means, self.parameters):
                mean.lerp_(part, 1 - kept)

    def apply(self) -> None:
        """Write the means into the parameters."""
        with torch.no_grad():
            for part, mean in zip(self.parameters, self.means):
                part.copy_(mean)


def clip_cells(cells: Tensor, clip: float) -> None:
    """Cut off the largest weights of every output, in place.

    Parameters
    ----------
    cells : Tensor, (outputs, ...)
        What arrays store.
    clip : float
        Largest magnitude, in root mean squares of an output's weights [-].
    """
    with torch.no_grad():
        bound = clip * cells.square().mean(dim=tuple(range(1, cells.ndim)), keepdim=True).sqrt()
        cells.copy_(torch.minimum(torch.maximum(cells, -bound), bound))


def mix_loss(outputs: Tensor, labels: Tensor, wanted: Tensor | None, soft: float) -> Tensor:
    """Return the cross-entropy with labels, mixed with the divergence from the outputs of the float network.

    Parameters
    ----------
    outputs, wanted : Tensor, (images, classes, ...)
        Raw outputs, and those of the float network; None for the labels alone.
    labels : Tensor of int, (images, ...)
        Class of each image.
    soft : float
        Weight of the divergence, 0..1; the rest is that of the labels.

    Returns
    -------
    Tensor, ()
        In natural logarithms; outputs are divided by :data:`TEMPERATURE` before they are compared.
    """
    loss = functional.cross_entropy(outputs, labels)
    if wanted is None:
        return loss
    classes = outputs.shape[1]
    goal = torch.softmax(wanted / TEMPERATURE, dim=1)
    divergence = functional.kl_div(torch.log_softmax(outputs / TEMPERATURE, dim=1), goal, reduction="none")
    mixed: Tensor = (1 - soft) * loss + soft * (TEMPERATURE**2 * divergence.sum() * classes / outputs.numel())
    return mixed
