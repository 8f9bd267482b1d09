"""Conversion of PyTorch modules whose layers run on arrays, for :func:`xbarsim.nn.convert`.

The copy keeps its modules; layers that run on arrays change their class, so that parameters, names and hooks are kept.
They share one :class:`~xbarsim.train.session.ArraySession`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.network import from_torch, run_network
from xbarsim.network.execute import read_array
from xbarsim.rng import stream
from xbarsim.train.form import PixelForm, PlainForm, WindowForm
from xbarsim.train.recipe import clip_cells
from xbarsim.train.recurrent import RECURRENT, RecurrentOnArrays, StepWeights
from xbarsim.train.session import ArraySession, ArraySettings, norm_factor
from xbarsim.train.torch_network import Tensor, nn, torch

is_parametrized = torch.nn.utils.parametrize.is_parametrized

CHECK_IMAGES = 2
"""Images on which a converted module is compared with the original. Our choice."""
SAME = 1e-3
"""Relative difference up to which two float32 results are considered equal."""


class OnArrays(nn.Module):
    """Mixed into a layer that runs on arrays."""

    session: ArraySession
    """Shared by all layers of a module."""
    array_name: str
    """Name of the layer in its network."""
    form: PlainForm = PlainForm()
    """How it is a layer of its network."""
    folded: tuple[Any, ...]
    """Batch normalisation that is folded into the layer, if any; in a tuple, so that it does not count as a child."""

    @property
    def is_read(self) -> bool:
        """Whether the simulator's kernels run, with batch normalisation folded, and not the model for training."""
        return not self.training and not any(norm.training for norm in self.folded)

    def cells(self) -> list[Tensor]:
        """Return views of what its arrays store, (outputs, ...)."""
        return self.form.cells(self)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer on its arrays, (B, C, ..., W) or (..., features)."""
        return self.session.run(self, x)


class NormBehindArrays(nn.Module):
    """Mixed into a batch normalisation that is folded into the layer before it."""

    source: tuple[OnArrays]
    """The layer that it is folded into; in a tuple, so that it does not count as a child."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, or return the input if the layer before it has normalised, (B, C, ..., W)."""
        y: Tensor = x if self.source[0].is_read else super().forward(x)
        return y


class ArrayLinear(OnArrays, nn.Linear):
    """A linear layer on arrays."""


class ArrayConv1d(OnArrays, nn.Conv1d):
    """A convolution along one axis on arrays."""


class ArrayConv2d(OnArrays, nn.Conv2d):
    """A convolution along two axes on arrays."""


class ArrayConv3d(OnArrays, nn.Conv3d):
    """A convolution along three axes on arrays."""

    form = WindowForm()


class ArrayConvTranspose1d(OnArrays, nn.ConvTranspose1d):
    """A transposed convolution along one axis on arrays."""

    form = PixelForm()


class ArrayConvTranspose2d(OnArrays, nn.ConvTranspose2d):
    """A transposed convolution along two axes on arrays."""

    form = PixelForm()


class ArrayConvTranspose3d(OnArrays, nn.ConvTranspose3d):
    """A transposed convolution along three axes on arrays."""

    form = PixelForm()


class FoldedBatchNorm1d(NormBehindArrays, nn.BatchNorm1d):
    """Batch normalisation behind a linear layer or a convolution along one axis."""


class FoldedBatchNorm2d(NormBehindArrays, nn.BatchNorm2d):
    """Batch normalisation behind a convolution along two axes."""


class FoldedBatchNorm3d(NormBehindArrays, nn.BatchNorm3d):
    """Batch normalisation behind a convolution along three axes."""


