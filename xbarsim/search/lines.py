"""The oracle over JSON lines: queries in, results out, in the same order, for searches in any language.

The result of a wrong query is an error message with the line number; other queries are not affected.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from xbarsim import __version__
from xbarsim.cost.layer import LayerContext
from xbarsim.errors import ConfigError, XbarsimError, shorten_message
from xbarsim.mapping.choose import PER_LAYER
from xbarsim.network import Network
from xbarsim.network.kinds import list_asked
from xbarsim.report.document import describe_accuracy
from xbarsim.search.choice import check_choice
from xbarsim.search.design import SPECIAL, load_backbone
from xbarsim.search.oracle import CostOracle
from xbarsim.search.record import describe_cost
from xbarsim.store import decode_json, encode_json

PROTOCOL = 2
"""Version of queries and answers; docs/oracle.md lists what changed."""
CONTEXT_KEYS = tuple(each.name for each in fields(LayerContext))
LAYER_KEYS = ("id", "layer", "shape", "choice", *CONTEXT_KEYS)
END_KEYS = ("outputs", "input_shape")
NETWORK_KEYS = ("id", "network", *END_KEYS, "layers", "epitomes", "weight_bits", "activation_bits", "accuracy")
DATA_KEYS = ("data", "images", "calibration", "mean", "std", "trials", "seed")


def answer_lines(oracle: CostOracle, lines: Iterable[bytes | str], first: int = 1) -> list[str]:
    """Answer a batch of queries.

    Parameters
    ----------
    oracle : CostOracle
        Who knows.
    lines : iterable of bytes or str
        One JSON object each: ``{"id": 1, "layer": "conv2d", "shape": {...}, "choice": {...}}`` or ``{"id": 2,
        "network": "resnet20", "layers": {...}, "accuracy": {"data": "digits", "images": 100}}``.
    first : int
        Number of the first line, for messages.

    Returns
    -------
    list of str
        One JSON object a line, in order: ``{"id": 1, "cost": {...}}``, with ``"accuracy"`` where it was asked for, or
        ``{"id": 1, "error": "...", "line": 1}``.
    """
    return [_answer_line(oracle, line, number) for number, line in enumerate(lines, first)]


def answer(oracle: CostOracle, question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one query.

    Parameters
    ----------
    oracle : CostOracle
        Who knows.
    question : mapping
        As in :func:`answer_lines`.

    Returns
    -------
    dict
        ``cost``, ``unpriced`` and, where it was asked for, ``accuracy``; ``removed`` where layers were left out; or
        ``about``.

    Raises
    ------
    XbarsimError
        If the question cannot be answered.
    """
    if "about" in question:
        _check_keys(question, ("id", "about"))
        return {"about": describe_protocol(oracle)}
    if "layer" in question:
        _check_keys(question, LAYER_KEYS)
        if "shape" not in question:
            raise ConfigError("shape: missing")
        context = {key: question[key] for key in CONTEXT_KEYS if key in question}
        cost = oracle.layer(question["layer"], question["shape"], question.get("choice"), **context)
        return {"cost": describe_cost(cost), "unpriced": dict(cost.unpriced)}
    if "network" not in question:
        raise ConfigError('the query names neither a layer nor a network; {"about": true} lists what can be asked')
    _check_keys(question, NETWORK_KEYS)
    network, layers = _load_network(question), question.get("layers")
    for key in ("layers", "epitomes"):
        if not isinstance(question.get(key), (dict, type(None))):
            raise ConfigError(
                f"{key}: {question[key]!r} is not a mapping of layers to {'choices' if key == 'layers' else key}"
            )
    for glob, epitome in (question.get("epitomes") or {}).items():  # the last word on a layer's epitome
        layers = {**(layers or {}), glob: {**check_choice((layers or {}).get(glob)), "epitome": epitome}}
    bits = {key: question.get(key) for key in ("weight_bits", "activation_bits")}
    cost = oracle.cost(network, layers, **bits)
    found: dict[str, Any] = {"cost": describe_cost(cost), "unpriced": dict(cost.unpriced)}
    if removed := oracle.design(network, layers).removed:
        found["removed"] = list(removed)
    if question.get("accuracy") is not None:
        found["accuracy"] = _measure(oracle, network, layers, question["accuracy"], bits)
    return found


