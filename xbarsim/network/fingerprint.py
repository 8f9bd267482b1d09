"""A hash of everything in a network that can change a result, for caches and provenance."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from xbarsim.network.graph import Network


def hash_network(network: Network) -> str:
    """Hash structure, settings and weights; names of files and of the network do not count.

    Parameters
    ----------
    network : Network
        What to hash.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(repr((network.input_shape, network.output)).encode())
    for node in network.nodes:
        digest.update(repr((node.name, node.kind, node.inputs)).encode())
        for key in sorted(node.attributes):
            digest.update(key.encode())
            _update(digest, node.attributes[key])
        _update(digest, node.weight)
        _update(digest, node.bias)
        if node.epitome is not None:
            sampler = node.epitome.sampler
            for part in (sampler.outputs, sampler.inputs, sampler.places, node.epitome.values, node.epitome.gain):
                _update(digest, part)
    return digest.hexdigest()[:16]


def _update(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(repr((value.dtype.str, value.shape)).encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, tuple) and _holds(value):
        for item in value:
            _update(digest, item)
    else:
        digest.update(repr(value).encode())


def _holds(value: Any) -> bool:
    """Whether arrays lie somewhere in nested tuples; their text leaves numbers out."""
    if isinstance(value, tuple):
        return any(map(_holds, value))
    return isinstance(value, np.ndarray)
