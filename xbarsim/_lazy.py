"""Rooms whose names are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load_lazily(package: str, sources: Mapping[str, Sequence[str]], rooms: Sequence[str] = ()) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its name.
    sources : mapping
        Module -> names that it has for the package.
    rooms : sequence of str
        Packages within it.

    Returns
    -------
    callable
        Takes a name and returns what it stands for.
    """
    homes = {name: module for module, names in sources.items() for name in names}

    def find(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(homes[name]), name)
        if name in rooms:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
