"""Questions of sweeps: conditions, the best point, and none."""

import json

import pytest

from xbarsim.errors import ConfigError
from xbarsim.sweep import make_sweep, plan_sweep, run_sweep
from xbarsim.sweep.answer import find_answer, parse_condition
from xbarsim.sweep.page import write_sweep_page

COSTS = {"network": "digits", "axes": {"crossbar.rows": [32, 64, 128], "crossbar.cols": "same as crossbar.rows"}}
VALUES = {
    "a": {"accuracy.degradation": 0.02, "cost.edap": 1.0},
    "b": {"accuracy.degradation": 0.005, "cost.edap": 3.0},
    "c": {"accuracy.degradation": 0.01, "cost.edap": 2.0},
    "d": {"accuracy.degradation": None, "cost.edap": 0.5},
}


@pytest.mark.parametrize(
    ("text", "metric", "sign", "limit"),
    [
        ("accuracy.lost <= 0.01", "accuracy.degradation", "<=", 0.01),
        ("accuracy.hardware>=90%", "accuracy.hardware", ">=", 0.9),
        (" cost.energy_joule < 1e-6 ", "cost.energy_joule", "<", 1e-6),
        ("cost.tops > +2.5", "cost.tops", ">", 2.5),
    ],
)
def test_conditions_are_read(text, metric, sign, limit):
    found = parse_condition(text)
    assert (found.metric, found.sign) == (metric, sign)
    assert found.limit == pytest.approx(limit)


def test_the_best_of_the_points_that_meet_all_conditions_answers():
    found = find_answer("cost.edap", "minimize", ["accuracy.lost <= 0.01"], VALUES, 4)
    assert (found.point, found.meets, found.finished) == ("c", 2, 4)
    assert find_answer("cost.edap", "maximize", ["accuracy.lost <= 0.01"], VALUES, 4).point == "b"
    assert find_answer("cost.edap", "minimize", ["accuracy.lost < 0.01"], VALUES, 4).point == "b"
    assert find_answer("cost.edap", "minimize", [], VALUES, 4).point == "d"
    assert find_answer("accuracy.lost", "minimize", ["cost.edap < 2.5"], VALUES, 4).point == "c"


def test_none_is_an_answer_with_the_nearest_point():
    found = find_answer("cost.edap", "minimize", ["accuracy.lost <= 0.001"], VALUES, 4)
    assert (found.point, found.nearest, found.meets) == (None, "b", 0)
    assert find_answer("cost.edap", "minimize", [], {}, 4).nearest is None


@pytest.mark.slow
def test_a_sweep_prints_and_writes_its_answer(tmp_path):
    content = {**COSTS, "where": "cost.crossbars >= 1", "minimize": "cost.area_m2"}
    summary = run_sweep(plan_sweep(make_sweep(content)), tmp_path, workers=1)
    table = summary.table
    best = table.loc[table["cost.area_m2"].idxmin()]
    assert summary.answer.point == best["point"]
    assert f"crossbar.rows: {best['crossbar.rows']}" in summary.answer_text
    written = json.loads((tmp_path / "answer.json").read_text())
    assert written["point"] == best["point"]
    assert written["text"] == summary.answer_text
    assert "lowest cost.area_m2" in write_sweep_page(tmp_path).read_text()
    none = {**COSTS, "where": ["cost.crossbars < 0"], "minimize": "cost.area_m2"}
    again = run_sweep(plan_sweep(make_sweep(none)), tmp_path, workers=1)  # the same points, another question
    assert again.computed == 0
    assert again.answer.point is None
    assert "none of 3 points meets cost.crossbars < 0" in again.answer_text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"where": "accuracy.lost", "minimize": "cost.edap"}, "is not a condition such as"),
        ({"where": "cost.edapp < 1", "minimize": "cost.edap"}, "did you mean cost.edap"),
        ({"where": "cost.edap < 1..2", "minimize": "cost.edap"}, "is not a condition"),
        ({"where": "cost.edap < 1"}, "where: needs minimize or maximize"),
        ({"minimize": "cost.edap", "maximize": "cost.tops"}, "give only one of them"),
        ({"minimize": "edap"}, "minimize: 'edap': unknown metric"),
        ({"minimize": "cost.edap", "where": "accuracy.lost < 1"}, "needs images"),
    ],
)
def test_wrong_questions_are_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_sweep({**COSTS, **changes})
