"""Attempts: remedies made into hardware that can be simulated, and two good ones together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xbarsim import api
from xbarsim.diagnosis.bench import Subject
from xbarsim.diagnosis.explanation import RemedyGain
from xbarsim.diagnosis.remedy import REMEDIES, Changes, is_already
from xbarsim.errors import XbarsimError
from xbarsim.mapping import plan_network


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """A remedy, or two, on the hardware of a subject."""

    name: str
    """Name in tables."""
    hardware: api.RatedHardware
    changes: Changes
    """Dotted key -> value against the hardware as it is."""


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
    needed = {
        "any": True,
        "groups": any(layer.groups > 1 for layer in plan.layers),
        "signs": any(layer.signed for layer in plan.layers),
    }
    found, refused = [], {}
    for remedy in REMEDIES.values():
        changes = remedy.choose(subject.hardware)
        if changes is None or is_already(subject.hardware, changes) or not needed[remedy.needs]:
            continue
        try:
            found.append(_attempt(subject, remedy.name, changes))
        except XbarsimError as error:
            refused[remedy.name] = str(error)
    return Attempts(found=tuple(found), refused=refused)


def _attempt(subject: Subject, name: str, changes: Changes) -> Attempt:
    hardware = subject.hardware.override(changes)
    plan_network(subject.network, hardware, layers=subject.layers)
    return Attempt(name=name, hardware=hardware, changes=changes)


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
        if first.changes.keys() & other.changes.keys():
            continue
        both = {**first.changes, **other.changes}
        try:
            return _attempt(subject, f"{first.name} + {other.name}", both)
        except XbarsimError:
            continue
    return None
