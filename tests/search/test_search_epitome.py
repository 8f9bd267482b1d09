"""The search for epitomes: better than the uniform design of as many arrays, resumed, compared, refused."""

import csv

import pytest

import xbarsim as xs
import xbarsim.cli
from xbarsim.errors import ConfigError
from xbarsim.search.epitome import make_epitome_search, open_epitome_search, run_epitome_search

SMALL = {
    "network": "resnet20", "hardware": "epim", "layers": ["layer*.conv*"],
    "shapes": [{"rows": 144, "channels": 32}, {"rows": 288, "channels": 16}, {"rows": 288, "channels": 64}],
    "uniform": {"rows": 288, "channels": 32}, "points": 45, "evolution": {"population": 12},
    "set": {"crossbar.rows": 64, "crossbar.cols": 64, "weight_bits": 3},
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("epitome")
    result = run_epitome_search(make_epitome_search(SMALL), folder, cache=None)
    rows = {row["design"]: row for row in csv.DictReader((folder / "comparison.csv").open())}
    return result, rows, folder


def test_search_beats_the_uniform_design_in_latency_and_in_energy(found):
    result, _, _ = found
    metrics = [entry.metrics for entry in result.entries]
    uniform = next(entry.metrics for entry in result.entries if entry.label == "uniform")
    budget = uniform["cost.crossbars"]
    assert any(
        each["cost.crossbars"] <= budget
        and each["cost.delay_s"] < uniform["cost.delay_s"]
        and each["cost.energy_joule"] < uniform["cost.energy_joule"]
        for each in metrics
    )


def test_the_front_keeps_the_budget(found):
    result, _, _ = found
    assert all(result.entries[number].metrics["cost.crossbars"] <= result.extra["budget"] for number in result.front)


def test_designs_are_set_against_plain_uniform_and_pruned(found):
    result, rows, _ = found
    assert {"plain", "uniform", "best latency", "best energy", "chosen"} <= set(rows)
    pruned = next(row for name, row in rows.items() if name.startswith("pruned to"))
    assert float(pruned["crossbars"]) <= result.extra["budget"]
    plain = xs.estimate("resnet20", xs.load_hardware("epim", SMALL["set"])).cost
    assert float(rows["plain"]["crossbars"]) == plain.crossbars
    compression = float(rows["uniform"]["compression"])
    assert compression == plain.crossbars / float(rows["uniform"]["crossbars"])


def test_designs_are_drawn_side_by_side(found):
    _, rows, folder = found
    drawing = (folder / "comparison.svg").read_text()
    assert all(name in drawing for name in rows)


def test_uniform_is_priced_as_the_network_with_epitomes_is(found):
    _, rows, _ = found
    compact = xs.load_network("resnet20").with_epitomes({"layer*.conv*": xs.Epitome(rows=288, channels=32)})
    cost = xs.estimate(compact, xs.load_hardware("epim", SMALL["set"])).cost
    for key in ("crossbars", "delay_s", "energy_joule", "edap"):
        assert float(rows["uniform"][key]) == getattr(cost, key)


def test_a_second_run_finds_the_same(found, tmp_path):
    result, rows, folder = found
    again = run_epitome_search(make_epitome_search(SMALL), folder, cache=None)
    assert [entry.point for entry in again.entries] == [entry.point for entry in result.entries]
    assert (folder / "comparison.csv").read_text().count("\n") == len(rows) + 1


def test_widths_may_differ_from_layer_to_layer():
    task = open_epitome_search(make_epitome_search({**SMALL, "weight_bits": [3, 5], "budget": 60}))
    point = next(point for point, name in task.starts.items() if name == "fewest arrays")
    design = task.space.design(point)
    assert {layer["weight_bits"] for layer in design.layers.values()} == {3}
    assert task.space.slots[0].count == 2 * 5


def test_accuracy_counts_where_there_are_images(tmp_path):
    search = {
        "network": "digits", "hardware": "reference", "layers": ["conv*"], "data": "digits", "images": 20, "points": 4,
        "shapes": [{"rows": 36, "channels": 16}], "uniform": {"rows": 72, "channels": 8},
        "objectives": ["edap", "accuracy"], "budget": 1000, "evolution": {"population": 3},
    }  # fmt: skip
    result = run_epitome_search(make_epitome_search(search), tmp_path / "out", cache=None)
    plain = [entry for entry in result.entries if all(option["epitome"] is None for option in _options(result, entry))]
    assert all(0 <= entry.metrics["accuracy.hardware"] <= 1 for entry in result.entries)
    assert len(plain) <= 1
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert rows[1]["design"].startswith("pruned to")
    assert all(0 <= float(row["accuracy.hardware"]) <= 1 for row in rows), "plain and pruned have accuracies too"
    assert float(rows[0]["accuracy.hardware"]) >= max(float(row["accuracy.hardware"]) for row in rows[1:])
    assert "accuracy" in (tmp_path / "out" / "comparison.svg").read_text()


def _options(result, entry):
    return result.space.options(entry.point).values()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 20}, "budget: 20 crossbars are too few for any design; the smallest takes 56"),
        ({"layers": ["stage*"]}, r"layers: 'stage\*': no convolution has this name"),
        (
            {"shapes": [{"rows": 8, "channels": 4}]},
            "rows: 8 is too few for one 3 x 3 input channel; must be at least 9",
        ),
        ({"objectives": ["accuracy"]}, "data: missing"),
        ({"uniform": {"rows": 0, "channels": 4}}, "uniform.rows"),
        ({"shape": []}, "did you mean shapes"),
    ],
)
def test_a_wrong_search_is_refused_with_the_nearest_feasible_value(change, message):
    with pytest.raises(ConfigError, match=message):
        open_epitome_search(make_epitome_search({**SMALL, **change}))


def test_the_command_lists_designs_and_refuses_in_one_line(tmp_path, capsys):
    file = tmp_path / "search.yaml"
    lines = [
        "network: lenet5", "hardware: reference", "layers: ['conv2']", "shapes: [{rows: 50, channels: 8}]",
        "uniform: {rows: 75, channels: 8}", "points: 3", "evolution: {population: 3}",
    ]  # fmt: skip
    file.write_text("\n".join(lines))
    assert xbarsim.cli.run(["search", "epitome", str(file), "--out", str(tmp_path / "out"), "--cache", "none"]) == 0
    assert "uniform" in capsys.readouterr().out
    file.write_text("\n".join([*lines, "budget: 1"]))
    assert xbarsim.cli.run(["search", "epitome", str(file), "--out", str(tmp_path / "other")]) == 2
    assert "the smallest takes" in capsys.readouterr().err
