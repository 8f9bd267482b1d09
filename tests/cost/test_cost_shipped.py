"""Every shipped hardware prices three networks."""

import math

import pytest

import xbarsim as xs
from xbarsim.config import list_hardware


@pytest.mark.parametrize("network", ["resnet20", "mobilenetv2", "vgg8"])
@pytest.mark.parametrize("name", list_hardware())
def test_every_shipped_hardware_prices_three_networks(name, network):
    cost = xs.estimate(network, name).cost
    for field in ("energy_joule", "delay_s", "throughput_hz", "area_m2", "edap", "power_watt", "tops", "tops_per_watt"):
        value = getattr(cost, field)
        assert math.isfinite(value)
        assert value > 0, field
    assert sum(part.energy_joule for part in cost.layers) == pytest.approx(cost.energy_joule)
    assert sum(part.energy_joule for part in cost.components) == pytest.approx(cost.energy_joule)
    assert sum(part.area_m2 for part in cost.layers) == pytest.approx(cost.area_m2)
    assert sum(part.area_m2 for part in cost.components) == pytest.approx(cost.area_m2)
    assert 0 < cost.utilization <= 1
    assert cost.power_watt == pytest.approx(cost.energy_joule * cost.throughput_hz)
