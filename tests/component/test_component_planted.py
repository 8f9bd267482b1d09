"""A law of one's own and a counted action: each takes one place, and what lacks a part is refused by its name."""

import copy
import dataclasses
import math

import pytest
from pydantic import ValidationError

import xbarsim as xs
from xbarsim.component import ACTIONS, LAWS, Action, CostLaw, OperatingPoint, Rating, action_energy, rate_component
from xbarsim.component.action import tabulate_actions
from xbarsim.config import hash_hardware, list_hardware
from xbarsim.config.record import Positive
from xbarsim.cost import Measured, price, rate_tile
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.mapping.period import sweep_period
from xbarsim.timing import simulate_plan

YAML = """
base: reference
components:
  scratchpad:
    kind: root_memory
    per: tile
    action: buffer
    energy_joule: 1e-14
    bit_m2: 2e-13
    size_bits: 262144
    source: test
"""


class RootMemory(CostLaw):
    """A memory whose energy for a bit grows with the root of its size, its area with the size."""

    size_bits: int
    bit_m2: Positive
    known_bits: int = 65536

    def rate(self, at: OperatingPoint) -> Rating:
        """Return energy and area at ``size_bits``."""
        energy = self.energy_joule * (self.size_bits / self.known_bits) ** 0.5
        return Rating(energy_joule=energy, area_m2=self.size_bits * self.bit_m2)


class BusyLaw(CostLaw):
    """A component whose energy follows the activity of the inputs."""

    def rate(self, at: OperatingPoint) -> Rating:
        """Return the energy at an input activity."""
        return Rating(energy_joule=self.energy_joule * at.input_activity)


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(LAWS, "_classes", dict(LAWS._classes))
    monkeypatch.setattr(LAWS, "_added", dict(LAWS._added))
    xs.register("component_law", "root_memory", RootMemory)
    xs.register("component_law", "busy", BusyLaw)


@pytest.fixture
def hardware(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(YAML)
    return xs.load_hardware(path)


def part(report, name):
    """Return the record of one component."""
    return next(each for each in report.cost.components if each.component == name)


def test_a_planted_law_is_priced_in_every_place_that_prices(hardware):
    report, plain = xs.estimate("lenet5", hardware), xs.estimate("lenet5", "reference")
    found, bits = part(report, "scratchpad"), part(report, "buffer").actions
    assert found.actions == bits > 0
    assert found.energy_joule == pytest.approx(bits * 2e-14)
    assert report.cost.area_m2 - plain.cost.area_m2 == pytest.approx(report.cost.tiles * 262144 * 2e-13)
    assert sum(each.energy_joule for each in report.cost.layers) == pytest.approx(report.cost.energy_joule)
    assert hardware.tile.area_m2 - rate_tile(xs.load_hardware("reference")).area_m2 == pytest.approx(262144 * 2e-13)


def test_a_planted_law_keeps_its_settings_through_overrides(hardware):
    larger = hardware.override({"components.scratchpad.size_bits": 4 * 262144})
    assert rate_component("scratchpad", larger).energy_joule == pytest.approx(4e-14)
    assert larger.override({"adc.bits": 6}).components["scratchpad"].size_bits == 4 * 262144


def test_a_planted_law_counts_in_areas_that_limit_replicas(hardware):
    plain = plan_network(xs.load_network("lenet5"), hardware)
    least = price(plain, simulate_plan(plain)).area_m2
    balanced = hardware.override({"mapping.replication": "balanced", "mapping.area_budget_m2": 4 * least})
    plan = plan_network(xs.load_network("lenet5"), balanced)
    assert plan.arrays > plain.arrays
    assert price(plan, simulate_plan(plan)).area_m2 <= 4 * least * (1 + 1e-12)
    with pytest.raises(xs.MappingError, match="area_budget"):
        plan_network(xs.load_network("lenet5"), balanced.override({"mapping.area_budget_m2": 0.99 * least}))


def test_a_law_that_depends_on_activity_is_given_what_was_measured():
    law = {"kind": "busy", "per": "array", "action": "array", "energy_joule": 1e-12, "source": "test"}
    hardware = xs.load_hardware("reference", {"components.busy": law})
    plan = plan_network(xs.load_network("lenet5"), hardware)
    activity = simulate_plan(plan)
    measured = {layer.name: Measured(mean_level=0.5, input_activity=0.1) for layer in plan.layers}
    energies = [
        next(each for each in cost.components if each.component == "busy").energy_joule
        for cost in (price(plan, activity), price(plan, activity, measured=measured))
    ]
    assert energies[1] == pytest.approx(energies[0] * 0.1 / hardware.activity.input_activity)


def test_the_source_of_a_planted_law_enters_the_hash(hardware, monkeypatch):
    before = hash_hardware(hardware)
    assert before != hash_hardware(hardware.override({"components.scratchpad.size_bits": 1024}))
    monkeypatch.setitem(LAWS._added, "root_memory", "another source")
    assert hash_hardware(hardware) != before


def test_planted_laws_leave_the_hash_of_other_hardware_alone(monkeypatch):
    names = list_hardware()
    with_laws = [hash_hardware(xs.load_hardware(name)) for name in names]
    monkeypatch.setattr(LAWS, "_added", {})
    assert [hash_hardware(xs.load_hardware(name)) for name in names] == with_laws


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"size_bit": 3}, ["components.scratchpad.size_bit: unknown key", "did you mean size_bits?"]),
        ({"bit_m2": -1.0}, ["components.scratchpad.bit_m2: -1.0", "greater than 0"]),
        ({"bit_m2": None}, ["components.scratchpad.bit_m2: None"]),
        ({"kind": "rot_memory"}, ["components.scratchpad.kind: 'rot_memory'", "did you mean root_memory?"]),
        ({"kind": 3}, ["components.scratchpad.kind: 3"]),
        ({"action": "bufer"}, ["components.scratchpad.action: 'bufer' is not counted"]),
    ],
)
def test_wrong_settings_of_a_law_are_refused_in_one_line(hardware, changes, parts):
    with pytest.raises(ConfigError) as caught:
        hardware.override({f"components.scratchpad.{key}": value for key, value in changes.items()})
    message = str(caught.value)
    assert "\n" not in message
    for text in (*parts, "mine.yaml"):
        assert text in message


