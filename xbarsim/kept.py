"""Results of functions of records that never change, found again by the identity of the records.

Hardware records, nodes and networks are frozen but too large to be compared or hashed for every use. Results are kept
with the records that they were made from, so that no other record can take their identity. A table that is full drops
the oldest results. Tables are emptied when a plug-in adds a class.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_TABLES: list[KeptResults[Any]] = []


class KeptResults(Generic[T]):
    """A table of results.

    Parameters
    ----------
    limit : int
        Largest number of results.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._found: dict[Hashable, tuple[tuple[object, ...], T]] = {}
        _TABLES.append(self)

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self._found)

    def get(self, key: Hashable) -> T | None:
        """Return a result.

        Parameters
        ----------
        key : hashable
            Identities (``id``) of records, and values.

        Returns
        -------
        object or None
            What was put; None where there is none.
        """
        entry = self._found.get(key)
        return None if entry is None else entry[1]

    def put(self, key: Hashable, records: tuple[object, ...], result: T) -> T:
        """Keep a result.

        Parameters
        ----------
        key : hashable
            As for :meth:`get`.
        records : tuple
            Every record whose identity is in the key; they live as long as the result.
        result : object
            Not to be changed any more.

        Returns
        -------
        object
            The result.
        """
        if len(self._found) >= self._limit:
            for old in list(self._found)[: max(1, self._limit // 8)]:
                self._found.pop(old, None)
        self._found[key] = records, result
        return result

    def clear(self) -> None:
        """Drop all results."""
        self._found.clear()


def forget() -> None:
    """Drop the results of all tables."""
    for table in _TABLES:
        table.clear()
