"""Actions that a formula counts: their numbers, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xbarsim as xs
from xbarsim.component import ACTIONS
from xbarsim.component.quantity import QUANTITIES
from xbarsim.errors import ConfigError
from xbarsim.formula import parse_formula


def with_action(action, base="reference", **more):
    keys = {"per": "array", "action": action, "energy_joule": 1e-15, "source": "test"}
    return xs.load_hardware(base, {"components.own": {**keys, **more}})


def own(report):
    return next(each for each in report.cost.components if each.component == "own")


def test_a_formula_counts_what_its_names_count_layer_by_layer():
    report = xs.estimate("lenet5", with_action("adc / 8 + reads * columns"))
    expected = 0.0
    for step in report.activity.steps:
        conversions = step.counts.get("adc", 0)
        expected += conversions / 8 + conversions  # every column is converted after every read
    assert own(report).actions == expected > 0
    assert own(report).energy_joule == pytest.approx(expected * 1e-15)


def test_cells_are_driven_rows_times_used_columns_of_every_array():
    hardware = with_action("reads * cells").override({"crossbar.rows": 50, "crossbar.cols": 48})
    report = xs.estimate("lenet5", hardware)
    expected = 0
    for step in report.activity.steps:
        if step.layer is not None:
            rows = int(np.diff(step.layer.row_starts).sum())
            expected += step.windows * step.layer.streams * rows * int(step.layer.block_columns(0).sum())
    assert own(report).actions == expected > 0


@pytest.mark.parametrize("name", ["windows", "reads", "cells", "operations"])
def test_the_name_of_a_quantity_alone_is_a_formula(name):
    alone, written = (own(xs.estimate("lenet5", with_action(action))) for action in (name, f"1 * {name}"))
    assert alone.actions == written.actions > 0
    assert alone.action == name
    # as for actions, the name of the component stands for its action
    keys = {"per": "array", "energy_joule": 1e-15, "source": "test"}
    named = xs.estimate("lenet5", xs.load_hardware("reference", {f"components.{name}": keys}))
    assert {each.component: each.actions for each in named.cost.components}[name] == alone.actions


def test_a_component_that_is_always_on_may_have_any_name():
    keys = {"per": "tile", "power_watt": 1e-3, "source": "test"}
    for name in ("windows", "my-clock", "adc-bias"):
        changed = xs.estimate("lenet5", xs.load_hardware("reference", {f"components.{name}": keys}))
        plain = xs.estimate("lenet5", "reference")
        assert changed.cost.energy_joule > plain.cost.energy_joule
        assert changed.cost.unpriced == plain.cost.unpriced


def test_names_of_actions_and_quantities_are_distinct():
    assert not set(ACTIONS) & set(QUANTITIES)


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("adc_convert / 8", "unknown count 'adc_convert'; the nearest first: adc"),
        ("adcs", "'adcs' is not counted; did you mean adc?"),
        ("window", "'window' is not counted; did you mean windows?"),
        ("adc / (", "not a formula"),
        ("__import__('os').system('true')", "is not allowed"),
        ("adc if reads else 0", "is not allowed"),
        ("max(adc)", "is not allowed"),
        ("adc + 'a'", "is not allowed"),
        ("adc + True", "is not allowed"),
        ("+".join(["adc"] * 100), "a formula has at most 200"),
    ],
)
def test_wrong_formulas_are_refused_in_one_line(action, named):
    with pytest.raises(ConfigError) as caught:
        with_action(action)
    message = str(caught.value)
    assert message.startswith("components.own.action: ")
    assert named in message
    assert "\n" not in message
    assert len(message) <= 400


@pytest.mark.parametrize(
    ("action", "named"),
    [("adc / (reads - reads)", "divides by zero"), ("0 - adc", "zero or more"), ("2 ** adc", "too large")],
)
def test_formulas_without_a_count_are_refused_with_their_text(action, named):
    with pytest.raises(ConfigError, match=named) as caught:
        xs.estimate("lenet5", with_action(action))
    assert action in str(caught.value)


NUMBERS = {"a": 7, "b": 3, "c": 0}


@given(st.recursive(
    st.sampled_from(["a", "b", "c", "2", "1.5"]),
    lambda inner: st.tuples(inner, st.sampled_from("+*-"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=12,
))  # fmt: skip
def test_values_are_those_of_python(text):
    expected = eval(text, {}, NUMBERS)
    if expected < 0:
        with pytest.raises(ConfigError, match="zero or more"):
            parse_formula(text).evaluate(NUMBERS)
    else:
        assert parse_formula(text).evaluate(NUMBERS) == expected


def test_whole_quotients_stay_whole_and_what_does_not_occur_is_not_counted():
    assert parse_formula("a * 2 / 2").evaluate(NUMBERS) == 7
    assert isinstance(parse_formula("a * 2 / 2").evaluate(NUMBERS), int)
    assert parse_formula("c / c + ceil(a / 2) + log2(c) + a // b + a % b").evaluate(NUMBERS) == 4 + 2 + 1
