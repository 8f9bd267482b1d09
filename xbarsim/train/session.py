"""The arrays behind a converted PyTorch module: programmed for evaluation, drawn for training.

The network is exported again whenever arrays are programmed or drawn, so that folding and scales are those of
``simulate``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xbarsim import api, config
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference.machine import Machine, run_machine
from xbarsim.inference.simulate import program_network
from xbarsim.mapping import plan_network
from xbarsim.network import Network, Node, QuantizedLayer, from_torch, quantize_network
from xbarsim.network.execute import available_cores, check_images, single_threaded_blas
from xbarsim.network.kinds import KINDS
from xbarsim.rng import stream
from xbarsim.train.form import PlainForm
from xbarsim.train.hardware_model import is_left_to_chance
from xbarsim.train.law import LayerLaw, NoiseSource, NoisyLayer, measure_law, number_chips
from xbarsim.train.torch_network import Tensor, functional, torch

Compute = Callable[[np.ndarray, int], np.ndarray]
"""``(inputs, index of the first image) -> outputs`` of a layer."""


@dataclass(frozen=True, kw_only=True)
class ArraySettings:
    """Settings of a converted module; fields as in :func:`xbarsim.nn.convert`."""

    hardware: config.Hardware | str | Path
    layers: Mapping[str, Mapping[str, Any]] | None
    weight_bits: int | None
    activation_bits: int | None
    trial: int
    seed: int
    threads: int | None

    @property
    def choices(self) -> dict[str, Any]:
        """Layers and bits, by the names that plans and draws give them."""
        return {"layers": self.layers, "weight_bits": self.weight_bits, "activation_bits": self.activation_bits}


class ArraySession:
    """The arrays of a converted module.

    Parameters
    ----------
    module : torch.nn.Module
        The copy that is converted.
    plain : torch.nn.Module
        Another copy, which is exported.
    settings : ArraySettings
        What it runs on.
    calibration : ndarray of float32, (images, *input_shape)
        Images that set scales and ranges.
    """

    def __init__(self, module: Any, plain: Any, settings: ArraySettings, calibration: np.ndarray) -> None:
        self.module, self.plain, self.settings = module, plain, settings
        self.hardware = api.load_hardware(settings.hardware)
        self.network = from_torch(plain, calibration.shape[1:])
        self.calibration = check_images(self.network, calibration, "calibration")
        self.computes: dict[str, Compute] = {}
        self.seen: dict[str, int] = {}
        self.state: tuple[Any, ...] = ()
        self.is_random = is_left_to_chance(self.network, self.hardware, settings.layers)
        self.noisy: dict[str, tuple[NoisyLayer, LayerLaw]] = {}
        self.drawn = self.steps = 0

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without programmed arrays: they are programmed again at the next evaluation."""
        return self.__dict__ | {"computes": {}, "state": ()}

    def refresh(self) -> None:
        """Program arrays again at the next evaluation, and measure the noise again at the next training step."""
        self.computes, self.noisy = {}, {}

    def run(self, layer: Any, x: Tensor) -> Tensor:
        """Compute a layer.

        Parameters
        ----------
        layer : OnArrays
            The layer.
        x : Tensor, (B, C, ..., W) or (..., features)
            Inputs.

        Returns
        -------
        Tensor
            Outputs, with the axes that PyTorch gives them.
        """
        node, axes = self.network.node(layer.array_name), layer.weight.ndim - 2
        inputs = self._arrange(layer, node, x)
        y = self._read(node.name, inputs).to(x.dtype) if layer.is_read else self._model(layer, node, inputs)
        y = layer.form.restore(self.network, node, y, layer)
        return y.reshape(*x.shape[: -axes - 1], *y.shape[1:]) if axes else y.reshape(*x.shape[:-1], -1)

    def compute_float(self) -> None:
        """Let layers compute in float what they hold with batch normalisation folded, until the next refresh."""
        self.computes = {node.name: _float_compute(node) for node in self.network.layers}
        self.seen, self.state = dict.fromkeys(self.computes, 0), self._state()

    def _arrange(self, layer: Any, node: Node, x: Tensor) -> Tensor:
        """Return inputs with the axes that they have in the network."""
        if x.device.type != "cpu":
            raise ConfigError(f"layer {node.name}: converted modules run on the CPU, its input is on {x.device}")
        axes, whole = layer.weight.ndim - 2, int(np.prod(self.network.shape_of(node.inputs[0])))
        if getattr(layer, "padding_mode", "zeros") != "zeros":  # a node of its own in the network
            x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        shape = layer.form.shape(self.network, node, axes)
        fits = tuple(x.shape[-axes - 1 :]) == shape
        if not fits or (type(layer.form) is PlainForm and x.numel() % whole):
            raise ShapeError(
                f"layer {node.name}: input {tuple(x.shape)} is not made of {shape}, the size of the calibration "
                "images; convert the module with images of this size"
            )
        inputs: Tensor = layer.form.arrange(self.network, node, x)
        return inputs

    def _model(self, layer: Any, node: Node, inputs: Tensor) -> Tensor:
        """Compute a layer as chips do, for training."""
        if not self.noisy:
            with torch.inference_mode(False), torch.no_grad():
                self.noisy = self._measure()
        self.steps += 1
        noise = stream(self.settings.seed, "convert.noise", self.steps)
        generator = torch.Generator().manual_seed(int(noise.integers(2**63)))
        noisy, law = self.noisy[node.name]
        weight = layer.form.weight(layer).reshape(noisy.grid.weight.shape)
        return noisy.run(inputs, weight, layer.form.bias(layer), law, NoiseSource(generator=generator))

    def _read(self, name: str, inputs: Tensor) -> Tensor:
        """Compute a layer with the simulator's kernels."""
        state = self._state()
        if not self.computes or state != self.state:
            with torch.inference_mode(False), torch.no_grad():
                self._program()
            self.state = state
        first = self.seen[name]
        self.seen[name] = first + len(inputs)
        with single_threaded_blas():
            found = self.computes[name](inputs.detach().to(torch.float32).contiguous().numpy(), first)
        return torch.from_numpy(np.ascontiguousarray(found))

    def _program(self) -> None:
        """Export, quantise, program and calibrate, as ``simulate`` does."""
        settings, network = self.settings, self._export()
        plan = plan_network(network, self.hardware, **settings.choices, may_cut=False)
        threads = settings.threads or available_cores()
        quantized = quantize_network(
            network, self.calibration, weight_bits=plan.hardware.weight_bits,
            activation_bits=plan.hardware.activation_bits, threads=threads,
            layers={part.name: part.quantization for part in plan.layers},
        )  # fmt: skip
        machines, _ = program_network(
            quantized, plan, self.calibration[: api.CALIBRATION_IMAGES], seed=settings.seed, trial=settings.trial,
            threads=threads,
        )  # fmt: skip
        self.computes = {name: _array_compute(machine, threads) for name, machine in machines.items()}
        self.seen = dict.fromkeys(machines, 0)

    def _measure(self) -> dict[str, tuple[NoisyLayer, LayerLaw]]:
        """Measure the noise of chips that are programmed with the present weights."""
        network, settings = self._export(), self.settings
        trials = number_chips(settings.trial + 1 + self.drawn, self.is_random)
        self.drawn += len(trials)
        law = measure_law(
            network, [self.hardware], self.calibration[: api.CALIBRATION_IMAGES], trials=trials, seed=settings.seed,
            threads=settings.threads, **settings.choices,
        )  # fmt: skip
        factors = {
            part.array_name: part.form.spread(part, norm_factor(part.folded[0]))
            for part in self.module.modules()
            if hasattr(part, "array_name") and part.folded
        }
        (errors,), grids = law.times, law.quantized.layers
        return {
            node.name: unfold_noise(node, grids[node.name], errors[node.name], factors.get(node.name))
            for node in network.layers
        }

    def _export(self) -> Network:
        """Return the network with the weights of now."""
        self.plain.load_state_dict(self.module.state_dict())
        self.network = from_torch(self.plain, self.calibration.shape[1:])
        return self.network

    def _state(self) -> tuple[Any, ...]:
        """Return what differs once a parameter or buffer has been written to."""
        tensors = (*self.module.parameters(), *self.module.buffers())
        return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)


