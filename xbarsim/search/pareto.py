"""Pareto fronts, ranks and crowding distances; all objectives are minimised.

K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6, 2002.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray


def rank_points(values: NDArray[np.float64], violations: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort points into fronts.

    Parameters
    ----------
    values : ndarray, (points, objectives)
        To be minimised.
    violations : ndarray, (points,)
        Constraint violation of each point; 0 for feasible points. A feasible point dominates an infeasible one, and of
        two infeasible points the one with the smaller violation dominates.

    Returns
    -------
    ndarray of int, (points,)
        0 for points that are not dominated, 1 for those that are dominated only by the first front, and so on.
    """
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    better = (values[:, None] < values[None]).any(axis=2)
    feasible = violations <= 0
    both = feasible[:, None] & feasible[None]
    beats = np.where(both, no_worse & better, violations[:, None] < violations[None])
    ranks = np.full(len(values), -1)
    remaining = beats.sum(axis=0)
    for rank in range(len(values)):
        front = (remaining == 0) & (ranks < 0)
        if not front.any():
            break
        ranks[front] = rank
        remaining = remaining - beats[front].sum(axis=0)
    return ranks


def find_front(values: NDArray[np.float64], violations: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of feasible nondominated points, each value once, ordered by the first objective.

    Parameters
    ----------
    values : ndarray, (points, objectives)
        To be minimised.
    violations : ndarray, (points,)
        0 where a point keeps the constraints.

    Returns
    -------
    ndarray of int, (points on the front,)
        Indices; the first of equal points stands for all of them.
    """
    ranks = rank_points(values, violations)
    found: dict[tuple[float, ...], int] = {}
    for index in np.flatnonzero((ranks == 0) & (violations <= 0)):
        found.setdefault(tuple(values[index]), int(index))
    return np.array([found[key] for key in sorted(found)], dtype=np.int64)


def crowd_points(values: NDArray[np.float64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the crowding distance of each point in its front; infinite at the ends.

    Parameters
    ----------
    values : ndarray, (points, objectives)
        To be minimised.
    ranks : ndarray of int, (points,)
        Fronts.

    Returns
    -------
    ndarray, (points,)
        Sum over objectives of the distance between a point's neighbours, as a share of the front's extent [-].
    """
    crowding = np.zeros(len(values))
    for rank in np.unique(ranks):
        members = np.flatnonzero(ranks == rank)
        for column in values[members].T:
            order = members[np.argsort(column, kind="stable")]
            ordered = np.sort(column, kind="stable")
            crowding[order[[0, -1]]] = np.inf
            if not np.isfinite(ordered[[0, -1]]).all():
                continue
            extent = ordered[-1] - ordered[0]
            if len(order) > 2 and extent > 0:
                crowding[order[1:-1]] += (ordered[2:] - ordered[:-2]) / extent
    return crowding


def measure_hypervolume(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the volume that points dominate below a reference point.

    Parameters
    ----------
    values : ndarray, (points, objectives)
        To be minimised.
    reference : ndarray, (objectives,)
        Corner of the volume; what lies beyond it counts nothing.

    Returns
    -------
    float
        Volume, in the product of the objectives' units. By slices along the last objective, which takes a time that
        grows with the number of points to the power of the objectives less one.
    """
    inside = values[(values < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    heights = np.append(np.unique(inside[:, -1]), reference[-1])
    total = 0.0
    for low, high in itertools.pairwise(heights):
        below = inside[inside[:, -1] <= low, :-1]
        total += float(high - low) * measure_hypervolume(below, reference[:-1])
    return total
