"""A metric of the outputs is one class in one place: simulations, explanations, JSON, pages and provenance follow."""

import json

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.report.metric import REPORT_METRICS
from xbarsim.report.outputs import METRICS


class Balanced:
    """Share of right images, mean over classes."""

    higher_is_better = True
    unit = "%"
    bounds = (0.0, 1.0)

    def sums(self, outputs, labels):
        """Count right images and images of each class, shape (images, 2 * classes)."""
        wanted = labels[:, None] == np.arange(outputs.shape[1])
        right = wanted & (outputs.argmax(axis=1) == labels)[:, None]
        return np.concatenate([right, wanted], axis=1).astype(float)

    def combine(self, totals):
        """Return the mean over classes that occur, shape (...), of totals (..., 2 * classes)."""
        right, wanted = np.split(totals, 2, axis=-1)
        return (right / np.maximum(wanted, 1)).sum(axis=-1) / (wanted > 0).sum(axis=-1)


@pytest.fixture
def balanced(monkeypatch):
    """Register the metric, and take it out again."""
    monkeypatch.setattr(METRICS, "_classes", dict(METRICS._classes))
    monkeypatch.setattr(METRICS, "_added", dict(METRICS._added))
    xs.register("metric", "balanced", Balanced)


@pytest.mark.usefixtures("balanced")
def test_a_registered_metric_serves_simulations_explanations_and_reports(tmp_path):
    data = load_data("digits").take(24)
    images, hardware = normalize_images(data.images), xs.load_hardware("reference", {"adc.bits": 2})
    report = xs.simulate("digits", hardware, images, data.labels, metric="balanced", trials=2, threads=1)
    right = report.outputs.argmax(axis=2) == data.labels
    want = [np.mean([chip[data.labels == each].mean() for each in np.unique(data.labels)]) for chip in right]
    assert report.metric.trials == pytest.approx(want)
    assert 0 <= report.metric.interval[0] < report.metric.hardware
    assert report.accuracy is None
    assert report.provenance.plugins == {"metric:balanced": METRICS.fingerprint("balanced")}
    assert json.loads(report.to_json(tmp_path / "out.json").read_text())["metric"]["name"] == "balanced"
    assert "balanced over 24 images" in report.to_html(tmp_path).read_text()
    found = xs.explain("digits", hardware, images, data.labels, metric="balanced", parts=["causes"], threads=1)
    assert found.whole.reference == pytest.approx(100 * report.metric.reference)


@pytest.mark.parametrize("missing", ["sums", "combine", "higher_is_better"])
def test_a_class_that_lacks_a_part_is_refused_by_its_name(missing):
    parts = {"sums": Balanced.sums, "combine": Balanced.combine, "higher_is_better": True}
    del parts[missing]
    with pytest.raises(ConfigError, match=missing):
        xs.register("metric", "balanced", type("Balanced", (), parts))


@pytest.mark.parametrize("name", sorted({column.split(".")[0] for column in REPORT_METRICS}))
def test_a_name_that_begins_the_names_of_a_reports_numbers_is_refused(name):
    with pytest.raises(ConfigError, match=f"metric '{name}': .*, whose numbers have names such as {name}[.]"):
        xs.register("metric", name, Balanced)
    assert name not in METRICS


def test_labels_are_asked_for_where_a_metric_is_named():
    with pytest.raises(ConfigError, match="labels: metric top5 needs them"):
        xs.simulate("digits", "reference", np.zeros((2, 1, 8, 8), np.float32), metric="top5")
