"""Spaces without a design to choose, objectives that nothing changes, and prices of zero, each refused in one line."""

import dataclasses

import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.search import CostOracle, make_search, make_space, run_search
from xbarsim.search.check import MOST_TRIED, check_goals

ARRAYS = {"network": "lenet5", "hardware": "nax", "space": {"*": {"array": [32, 64]}}, "points": 3}


class Counted(CostOracle):
    """Counts the designs that it is asked for."""

    asked = 0

    def cost(self, *args, **kwargs):
        """Price a design."""
        self.asked += 1
        return super().cost(*args, **kwargs)


def check(content):
    """Check the goals of a search; return the number of designs that were priced."""
    search = make_search({**ARRAYS, **content})
    oracle = Counted(xs.load_hardware(search.hardware, search.set), cache=None)
    check_goals(search, make_space(search.space, xs.load_network(search.network), oracle.hardware), oracle)
    return oracle.asked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"space": {"*": {"adc.bits": [6, 7]}}, "objectives": {"cost.arrays": "min"}},
            r"objectives.cost.arrays: is \d+ for all of 32 designs tried; add axes that change it, or choose another",
        ),
        ({"space": {"*": {"adc.quantile": [0.9, 0.99, 1.0]}}}, r"objectives.cost.edap: is \S+ for all of .* add axes"),
        (
            {"space": {"*": {"adc.bits": [6, 7]}}, "objectives": {"cost.edap": "min", "cost.arrays": "min"}},
            "objectives.cost.arrays: is",
        ),
        ({"network": "digits", "data": "digits", "objectives": {"accuracy.reference": "max"}}, "accuracy.hardware"),
    ],
)
def test_an_objective_that_is_constant_over_the_space_is_refused_before_the_search(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as error:
        run_search(make_search({**ARRAYS, **content}), tmp_path / "out", cache=None)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_chips_that_cost_nothing_ask_for_prices(monkeypatch):
    price = CostOracle.cost
    free = {"energy_joule": 0.0}
    monkeypatch.setattr(
        Counted, "cost", lambda self, *given, **named: dataclasses.replace(price(self, *given, **named), **free)
    )
    with pytest.raises(ConfigError, match=r"objectives.cost.edap: is 0 for all .* give components prices"):
        check({})


def test_two_designs_are_enough_where_an_objective_differs():
    assert check({}) == 2
    assert check({"objectives": {"cost.edap": "min", "cost.area_m2": "min"}}) == 2


def test_a_large_space_is_tried_in_part_alone():
    content = {"network": "resnet20", "space": {"*": {"adc.quantile": [0.9, 0.99, 0.999, 1.0]}}}
    search = make_search({**ARRAYS, **content})
    oracle = Counted("nax", cache=None)
    space = make_space(search.space, xs.load_network("resnet20"), oracle.hardware)
    with pytest.raises(ConfigError, match="for all of"):
        check_goals(search, space, oracle)
    assert 50 < oracle.asked <= MOST_TRIED


def test_the_usual_objectives_may_have_constant_costs():
    assert check({"network": "digits", "data": "digits", "space": {"*": {"adc.quantile": [0.9, 1.0]}}}) == 0


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"price": 0}, "price"), ({"latency": 0, "energy": 0}, "latency, energy and area")],
)
def test_prices_of_zero_are_refused_where_cost_is_an_objective(settings, key):
    content = {
        "network": "digits", "method": "differentiable", "data": "digits", "train": "digits",
        "differentiable": settings,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=f"^differentiable.{key}: 0 leaves cost.edap out of the search; set"):
        check(content)
    assert check({**content, "objectives": {"accuracy.hardware": "max"}}) == 0


@pytest.mark.parametrize("method", ["local", "differentiable"])
def test_a_space_without_a_feasible_design_says_what_comes_nearest(tmp_path, method):
    if method == "differentiable":
        pytest.importorskip("torch", reason="the extra torch is not installed")
    content = {
        **ARRAYS, "method": method, "objectives": {"cost.edap": "min"}, "constraints": {"cost.delay_s": {"max": 1e-9}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"constraints.cost.delay_s.max: 1e-09 is met by no design; the smallest"):
        run_search(make_search(content), tmp_path, cache=None)


@pytest.mark.parametrize(
    ("limits", "rule"), [({}, "has no limit; give min or max"), ({"min": 2, "max": 1}, "min 2.0 is above max 1.0")]
)
def test_a_wrong_limit_is_named_with_its_metric(limits, rule):
    with pytest.raises(ConfigError, match=rf"^constraints\.cost\.delay_s: {rule}"):
        make_search({**ARRAYS, "objectives": {"cost.edap": "min"}, "constraints": {"cost.delay_s": limits}})
