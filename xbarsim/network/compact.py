"""Networks whose convolutions are sampled from epitomes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.names import match_names
from xbarsim.network.epitome import Epitome, EpitomeSampler, LayerEpitome
from xbarsim.network.graph import Network, Node

_ROUNDING = 1e-6
"""Share of the largest weight that two products in float32 may differ by: eight units in the last place."""


def convert_network(network: Network, choices: Mapping[str, Epitome | None]) -> Network:
    """Replace convolutions by epitomes; see :meth:`Network.with_epitomes`."""
    convolutions = [node for node in network.nodes if node.kind == "conv2d"]
    names = [node.name for node in convolutions]
    chosen: dict[str, Epitome | None] = {}
    for glob, epitome in choices.items():
        if epitome is not None and not isinstance(epitome, Epitome):
            raise ConfigError(f"epitomes.{glob}: {epitome!r} is not an Epitome")
        chosen.update(dict.fromkeys(match_names(glob, names, f"epitomes.{glob}", "convolution"), epitome))
    changed = {}
    for node in convolutions:
        epitome = chosen.get(node.name)
        if epitome is not None:
            changed[node.name] = convert_layer(node, epitome)
    return network.replace_nodes(changed) if changed else network


def convert_layer(node: Node, epitome: Epitome) -> Node:
    """Return a convolution with the epitome closest to its weight, and the weight rebuilt from it.

    Parameters
    ----------
    node : Node
        A ``conv2d`` node, with or without weights.
    epitome : Epitome
        What to sample from.

    Returns
    -------
    Node
        Still a ``conv2d`` node of the same shape. A weight that was sampled from such an epitome and then scaled by
        output (batch normalisation, folded in) is recognised: it comes back exactly, up to rounding, with gains.

    Raises
    ------
    ConfigError
        If the convolution is grouped, or the epitome does not serve its kernel.
    """
    sampler = sample_layer(node, epitome)
    if node.weight is None:
        return dataclasses.replace(node, epitome=LayerEpitome(sampler=sampler))
    values, gain = sampler.fit(node.weight), None
    if not _is_close(sampler.rebuild(values), node.weight):
        scale = find_gain(sampler, node.weight)
        if scale is not None:
            scaled = sampler.fit(node.weight, scale)
            if _is_close(sampler.rebuild(scaled) * scale[:, None, None, None], node.weight):
                values, gain = scaled, scale
    return attach_epitome(node, LayerEpitome(sampler=sampler, values=freeze_values(values), gain=gain))


def find_gain(sampler: EpitomeSampler, weight: np.ndarray) -> np.ndarray | None:
    """Return by what factor every output was scaled after sampling.

    Parameters
    ----------
    sampler : EpitomeSampler
        How the weight would have been sampled.
    weight : ndarray, (Cout, Cin, kh, kw)
        A weight.

    Returns
    -------
    ndarray of float64, (Cout,), or None
        Against the first output that samples the same output channel of the epitome, over the elements that both
        sample; 1 where there are none. None where two such outputs are not multiples of each other.
    """
    size = int(np.prod(sampler.epitome_shape[1:]))
    flat = sampler.index.reshape(len(weight), -1)
    gain = np.ones(len(weight))
    first: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for number, (source, element) in enumerate(zip((flat[:, 0] // size).tolist(), flat % size)):
        uses = np.bincount(element, minlength=size)
        mean = np.bincount(element, weight[number].ravel(), size) / np.maximum(uses, 1)
        other, known = first.setdefault(source, (mean, uses > 0))
        shared = known & (uses > 0)
        power = float(np.square(other[shared]).sum())
        if power > 0:
            gain[number] = float((mean * other)[shared].sum()) / power
            if not _is_close(gain[number] * other[shared], mean[shared]):
                return None
    return gain


def _is_close(found: np.ndarray, weight: np.ndarray) -> bool:
    """Return whether two weights differ by no more than rounding in float32."""
    return bool(np.abs(found - weight).max(initial=0.0) <= _ROUNDING * np.abs(weight).max(initial=0.0))


def sample_layer(node: Node, epitome: Epitome) -> EpitomeSampler:
    """Return the sampler of one convolution; ConfigError names the layer."""
    if node.groups != 1:
        raise ConfigError(
            f"layer {node.name}: a convolution of {node.groups} groups cannot use an epitome; exclude the layer"
        )
    attributes = node.attributes
    try:
        return epitome.sample((attributes["out_channels"], attributes["in_channels"], *attributes["kernel"]))
    except ConfigError as error:
        raise ConfigError(f"layer {node.name}: {error}") from None


def attach_epitome(node: Node, epitome: LayerEpitome) -> Node:
    """Return a node with an epitome and the weight that it stands for."""
    return dataclasses.replace(node, epitome=epitome, weight=epitome.rebuild())


def fit_gain(node: Node, sampler: EpitomeSampler, values: np.ndarray) -> Node:
    """Attach a known epitome to a convolution whose outputs were scaled after sampling.

    Parameters
    ----------
    node : Node
        A convolution with weights, batch normalisation folded in.
    sampler : EpitomeSampler
        How the weight was sampled.
    values : ndarray, (Cout_e, Cin_e, p, q)
        The epitome.

    Returns
    -------
    Node
        With the factor of every output that brings its samples closest to its weight; exact up to rounding where
        the weight was sampled from this epitome.
    """
    assert node.weight is not None
    values = freeze_values(values)
    samples = sampler.rebuild(values).reshape(len(node.weight), -1).astype(np.float64)
    power = np.einsum("ok,ok->o", samples, samples)
    overlap = np.einsum("ok,ok->o", samples, node.weight.reshape(len(samples), -1))
    gain = np.where(power > 0, overlap / np.where(power > 0, power, 1.0), 1.0)
    return attach_epitome(node, LayerEpitome(sampler=sampler, values=values, gain=gain))


def freeze_values(values: np.ndarray) -> np.ndarray:
    """Return an epitome as read-only float32.

    Parameters
    ----------
    values : ndarray, any shape
        Values of the epitome.

    Returns
    -------
    ndarray of float32, shape of ``values``
        A read-only copy.
    """
    frozen = np.array(values, dtype=np.float32)
    frozen.flags.writeable = False
    return frozen
