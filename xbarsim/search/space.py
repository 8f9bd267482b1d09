"""A search space as data: the choices of each layer.

``space`` maps layer names or globs to axes. A layer has the axes of all globs that match it; of two lists for one axis
the later one is used. Axes are

* ``array``: rows and columns of square arrays;
* any key of the hardware that may differ between layers (``device.cell_bits``, ``adc.bits``, ``dac.bits``, ...);
* ``kernel``: height and width of a convolution's kernel; ``width``: factor of a layer's output channels;
* ``epitome``: ``{rows: ..., channels: ...}``, optionally with ``height``, ``width``, ``patch`` and ``step``, or null;
* ``zero: true``: the residual branch of the layer may be removed; ``tied: true``: all layers of the glob have the
  same choice.

With a wildcard, layers to which an axis does not apply (for example the kernel of a linear layer) are skipped. A layer
that is named must have the axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xbarsim.config import Hardware
from xbarsim.errors import ConfigError, show_value
from xbarsim.mapping.choose import PER_LAYER
from xbarsim.names import match_names, suggest
from xbarsim.network import Network
from xbarsim.network.reshape import find_branches, reshape_network
from xbarsim.notebook import Face, Shown, SmallTable, count_words
from xbarsim.search.design import (
    SHAPE_AXES,
    ZERO,
    Design,
    check_axes,
    check_value,
    expand_axis,
    find_able,
    make_design,
    with_epitomes,
)

SWITCHES = ("zero", "tied")

Option = Mapping[str, Any]
Point = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SearchSlot:
    """A choice of one layer, or of several tied layers."""

    name: str
    """Layer, or the glob of tied layers."""
    layers: tuple[str, ...]
    """Layers that take the choice."""
    axes: Mapping[str, tuple[Any, ...]]
    """Axis -> values."""
    can_vanish: bool = False
    """Whether the zero operator is among the options; it is the last one."""

    @property
    def count(self) -> int:
        """Number of options."""
        return math.prod(map(len, self.axes.values())) + self.can_vanish

    def option(self, index: int) -> Option | str:
        """Return an option: axis -> value, or :data:`ZERO`."""
        if self.can_vanish and index == self.count - 1:
            return ZERO
        chosen = {}
        for axis, values in reversed(tuple(self.axes.items())):
            index, at = divmod(index, len(values))
            chosen[axis] = values[at]
        return dict(reversed(chosen.items()))

    def index(self, option: Option | str) -> int:
        """Return the number of an option; ConfigError where it is none."""
        if option == ZERO and self.can_vanish:
            return self.count - 1
        index = 0
        for axis, values in self.axes.items():
            value = option.get(axis) if isinstance(option, Mapping) else None
            if not isinstance(option, Mapping) or value not in values or len(option) != len(self.axes):
                raise ConfigError(f"{self.name}: {option!r} is not an option; axes are {self.axes}")
            index = index * len(values) + values.index(value)
        return index


@dataclass(frozen=True, kw_only=True, repr=False)
class Space(Shown):
    """All choices for a network."""

    network: Network
    """The backbone."""
    slots: tuple[SearchSlot, ...]
    """Choices with more than one option, in the order of the network."""
    fixed: tuple[SearchSlot, ...] = ()
    """Choices with one option."""
    natives: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Layer -> axis -> value without a choice."""

    def _show(self) -> Face:
        rows = [(slot.name, ", ".join(slot.axes), f"{slot.count:,}") for slot in self.slots]
        return Face(
            title=f"Search space of {self.network.name}",
            text=f"{count_words(len(self.slots), 'choice')}, {float(self.count):.4g} points",
            tables=(SmallTable(("layers", "axes", "options"), rows),),
        )

    @property
    def count(self) -> int:
        """Number of points."""
        return math.prod(slot.count for slot in self.slots)

    def options(self, point: Point) -> dict[str, Option | str]:
        """Return what a point chooses: layer or glob -> option."""
        if len(point) != len(self.slots):
            raise ConfigError(f"point: has {len(point)} choices, but the space has {len(self.slots)} slots")
        return {slot.name: slot.option(index) for slot, index in zip(self.slots, point)}

    def point(self, options: Mapping[str, Option | str]) -> Point:
        """Return the point that makes these choices; ConfigError where one is unknown or missing."""
        names = [slot.name for slot in self.slots]
        for name in options:
            if name not in names:
                raise ConfigError(f"{name}: not in the space{suggest(name, names)}")
        for name in names:
            if name not in options:
                raise ConfigError(f"{name}: no choice given")
        return tuple(slot.index(options[slot.name]) for slot in self.slots)

    def design(self, point: Point) -> Design:
        """Apply a point to the backbone.

        Parameters
        ----------
        point : tuple of int
            Option of every slot.

        Returns
        -------
        Design
            Network and choices by layer.

        Raises
        ------
        ConfigError
            If the shapes do not fit each other.
        """
        chosen = [(slot, slot.option(index)) for slot, index in zip(self.slots, point)]
        return make_design(
            self.network,
            [
                (name, {ZERO: True} if isinstance(option, str) else option)
                for slot, option in [*((slot, slot.option(0)) for slot in self.fixed), *chosen]
                for name in slot.layers
            ],
        )

    def native(self) -> Point:
        """Return the point nearest to the backbone: own values where they are offered, else the first."""
        return tuple(slot.index(self._own(slot, {})) for slot in self.slots)

    def homogeneous(self) -> dict[Any, Point]:
        """Return one point for each array size that all slots offer: every layer on it, all else native."""
        offered = [slot.axes["array"] for slot in self.slots if "array" in slot.axes]
        sizes = [size for size in offered[0] if all(size in sizes for sizes in offered)] if offered else []
        return {size: tuple(slot.index(self._own(slot, {"array": size})) for slot in self.slots) for size in sizes}

    def sample(self, rng: np.random.Generator) -> Point:
        """Draw a point; one whole number for each slot."""
        return tuple(int(rng.integers(slot.count)) for slot in self.slots)

    def __iter__(self) -> Iterator[Point]:
        """Run through all points in order."""
        yield from itertools.product(*(range(slot.count) for slot in self.slots))

    def _own(self, slot: SearchSlot, wanted: Option) -> Option | str:
        if not slot.axes:
            return {}
        own = {**self.natives.get(slot.layers[0], {}), **{k: v for k, v in wanted.items() if k in slot.axes}}
        return {axis: own[axis] if own.get(axis) in values else values[0] for axis, values in slot.axes.items()}


