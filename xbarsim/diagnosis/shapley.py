"""Shares of causes that add up to the whole: Shapley values (L. S. Shapley, Contributions to the Theory of Games 2,
1953).

The share of a cause is the loss that is added when the cause is enabled after others, averaged over all orders in which
causes can be enabled. With few causes all sets of them are evaluated, which averages over every order exactly; with
more, orders are drawn in pairs of an order and its reverse (R. Mitchell et al., J. Mach. Learn. Res. 23, 2022, find
that antithetic orders reduce the variance), and their mean still adds up to the whole.

A share is a mean over images and chips, as the scores are linear in both. Its interval joins three parts in quadrature:
the bootstrap over images (the same images in every set of causes), Student's interval over chips, and over pairs of
orders where they are drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarsim.rng import stream

Floats = NDArray[np.float64]
Chosen = frozenset[str]
MOST_EXACT = 5
"""Largest number of causes for which all sets are evaluated: 32 sets."""
DRAWN_ORDERS = 6
"""Number of orders that are drawn for more causes."""
RESAMPLES = 2000
"""Resamples of the bootstrap."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """A step in which a cause is enabled."""

    before: Chosen
    """Causes that are already enabled."""
    cause: str
    """The cause that is enabled."""
    weight: float
    """Weight of this step in the cause's share [-]."""
    group: int
    """Pair of orders that it belongs to; 0 where all orders count."""
    is_drawn: bool
    """Whether orders were drawn."""

    @property
    def after(self) -> Chosen:
        """Causes that are enabled after the step."""
        return self.before | {self.cause}


def list_steps(causes: Sequence[str], orders: int | None, seed: int) -> tuple[Joining, ...]:
    """List the steps that shares are averaged over.

    Parameters
    ----------
    causes : sequence of str
        Causes that are present.
    orders : int, optional
        Orders to draw, an even number; left out, all orders of up to 5 causes count, and 6 are drawn of more.
    seed : int
        Seed of the orders.

    Returns
    -------
    tuple of Joining
        The weights of each cause add up to 1.
    """
    count = len(causes)
    if count <= MOST_EXACT if orders is None else orders >= math.factorial(count):
        return tuple(
            Joining(
                before=frozenset(before),
                cause=cause,
                weight=1 / (count * math.comb(count - 1, size)),
                group=0,
                is_drawn=False,
            )
            for cause in causes
            for size in range(count)
            for before in itertools.combinations([name for name in causes if name != cause], size)
        )
    draw = stream(seed, "diagnosis.orders")
    steps: list[Joining] = []
    pairs = max(1, (orders or DRAWN_ORDERS) // 2)
    for pair in range(pairs):
        order = [causes[place] for place in draw.permutation(count)]
        for path in (order, order[::-1]):
            steps += [
                Joining(before=frozenset(path[:place]), cause=cause, weight=1 / (2 * pairs), group=pair, is_drawn=True)
                for place, cause in enumerate(path)
            ]
    return tuple(steps)


def share_loss(steps: Sequence[Joining], scores: Mapping[Chosen, Floats]) -> dict[str, Floats]:
    """Share the loss between the causes.

    Parameters
    ----------
    steps : sequence of Joining
        From :func:`list_steps`.
    scores : mapping
        Set of causes -> (chips or 1, images) scores; 1 where nothing in the set is random.

    Returns
    -------
    dict
        Cause -> (groups, chips, images) loss; its mean over all axes is the cause's share.
    """
    groups = 1 + max((step.group for step in steps), default=0)
    shape = np.broadcast_shapes(*(score.shape for score in scores.values()))
    shares: dict[str, Floats] = {}
    for step in steps:
        share = shares.setdefault(step.cause, np.zeros((groups, *shape)))
        with np.errstate(invalid="ignore"):  # a measure may be infinite with some causes
            share[step.group] += groups * step.weight * (scores[step.before] - scores[step.after])
    return shares


def estimate_ends(losses: Floats, seed: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean loss.

    Parameters
    ----------
    losses : ndarray, (groups, chips, images)
        Loss of a cause, or gain of a remedy.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN where the loss is not finite.
    """
    from scipy import special  # scipy.stats takes half a second to load

    mean, images = float(losses.mean()), losses.mean(axis=(0, 1))
    if not np.isfinite(images).all():
        return math.nan, math.nan
    weights = stream(seed, "diagnosis.bootstrap").multinomial(
        len(images), np.full(len(images), 1 / len(images)), size=RESAMPLES
    )
    means = (weights * images).sum(axis=1) / len(images)  # no BLAS: its bits depend on threads
    low, high = np.quantile(means, (0.025, 0.975)) - mean
    spread = 0.0
    for means in (losses.mean(axis=(0, 2)), losses.mean(axis=(1, 2))):
        if len(means) > 1:
            student = float(special.stdtrit(len(means) - 1, 0.975))
            spread += (student * float(means.std(ddof=1))) ** 2 / len(means)
    return mean - math.hypot(float(low), math.sqrt(spread)), mean + math.hypot(float(high), math.sqrt(spread))
