"""What several simulations with the same images share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Shared:
    """Cache of results that several simulations with the same images share.

    Pass the same object to all calls of :func:`simulate` with the same images and calibration images. It keeps float
    references, quantised networks and integer references, and does not change results.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Any] = {}

    def recall(self, key: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        """Return the result of ``work()`` from the first call with ``key``."""
        if key not in self._kept:
            self._kept[key] = work()
        return self._kept[key]

    def drop_quantized(self) -> None:
        """Remove quantised networks and their results; the small float references are kept."""
        self._kept = {key: value for key, value in self._kept.items() if key[0] == "float reference"}
