"""Supply voltage: laws, measured tables, the clock; and components made of parts."""

import pytest

import xbarsim as xs
from xbarsim.component import action_energy, idle_power, rate_component
from xbarsim.component.supply import scale_energy
from xbarsim.config import hash_hardware
from xbarsim.config.supply import Supply
from xbarsim.cost import rate_tile
from xbarsim.errors import ConfigError

AT = {"process": {"node_m": 65e-9, "supply_volt": 0.85}}


def hardware(supply, volt=0.85, **keys):
    own = {"per": "adc", "action": "adc", "energy_joule": 2e-12, "rate_hz": 1e8, "source": "test", **keys}
    return xs.load_hardware(
        "reference", {**AT, "process.supply_volt": volt, "components.own": {**own, "supply": supply}}
    )


def test_energy_goes_with_the_square_of_the_voltage_and_rate_with_the_alpha_power_law():
    supply = {"volt": 0.85, "threshold_volt": 0.35, "alpha": 1.4}
    at = rate_component("own", hardware(supply, 1.2))
    assert at.energy_joule == pytest.approx(2e-12 * (1.2 / 0.85) ** 2)
    assert at.rate_hz == pytest.approx(1e8 * (0.85 / 0.5) ** 1.4 / (1.2 / 0.85))
    same = rate_component("own", hardware(supply))
    assert (same.energy_joule, same.rate_hz) == (2e-12, 1e8)


def test_power_follows_energy_and_rate_and_static_power_the_voltage():
    keys = {"power_watt": 1e-3, "leakage_watt": 2e-4, "energy_joule": None}
    rating = rate_component("own", hardware({"volt": 0.85, "measured_rate": {0.6: 1, 0.85: 2, 1.2: 4}}, 1.2, **keys))
    assert rating.leakage_watt == pytest.approx(2e-4 * 1.2 / 0.85)
    assert rating.power_watt == pytest.approx(8e-4 * (1.2 / 0.85) ** 2 * 2 + 2e-4 * 1.2 / 0.85)
    assert action_energy(rating) == pytest.approx(8e-4 / 1e8 * (1.2 / 0.85) ** 2)


def test_measured_tables_count_by_ratio_and_are_powers_of_the_voltage_between_points():
    supply = {"volt": 0.8, "measured_energy": {0.6: 25, 0.8: 100, 1.0: 150}, "measured_rate": {0.6: 1, 1.0: 3}}
    assert rate_component("own", hardware(supply, 0.6)).energy_joule == pytest.approx(2e-12 / 4)
    assert rate_component("own", hardware(supply, 1.0)).energy_joule == pytest.approx(3e-12)
    law = Supply(volt=0.8, measured_energy={0.5: 0.25, 1.0: 1.0})
    for volt in (0.5, 0.6, 0.77, 1.0):  # two points of a square law give the square law
        assert scale_energy(law, volt) == pytest.approx((volt / 0.8) ** 2)


def test_the_clock_follows_its_supply_and_times_with_it():
    keys = {**AT, "timing.supply": {"volt": 0.85, "measured_rate": {0.85: 1, 1.2: 2.5}}}
    slow = xs.load_hardware("reference", keys)
    fast = slow.override({"process.supply_volt": 1.2, "timing.pulse_s": 4e-9})
    assert slow.clock_hz == slow.timing.clock_hz
    assert fast.clock_hz == pytest.approx(2.5 * slow.clock_hz)
    adc = {"components.adc.rate_hz": 1e15, "components.adc.table": None}
    before, after = (xs.estimate("lenet5", each.override(adc)).cost for each in (slow, fast))
    assert after.cycles == before.cycles
    assert after.delay_s == pytest.approx(before.delay_s / 2.5)
    assert rate_tile(fast.override(adc)).tops == pytest.approx(2.5 * rate_tile(slow.override(adc)).tops)


def test_inputs_that_arrive_over_some_time_take_this_time_whatever_the_supply():
    keys = {**AT, "timing.supply": {"volt": 0.85, "measured_rate": {0.85: 1, 1.2: 2.5}}}
    for volt in (0.85, 1.2):
        hardware = xs.load_hardware("reference", {**keys, "process.supply_volt": volt, "timing.pulse_s": 4e-9})
        shape = {"in_features": 16, "out_features": 4, "vectors": 100}
        cost = xs.CostOracle(hardware, cache=None).layer("linear", shape, {}, producers_s=1e-3)
        assert cost.delay_s == pytest.approx(1e-3, rel=0.02)