LAYERS: dict[Any, type[OnArrays]] = {
    nn.Linear: ArrayLinear, nn.Conv1d: ArrayConv1d, nn.Conv2d: ArrayConv2d, nn.Conv3d: ArrayConv3d,
    nn.ConvTranspose1d: ArrayConvTranspose1d, nn.ConvTranspose2d: ArrayConvTranspose2d,
    nn.ConvTranspose3d: ArrayConvTranspose3d,
}  # fmt: skip
"""Class of a layer -> its class on arrays."""
LAYER_NAMES = ", ".join(cls.__name__ for cls in (*LAYERS, *RECURRENT))
NORMS = {
    nn.BatchNorm1d: FoldedBatchNorm1d, nn.BatchNorm2d: FoldedBatchNorm2d, nn.BatchNorm3d: FoldedBatchNorm3d,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ArrayPlace:
    """Where a layer of the network is in the module."""

    node: str
    """The layer's name in the network."""
    layer: str
    """Path of the module that computes it."""
    norm: str | None
    """Path of the batch normalisation that is folded into it."""
    part: int = 0
    """Which layer of a recurrent module it is."""


def convert_module(module: Any, settings: ArraySettings, calibration: ArrayLike) -> Any:
    """Convert a module.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is.
    settings : ArraySettings
        What it runs on.
    calibration : array_like or Tensor of float, (images, *input_shape)
        Images that set scales and ranges.

    Returns
    -------
    torch.nn.Module
        The copy, with a method ``refresh()``.
    """
    if not isinstance(module, nn.Module):
        raise ConfigError(f"convert: {type(module).__name__} is not a torch.nn.Module")
    name = type(module).__name__
    given = calibration.detach().cpu() if isinstance(calibration, Tensor) else calibration
    images = read_array(given, "calibration")
    if images.ndim < 2 or not len(images):
        raise ShapeError("calibration: needs at least one image, (images, *input_shape)")
    if not any(array_class(part) or type(part) in RECURRENT for path, part in module.named_modules() if path):
        raise ConfigError(f"module {name}: has nothing inside that could run on arrays: {LAYER_NAMES}")
    for path, part in module.named_parameters():
        if part.dtype in (torch.float16, torch.bfloat16):
            kind = str(part.dtype).removeprefix("torch.")
            raise ConfigError(
                f"module {name}: {path} is {kind}; layers on arrays compute in float32: convert module.float()"
            )
    converted, plain = _copy(module, name), _copy(module, name)
    session = ArraySession(converted, plain, settings, images)
    parts = dict(converted.named_modules())
    for place in find_places(plain, images.shape[1:], name):
        layer = parts[place.layer]
        if isinstance(layer, nn.RNNBase):
            _add_recurrent(layer, session, place)
            continue
        layer.__class__ = array_class(layer)
        layer.session, layer.array_name = session, place.node
        layer.folded = () if place.norm is None else (parts[place.norm],)
        for norm in layer.folded:
            norm.__class__, norm.source = NORMS[type(norm)], (layer,)
    _check_same(session, name)
    converted.refresh = session.refresh
    return converted


def clip_module(module: Any, clip: float) -> None:
    """Cut off the largest weights of all layers on arrays, in place.

    Parameters
    ----------
    module : torch.nn.Module
        A converted module.
    clip : float
        Largest magnitude, in root mean squares of an output's weights, at least 1 [-].
    """
    if not 1 <= clip < np.inf:
        raise ConfigError(f"clip: {clip!r} is not a number of at least 1; 2.5 is what finetune takes")
    layers = [part for part in module.modules() if isinstance(part, (OnArrays, RecurrentOnArrays))]
    if not layers:
        raise ConfigError(
            f"module {type(module).__name__}: has no layer on arrays; give the module that xs.nn.convert returned"
        )
    for layer in layers:
        if isinstance(layer, OnArrays) and "weight" not in layer._parameters:
            raise ConfigError(
                f"layer {layer.array_name}: its weight is computed from other parameters and cannot be clipped; train "
                "it without clipping, or remove what computes it"
            )
        for cells in layer.cells():
            clip_cells(cells, clip)


def _copy(module: Any, name: str) -> Any:
    try:
        return copy.deepcopy(module)
    except Exception as error:  # errors of PyTorch and of users' classes
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise ConfigError(
            f"module {name}: cannot be copied: {reason}; try: convert it before its first step, under torch.no_grad()"
        ) from None


def array_class(part: Any) -> type[OnArrays] | None:
    """Return the class on arrays of a layer, None for other modules.

    A layer whose weight is computed from other parameters by ``torch.nn.utils.parametrize`` has a class of its own,
    from which one is made for it.
    """
    own = type(part)
    if own not in LAYERS and is_parametrized(part) and own.__bases__[0] in LAYERS:
        return type(f"Array{own.__name__}", (LAYERS[own.__bases__[0]], own), {})
    return LAYERS.get(own)


def _mark_weight(part: Any, rng: np.random.Generator) -> None:
    """Give random values to the weight of a layer, or to what it is computed from."""
    if is_parametrized(part, "weight"):
        sources = list(part.parametrizations.weight.parameters())
    else:  # weight_norm of older PyTorch and pruning compute it in a hook
        sources = [values for label, values in part.named_parameters(recurse=False) if label.startswith("weight")]
    for values in sources:
        values.copy_(torch.tensor(rng.standard_normal(tuple(values.shape))))


def _compute_weight(part: Any) -> None:
    """Let hooks compute the weight of a layer that is no parameter."""
    if not is_parametrized(part) and "weight" not in part._parameters:
        for hook in part._forward_pre_hooks.values():
            hook(part, ())


def _add_recurrent(layer: Any, session: ArraySession, place: ArrayPlace) -> None:
    """Let a layer of a recurrent module run on arrays."""
    if not isinstance(layer, RecurrentOnArrays):
        layer.__class__ = RECURRENT[type(layer)]
        layer.session, layer.parts = session, tuple(StepWeights(layer, each) for each in range(layer.num_layers))
    layer.parts[place.part].array_name = place.node


def find_places(plain: Any, shape: tuple[int, ...], name: str) -> list[ArrayPlace]:
    """Find the modules that compute the layers of a network.

    Told from a copy with random weights and normalisations: exported, every layer carries the weights of its own
    module, and where a normalisation is folded into it, that one's numbers too.

    Parameters
    ----------
    plain : torch.nn.Module
        The module.
    shape : tuple of int
        Shape of one image.
    name : str
        What messages call the module.

    Returns
    -------
    list of ArrayPlace
        One for each layer of the network, in its order.
    """
    marked = copy.deepcopy(plain)
    rng = stream(0, "convert.marks")
    layers: dict[tuple[str, int], Any] = {}
    norms = {}
    with torch.no_grad():
        for path, part in marked.named_modules():
            if path and array_class(part):
                _mark_weight(part, rng)
                layers[path, 0] = part
            elif path and type(part) in RECURRENT:
                for label, values in part.named_parameters():
                    if label.startswith("weight_ih"):
                        values.copy_(torch.tensor(rng.standard_normal(tuple(values.shape))))
                layers |= {(path, place): StepWeights(part, place) for place in range(part.num_layers)}
            elif path and type(part) in NORMS and part.running_var is not None:
                part.running_var.copy_(torch.tensor(rng.uniform(0.3, 3.0, len(part.running_var))))
                norms[path] = norm_factor(part)
    network = from_torch(marked.eval(), shape)
    with torch.no_grad():
        for layer in layers.values():
            if isinstance(layer, nn.Module):
                _compute_weight(layer)
    places: list[ArrayPlace] = []
    for node in network.layers:
        assert node.weight is not None
        place = next(
            (
                ArrayPlace(node=node.name, layer=path, norm=norm, part=part)
                for (path, part), layer in layers.items()
                for norm, factor in {None: np.ones(1), **({} if isinstance(layer, StepWeights) else norms)}.items()
                if _is_folded(node.weight, layer, factor)
            ),
            None,
        )
        if place is None or any((place.layer, place.part) == (other.layer, other.part) for other in places):
            raise ConfigError(
                f"module {name}: layer {node.name} has weights for arrays, but is no module of {LAYER_NAMES} "
                "that is called once; write it as one, or use simulate"
            )
        if place.norm is not None and any(place.norm == other.norm for other in places):
            raise ConfigError(f"module {name}: {place.norm} is called after two layers; write it as two modules")
        places.append(place)
    return places


def _is_folded(weight: np.ndarray, layer: Any, factor: np.ndarray) -> bool:
    """Whether the weight of a network's layer is that of a module, times a factor (1,) or (channels,)."""
    cls = None if isinstance(layer, StepWeights) else array_class(layer)
    form = layer.form if cls is None else cls.form
    own, factor = form.weight(layer).detach().numpy(), form.spread(layer, factor)
    if own.size != weight.size or len(own) != len(weight) or len(factor) not in (1, len(own)):
        return False
    wanted = own.reshape(weight.shape) * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    return bool(np.abs(weight - wanted).max() <= SAME * np.abs(wanted).max())


def _check_same(session: ArraySession, name: str) -> None:
    """Refuse a module that would not compute its network with its layers replaced."""
    images = session.calibration[:CHECK_IMAGES]
    modes = [(part, part.training) for part in session.module.modules()]
    session.compute_float()
    try:
        with torch.no_grad():
            found = session.module.eval()(torch.tensor(images))
    finally:
        for part, mode in modes:
            part.training = mode
        session.refresh()
    expected = run_network(session.network, images)
    if not isinstance(found, Tensor) or tuple(found.shape) != expected.shape:
        raise ConfigError(
            f"module {name}: its output is not the one tensor {expected.shape[1:]} of its network; convert a "
            "module that returns one tensor"
        )
    if np.abs(found.numpy() - expected).max() > SAME * max(np.abs(expected).max(), 1e-6):
        raise ConfigError(
            f"module {name}: gives other results when its layers run on arrays; is a layer or a normalisation "
            "called twice, or in two ways?"
        )
