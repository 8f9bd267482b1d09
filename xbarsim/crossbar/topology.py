"""Topologies as callers name them; the table itself is part of ``config``, where ``crossbar.topology`` is a key."""

from __future__ import annotations

from xbarsim.config.topology import TOPOLOGIES, Topology
from xbarsim.errors import ConfigError

__all__ = ["TOPOLOGIES", "Topology", "find_topology"]


def find_topology(name: str | Topology) -> Topology:
    """Return a topology by name; a record of one's own passes through.

    Parameters
    ----------
    name : str or Topology
        Name in :data:`TOPOLOGIES`, or a record.

    Returns
    -------
    Topology
        The record.

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    if isinstance(name, Topology):
        return name
    try:
        return TOPOLOGIES[name]
    except (KeyError, TypeError):
        raise ConfigError(f"topology: {name!r} is not one of {', '.join(TOPOLOGIES)}") from None