def _load_network(question: Mapping[str, Any]) -> Network:
    """Load the network of a query, with the outputs and the input shape that it names."""
    name, outputs, shape = question["network"], question.get("outputs"), question.get("input_shape")
    if not isinstance(name, str):
        raise ConfigError(f"network: {name!r} is not a name or a path")
    names = outputs if isinstance(outputs, list) else [] if outputs is None else [outputs]
    if outputs == [] or not all(isinstance(each, str) and each for each in names):
        raise ConfigError(f"outputs: {outputs!r} is not the name of an output, a glob or a list of them")
    shapes = list(shape.values()) if isinstance(shape, dict) else [] if shape is None else [shape]
    if shape == {} or not all(isinstance(each, list) and each and all(map(_is_size, each)) for each in shapes):
        raise ConfigError(
            f"input_shape: {shape!r} is not a list of sizes above 0 as [3, 32, 32], or one for each input by its name"
        )
    ends = {key: value for key, value in zip(END_KEYS, (outputs, shape)) if value is not None}
    return load_backbone(name, **ends)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def describe_protocol(oracle: CostOracle) -> dict[str, Any]:
    """Return the version of the protocol and what can be asked, for programs that check before they ask.

    Parameters
    ----------
    oracle : CostOracle
        Who is asked.

    Returns
    -------
    dict
        ``protocol``, ``version``, ``hardware`` and its ``hash``, ``layer`` and ``network`` with the keys of queries,
        ``kinds`` of layers, ``axes`` of choices and ``sections`` of the hardware whose keys a layer may choose.
    """
    return {
        "protocol": PROTOCOL, "version": __version__, "hardware": oracle.hardware.name, "hash": oracle.hash,
        "layer": LAYER_KEYS, "network": NETWORK_KEYS, "accuracy": DATA_KEYS, "kinds": list_asked(),
        "axes": SPECIAL, "sections": tuple(PER_LAYER),
    }  # fmt: skip


def _answer_line(oracle: CostOracle, line: bytes | str, number: int) -> str:
    known: dict[str, Any] = {"id": None}
    try:
        try:
            question = decode_json(line)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"line {number}: not JSON: {str(error).splitlines()[0]}") from None
        if not isinstance(question, dict):
            raise ConfigError(f"line {number}: not a JSON object")
        known["id"] = question.get("id")
        return encode_json({**known, **answer(oracle, question)})
    except XbarsimError as error:
        text = str(error)
    except Exception as error:  # a bug of ours must not cost the asker the other answers
        text = f"internal error: {type(error).__name__}: {error}"
    return encode_json({**known, "error": shorten_message(text), "line": number})


def _measure(
    oracle: CostOracle, network: Network, layers: Any, wanted: Any, bits: Mapping[str, int | None]
) -> dict[str, Any] | None:
    if not isinstance(wanted, dict):
        raise ConfigError(f"accuracy: {wanted!r} is not a mapping like {{'data': 'digits', 'images': 100}}")
    _check_keys(wanted, DATA_KEYS, "accuracy.")
    for key in ("images", "trials"):
        value = wanted.get(key, 1)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"accuracy.{key}: {value!r} is not a whole number of at least 1")
    scale = json.dumps([wanted.get("mean"), wanted.get("std")])
    images, labels = _load_images(str(wanted.get("data", "digits")), scale)
    if labels is None:
        raise ConfigError("accuracy.data: has no labels")
    known = wanted.get("calibration")
    calibration = None if known is None else _load_images(str(known), scale)[0]
    count = wanted.get("images")
    accuracy = oracle.accuracy(
        network, images[:count], labels[:count], layers, calibration=calibration, trials=wanted.get("trials", 1),
        seed=wanted.get("seed", 0), **bits,
    )  # fmt: skip
    return describe_accuracy(accuracy)


@functools.lru_cache(maxsize=4)
def _load_images(spec: str, scale: str) -> tuple[Any, Any]:
    from xbarsim.data import load_data, normalize_images

    mean, std = json.loads(scale)
    given = {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    dataset = load_data(spec)
    return normalize_images(dataset.images, **given), dataset.labels


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str = "") -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}{key}: unknown key; known: {', '.join(known)}")
