"""An explanation in points of another metric: adds up to what a simulation says, in its unit and direction."""

import json
import math

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.cli._tables import make_console
from xbarsim.cli.explain import show_explanation
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis.bench import Bench
from xbarsim.errors import ConfigError
from xbarsim.network import run_network
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


def make_model(features, kind="linear"):
    """Return a network of 4 inputs, with ``features`` outputs for each of 5 tokens, or of one vector."""
    shape = (4,) if kind == "vector" else (5, 4)
    net = NetworkBuilder("model", shape)
    net.add("linear", "first", settings={"features": 12})
    net.add("relu", "relu")
    net.add("linear", "last", settings={"features": features})
    network = xs.load_network(net.build(), weights="random")
    return network, np.random.default_rng(0).normal(size=(14, *shape)).astype(np.float32)


def make_task(metric):
    """Return network, images and labels of a metric that is better where it is lower."""
    rng = np.random.default_rng(2)
    if metric == "perplexity":
        network, images = make_model(7)
        labels = run_network(network, images).argmax(axis=2)
        return network, images, np.where(rng.random(labels.shape) < 0.1, -1, labels)
    network, images = make_model(3, "vector")
    return network, images, run_network(network, images) + rng.normal(size=(14, 3)) * 0.05


@pytest.mark.parametrize("metric", ["perplexity", "error"])
def test_points_of_a_metric_that_is_better_where_it_is_lower_are_in_its_own_unit(metric):
    network, images, labels = make_task(metric)
    hardware = xs.load_hardware("reference", NOISY)
    settings = {"metric": metric, "trials": 2, "threads": 1}
    found = xs.explain(network, hardware, images, labels, remedies=["output correction"], **settings)
    report = xs.simulate(network, hardware, images, labels, **settings)
    better = xs.simulate(network, hardware.override({"adc.output_correction": True}), images, labels, **settings)
    whole = found.whole
    assert (whole.measure, whole.unit, whole.higher_is_better) == (metric, "", False)
    assert [whole.reference, whole.integers, whole.hardware] == pytest.approx(
        [report.metric.reference, report.metric.quantized, report.metric.hardware]
    )
    assert report.metric.degradation > 0  # the hardware is worse
    assert whole.lost_points == pytest.approx(report.metric.degradation)
    assert found.causes["share_points"].sum() == pytest.approx(report.metric.degradation)
    chip = xs.simulate(network, hardware, images, labels, metric=metric, threads=1).metric
    assert found.layers["share_points"].sum() == pytest.approx(chip.hardware - chip.quantized)
    (row,) = found.gains
    assert row.points == pytest.approx(report.metric.hardware - better.metric.hardware)
    assert (row.agreement is None) == (metric == "error")
    assert list(found.wholes) == [metric, *(["agreement"] if metric == "perplexity" else []), "cosine"]


def test_tokens_agree_one_by_one():
    network, images, labels = make_task("perplexity")
    settings = {"trials": 1, "threads": 1}
    hardware = xs.load_hardware("reference", NOISY)
    found = xs.explain(network, hardware, images, labels, metric="perplexity", parts=["layers"], **settings)
    outputs = xs.simulate(network, hardware, images, **settings).outputs[0]
    same = outputs.argmax(axis=2) == run_network(network, images).argmax(axis=2)
    assert found.wholes["agreement"].hardware == pytest.approx(100 * same.mean())


def test_a_function_is_explained_as_the_metric_that_it_computes():
    network, images = make_model(3, "vector")
    classes, hardware = run_network(network, images).argmax(axis=1), xs.load_hardware("reference", NOISY)

    def share(outputs, labels):
        return float(np.mean(outputs.argmax(axis=1) == labels))

    share.unit = "%"
    settings = {"trials": 2, "threads": 1, "parts": ["causes"]}
    known = xs.explain(network, hardware, images, classes, **settings)
    found = xs.explain(network, hardware, images, classes, metric=share, **settings)
    assert found.measure == "share"
    assert known.whole.lost_points > 0
    columns = ["alone_points", "share_points", "low", "high", "removed_points"]
    np.testing.assert_allclose(found.causes[columns], known.causes[columns], atol=1e-9)