def test_a_missing_setting_of_a_law_is_named():
    law = {"kind": "root_memory", "per": "tile", "action": "buffer", "size_bits": 8, "source": "test"}
    with pytest.raises(ConfigError, match=r"components\.scratchpad\.bit_m2: missing"):
        xs.load_hardware("reference", {"components.scratchpad": law})


def test_a_setting_of_another_law_is_refused_without_its_kind():
    with pytest.raises(ConfigError, match=r"components\.adc\.size_bits: unknown key"):
        xs.load_hardware("reference", {"components.adc.size_bits": 8})


def test_a_class_that_is_no_law_is_refused_by_what_it_lacks():
    class Mute(CostLaw):
        pass

    class Stranger:
        def rate(self, at):
            return Rating()

    with pytest.raises(ConfigError, match="Mute has no method rate"):
        xs.register("component_law", "mute", Mute)
    with pytest.raises(ConfigError, match=r"Stranger is not derived from xbarsim\.component\.CostLaw"):
        xs.register("component_law", "stranger", Stranger)
    with pytest.raises(ConfigError, match="already used"):
        xs.register("component_law", "constant", RootMemory)


@pytest.mark.parametrize("name", ["constant", "table", "survey", "array_read", "write", "per_value"])
def test_every_shipped_law_can_be_named(name):
    keys = {
        "kind": name, "per": "adc", "action": "adc", "energy_joule": 1e-12, "rate_hz": 1e9, "source": "test",
        "table": {4: {"energy_joule": 1e-13}, 8: {"energy_joule": 1e-12}},
        **({"value_bits": 16} if name == "per_value" else {}),
    }  # fmt: skip
    hardware = xs.load_hardware(
        "reference", {"components.mine": keys, "process": {"node_m": 32e-9, "supply_volt": 0.9}}
    )
    assert type(hardware.components["mine"]) is LAWS[name]
    assert action_energy(rate_component("mine", hardware)) > 0
    assert xs.estimate("lenet5", hardware).energy_joule > xs.estimate("lenet5", "reference").energy_joule


def test_named_and_implied_laws_agree():
    keys = {"per": "adc", "rate_hz": 1e9, "source": "test", "process": {"node_m": 32e-9, "supply_volt": 0.9}}
    named, implied = ({"kind": "survey"}, {"survey": True})
    ratings = [
        rate_component("adc", xs.load_hardware("reference", {"components.adc": {**keys, **law}}))
        for law in (named, implied)
    ]
    assert ratings[0] == ratings[1]


