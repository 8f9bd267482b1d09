"""Pulses as long as columns need to settle."""

import math

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.converter import nominal_range
from xbarsim.crossbar import solve_settling
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network, settle_pulse

WIRES = {
    "crossbar.r_wl_ohm": 2.5, "crossbar.r_bl_ohm": 2.5, "crossbar.r_sink_ohm": 100.0, "crossbar.c_wl_farad": 1e-15,
    "crossbar.c_bl_farad": 1e-15, "crossbar.rows": 32, "crossbar.cols": 32, "timing.pulse_s": "settled",
}  # fmt: skip


def load(**changes):
    """Load the reference with wires that have capacitance."""
    return xs.load_hardware("reference", {**WIRES, **changes})


def test_a_settled_pulse_is_the_time_that_the_circuit_needs():
    hardware = load()
    settled = settle_pulse(hardware, "here")
    crossbar, device = hardware.crossbar, hardware.device
    report = solve_settling(
        np.full((32, 32), device.g_on_siemens), np.full(32, device.read_volt), r_wl_ohm=2.5, r_bl_ohm=2.5,
        r_source_ohm=crossbar.r_source_ohm, r_sink_ohm=100.0, c_wl_farad=1e-15, c_bl_farad=1e-15,
        tol_ampere=0.5 * nominal_range(hardware).lsb * hardware.level_ampere,
    )  # fmt: skip
    assert settled.timing.pulse_s == report.settling_s.max() > 0
    assert settle_pulse(settled, "here") is settled


def test_plans_settle_every_array_size_and_cost_less_than_whole_reads():
    layers = {"conv1": {"crossbar.rows": 64, "crossbar.cols": 64}}
    plan = plan_network(xs.load_network("digits"), load(), layers=layers)
    pulses = {layer.name: layer.hardware.timing.pulse_s for layer in plan.layers}
    others = {pulse for name, pulse in pulses.items() if name != "conv1"}
    assert len(others) == 1
    assert pulses["conv1"] > 1.5 * others.pop()
    whole = xs.estimate("digits", load(**{"timing.pulse_s": None}))
    short = xs.estimate("digits", load())
    assert short.cost.delay_s == whole.cost.delay_s
    energy = [sum(layer.energy_joule for layer in found.cost.layers) for found in (short, whole)]
    assert energy[0] < 0.95 * energy[1]


def test_pulses_of_several_steps_take_as_long_as_they_settle():
    changes = {"dac.coding": "count", "dac.bits": 2}
    settled = settle_pulse(load(**changes), "here")
    extra = settled.timing.pulse_s * settled.clock_hz
    assert settled.read_cycles == math.ceil(settled.single_read_cycles + 2 * extra - 1e-9)


def test_slow_columns_are_refused_with_the_cycles_that_they_need():
    slow = load(**{"crossbar.c_bl_farad": 1e-11, "timing.read_cycles": 1})
    with pytest.raises(
        ConfigError, match=r"layer conv1: timing\.pulse_s: .* longer than a read.* set timing\.read_cycles to \d+"
    ):
        plan_network(xs.load_network("digits"), slow)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crossbar.c_wl_farad": 0, "crossbar.c_bl_farad": 0}, "settled needs crossbar.c_wl_farad or"),
        ({"timing.pulse_s": "settle"}, "settled"),
        ({"crossbar.c_wl_farad": -1e-15}, "c_wl_farad"),
    ],
)
def test_what_cannot_settle_is_refused_when_it_is_loaded(changes, message):
    with pytest.raises(ConfigError, match=message):
        load(**changes)


def test_ideal_converters_have_no_step_to_settle_to():
    with pytest.raises(ConfigError, match="ideal has none"):
        xs.estimate("digits", load(**{"adc.bits": "ideal"}))


def test_a_settled_pulse_does_not_change_values():
    from xbarsim.data import load_data, normalize_images

    data = load_data("digits").take(20)
    images = normalize_images(data.images)
    one, other = (
        xs.simulate("digits", load(**{"timing.pulse_s": way}), images, data.labels) for way in ("settled", None)
    )
    np.testing.assert_array_equal(one.outputs, other.outputs)
