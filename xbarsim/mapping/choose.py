"""Choices for single layers: from globs over layers to the hardware of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError
from xbarsim.kept import KeptResults
from xbarsim.names import match_names, suggest_or_list
from xbarsim.network import Node

PER_LAYER = (
    "weight_bits",
    "activation_bits",
    "encoding",
    "device",
    "crossbar",
    "dac",
    "adc",
    "mapping",
    "epitome",
    "activity",
)
"""Keys and sections that may differ between layers; the others belong to the chip."""
WHOLE_CHIP = (
    "mapping.replication",
    "mapping.array_budget",
    "mapping.area_budget_m2",
    "mapping.placement",
    "mapping.dynamic_products",
    "mapping.reload",
)
"""Keys of those sections that belong to the chip nevertheless."""

Choices = Mapping[str, Mapping[str, Any]]

_VARIANTS: KeptResults[Hardware] = KeptResults(1024)


def choose_hardware(
    names: Sequence[str], hardware: Hardware, choices: Choices | None, network: str = ""
) -> dict[str, Hardware]:
    """Work out the hardware of every layer.

    Parameters
    ----------
    names : sequence of str
        Layer names.
    hardware : Hardware
        What holds where nothing is chosen.
    choices : mapping, optional
        Layer name or glob -> dotted key -> value. Where several match, the later one wins key by key.
    network : str
        Name of the network, for messages.

    Returns
    -------
    dict
        Layer name -> hardware; layers with equal choices share one record.

    Raises
    ------
    ConfigError
        If a glob matches no layer, a key is unknown or belongs to the whole chip, or a value breaks a rule.
    """
    merged: dict[str, dict[str, Any]] = {name: {} for name in names}
    for glob, changes in (choices or {}).items():
        if not isinstance(changes, Mapping):
            raise ConfigError(f"layers.{glob}: {changes!r} is not a mapping of keys to values")
        matched = match_names(glob, names, f"layers.{glob}", f"layer of network {network}" if network else "layer")
        for key in _list_keys(changes):
            section = key.split(".")[0]
            if section not in type(hardware).model_fields:
                raise ConfigError(f"layers.{glob}: {key}: unknown key{suggest_or_list(section, PER_LAYER)}")
            if section not in PER_LAYER or key in WHOLE_CHIP:
                raise ConfigError(f"layers.{glob}: {key} cannot differ between layers; set it for the whole chip")
        for name in matched:
            merged[name].update(changes)
    variants: dict[str, Hardware] = {"[]": hardware}
    chosen: dict[str, Hardware] = {}
    for name, changes in merged.items():
        variant = repr(sorted(changes.items()))
        if variant not in variants:
            try:
                variants[variant] = vary_hardware(hardware, changes)
            except ConfigError as error:
                raise ConfigError(f"layer {name}: {error}") from None
        chosen[name] = variants[variant]
    return chosen


def vary_hardware(hardware: Hardware, changes: Mapping[str, Any]) -> Hardware:
    """Return hardware with dotted keys replaced, the same record for the same changes.

    Parameters
    ----------
    hardware : Hardware
        What is changed.
    changes : mapping
        Dotted key -> value.

    Returns
    -------
    Hardware
        Validated.

    Raises
    ------
    ConfigError
        If a key is unknown or a value breaks a rule.
    """
    if not all(isinstance(value, (int, float)) for value in changes.values()):  # a text may name a file, which changes
        return hardware.override(changes)
    key = (id(hardware), repr(sorted(changes.items())))
    found = _VARIANTS.get(key)
    return found if found is not None else _VARIANTS.put(key, (hardware,), hardware.override(changes))


def size_grouped(nodes: Sequence[Node], chosen: Mapping[str, Hardware]) -> dict[str, Hardware]:
    """Give grouped convolutions arrays of their own size where ``mapping.groups`` is ``stripes``.

    Parameters
    ----------
    nodes : sequence of Node
        Weight layers.
    chosen : mapping
        Layer name -> hardware.

    Returns
    -------
    dict
        Layer name -> hardware; layers that shared a record and are alike still do.
    """
    sized: dict[int, Hardware] = {}
    found = dict(chosen)
    for node in nodes:
        hardware = chosen[node.name]
        size = hardware.mapping.group_array
        if size is not None and node.groups > 1:
            if id(hardware) not in sized:
                sized[id(hardware)] = vary_hardware(hardware, {"crossbar.rows": size.rows, "crossbar.cols": size.cols})
            found[node.name] = sized[id(hardware)]
    return found


def share_choices(choices: Choices | None, names: Sequence[str], parts: Mapping[str, Sequence[str]]) -> Choices:
    """Hand the choices of layers on to the parts that they are cut into.

    Parameters
    ----------
    choices : mapping, optional
        Choices by layer name or glob, checked.
    names : sequence of str
        Layer names before cutting.
    parts : mapping
        Layer that is cut -> names of its parts.

    Returns
    -------
    mapping
        Choices that give every layer and every part what they gave the layer before.
    """
    shared: dict[str, Mapping[str, Any]] = {}
    own: dict[str, dict[str, Any]] = {part: {} for made in parts.values() for part in made}
    for glob, changes in (choices or {}).items():
        matched = match_names(glob, names, f"layers.{glob}")
        if any(name not in parts for name in matched):
            shared[glob] = changes
        for name in matched:
            for part in parts.get(name, ()):
                own[part].update(changes)
    return {**shared, **{part: changes for part, changes in own.items() if changes}}


def _list_keys(changes: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the dotted keys of changes, sections given as mappings included."""
    for key, value in changes.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _list_keys(value, f"{before}{key}.")
