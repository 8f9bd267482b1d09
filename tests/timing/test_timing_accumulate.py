"""Reads that are added up before they are converted: as many reads, one conversion, at the pace of the slower."""

import pytest

import xbarsim as xs
from xbarsim.mapping.period import pass_cycles

INTEGRATOR = {"components.integrator": {"per": "adc", "energy_joule": 2e-15, "area_m2": 1e-11, "source": "made up"}}


@pytest.fixture(scope="module")
def network():
    return xs.load_network("lenet5")


def totals(network, changes):
    return xs.estimate(network, xs.load_hardware("reference").override(changes)).activity.totals


def test_a_column_is_converted_once_for_all_its_reads(network):
    digital, analog = totals(network, {}), totals(network, {"dac.accumulate": "analog"})
    for action in ("array", "dac", "input_register", "output_register"):
        assert analog[action] == digital[action]
    for action in ("adc", "sample_hold", "shift_add"):
        assert analog[action] * 8 == digital[action]  # every input of eight bits takes eight reads
    assert analog["integrator"] == digital["adc"]
    assert "integrator" not in digital
    wide = totals(network, {"dac.accumulate": "analog", "dac.bits": 8, "dac.signed": "offset"})
    assert wide["adc"] == analog["adc"] == wide["integrator"]


def test_the_integrator_has_a_price_of_its_own(network):
    analog = xs.load_hardware("reference").override({"dac.accumulate": "analog"})
    bare = xs.estimate(network, analog)
    priced = xs.estimate(network, analog.override(INTEGRATOR))
    found = priced.components.set_index("component").loc["integrator"]
    assert found["actions"] == priced.activity.totals["integrator"]
    assert priced.cost.energy_joule - bare.cost.energy_joule == pytest.approx(2e-15 * found["actions"], rel=1e-6)


@pytest.mark.parametrize(
    ("read", "period", "occupancy"), [(4, 4, 32), (4, 10, 32), (4, 50, 50)], ids=["array", "hidden sweep", "long sweep"]
)
def test_a_window_waits_for_its_reads_or_for_the_sweep_of_the_last_one(read, period, occupancy):
    timing = {
        "timing.read_cycles": read,
        "timing.read_rows": None,
        "timing.pulse_s": None,
        "timing.array_stages": 2,
        "timing.overlapped": True,
    }
    analog = xs.load_hardware("reference").override({**timing, "dac.accumulate": "analog"})
    assert pass_cycles(analog, 8, period) == (occupancy, occupancy + 2 * period)
    assert pass_cycles(analog.override({"timing.overlapped": False}), 8, period)[0] == occupancy + 2 * period
    digital = analog.override({"dac.accumulate": "digital"})
    assert pass_cycles(digital, 8, period) == (8 * period, 10 * period)
    assert pass_cycles(analog, 1, period) == pass_cycles(digital, 1, period)


def test_shared_converters_no_longer_set_the_pace(network):
    shared = xs.load_hardware("reference").override({"adc.per_array": 0.02})
    cycles = [
        xs.estimate(network, shared.override({"dac.accumulate": how})).cost.cycles for how in ("digital", "analog")
    ]
    assert cycles[1] < 0.5 * cycles[0]
