"""Shipped hardware against what its papers publish, and a source for every number."""

import pytest
from reference.residual_networks import Builder, resnet_bottleneck, resnet_cifar

from xbarsim.config import list_hardware, load_hardware
from xbarsim.cost import price, price_layer, rate_chip, rate_tile
from xbarsim.mapping import plan_network
from xbarsim.network import Network
from xbarsim.timing import simulate_plan

TWO_PERCENT = 0.02


def test_isaac_tile_has_its_published_power_and_area():
    tile = rate_tile(load_hardware("isaac"))
    assert tile.power_watt == pytest.approx(0.330, rel=TWO_PERCENT)
    assert tile.area_m2 * 1e6 == pytest.approx(0.372, rel=TWO_PERCENT)


def test_isaac_chip_has_its_published_power_area_and_peak():
    chip = rate_chip(load_hardware("isaac"))
    assert chip.power_watt == pytest.approx(65.8, rel=TWO_PERCENT)
    assert chip.area_m2 * 1e6 == pytest.approx(85.4, rel=TWO_PERCENT)
    assert chip.tops == pytest.approx(41.29, rel=TWO_PERCENT)
    assert chip.tops_per_watt * 1e3 == pytest.approx(627.5, rel=TWO_PERCENT)
    assert chip.tops_per_mm2 * 1e3 == pytest.approx(483.5, rel=TWO_PERCENT)


def test_puma_node_has_its_published_power_and_area():
    chip = rate_chip(load_hardware("puma"))
    assert chip.power_watt == pytest.approx(62.5, rel=TWO_PERCENT)
    assert chip.area_m2 * 1e6 == pytest.approx(90.6, rel=TWO_PERCENT)
    assert chip.tops == pytest.approx(31.4, rel=TWO_PERCENT)  # what 2,208 MVMUs at 2,304 ns can do


def test_puma_multiplies_a_matrix_with_its_published_energy_and_latency():
    hardware = load_hardware("puma")
    plan = plan_network(linear(128, 128), hardware)
    machine = simulate_plan(plan).machine
    assert machine.slot_latency[0] / hardware.timing.clock_hz == pytest.approx(2304e-9, rel=TWO_PERCENT)
    cost = price_layer("linear", {"in_features": 128, "out_features": 128}, hardware)
    unit = ("adc", "dac", "sample_hold", "array", "shift_add")
    energy = sum(cost.layers[0].energy_by_component[name] for name in unit)
    assert energy == pytest.approx(43.97e-9, rel=TWO_PERCENT)


def test_nax_converters_follow_the_array():
    hardware = load_hardware("nax")
    bits = [hardware.override({"crossbar.rows": n, "crossbar.cols": n}).adc_bits for n in (16, 32, 64, 128)]
    assert bits == [6, 7, 8, 9]


def test_auto_chips_have_no_peak_of_their_own():
    assert rate_chip(load_hardware("reference")) is None


def linear(fan_in, fan_out):
    from xbarsim.network import make_linear

    return Network(name="linear", nodes=(make_linear("fc", fan_in, fan_out),), input_shape=(fan_in,))


def separable():
    builder = Builder()
    at = builder.relu(builder.conv("stem", "input", 3, 16, 3, 2))
    for index in range(3):
        at = builder.relu(builder.conv(f"depthwise{index}", at, 16, 16, 3, groups=16))
        at = builder.conv(f"pointwise{index}", at, 16, 16, 1)
    builder.conv("last", builder.pool_kept(at), 16, 10, 1)
    return Network(name="separable", nodes=tuple(builder.nodes), input_shape=(3, 32, 32))


@pytest.mark.parametrize("name", list_hardware())
@pytest.mark.parametrize("network", [resnet_cifar(1), resnet_bottleneck(size=64), separable()], ids=lambda n: n.name)
def test_every_shipped_file_prices_three_networks(name, network):
    plan = plan_network(network, load_hardware(name))
    cost = price(plan, simulate_plan(plan))
    assert cost.energy_joule > 0
    assert cost.delay_s > 0
    assert cost.area_m2 > 0
    assert 0 < cost.utilization <= 1


def numbers(tree, path=()):
    """Yield the dotted path of every number of a hardware file's record."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from numbers(value, (*path, str(key)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield (*path, str(key))


@pytest.mark.parametrize("name", list_hardware())
def test_every_number_has_a_source(name):
    hardware = load_hardware(name)
    assert all(component.source for component in hardware.components.values())
    tree = hardware.model_dump(exclude_defaults=True, exclude={"components", "sources"})
    for path in numbers(tree):
        dotted = [".".join(path[: depth + 1]) for depth in range(len(path))]
        assert any(key in hardware.sources for key in dotted), ".".join(path)
