"""Networks whose convolutions are sampled from epitomes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from xbarsim.errors import ConfigError
from xbarsim.network.epitome import Epitome, LayerEpitome, Sampler
from xbarsim.network.graph import Network, Node


def convert_network(network: Network, choices: Mapping[str, Epitome | None]) -> Network:
    """Replace convolutions by epitomes; see :meth:`Network.with_epitomes`."""
    convolutions = [node for node in network.nodes if node.kind == "conv2d"]
    chosen: dict[str, Epitome | None] = {}
    for glob, epitome in choices.items():
        if epitome is not None and not isinstance(epitome, Epitome):
            raise ConfigError(f"epitomes.{glob}: {epitome!r} is not an Epitome")
        names = [node.name for node in convolutions]
        matched = [name for name in names if name == glob] or [name for name in names if fnmatchcase(name, glob)]
        if not matched:
            close = difflib.get_close_matches(glob, names, n=1, cutoff=0.0)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"epitomes.{glob}: no convolution has this name{hint}")
        chosen.update(dict.fromkeys(matched, epitome))
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
        Still a ``conv2d`` node of the same shape.

    Raises
    ------
    ConfigError
        If the convolution is grouped, or the epitome does not serve its kernel.
    """
    sampler = sample_layer(node, epitome)
    if node.weight is None:
        return dataclasses.replace(node, epitome=LayerEpitome(sampler=sampler))
    return attach_epitome(node, LayerEpitome(sampler=sampler, values=freeze_values(sampler.fit(node.weight))))


def sample_layer(node: Node, epitome: Epitome) -> Sampler:
    """Return the sampler of one convolution; ConfigError names the layer."""
    if node.groups != 1:
        raise ConfigError(f"layer {node.name}: a convolution of {node.groups} groups takes no epitome; leave it out")
    attributes = node.attributes
    try:
        return epitome.sample((attributes["out_channels"], attributes["in_channels"], *attributes["kernel"]))
    except ConfigError as error:
        raise ConfigError(f"layer {node.name}: {error}") from None


def attach_epitome(node: Node, epitome: LayerEpitome) -> Node:
    """Return a node with an epitome and the weight that it stands for."""
    return dataclasses.replace(node, epitome=epitome, weight=epitome.rebuild())


def fit_gain(node: Node, sampler: Sampler, values: np.ndarray) -> Node:
    """Attach a known epitome to a convolution whose outputs were scaled after sampling.

    Parameters
    ----------
    node : Node
        A convolution with weights, batch normalisation folded in.
    sampler : Sampler
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
    """Return an epitome as read-only float32."""
    frozen = np.array(values, dtype=np.float32)
    frozen.flags.writeable = False
    return frozen
