"""An explanation in points of another metric: adds up to what a simulation says, and refuses what is no share."""

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network.build import NetworkBuilder
from xbarsim.report.judge import choose_judge, rate_chips

NOISY = {"device.programming.distribution": "normal", "device.programming.sigma": 0.3, "adc.bits": 5}


def make_segmenter():
    """Return a network of three classes for each of 6 x 6 places, and images with masks that it mostly meets."""
    net = NetworkBuilder("segmenter", (2, 6, 6))
    net.add("conv2d", "first", settings={"channels": 6, "kernel": 3, "padding": 1})
    net.add("relu", "relu")
    net.add("conv2d", "last", settings={"channels": 3, "kernel": 1})
    network = xs.load_network(net.build(), weights="random")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(12, 2, 6, 6)).astype(np.float32)
    masks = xs.simulate(network, "reference", images, threads=1).outputs[0].argmax(axis=1)
    masks[rng.random(masks.shape) < 0.1] = 0
    return network, images, masks


def test_points_of_mean_iou_add_up_to_what_a_simulation_loses():
    network, images, masks = make_segmenter()
    hardware = xs.load_hardware("reference", NOISY)
    found = xs.explain(network, hardware, images, masks, metric="miou", trials=2, threads=1, parts=["causes", "layers"])
    report = xs.simulate(network, hardware, images, masks, metric="miou", trials=2, threads=1)
    assert found.measure == "miou"
    assert found.whole.reference == pytest.approx(100 * report.metric.reference)
    assert found.whole.hardware == pytest.approx(100 * report.metric.hardware)
    assert found.causes["share_points"].sum() == pytest.approx(100 * report.metric.degradation)
    assert list(found.wholes) == ["miou", "agreement", "cosine"]
    assert 0 < found.wholes["agreement"].hardware < 100


def test_scores_of_images_have_the_metric_as_mean_and_the_scatter_of_a_bootstrap():
    rng = np.random.default_rng(1)
    outputs, masks = rng.normal(size=(60, 3, 20)), rng.integers(0, 3, (60, 20))
    outputs[np.arange(60)[:, None], masks, np.arange(20)] += rng.uniform(0, 3, (60, 1))
    judge = choose_judge("miou")
    scores = judge.score_images(outputs, masks)
    assert scores.mean() == pytest.approx(judge.measure(outputs, masks))
    low, high = rate_chips(judge, outputs[None], masks, runs=1, seed=0).interval
    # both estimate one standard error; 1,000 draws know it within 2 %
    assert scores.std(ddof=1) / np.sqrt(60) == pytest.approx((high - low) / 4.0, rel=0.15)


@pytest.mark.parametrize(
    ("metric", "message"),
    [("perplexity", "perplexity is not a share.* or leave out metric and labels"), ("miuo", "did you mean miou")],
)
def test_a_metric_whose_points_cannot_be_shared_is_refused(metric, message):
    with pytest.raises(ConfigError, match=message):
        xs.explain("digits", "reference", np.zeros((2, 1, 8, 8), np.float32), [0, 1], metric=metric)
