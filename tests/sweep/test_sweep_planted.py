"""A metric of the outputs takes one place: a class that is registered works in sweeps, tables, pages and provenance."""

import json

import numpy as np
import pytest
from samples import make_report

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.plugin import list_plugins, pack_plugins, unpack_plugins
from xbarsim.report.catalogue import describe_metric, find_metric
from xbarsim.report.metric import REPORT_METRICS, Metric
from xbarsim.report.outputs import METRICS
from xbarsim.sweep import make_sweep, plan_sweep, run_sweep
from xbarsim.sweep.evaluate import Evaluator
from xbarsim.sweep.metric import collect_metrics
from xbarsim.sweep.page import write_sweep_page

CONTENT = {"network": "digits", "data": "digits", "images": 20, "axes": {"adc.bits": [4, 6]}}


class Margin:
    """Distance of the highest output from the mean one."""

    higher_is_better = True

    def measure(self, outputs, labels):
        """Return the mean distance over images."""
        assert len(outputs) == len(labels)
        return (outputs.max(axis=1) - outputs.mean(axis=1)).mean()


@pytest.fixture
def margin(monkeypatch):
    """Register the metric, and take it out again."""
    monkeypatch.setattr(METRICS, "_classes", dict(METRICS._classes))
    monkeypatch.setattr(METRICS, "_added", dict(METRICS._added))
    xs.register("metric", "margin", Margin)


@pytest.mark.usefixtures("margin")
def test_a_registered_metric_is_a_column_of_the_table_a_part_of_the_page_and_of_provenance(tmp_path):
    plan = plan_sweep(make_sweep({**CONTENT, "metrics": ["margin"]}))
    summary = run_sweep(plan, tmp_path, workers=1)
    assert summary.done == 2
    assert (summary.table["margin"] > 0).all()
    alone = Evaluator(plan.workload)(plan.points[0])
    assert alone["margin"] == summary.table["margin"][0]
    assert "highest margin" in write_sweep_page(tmp_path).read_text()
    made = json.loads((tmp_path / "sweep.json").read_text())["provenance"]
    assert made["plugins"] == list_plugins() == {"metric:margin": METRICS.fingerprint("margin")}


@pytest.mark.usefixtures("margin")
def test_the_key_of_a_point_depends_on_the_metrics_that_users_added_and_the_sweep_names():
    plain = [point.key for point in plan_sweep(make_sweep({**CONTENT, "metrics": ["cost.edap"]})).points]
    added = [point.key for point in plan_sweep(make_sweep({**CONTENT, "metrics": ["cost.edap", "margin"]})).points]
    METRICS._added["margin"] = "edited"
    edited = [point.key for point in plan_sweep(make_sweep({**CONTENT, "metrics": ["margin"]})).points]
    again = [point.key for point in plan_sweep(make_sweep({**CONTENT, "metrics": ["cost.edap"]})).points]
    assert plain == again
    assert len({*plain, *added, *edited}) == 6


@pytest.mark.parametrize("missing", ["measure", "higher_is_better"])
def test_a_class_that_lacks_a_part_is_refused_by_its_name(missing):
    parts = {"measure": lambda self, outputs, labels: 0.0, "higher_is_better": True}
    del parts[missing]
    with pytest.raises(ConfigError, match=missing):
        xs.register("metric", "margin", type("Margin", (), parts))


def test_a_record_that_lacks_a_field_is_refused_by_its_name():
    fields = {name: getattr(find_metric("cost.edap"), name) for name in Metric.__dataclass_fields__}
    for name in fields:
        with pytest.raises(TypeError, match=name):
            Metric(**{key: value for key, value in fields.items() if key != name})


def test_every_record_has_a_title_and_reads_a_report():
    found = collect_metrics(make_report())
    for name in REPORT_METRICS:
        assert describe_metric(name, [1.0]).title
        assert name in found


@pytest.mark.usefixtures("margin")
def test_a_metric_is_the_mean_over_chips_and_must_be_a_number():
    report = make_report()
    labels = np.zeros(report.outputs.shape[1], int)
    want = np.mean([Margin().measure(chip, labels) for chip in report.outputs])
    assert collect_metrics(report, ["margin"], labels)["margin"] == pytest.approx(want)
    xs.register("metric", "wordy", type("Wordy", (Margin,), {"measure": lambda self, outputs, labels: "much"}))
    with pytest.raises(ConfigError, match="metric 'wordy': measure returned 'much'"):
        collect_metrics(report, ["wordy"], labels)


@pytest.mark.usefixtures("margin")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"network": "digits", "metrics": ["margin"]}, "margin needs images"),
        ({**CONTENT, "metrics": ["margni"]}, "did you mean margin"),
        ({**CONTENT, "metrics": ["status"]}, "name of another column"),
        ({**CONTENT, "axes": {"weight_bits": [4, 8]}, "metrics": ["weight_bits"]}, "write weight_bits.hardware"),
    ],
)
def test_a_sweep_refuses_a_metric_that_it_cannot_have(content, message):
    for name in set(content["metrics"]) & {"status", "weight_bits"}:
        xs.register("metric", name, Margin)
    with pytest.raises(ConfigError, match=message):
        make_sweep(content)


@pytest.mark.usefixtures("margin")
def test_a_class_travels_to_other_processes_and_another_version_of_it_is_refused():
    (parcel,) = pack_plugins(["metric:margin"])
    assert parcel.can_travel
    METRICS._classes.clear()
    METRICS._added.clear()
    unpack_plugins([parcel])
    assert METRICS["margin"] is Margin
    METRICS._added["margin"] = "another"
    with pytest.raises(ConfigError, match="margin"):
        unpack_plugins([parcel])


@pytest.mark.usefixtures("margin")
def test_a_sweep_with_a_class_that_cannot_travel_is_computed_in_this_process(tmp_path):
    class Local(Margin):
        """A class of a function's body, as in a notebook."""

    xs.register("metric", "local", Local)
    plan = plan_sweep(make_sweep({**CONTENT, "metrics": ["local"]}))
    assert (run_sweep(plan, tmp_path, workers=2).table["local"] > 0).all()