def test_writing_is_charged_once_where_a_component_carries_it():
    small = {"mapping.reload": "turns", "chip.tiles": 8, "chip.count": 1, "chip.arrays_per_core": 2}
    plain = xs.load_hardware("reference", {**small, "chip.cores_per_tile": 2})
    drivers = {"kind": "write", "per": "tile", "source": "test"}
    carried = plain.override({"components.drivers": drivers})
    before, after = (xs.estimate("lenet5", each).cost for each in (plain, carried))
    assert before.turns > 1
    assert after.energy_joule == pytest.approx(before.energy_joule)
    energies = [
        sum(each.energy_joule for each in cost.components if each.action == "write") for cost in (before, after)
    ]
    assert energies[0] == pytest.approx(energies[1])
    with pytest.raises(ConfigError, match=r"components\.drivers\.kind: write needs device\.write"):
        carried.override({"device.write": None})


def test_values_of_more_bits_cost_in_proportion():
    keys = {"kind": "per_value", "value_bits": 16, "per": "tile", "energy_joule": 2e-12, "area_m2": 4e-9}
    hardware = xs.load_hardware("reference", {"components.activation": {**keys, "source": "test"}})
    assert hardware.activation_bits == 8
    rating = rate_component("activation", hardware)
    assert (rating.energy_joule, rating.area_m2) == (1e-12, 2e-9)


RAMP = {"kind": "ramp", "per": "adc", "step_hz": 1e9, "step_joule": 2e-15, "area_m2": 1e-11, "source": "test"}


@pytest.mark.parametrize("bits", [4, 8])
def test_a_ramp_takes_a_step_for_every_code(bits):
    hardware = xs.load_hardware("reference", {"components.adc": RAMP, "adc.bits": bits, "adc.per_array": 64})
    rating = rate_component("adc", hardware)
    assert (rating.rate_hz, rating.energy_joule) == (1e9 / 2**bits, pytest.approx(2e-15 * 2**bits))
    # 128 columns of a pair on as many converters: one conversion a read, at 1.28 GHz
    assert sweep_period(hardware, 128) == max(hardware.read_cycles, math.ceil(1.28 * 2**bits))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 1e6}, r"components\.adc\.rate_hz: cannot be combined with kind: ramp.*give step_hz"),
        ({"energy_joule": 1e-12}, r"components\.adc\.energy_joule: cannot be combined with kind: ramp"),
        ({"action": "dac"}, r"components\.adc\.action: 'dac'; kind: ramp prices conversions"),
        ({"step_hz": 0}, r"components\.adc\.step_hz: 0 is not allowed"),
    ],
)
def test_a_ramp_is_priced_by_its_steps_alone(changes, message):
    with pytest.raises(ConfigError, match=message):
        xs.load_hardware("reference", {"components.adc": {**RAMP, **changes}})


def test_a_planted_action_needs_one_record(monkeypatch):
    component = {"per": "tile", "action": "refresh", "energy_joule": 1e-12, "source": "test"}
    with pytest.raises(ConfigError, match="'refresh' is not counted"):
        xs.load_hardware("reference", {"components.refresher": component})
    monkeypatch.setitem(ACTIONS, "refresh", plant_action())
    hardware = xs.load_hardware("reference", {"components.refresher": component})
    plan = plan_network(xs.load_network("lenet5"), hardware)
    activity = simulate_plan(plan)
    first, *others = activity.steps
    counted = dataclasses.replace(first, counts={**first.counts, "refresh": 50})
    refreshed = copy.copy(activity)
    vars(refreshed)["steps"] = (counted, *others)
    vars(refreshed).pop("totals", None)
    before, after = price(plan, activity), price(plan, refreshed)
    assert after.energy_joule - before.energy_joule == pytest.approx(50e-12)
    assert next(each for each in after.components if each.component == "refresher").actions == 50


def plant_action(**changes):
    """Return a record of a counted action, some of its fields changed or left out (None)."""
    full = {field.name: getattr(ACTIONS["write"], field.name) for field in dataclasses.fields(Action)}
    full |= {"name": "refresh", "counted": "cells refreshed", **changes}
    return Action(**{key: value for key, value in full.items() if value is not None})


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Action)])
def test_an_action_without_a_field_is_refused_by_its_name(field):
    with pytest.raises(TypeError, match=field):
        plant_action(**{field: None})


def test_two_actions_of_one_name_are_refused():
    with pytest.raises(ValueError, match="'refresh'"):
        tabulate_actions(plant_action(), plant_action())


def test_a_law_is_a_frozen_record(hardware):
    with pytest.raises(ValidationError, match="frozen"):
        hardware.components["scratchpad"].size_bits = 3
