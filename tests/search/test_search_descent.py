"""The gradient search on the figures of a chip: expectations, undecided layers, and where exact search ends."""

import itertools
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.search import CostOracle, make_search, make_space, run_search
from xbarsim.search.chip_model import ChipModel
from xbarsim.search.descent import GradientSampler, find_undecided, list_likely, measure_entropy, rise
from xbarsim.search.table import PACE, find_fill, tabulate_options
from xbarsim.train.torch_network import torch

SMALL = {"conv*": {"array": [16, 32, 64]}, "fc*": {"array": [32, 64]}}


@pytest.fixture(scope="module")
def oracle():
    """Prices on NAX's hardware."""
    return CostOracle("nax", cache=None)


@pytest.fixture(scope="module")
def space(oracle):
    """Arrays of the digits network."""
    return make_space(SMALL, xs.load_network("digits"), oracle.hardware)


@pytest.fixture(scope="module")
def model(space, oracle):
    """Its chip."""
    return ChipModel(space, oracle)


def draw_chances(space, seed):
    """Return probabilities of the options of every slot."""
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.dirichlet(np.ones(slot.count))) for slot in space.slots]


def test_the_expected_figures_are_means_over_all_designs(model, space):
    """Energy, area and the slowest layer are exact: their means over all 18 designs."""
    chances = draw_chances(space, 0)
    found = {name: float(value) for name, value in model.expect(chances).items()}
    expected = dict.fromkeys(found, 0.0)
    for point in space:
        weight = np.prod([float(chance[index]) for chance, index in zip(chances, point)])
        for name, value in model.predict(point).items():
            expected[name] += weight * value
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_slowest_layer_counts_and_not_the_sum_of_layers(space, oracle, model):
    table = tabulate_options(space, oracle)
    point = space.native()
    pace = max(float(row[index]) for row, index in zip(table[PACE], point))
    fill = sum(float(row[index]) for row, index in zip(table["fill_s"], point))
    faster = {n: model.predict(n)["delay_s"] for n in space}
    assert model.predict(point)["delay_s"] == pytest.approx(pace + fill + model._added["delay_s"])
    assert min(faster.values()) < sum(float(row[i]) for row, i in zip(table["delay_s"], point))


def test_a_layer_on_a_branch_that_another_slot_removes_costs_nothing(oracle):
    content = {"layer1.0.*": {"array": [16, 64], "zero": True}, "fc": {"array": [16, 64]}}
    space = make_space(content, xs.load_network("resnet20"), oracle.hardware)
    chip = ChipModel(space, oracle)
    gone = space.slots[0].count - 1
    one, both = (gone, 1, 0), (gone, gone, 0)
    assert chip.predict(one)["energy_joule"] == pytest.approx(chip.predict(both)["energy_joule"])
    assert chip.predict((0, 1, 0))["energy_joule"] > 1.01 * chip.predict(one)["energy_joule"]


@pytest.mark.parametrize("figure", ["edap", "edap_core"])
def test_the_model_ranks_designs_as_whole_chips_do(model, space, oracle, figure):
    whole, told = [], []
    for point in space:
        design = space.design(point)
        whole.append(np.log(getattr(oracle.cost(design.network, design.layers), figure)))
        chances = [torch.eye(slot.count)[index] for slot, index in zip(space.slots, point)]
        told.append(float(model.expect_log(chances, figure)))
    assert np.corrcoef(whole, told)[0, 1] > 0.95
    assert np.max(np.abs(np.array(whole) - told)) < 0.35


def test_first_windows_wait_for_rows_of_the_kernel():
    net = xs.load_network("resnet20")
    shares = {name: find_fill(net.node(name), net.shape_of(net.node(name).inputs[0])) for name in ("conv1", "fc")}
    assert shares == {"conv1": pytest.approx((32 + 2) / 1024), "fc": 1.0}


def test_undecided_slots_are_reported_and_enumerated_most_probable_first(space):
    chances = [np.array([0.95, 0.03, 0.02]), np.array([0.5, 0.02, 0.48]), np.array([0.6, 0.4])]
    assert list_likely(chances) == [(0, 0, 0), (0, 2, 0), (0, 0, 1), (0, 2, 1)]
    assert list_likely(chances, most=2) == [(0, 0, 0), (0, 2, 0)]
    found = find_undecided(space, chances)
    assert list(found) == ["conv2", "fc"]
    assert found["conv2"] == {"chance": 0.5, "options": [{"array": 16}, {"array": 64}]}