def test_without_groups_of_images_the_scatter_of_a_function_stays():
    rng = np.random.default_rng(1)
    outputs, labels = rng.normal(size=(333, 1)), np.zeros((333, 1))
    scores = choose_judge(lambda outputs, labels: outputs.mean()).score_images(outputs, labels)
    assert scores.mean() == pytest.approx(outputs.mean())
    # 50 groups know the scatter within 10 % (one standard error)
    assert scores.std(ddof=1) == pytest.approx(outputs.std(ddof=1), rel=0.3)


def test_a_function_of_several_outputs_gets_them_by_name():
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from xbarsim.network.onnx_import import import_model

    helper, rng = onnx.helper, np.random.default_rng(3)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", name], [f"{name}_out"], transB=1) for name in ("a", "b")],
        "two",
        [helper.make_tensor_value_info("x", 1, ["n", 6])],
        [helper.make_tensor_value_info(f"{name}_out", 1, None) for name in ("a", "b")],
        [onnx.numpy_helper.from_array(rng.normal(size=(3, 6)).astype(np.float32), name) for name in ("a", "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    network = import_model(model, "two", "two.onnx", outputs="*")
    images, labels = rng.normal(size=(9, 6)).astype(np.float32), rng.integers(0, 3, 9)

    def gap(outputs, labels):
        return np.abs(outputs["a_out"] - outputs["b_out"])[np.arange(len(labels)), labels].mean()

    gap.higher_is_better = False
    settings = {"metric": gap, "threads": 1}
    hardware = xs.load_hardware("reference", NOISY)
    found = xs.explain(network, hardware, images, labels, parts=["causes", "layers"], **settings)
    report = xs.simulate(network, hardware, images, labels, **settings)
    assert found.whole.hardware == pytest.approx(report.metric.hardware)
    assert list(found.wholes) == ["gap", "cosine"]


def test_the_page_and_the_terminal_show_a_metric_in_its_own_unit(tmp_path, capsys):
    network, images, labels = make_task("error")
    found = xs.explain(
        network, xs.load_hardware("reference", NOISY), images, labels, metric="error", threads=1,
        remedies=["output correction"],
    )  # fmt: skip
    page = found.to_html(tmp_path / "page").read_text()
    assert "Loss in error" in page
    assert "points of error" not in page
    show_explanation(make_console(), found)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "Remedies, gain in error" in text
    whole = found.whole
    assert f"{whole.hardware:.4f}" in text
    assert json.loads(found.to_json(tmp_path / "e.json").read_text())["whole"][0]["unit"] == ""


def test_a_metric_that_is_not_finite_is_refused_before_anything_is_simulated(monkeypatch):
    network, images, labels = make_task("perplexity")
    monkeypatch.setattr(Bench, "run", None)

    def unknown(outputs, labels):
        return math.nan

    unknown.higher_is_better = True
    with pytest.raises(ConfigError, match="metric: unknown is nan for the float network"):
        xs.explain(network, "reference", images, labels, metric=unknown, threads=1)


def test_what_is_infinite_on_hardware_is_told_and_not_hidden(tmp_path):
    data = load_data("digits").take(12)
    images = normalize_images(data.images)

    def inverse(outputs, labels):
        wrong = np.mean(outputs.argmax(axis=1) != labels)
        return math.inf if wrong else 1.0

    inverse.higher_is_better = False
    hardware = xs.load_hardware("reference", {**NOISY, "adc.bits": 2})
    found = xs.explain("digits", hardware, images[:4], data.labels[:4], metric=inverse, threads=1, parts=["causes"])
    assert found.whole.hardware == math.inf
    assert json.loads(found.to_json(tmp_path / "e.json").read_text())["whole"][0]["hardware"] is None


@pytest.mark.parametrize("name", ["agreement", "cosine"])
def test_a_metric_with_the_name_of_another_measure_is_refused(name):
    judge = type("Judge", (), {"__call__": lambda self, outputs, labels: 0.0, "__name__": name})()
    with pytest.raises(ConfigError, match=f"{name} is the name of another measure"):
        xs.explain("digits", "reference", np.zeros((2, 1, 8, 8), np.float32), [0, 1], metric=judge)


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="did you mean miou"):
        xs.explain("digits", "reference", np.zeros((2, 1, 8, 8), np.float32), [0, 1], metric="miuo")