def make_space(content: Mapping[str, Any], network: Network, hardware: Hardware) -> Space:
    """Read a search space and check every value of it.

    Parameters
    ----------
    content : mapping
        Layer or glob -> axis -> list of values.
    network : Network
        The backbone.
    hardware : Hardware
        What holds where nothing is chosen.

    Returns
    -------
    Space
        The space.

    Raises
    ------
    ConfigError
        If a glob matches no layer, an axis or value is unknown or impossible, or nothing is left to choose.
    """
    names = [node.name for node in network.layers]
    branches = find_branches(network)
    merged: dict[str, dict[str, Any]] = {name: {} for name in names}
    ties: dict[str, str] = {}
    for glob, axes in content.items():
        matched = match_names(glob, names, f"space.{glob}")
        if not isinstance(axes, Mapping):
            raise ConfigError(f"space.{glob}: {show_value(axes)} is not a mapping of axes to lists")
        check_axes(f"space.{glob}", axes)
        for axis, values in axes.items():
            where = f"space.{glob}.{axis}"
            checked = _check_values(where, axis, values)
            if axis == "tied":
                ties.update(dict.fromkeys(matched, glob if checked else ""))
                continue
            for name in find_able(network, branches, glob, axis, f"space.{glob}"):
                _try_values(where, network, hardware, name, axis, checked)
                merged[name][axis] = checked
    slots = _collect_slots(merged, ties)
    if not any(slot.count > 1 for slot in slots):
        raise ConfigError("space: a single design; give at least one layer more than one option")
    return Space(
        network=network,
        slots=tuple(slot for slot in slots if slot.count > 1),
        fixed=tuple(slot for slot in slots if slot.count == 1 and slot.axes),
        natives={node.name: _describe_native(node, hardware, merged[node.name]) for node in network.layers},
    )


def _collect_slots(merged: Mapping[str, dict[str, Any]], ties: Mapping[str, str]) -> list[SearchSlot]:
    """Turn the axes of every layer into slots; tied layers must offer the same."""
    groups: dict[str, list[str]] = {}
    for name, axes in merged.items():
        if axes:
            groups.setdefault(ties.get(name) or name, []).append(name)
    slots = []
    for name, layers in groups.items():
        # a layer that cannot take an axis of its group goes without it
        joint: dict[str, Any] = {}
        for layer in layers:
            joint.update({key: value for key, value in merged[layer].items() if key != "zero"})
        can_vanish = any(merged[layer].get("zero", False) for layer in layers)
        slots.append(SearchSlot(name=name, layers=tuple(layers), axes=joint, can_vanish=can_vanish))
    return slots


def _check_values(where: str, axis: str, values: Any) -> Any:
    if axis in SWITCHES:
        if not isinstance(values, bool):
            raise ConfigError(f"{where}: {show_value(values)} is not true or false; it takes one of them, not a list")
        return values
    known = ("array", *SHAPE_AXES, *SWITCHES)
    if axis not in known and axis.split(".")[0] not in PER_LAYER:
        if axis.split(".")[0] in Hardware.model_fields:
            raise ConfigError(f"{where}: belongs to the whole chip and cannot differ between layers; give it under set")
        raise ConfigError(f"{where}: unknown axis{suggest(axis, (*known, *PER_LAYER))}")
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{where}: {values!r} is not a list of values")
    if not values:
        raise ConfigError(f"{where}: an empty list has no options; give at least one")
    if any(value in values[:number] for number, value in enumerate(values)):
        raise ConfigError(f"{where}: a value is given twice in {list(values)}")
    for value in values:
        check_value(where, axis, value)
    return tuple(values)


def _try_values(where: str, network: Network, hardware: Hardware, name: str, axis: str, values: Any) -> None:
    """Apply every value on its own, so that a wrong one is named before the search begins."""
    try:
        for value in values if isinstance(values, tuple) else ():
            if axis == "kernel":
                reshape_network(network, kernels={name: value})
            elif axis == "width":
                reshape_network(network, widths={name: value})
            elif axis == "epitome":
                with_epitomes(network, {name: value})
            else:
                hardware.override(expand_axis(axis, value))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _describe_native(node: Any, hardware: Hardware, axes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a layer is where nothing is chosen."""
    own: dict[str, Any] = {"width": 1.0, "array": hardware.crossbar.rows, "epitome": None}
    if node.has_kernel:
        own["kernel"] = node.attributes["kernel"][0]
    for axis in axes:
        if axis not in own and axis != "zero":
            value: Any = hardware
            for part in axis.split("."):
                value = getattr(value, part)
            own[axis] = value
    return own
