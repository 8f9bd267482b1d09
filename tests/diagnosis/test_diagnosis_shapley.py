"""Shares add up to the whole, are what Shapley's axioms say, and come with intervals that hold what they should."""

import itertools
import math

import numpy as np
import pytest

from xbarsim.diagnosis.shapley import estimate_ends, list_steps, share_loss


def subsets(names):
    """Return every subset of names."""
    return [frozenset(part) for size in range(len(names) + 1) for part in itertools.combinations(names, size)]


def random_game(names, chips=3, images=20, seed=0):
    """Return random scores of every set of names."""
    draw = np.random.default_rng(seed)
    return {present: draw.random((chips, images)) for present in subsets(names)}


@pytest.mark.parametrize("orders", [None, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_add_up_to_the_whole(count, orders):
    names = "abcde"[:count]
    scores = random_game(names)
    shares = share_loss(list_steps(names, orders, seed=1), scores)
    assert list(shares) == sorted(names) if orders is None else set(shares) == set(names)
    whole = scores[frozenset()] - scores[frozenset(names)]
    np.testing.assert_allclose(sum(share.mean(axis=0) for share in shares.values()), whole, atol=1e-12)


def test_exact_shares_are_means_over_all_orders():
    scores = random_game("abcd")
    shares = share_loss(list_steps("abcd", None, seed=0), scores)
    for name in "abcd":
        expected = 0.0
        for order in itertools.permutations("abcd"):
            before = frozenset(order[: order.index(name)])
            expected = expected + (scores[before] - scores[before | {name}]) / math.factorial(4)
        np.testing.assert_allclose(shares[name][0], expected, atol=1e-12)


def test_causes_that_act_alike_share_alike_and_one_that_does_nothing_has_no_share():
    # a or b alone takes 0.4, both take no more; c takes nothing
    scores = {present: np.full((1, 5), 0.6 if present & {"a", "b"} else 1.0) for present in subsets("abc")}
    shares = share_loss(list_steps("abc", None, seed=0), scores)
    assert [float(shares[name].mean()) for name in "abc"] == pytest.approx([0.2, 0.2, 0.0])


def test_drawn_orders_come_in_pairs_and_are_the_same_for_a_seed():
    steps = list_steps("abcdefg", None, seed=3)
    assert steps == list_steps("abcdefg", None, seed=3) != list_steps("abcdefg", None, seed=4)
    paths = [[step.cause for step in steps[7 * order : 7 * order + 7]] for order in range(len(steps) // 7)]
    assert len(paths) == 6
    assert all(sorted(path) == list("abcdefg") for path in paths)
    assert all(there == back[::-1] for there, back in zip(paths[::2], paths[1::2]))


def test_drawn_orders_average_to_exact_shares():
    # 400 orders of a random game: standard deviations of single steps are below 0.6, 200 pairs, 5 sigma (6e-7)
    scores = random_game("abcdef", chips=1, images=1)
    exact = share_loss(list_steps("abcdef", math.factorial(6), seed=0), scores)
    drawn = share_loss(list_steps("abcdef", 400, seed=0), scores)
    for name, share in exact.items():
        assert float(drawn[name].mean()) == pytest.approx(float(share.mean()), abs=5 * 0.6 / np.sqrt(200))


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    # 100 experiments of 60 images and 4 chips, variances of images and of chips alike: 95 % hold it, 4.5 sigma of a
    # binomial is 9.8 points, and quadrature of two intervals is a little wide: false alarm below 1e-5
    draw, held = np.random.default_rng(5), 0
    for experiment in range(100):
        losses = 0.3 + 0.2 * draw.standard_normal((1, 1, 60)) + 0.05 * draw.standard_normal((1, 4, 1))
        low, high = estimate_ends(losses, seed=experiment)
        held += low <= 0.3 <= high
    assert 0.85 <= held / 100 <= 1.0
    assert held < 100


def test_one_chip_and_no_orders_leave_the_bootstrap_over_images_alone():
    losses = np.random.default_rng(0).standard_normal((1, 1, 400))
    low, high = estimate_ends(losses, seed=0)
    half = 1.96 * losses.std() / 20  # 2000 resamples: quantiles within 10 % of the normal law
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert estimate_ends(np.zeros((1, 3, 10)), seed=0) == (0.0, 0.0)