def norm_factor(norm: Any) -> np.ndarray:
    """Return what a batch normalisation multiplies each channel by in evaluation mode.

    Parameters
    ----------
    norm : torch.nn.BatchNorm1d, torch.nn.BatchNorm2d or torch.nn.BatchNorm3d
        With running statistics.

    Returns
    -------
    ndarray of float64, (channels,)
        Gain over deviation [-].
    """
    deviation = np.sqrt(norm.running_var.detach().numpy().astype(np.float64) + norm.eps)
    gain = 1.0 if norm.weight is None else norm.weight.detach().numpy().astype(np.float64)
    factor: np.ndarray = gain / deviation
    return factor


def unfold_noise(
    node: Node, grid: QuantizedLayer, law: LayerLaw, given: np.ndarray | None
) -> tuple[NoisyLayer, LayerLaw]:
    """Return a layer with noise in units of the weights before batch normalisation was folded into them.

    Parameters
    ----------
    node : Node
        The folded layer.
    grid : QuantizedLayer
        Its grids.
    law : LayerLaw
        Its errors.
    given : ndarray of float64, (out,), or None
        What normalisation multiplies its outputs by; those that are multiplied by 0 keep their units.

    Returns
    -------
    NoisyLayer, LayerLaw
        Of the layer without normalisation.
    """
    assert node.weight is not None
    if given is None:
        return NoisyLayer(node, grid, torch.tensor(node.weight)), law
    factor = np.where(given == 0, 1.0, given).reshape(-1, *(1,) * (node.weight.ndim - 1))
    held = torch.tensor(node.weight / factor, dtype=torch.float32)
    scale = grid.weight_scale / np.abs(factor.reshape(-1))
    sign = torch.tensor(np.sign(factor), dtype=torch.float32)
    plain = dataclasses.replace(law, fixed=law.fixed * sign, mean=law.mean * sign.reshape(-1))
    return NoisyLayer(node, dataclasses.replace(grid, weight_scale=scale), held), plain


def _float_compute(node: Node) -> Compute:
    return lambda x, first: KINDS[node.kind].run(node, [x])


def _array_compute(machine: Machine, threads: int) -> Compute:
    return lambda x, first: run_machine(machine, x, first_image=first, threads=threads)
