"""Metrics of the outputs: their values against plain loops, their intervals, and what labels they take."""

import math

import numpy as np
import pytest

from xbarsim.errors import ConfigError, ShapeError
from xbarsim.inference import measure_accuracy
from xbarsim.report.judge import choose_judge, compare_outputs, rate_chips
from xbarsim.report.outputs import METRICS

RNG = np.random.default_rng(5)


def measure(name, outputs, labels):
    """Return the value of one metric."""
    judge = choose_judge(name)
    return judge.measure(outputs, judge.check(labels, len(outputs), outputs.shape[1:]))


def test_top1_gives_the_numbers_of_accuracy_and_its_interval():
    outputs, labels = RNG.normal(size=(5, 40, 10)), RNG.integers(10, size=40)
    outputs[:3, np.arange(40), labels] += 2
    found = compare_outputs(choose_judge("top1"), outputs[3], outputs[4], outputs[:3], labels, runs=3, seed=0)
    accuracy = measure_accuracy(outputs[3], outputs[4], outputs[:3], labels)
    for name in ("images", "reference", "quantized", "hardware", "trials", "runs", "interval", "degradation"):
        assert getattr(found, name) == getattr(accuracy, name)
    assert (found.name, found.higher_is_better, found.unit) == ("top1", True, "%")


def test_top5_counts_the_five_highest_outputs():
    outputs = np.tile(np.arange(8.0), (2, 1))
    assert measure("top5", outputs, np.array([3, 2])) == 0.5


def test_mean_iou_is_the_mean_over_classes_that_occur_and_leaves_void_places_out():
    outputs, labels = RNG.normal(size=(3, 5, 6, 7)), RNG.integers(4, size=(3, 6, 7))
    outputs[:, 4] = -9  # class 4 occurs nowhere
    labels[0, 0], labels[1, 1] = 255, -1
    chosen, ratios = outputs.argmax(axis=1), []
    counts = (labels >= 0) & (labels < 5)
    for number in range(4):
        either = ((chosen == number) | (labels == number)) & counts
        both = (chosen == number) & (labels == number)
        ratios.append(both.sum() / either.sum())
    assert measure("miou", outputs, labels) == pytest.approx(np.mean(ratios), rel=1e-12)
    assert math.isnan(choose_judge("miou").measure(outputs, np.full_like(labels, 255)))


def test_perplexity_of_logits_and_of_their_probabilities_is_the_same():
    logits, labels = 3 * RNG.normal(size=(4, 6, 11)), RNG.integers(11, size=(4, 6))
    labels[2, 3:] = -100
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=2, keepdims=True)
    values = [-math.log(shares[i, j, labels[i, j]]) for i in range(4) for j in range(6) if labels[i, j] >= 0]
    assert measure("perplexity", logits, labels) == pytest.approx(math.exp(sum(values) / len(values)), rel=1e-12)
    assert measure("perplexity", shares, labels) == pytest.approx(measure("perplexity", logits, labels), rel=1e-12)
    assert measure("perplexity", np.zeros((2, 3, 7)), np.zeros((2, 3), int)) == pytest.approx(7)


def test_error_is_the_root_of_the_mean_square_without_what_is_nan():
    outputs, labels = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    labels[1, 2] = np.nan
    want = math.sqrt(np.nanmean((outputs - labels) ** 2))
    assert measure("error", outputs, labels) == pytest.approx(want, rel=1e-12)
    assert measure("error", outputs[:, :1], labels[:, 0]) == measure("error", outputs[:, :1], labels[:, :1])


@pytest.mark.parametrize(
    ("name", "shape", "labels", "message"),
    [
        ("top1", (3, 4), np.zeros(2, int), "one number a class; other metrics: top1, top5, miou, perplexity, error"),
        ("top1", (3,), np.array([0, 3]), "3 is outside the 3 classes"),
        ("top1", (3,), np.zeros((2, 4), int), "does not match"),
        ("top5", (5,), np.zeros(2, int), "at least 6"),
        ("miou", (1, 4, 4), np.zeros((2, 4, 4), int), "at least two classes"),
        ("miou", (3, 4, 4), np.zeros((2, 4), int), r"should be \(images, 4, 4\)"),
        ("miou", (3, 4, 4), np.full((2, 4, 4), 7), "7 is outside the 3 classes"),
        ("miou", (300, 2, 2), np.full((2, 2, 2), 301), "301 is outside"),
        ("perplexity", (5, 9), np.zeros((2, 4), int), r"should be \(images, 5\)"),
        ("perplexity", (5, 9), np.zeros((2, 5)), "not a whole-number type"),
        ("perplexity", (5, 9), np.full((2, 5), 9), "9 is outside the 9"),
        ("error", (2,), np.zeros((2, 3)), r"should be \(images, 2\)"),
        ("error", (2,), np.full((2, 2), np.inf), "infinite"),
        ("error", (2,), np.array([["a", "b"]] * 2), "not a type of numbers"),
        ("error", (2,), np.zeros((3, 2)), "does not match 2 images"),
        ("error", (2,), np.full((2, 2), np.nan), "all are marked as left out, so that metric error has nothing"),
        ("miou", (3, 4, 4), np.full((2, 4, 4), 255), "all are marked as left out"),
        ("perplexity", (5, 9), np.full((2, 5), -100), "all are marked as left out"),
    ],
)
def test_labels_that_do_not_fit_are_refused(name, shape, labels, message):
    with pytest.raises(ShapeError, match=message):
        choose_judge(name).check(labels, 2, shape)


