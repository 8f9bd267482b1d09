"""Attempts: one or several remedies applied to the hardware of a network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xbarsim import api
from xbarsim.diagnosis.bench import Subject
from xbarsim.diagnosis.remedy import NEEDS, REMEDIES, Changes, is_already
from xbarsim.errors import XbarsimError
from xbarsim.mapping import plan_network
from xbarsim.names import match_names


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """A remedy, or several together, on the hardware of a subject."""

    name: str
    """Name in tables."""
    hardware: api.RatedHardware
    changes: Changes
    """Dotted key -> value against the hardware as it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempts:
    """Remedies to simulate, and remedies that are refused."""

    found: tuple[Attempt, ...]
    refused: Mapping[str, str]
    """Remedy -> reason why the configuration refuses it, or why one that was asked for by name does not apply."""


def list_attempts(subject: Subject, wanted: Collection[str] | None = None) -> Attempts:
    """List the remedies that change something on the hardware of a subject.

    Parameters
    ----------
    subject : Subject
        Network, hardware and choices by layer.
    wanted : collection of str, optional
        Names or globs of remedies; all if left out.

    Returns
    -------
    Attempts
        In the order of the table; those that the configuration refuses, and those of ``wanted`` that do not apply,
        with the reason.
    """
    globs = ["*"] if wanted is None else wanted
    names = {name for glob in globs for name in match_names(glob, list(REMEDIES), f"remedies: {glob!r}", "remedy")}
    plan = subject.plan()
    needed = {
        "any": True,
        "groups": any(layer.groups > 1 for layer in plan.layers),
        "signs": any(layer.signed for layer in plan.layers),
        "floats": not any("weight_scale" in node.attributes for node in plan.network.layers),
    }
    found, refused = [], {}
    for remedy in REMEDIES.values():
        if remedy.name not in names:
            continue
        changes = remedy.choose(subject.hardware) if needed[remedy.needs] else NEEDS[remedy.needs]
        if not isinstance(changes, str) and is_already(subject.hardware, changes):
            changes = "the hardware has it already"
        if isinstance(changes, str):
            if wanted is not None:
                refused[remedy.name] = changes
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


def join_attempts(subject: Subject, first: Attempt, other: Attempt) -> Attempt | None:
    """Combine two attempts.

    Parameters
    ----------
    subject : Subject
        Network, hardware and choices by layer.
    first, other : Attempt
        Either may be several remedies together already.

    Returns
    -------
    Attempt or None
        None where both change the same key, or the configuration refuses them together.
    """
    if first.changes.keys() & other.changes.keys():
        return None
    try:
        return _attempt(subject, f"{first.name} + {other.name}", {**first.changes, **other.changes})
    except XbarsimError:
        return None
