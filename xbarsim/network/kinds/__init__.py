"""Operator kinds: one record each, by subject; :data:`KINDS` holds them all.

A new kind is one :class:`Kind` in the module of its subject. Everything else reads the record: shapes, executor,
integer network, quantisation, timing, the YAML form, ONNX in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable

from xbarsim.network.kinds import (
    activations,
    arithmetic,
    ends,
    layers,
    moves,
    normalisation,
    opaque,
    pools,
    stored,
    windows,
)
from xbarsim.network.kinds.record import (
    NO_LAYER,
    NO_TORCH,
    NOT_ASKED,
    NOT_IN_YAML,
    REQUIRED,
    Codes,
    Kind,
    LayerQuery,
    LayerRule,
    Reader,
    Setting,
    TimingClass,
)
from xbarsim.network.onnx_operators import ALIASES


def collect_kinds(records: Iterable[Kind]) -> dict[str, Kind]:
    """Return records by name.

    Parameters
    ----------
    records : iterable of Kind
        All records.

    Returns
    -------
    dict
        Name -> record.

    Raises
    ------
    ValueError
        If two records share a name.
    """
    found: dict[str, Kind] = {}
    for record in records:
        if record.name in found:
            raise ValueError(f"kind {record.name!r}: has two records")
        found[record.name] = record
    return found


def collect_readers(kinds: Iterable[Kind]) -> dict[str, Reader]:
    """Return what reads every ONNX operator.

    Parameters
    ----------
    kinds : iterable of Kind
        All records.

    Returns
    -------
    dict
        ONNX operator -> its reader.

    Raises
    ------
    ValueError
        If two records read one operator.
    """
    found = dict(ALIASES)
    for kind in kinds:
        for operator, reader in kind.onnx_read.items():
            if operator in found:
                raise ValueError(f"kind {kind.name!r}: onnx_read: {operator} is read by another record too")
            found[operator] = reader
    return found


KINDS = collect_kinds(
    (
        *layers.RECORDS,
        *activations.RECORDS,
        *pools.RECORDS,
        *arithmetic.RECORDS,
        *moves.RECORDS,
        *normalisation.RECORDS,
        *opaque.RECORDS,
        *ends.RECORDS,
        *windows.RECORDS,
        *stored.RECORDS,
    )
)
"""Kind of node -> its record."""

OPERATORS = collect_readers(KINDS.values())
"""ONNX operator -> what it adds to the network."""

LAYER_RULES = {name: kind.layer for name, kind in KINDS.items() if kind.layer is not NO_LAYER}
"""Kind of weight layer -> what it is to arrays."""

LAYER_KINDS = tuple(LAYER_RULES)
"""Kinds that hold weights, or operands of products, in arrays."""


def list_asked() -> tuple[str, ...]:
    """Return the kinds of layer that may be asked for on their own, without a network."""
    return tuple(name for name, rule in LAYER_RULES.items() if rule.query is not NOT_ASKED)


__all__ = [
    "KINDS", "LAYER_KINDS", "LAYER_RULES", "NOT_IN_YAML", "NO_TORCH", "OPERATORS", "REQUIRED", "Codes", "Kind",
    "LayerQuery", "LayerRule", "Setting", "TimingClass", "collect_kinds", "collect_readers", "list_asked",
]  # fmt: skip