def test_a_part_of_the_labels_may_be_left_out_altogether():
    labels = np.full((2, 2), np.nan)
    assert np.isnan(choose_judge("error").check(labels, 2, (2,), part=True)).all()
    labels[1, 0] = 3.0
    assert choose_judge("error").check(labels, 2, (2,))[1, 0] == 3.0


@pytest.mark.parametrize(("metric", "message"), [("tpo1", "did you mean top1"), (3, "neither a name nor a function")])
def test_a_metric_that_does_not_exist_is_refused(metric, message):
    with pytest.raises(ConfigError, match=message):
        choose_judge(metric)


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_has_its_best_value_for_perfect_outputs_and_an_interval_within_its_bounds(name):
    outputs, labels = RNG.normal(size=(2, 30, 8)), RNG.integers(8, size=30)
    if name == "miou":
        outputs, labels = RNG.normal(size=(2, 30, 8, 4)), RNG.integers(8, size=(30, 4))
    perfect = 100 * (np.expand_dims(labels, 1) == np.arange(8).reshape(1, 8, *(1,) * (labels.ndim - 1)))
    if name == "error":
        labels = perfect
    judge = choose_judge(name)
    labels = judge.check(labels, 30, outputs.shape[2:])
    low, high = judge.bounds
    assert judge.measure(perfect, labels) == pytest.approx(high if judge.higher_is_better else low)
    rated = rate_chips(judge, outputs, labels, runs=2, seed=1)
    assert low <= rated.interval[0] < rated.mean < rated.interval[1] <= high
    assert rated == rate_chips(judge, outputs, labels, runs=2, seed=1)


@pytest.mark.parametrize("kind", ["mean", pytest.param("ratio", marks=pytest.mark.slow), "function"])
def test_the_interval_of_images_covers_the_truth_about_as_often_as_it_says(kind):
    # 400 draws of 60 images, coverage 95 %, standard error 1.1 %; of squares of 60 images 93 %:
    # below 88 % less than once in 1,000 runs, above 99 % less than once in 1,000
    rng, inside = np.random.default_rng(3), []
    for draw in range(400):
        outputs, labels = rng.normal(size=(1, 60, 1)), np.zeros((60, 1))
        if kind == "mean":
            judge, truth = choose_judge("error"), 0.0
            judge = type(judge)(name="mean", metric=Mean())
        elif kind == "ratio":
            judge, truth = choose_judge("error"), 1.0
        else:
            judge, truth = choose_judge(lambda outputs, labels: outputs.mean()), 0.0
        low, high = rate_chips(judge, outputs, labels, runs=1, seed=draw).interval
        inside.append(low <= truth <= high)
    assert 0.88 < np.mean(inside) < 0.99


class Mean:
    """Mean output, whose terms are the outputs."""

    higher_is_better = True

    def terms(self, outputs, labels):
        """Return one number an image."""
        return outputs[:, 0]


@pytest.mark.parametrize(("name", "method"), [("top5", "terms"), ("error", "sums")])
def test_the_outputs_of_a_chip_are_scored_once(name, method, monkeypatch):
    judge, calls = choose_judge(name), []
    score = getattr(judge.metric, method)
    monkeypatch.setattr(judge.metric, method, lambda *given: calls.append(0) or score(*given))
    outputs, labels = RNG.normal(size=(3, 20, 8)), RNG.integers(8, size=20)
    truth = judge.check(labels if name == "top5" else RNG.normal(size=(20, 8)), 20, (8,))
    rate_chips(judge, outputs, truth, runs=3, seed=0)
    assert len(calls) == 3


def test_chips_widen_the_interval_and_those_that_repeat_the_first_do_not():
    calm = np.repeat(RNG.normal(size=(1, 50, 1)), 3, axis=0)
    wild = calm + np.array([-1.0, 0.0, 1.0])[:, None, None]
    labels = np.zeros((50, 1))
    ends = [
        rate_chips(choose_judge("error"), outputs, labels, runs=runs, seed=0).interval
        for outputs, runs in ((calm, 3), (wild, 3), (calm, 1))
    ]
    assert ends[1][1] - ends[1][0] > 2 * (ends[0][1] - ends[0][0])
    assert ends[2] == pytest.approx(ends[0])


def test_one_image_says_nothing_about_others():
    rated = rate_chips(choose_judge("error"), np.ones((1, 1, 2)), np.zeros((1, 2)), runs=1, seed=0)
    assert rated.interval == (0.0, math.inf)


def test_a_function_says_its_direction_and_takes_labels_of_any_form():
    def count_boxes(outputs, labels):
        return float(np.mean([abs(len(boxes) - output[0]) for output, boxes in zip(outputs, labels)]))

    count_boxes.higher_is_better = False
    judge = choose_judge(count_boxes)
    labels = judge.check([np.zeros((2, 4)), np.zeros((1, 4)), np.zeros((0, 4))], 3, (1,))
    outputs = np.array([[2.0], [1.0], [3.0]])
    found = compare_outputs(judge, outputs, outputs, outputs[None] + 1, labels, runs=1, seed=0)
    assert (found.name, found.reference, found.higher_is_better) == ("count_boxes", 1.0, False)
    assert found.degradation == pytest.approx(found.hardware - 1.0)