@pytest.mark.parametrize(
    ("supply", "volt", "named"),
    [
        ({"volt": 0.85, "measured_energy": {0.85: 1, 1.0: 2}}, 1.2, "process.supply_volt: 1.2 V lies outside "
         "components.own.supply.measured_energy, 0.85 to 1 V"),
        ({"volt": 0.85, "measured_rate": {0.9: 1, 1.0: 2}}, 0.95, "components.own.supply.volt: 0.85 V lies outside"),
        ({"volt": 0.85, "threshold_volt": 0.7}, 0.65, "0.65 V is not above components.own.supply.threshold_volt"),
        ({"volt": 0.85, "threshold_volt": 0.9}, 0.85, "supply.threshold_volt: 0.9 V is not below"),
        ({"volt": 0.85, "threshold_volt": 0.3, "measured_rate": {0.8: 1, 1: 2}}, 0.85, "cannot be combined with"),
        ({"volt": 0.85, "measured_energy": {0.85: 1}}, 0.85, "measured_energy"),
        ({"exponent": 2}, 0.85, "components.own.supply.volt: missing"),
    ],
)  # fmt: skip
def test_voltages_that_the_law_does_not_hold_for_are_refused_in_one_line(supply, volt, named):
    with pytest.raises(ConfigError) as caught:
        hardware(supply, volt)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 400


def test_a_supply_needs_the_voltage_of_operation_and_excludes_another_scaling():
    known = hardware({"volt": 0.85})
    with pytest.raises(ConfigError, match=r"components\.own\.supply: needs process\.supply_volt"):
        known.override({"process": None})
    with pytest.raises(ConfigError, match=r"contradicts components\.own\.process"):
        known.override({"components.own.process": AT["process"]})
    with pytest.raises(ConfigError, match=r"timing\.supply: needs process\.supply_volt"):
        xs.load_hardware("reference", {"timing.supply": {"volt": 1.0}})


PARTS = {
    "comparator": {"count": 4, "energy_joule": 1e-15, "rate_hz": 1e9, "area_m2": 1e-12, "source": "a"},
    "register": {"count": 8, "energy_joule": 1e-16, "rate_hz": 5e8, "source": "b", "supply": {"volt": 1.0}},
    "bias": {"power_watt": 1e-6, "source": "c"},
}


def compound(volt=1.0, **keys):
    own = {"per": "adc", "action": "adc", "source": "test", "parts": PARTS, **keys}
    return xs.load_hardware("reference", {**AT, "process.supply_volt": volt, "components.own": own})


def test_parts_add_up_and_each_follows_its_own_law():
    rating = rate_component("own", compound())
    assert rating.energy_joule == pytest.approx(4e-15 + 8e-16)
    assert (rating.area_m2, rating.rate_hz, idle_power(rating)) == (4e-12, 5e8, 1e-6)
    assert rate_component("own", compound(0.5)).energy_joule == pytest.approx(4e-15 + 8e-16 / 4)
    more = compound().override({"components.own.parts.register.count": 16})
    assert rate_component("own", more).energy_joule == pytest.approx(4e-15 + 16e-16)
    assert hash_hardware(more) != hash_hardware(compound())
    said = compound().override({"components.own.parts.bias.source": "elsewhere"})
    assert hash_hardware(said) == hash_hardware(compound())


def test_a_compound_is_charged_as_its_parts_apart():
    hardware = compound(0.85)
    apart = {f"components.{name}": {**keys, "per": "adc", "action": "adc"} for name, keys in PARTS.items()}
    for name in ("comparator", "register"):  # the price of one action of a component is that of all its instances
        apart[f"components.{name}"]["energy_joule"] *= PARTS[name]["count"]
    together, each = (xs.estimate("lenet5", one).cost for one in (hardware, xs.load_hardware("reference", AT | apart)))
    assert together.energy_joule == pytest.approx(each.energy_joule)
    assert together.area_m2 == pytest.approx(each.area_m2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"components.own.parts.bias.action": "dac"}, r"components\.own\.parts\.bias\.action: 'dac'; parts act with"),
        ({"components.own.parts.bias.per": "chip"}, r"components\.own\.parts\.bias\.per: 'chip'"),
        ({"components.own.energy_joule": 1e-12}, r"components\.own\.energy_joule: cannot be combined with parts"),
        ({"components.own.parts.bias.watt": 1}, r"components\.own\.parts\.bias\.watt: unknown key"),
        ({"components.own.parts": {}}, r"components\.own\.parts"),
        ({"components.own.action": "adc_convert"}, r"components\.own\.action: 'adc_convert' is not counted"),
    ],
)
def test_compounds_that_contradict_themselves_are_refused(change, named):
    with pytest.raises(ConfigError, match=named):
        compound().override(change)
