"""Attempts: remedies made into hardware that can be simulated, and two good ones together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xbarsim import api
from xbarsim.diagnosis.bench import Layers, Subject
from xbarsim.diagnosis.explanation import RemedyGain
from xbarsim.diagnosis.remedy import REMEDIES, Remedy, is_already
from xbarsim.errors import XbarsimError
from xbarsim.mapping import plan_network


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """A remedy, or two, on the hardware of a subject."""

    name: str
    """Name in tables."""
    hardware: api.RatedHardware
    layers: Layers
    keys: frozenset[str]
    """Dotted keys that differ."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempts:
    """What is tried, and what cannot be."""

    found: tuple[Attempt, ...]
    refused: Mapping[str, str]
    """Remedy -> why the configuration refuses it."""


def list_attempts(subject: Subject) -> Attempts:
    """List the remedies that change something on the hardware of a subject.

    Parameters
    ----------
    subject : Subject
        Network, hardware and choices by layer.

    Returns
    -------
    Attempts
        In the order of the table; those that the configuration refuses, with the reason.
    """
    plan = subject.plan()
    grouped = [layer.name for layer in plan.layers if layer.groups > 1]
    found, refused = [], {}
    for remedy in REMEDIES.values():
        changes = remedy.choose(subject.hardware)
        if changes is None or is_already(subject.hardware, changes) or (remedy.is_grouped and not grouped):
            continue
        try:
            found.append(_attempt(subject, remedy, dict(changes), grouped))
        except XbarsimError as error:
            refused[remedy.name] = str(error)
    return Attempts(found=tuple(found), refused=refused)


def _attempt(subject: Subject, remedy: Remedy, changes: dict[str, Any], grouped: Sequence[str]) -> Attempt:
    hardware, layers = subject.hardware, dict(subject.layers)
    if remedy.is_grouped:
        for name in grouped:
            layers[name] = {**layers.pop(name, {}), **changes}
    else:
        hardware = hardware.override(changes)
    plan_network(subject.network, hardware, layers=layers)
    return Attempt(name=remedy.name, hardware=hardware, layers=layers, keys=frozenset(changes))


def combine_best(subject: Subject, attempts: Attempts, gains: Sequence[RemedyGain]) -> Attempt | None:
    """Put the two best remedies together that change different keys.

    Parameters
    ----------
    subject : Subject
        Network, hardware and choices by layer.
    attempts : Attempts
        What was tried.
    gains : sequence of RemedyGain
        What each gave back, the best first.

    Returns
    -------
    Attempt or None
        None where no two remedies give anything back, or the configuration refuses them together.
    """
    by_name = {attempt.name: attempt for attempt in attempts.found}
    helping = [by_name[gain.remedy] for gain in gains if gain.points > 0]
    for other in helping[1:]:
        first = helping[0]
        if first.keys & other.keys:
            continue
        overrides = {**first.hardware.overrides, **other.hardware.overrides}
        kept = subject.hardware.overrides
        changes = {key: value for key, value in overrides.items() if key not in kept or kept[key] != value}
        layers = {
            name: {**first.layers.get(name, {}), **other.layers.get(name, {})}
            for name in {**first.layers, **other.layers}
        }
        try:
            hardware = subject.hardware.override(changes)
            plan_network(subject.network, hardware, layers=layers)
        except XbarsimError:
            continue
        return Attempt(
            name=f"{first.name} + {other.name}", hardware=hardware, layers=layers, keys=first.keys | other.keys
        )
    return None
