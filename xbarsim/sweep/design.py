"""Designs: the combinations of axis values that are computed.

A grid takes every combination, the last axis fastest. Random designs draw every axis independently; a Latin hypercube
(McKay, Beckman and Conover, Technometrics 21, 1979) cuts every axis into as many strata as there are points and uses
each stratum once. Both depend on their seed and on the axes' own keys alone, so that adding an axis leaves the values
of the others as they were.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from xbarsim import rng
from xbarsim.config.record import Record
from xbarsim.limits import LIMITS, check_limit
from xbarsim.sweep.axis import Axis


class SweepDesign(Record):
    """Design of a sweep."""

    kind: Literal["grid", "random", "latin_hypercube"] = "grid"
    """``grid``: all combinations; ``random``: independent draws; ``latin_hypercube``: one draw from each stratum of
    each axis."""
    points: Annotated[int, Field(ge=1, le=LIMITS["points"].most)] | None = None
    """Number of points; random designs need it, a grid has none."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draws."""


def combine_axes(axes: Sequence[Axis], design: SweepDesign) -> list[dict[str, Any]]:
    """Return the settings of every point.

    Parameters
    ----------
    axes : sequence of Axis
        What varies.
    design : SweepDesign
        How.

    Returns
    -------
    list of dict
        Key -> value for every point, in order; combinations that a random design drew twice stand once.

    Raises
    ------
    ConfigError
        If a grid has more than a million points.
    """
    if design.kind == "grid":
        count = math.prod(len(axis.levels) for axis in axes)
        check_limit("points", count, "axes of the grid")
        rows: Any = itertools.product(*(axis.levels for axis in axes))
    else:
        shares = _draw_shares(axes, design)
        rows = ([axis.draw(share) for axis, share in zip(axes, row)] for row in shares)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        settings = {key: value for axis, level in zip(axes, row) for key, value in zip(axis.keys, level)}
        found.setdefault(repr(settings), settings)
    return list(found.values())


def _draw_shares(axes: Sequence[Axis], design: SweepDesign) -> np.ndarray:
    """Return where every point lies on every axis, (points, axes), each in [0, 1)."""
    count = design.points or 1
    shares = np.empty((count, len(axes)))
    for j, axis in enumerate(axes):
        generator = rng.stream(design.seed, f"sweep.{design.kind}", axis.keys[0])
        draws = generator.random(count)
        strata = (generator.permutation(count) + draws) / count
        shares[:, j] = strata if design.kind == "latin_hypercube" else draws
    return shares
