"""Parts sum to the whole, prices follow counts, components interpolate, one layer alone."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.residual_networks import resnet_cifar

from xbarsim.component import action_energy, count_instances, interpolate_rating, rate_component, read_energy
from xbarsim.config import Rating, list_hardware, load_hardware
from xbarsim.cost import Measured, price, price_layer
from xbarsim.errors import ConfigError, ModelRangeWarning
from xbarsim.mapping import plan_network
from xbarsim.network import Epitome, Network, make_conv2d
from xbarsim.network.reshape import describe_layer
from xbarsim.timing import simulate_plan

NETWORK = resnet_cifar(1)


def cost_of(hardware, layers=None, **keywords):
    plan = plan_network(NETWORK, hardware, layers=layers)
    return price(plan, simulate_plan(plan), **keywords)


@pytest.mark.parametrize("name", list_hardware())
def test_parts_sum_to_the_whole(name):
    cost = cost_of(load_hardware(name), layers={"layer2.*": {"adc.bits": 6}})
    assert math.isclose(sum(part.energy_joule for part in cost.layers), cost.energy_joule)
    assert math.isclose(sum(part.energy_joule for part in cost.components), cost.energy_joule)
    assert math.isclose(sum(part.area_m2 for part in cost.layers), cost.area_m2)
    assert math.isclose(sum(part.area_m2 for part in cost.components), cost.area_m2)
    for part in cost.layers:
        assert math.isclose(sum(part.energy_by_component.values()), part.energy_joule)
        assert math.isclose(sum(part.area_by_component.values()), part.area_m2)
        assert part.energy_joule >= 0
        assert part.finish_s >= part.start_s
    assert math.isclose(cost.edap, cost.energy_joule * cost.delay_s * cost.area_m2)
    assert math.isclose(cost.power_watt, cost.energy_joule * cost.throughput_hz)
    assert math.isclose(cost.tops_per_watt * cost.power_watt, cost.tops)
    assert cost.tops_per_mm2 == pytest.approx(cost.tops / cost.area_m2 / 1e6)
    assert cost.arrays + cost.layers[-1].arrays == cost.tiles * load_hardware(name).chip.arrays_per_core * (
        load_hardware(name).chip.cores_per_tile
    )


def test_prices_are_counts_times_energies():
    hardware = load_hardware("isaac")
    plan = plan_network(NETWORK, hardware)
    activity = simulate_plan(plan)
    cost = price(plan, activity)
    energies = {"adc": 2e-3 / 1.28e9, "dac": 3.90625e-6 / 1e7, "array": 3e-11, "buffer": 20.45e-12 / 256}
    for part in cost.components:
        if part.component in energies:
            assert part.energy_joule == pytest.approx(activity.totals[part.action] * energies[part.component])


def test_rounds_and_index_tables_of_epitomes_are_told_by_layer():
    plan = plan_network(
        NETWORK.with_epitomes({"layer3.0.conv2": Epitome(rows=288, channels=16)}), load_hardware("epim")
    )
    cost = price(plan, simulate_plan(plan))
    told = {part.name: (part.rounds, part.index_table_bits) for part in cost.layers}
    assert told["layer3.0.conv2"] == (2, sum(plan.layer("layer3.0.conv2").epitome.table_bits.values()))
    assert told["layer3.0.conv1"] == (1, 0)


def test_leakage_is_charged_for_the_time_between_inferences():
    hardware = load_hardware("reference").override({"components.adc.table": None, "components.adc.rate_hz": 1.28e9})
    leaky = hardware.override({"components.adc.leakage_watt": 1e-3, "components.adc.power_watt": 1e-3})
    none = hardware.override({"components.adc.power_watt": 0.0})
    first, second = cost_of(leaky), cost_of(none)
    converters = first.tiles * 96
    assert first.energy_joule - second.energy_joule == pytest.approx(converters * 1e-3 / first.throughput_hz)


def test_fewer_adc_bits_cost_less():
    hardware = load_hardware("reference")
    energies = [cost_of(hardware.override({"adc.bits": bits})).energy_joule for bits in (5, 6, 7, 8, 9)]
    assert energies == sorted(energies)


def test_measured_levels_replace_the_assumed_ones_layer_by_layer():
    hardware = load_hardware("reference")
    assumed = cost_of(hardware)
    measured = cost_of(hardware, measured={"conv1": Measured(mean_level=0.0, input_activity=0.5)})
    first = [cost.layers[1].energy_by_component["array"] for cost in (assumed, measured)]
    # 64 of 128 columns hold weights, half of them in either array of a pair; lines take 1 % less of smaller currents
    assert first[1] / first[0] == pytest.approx(128e-6 / (64 * (0.5 * 5.5e-6 + 0.5e-6) + 64e-6), rel=0.02)
    assert measured.layers[2] == assumed.layers[2]


def test_an_array_read_takes_the_energy_of_its_conducting_cells():
    hardware = load_hardware("reference")
    # of a pair, one cell is off: a quarter of the highest level, (1 + 9 / 4) uS
    assert read_energy(hardware) == pytest.approx(128 * 128 * 3.25e-6 * 0.5 * 0.2**2 * 10e-9)


@given(st.floats(1e-6, 1e-2), st.floats(1e-6, 1e-2), st.integers(5, 9))
def test_interpolation_is_geometric_and_stays_between_its_neighbours(low, high, bits):
    table = {4: Rating(power_watt=low, area_m2=1e-9, rate_hz=1e9), 10: Rating(power_watt=high, area_m2=4e-9)}
    rating = interpolate_rating(table, bits)
    assert rating.power_watt == pytest.approx(low ** ((10 - bits) / 6) * high ** ((bits - 4) / 6))
    assert rating.area_m2 == pytest.approx(1e-9 * 4 ** ((bits - 4) / 6))
    assert rating.rate_hz is None


@pytest.mark.parametrize("rows", [40, 64, 100, 200, 512])
@pytest.mark.filterwarnings("ignore::xbarsim.errors.ModelRangeWarning")
def test_a_table_by_rows_reproduces_what_is_in_proportion_to_the_rows(rows):
    table = {64: {"energy_joule": 1e-12, "area_m2": 2e-10}, 256: {"energy_joule": 4e-12, "area_m2": 32e-10}}
    keys = {"per": "array", "by": "rows", "table": table, "source": "test"}
    hardware = load_hardware("reference").override({"components.own": {**keys, "action": "array"}})
    rating = rate_component("own", hardware.override({"crossbar.rows": rows}))
    assert action_energy(rating) == pytest.approx(1e-12 * rows / 64)
    assert rating.area_m2 == pytest.approx(2e-10 * (rows / 64) ** 2)


@pytest.mark.parametrize("key", [0, -4])
def test_a_table_has_no_entry_below_one(key):
    keys = {"per": "adc", "table": {key: {"energy_joule": 1e-12}, 8: {"energy_joule": 2e-12}}, "source": "test"}
    with pytest.raises(ConfigError, match=r"components\.own\.table.* greater than or equal to 1"):
        load_hardware("reference").override({"components.own": {**keys, "action": "adc"}})


def test_outside_its_table_a_component_warns_once():
    hardware = load_hardware("isaac").override({"adc.bits": 12})
    with pytest.warns(ModelRangeWarning, match=r"components\.adc: 12"):
        rating = rate_component("adc", hardware)
    assert rating.power_watt > 3.0464e-3


def test_array_ratings_grow_with_the_cells():
    hardware = load_hardware("isaac")
    large = rate_component("array", hardware.override({"crossbar.rows": 256, "crossbar.cols": 256}))
    assert large.power_watt == pytest.approx(4 * 3e-4)
    assert action_energy(large) == pytest.approx(4 * 3e-11)


@settings(max_examples=20)
@given(st.sampled_from(["row", "col", "adc", "array", "core", "tile"]))
def test_instances_of_a_tile_are_those_of_its_arrays(per):
    hardware = load_hardware("isaac").override({"adc.per_array": 0.5})
    component = hardware.components["adc"].model_copy(update={"per": per, "count": 3.0})
    whole = count_instances(component, hardware, "tile")
    assert whole == pytest.approx(96 * count_instances(component, hardware, "array"))


def test_an_action_that_is_not_counted_is_refused():
    with pytest.raises(ConfigError, match=r"components\.adcc\.action"):
        load_hardware("reference").override(
            {"components.adcc": {"per": "array", "rate_hz": 1e9, "power_watt": 1e-3, "source": "test"}}
        )


SHAPE = {
    "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1,
    "height": 32, "width": 32,
}  # fmt: skip


def test_one_layer_alone_costs_what_it_costs_in_its_network():
    hardware = load_hardware("reference")
    plan = plan_network(NETWORK, hardware)
    inside = next(part for part in price(plan, simulate_plan(plan)).layers if part.name == "layer1.0.conv1")
    alone = price_layer("conv2d", SHAPE, hardware)
    for component in ("adc", "dac", "array", "shift_add", "input_register", "output_register"):
        assert alone.layers[0].energy_by_component[component] == pytest.approx(inside.energy_by_component[component])
    assert alone.area_m2 == pytest.approx(inside.area_m2)
    assert alone.crossbars == inside.crossbars


def test_one_layer_alone_takes_its_windows_times_its_pass():
    cost = price_layer("linear", {"in_features": 128, "out_features": 32, "vectors": 10}, load_hardware("reference"))
    assert cost.throughput_hz == pytest.approx(1.28e9 / (10 * 8 * 128))
    assert cost.cycles >= 10 * 8 * 128


def test_a_dilated_layer_alone_has_the_windows_of_its_network():
    layer = make_conv2d("layer", 16, 16, 3, dilation=2)
    network = Network(name="dilated", nodes=(layer,), input_shape=(16, 32, 32))
    kind, shape = describe_layer(network, "layer")
    assert shape["dilation"] == (2, 2)
    alone = price_layer(kind, shape, load_hardware("reference"))
    plan = plan_network(network, load_hardware("reference"))
    inside = next(part for part in price(plan, simulate_plan(plan)).layers if part.name == "layer")
    assert alone.layers[0].energy_by_component["adc"] == pytest.approx(inside.energy_by_component["adc"], rel=1e-12)
    plain = price_layer(kind, {**shape, "dilation": 1}, load_hardware("reference"))
    assert plain.layers[0].energy_by_component["adc"] == pytest.approx(
        inside.energy_by_component["adc"] * 30**2 / 28**2, rel=1e-12
    )


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        ("conv3d", SHAPE, "conv3d"),
        ("conv2d", {**SHAPE, "pading": 1}, "shape.pading"),
        ("linear", {"in_features": 3}, "shape.out_features"),
    ],
)
def test_a_wrong_shape_is_named(kind, shape, words):
    with pytest.raises(ConfigError, match=words):
        price_layer(kind, shape, load_hardware("reference"))
