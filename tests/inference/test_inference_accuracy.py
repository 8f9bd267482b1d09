"""Scores and intervals."""

import numpy as np
import pytest

from xbarsim.inference import Score, measure_accuracy
from xbarsim.inference.accuracy import estimate_interval, score_outputs


def test_score_counts_the_highest_output():
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
    assert score_outputs(outputs, np.array([1, 1, 0])) == pytest.approx(2 / 3)


def test_top5_stands_beside_the_score_with_more_than_five_classes():
    outputs = np.tile(np.arange(8.0), (2, 1))
    score = score_outputs(outputs, np.array([3, 2]))
    assert isinstance(score, Score)
    assert (float(score), score.top5) == (0.0, 0.5)
    assert score_outputs(outputs[:, :5], np.array([4, 0])).top5 is None


def test_degradation_is_reference_minus_mean_over_trials():
    labels = np.array([0, 1])
    right, wrong = np.eye(2), np.eye(2)[::-1]
    accuracy = measure_accuracy(right, right, np.stack([right, wrong]), labels)
    assert accuracy.trials == (1.0, 0.0)
    assert accuracy.hardware == 0.5
    assert accuracy.degradation == 0.5


def test_interval_of_one_trial_is_wilsons():
    # Wilson score interval for 8 of 10, z = 1.959964: (0.4901625, 0.9433178), R: prop.test(8, 10, correct = FALSE)
    assert estimate_interval([0.8], 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_interval_stays_within_zero_and_one_and_holds_the_mean():
    for trials in ([1.0], [0.0], [0.0, 1.0], [0.97, 0.99, 0.95]):
        low, high = estimate_interval(trials, 50)
        assert 0 <= low <= np.mean(trials) <= high <= 1


def test_interval_widens_with_scatter_between_chips_and_narrows_with_images():
    calm, wild = estimate_interval([0.8, 0.8, 0.8], 100), estimate_interval([0.7, 0.8, 0.9], 100)
    assert wild[1] - wild[0] > calm[1] - calm[0]
    many = estimate_interval([0.8, 0.8, 0.8], 10_000)
    assert many[1] - many[0] < calm[1] - calm[0]


def test_interval_covers_the_truth_about_as_often_as_it_says():
    # 2,000 draws of 200 images at p = 0.9; coverage 95 %, standard error 0.5 %: below 93 % once in 30,000 runs
    counts = np.random.default_rng(0).binomial(200, 0.9, 2000)
    inside = [low <= 0.9 <= high for low, high in (estimate_interval([count / 200], 200) for count in counts)]
    assert np.mean(inside) > 0.93
