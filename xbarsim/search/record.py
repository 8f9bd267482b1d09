"""Costs and accuracies as JSON text and back, every bit kept."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from xbarsim.cost import ComponentCost, Cost, LayerCost
from xbarsim.inference import Accuracy
from xbarsim.inference.accuracy import Score
from xbarsim.report.document import COST_FIELDS


def describe_cost(cost: Cost) -> dict[str, Any]:
    """Return the numbers of a cost, without its parts."""
    return {name: getattr(cost, name) for name in COST_FIELDS}


def encode_cost(cost: Cost) -> bytes:
    """Write a cost with all its parts."""
    parts = {name: [vars(part) for part in getattr(cost, name)] for name in ("layers", "components")}
    return _encode({**vars(cost), **parts})


def decode_cost(text: bytes) -> Cost:
    """Read what :func:`encode_cost` wrote; ValueError, TypeError or KeyError where it is something else."""
    content = json.loads(text)
    layers = tuple(LayerCost(**layer) for layer in content.pop("layers"))
    components = tuple(ComponentCost(**component) for component in content.pop("components"))
    return Cost(**content, layers=layers, components=components)


def encode_accuracy(accuracy: Accuracy) -> bytes:
    """Write an accuracy with its top-5 siblings."""
    content = {field.name: getattr(accuracy, field.name) for field in dataclasses.fields(accuracy)}
    for name in ("reference", "quantized", "hardware"):
        content[name] = _split(content[name])
    content["trials"] = [_split(score) for score in accuracy.trials]
    return _encode(content)


def decode_accuracy(text: bytes) -> Accuracy:
    """Read what :func:`encode_accuracy` wrote; ValueError, TypeError or KeyError where it is something else."""
    content = json.loads(text)
    for name in ("reference", "quantized", "hardware"):
        content[name] = Score(*content[name])
    content["trials"] = tuple(Score(*pair) for pair in content["trials"])
    content["interval"] = tuple(content["interval"])
    return Accuracy(**content)


def _split(score: Score) -> tuple[float, float | None]:
    return float(score), score.top5


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), default=lambda value: value.item()).encode()