def test_likely_designs_come_in_the_order_of_their_probability():
    rng = np.random.default_rng(3)
    chances = [rng.dirichlet(np.ones(3)) * 0.3 + 0.7 / 3 for _ in range(3)]
    points = list_likely(chances, most=27)
    products = [np.prod([chance[i] for chance, i in zip(chances, point)]) for point in points]
    assert sorted(points) == list(itertools.product(range(3), repeat=3))
    assert products == sorted(products, reverse=True)


def test_entropy_runs_from_decided_to_even_and_weights_rise_once():
    assert float(measure_entropy([torch.tensor([0.25] * 4), torch.tensor([0.5, 0.5])])) == pytest.approx(1.0)
    assert float(measure_entropy([torch.tensor([1.0, 0.0])])) == pytest.approx(0.0, abs=1e-6)
    assert [rise(done, 0.5, 1.0) for done in (0.0, 0.5, 0.75, 1.0)] == [0.0, 0.0, 0.5, 1.0]
    assert rise(0.0, 0.0, 0.0) == 1.0


def test_descent_and_local_search_find_the_best_design_of_a_space(space, oracle):
    def ask(point):
        design = space.design(point)
        return oracle.cost(design.network, design.layers).edap

    sampler = GradientSampler(space, oracle, seed=1, goals={"cost.edap": "min"}, constraints={})
    best = []
    for _ in range(8):
        point = sampler.ask()
        best.append(ask(point))
        sampler.tell(point, (best[-1],), 0.0)
    assert min(best) == min(map(ask, space))
    assert sampler.extra["layer_queries"] == 8


def test_descent_keeps_a_limit_of_the_chip(oracle):
    space = make_space({"*": {"array": [16, 32, 64, 128]}}, xs.load_network("lenet5"), oracle.hardware)
    delays = sorted(ChipModel(space, oracle).predict(point)["delay_s"] for point in space.homogeneous().values())
    content = {"network": "lenet5", "space": {"*": {"array": [16]}}}
    search = make_search({**content, "constraints": {"cost.delay_s": {"max": 1.2 * delays[0]}}})
    ends = []
    for constraints in ({}, search.constraints):
        sampler = GradientSampler(space, oracle, goals={"cost.energy_joule": "min"}, constraints=constraints)
        ends.append(sampler.model.predict(space.point(sampler.extra["descent"]))["delay_s"])
    assert ends[1] <= 1.2 * delays[0] < ends[0]


def test_a_search_of_costs_alone_takes_every_axis_and_needs_no_images(tmp_path):
    content = {
        "network": "lenet5", "hardware": "nax", "method": "differentiable", "points": 12, "baselines": ["random"],
        "objectives": {"cost.edap_core": "min"}, "baseline_seeds": 1,
        "space": {"conv2": {"kernel": [5, 7], "width": [0.5, 1.0]}, "fc*": {"array": [32, 64], "adc.bits": [6, 7]}},
    }  # fmt: skip
    result = run_search(make_search(content), tmp_path, cache=None)
    assert len(result.entries) == 12
    found = json.loads((tmp_path / "architecture.json").read_text())
    assert found["options"]["conv2"] == {"kernel": 5, "width": 0.5}
    assert {"conv2", "fc1"} <= set(found["descent"])
    rows = {row["method"]: row for row in json.loads((tmp_path / "baselines.json").read_text())["summary"]}
    assert rows["differentiable"]["best"] <= rows["random"]["best"]
    again = run_search(make_search(content), tmp_path, cache=None)
    assert again.entries == result.entries


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {"cost.tops": "max"}}, r"^objectives\.cost\.tops: .* takes cost\.edap, .*choose"),
        ({"objectives": {}}, "^train: missing"),
        ({"differentiable": {"objective": "edap", "latency": 1.0}}, "latency is a price of objective: layers"),
        ({"differentiable": {"rate": 0}}, "set finetune_rate, or finetune: 0"),
    ],
)
def test_wrong_prices_and_objectives_are_refused_by_name(tmp_path, changes, message):
    content = {
        "network": "digits", "hardware": "nax", "method": "differentiable", "points": 2, "space": SMALL,
        "objectives": {"cost.edap": "min"}, **changes,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=message) as error:
        run_search(make_search(content), tmp_path / "out", cache=None)
    assert "\n" not in str(error.value)
