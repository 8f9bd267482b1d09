"""What inputs cost as voltages, as long pulses and as many pulses: time, energy, and what drivers do."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xbarsim as xs
from xbarsim.component.energy import read_energy
from xbarsim.errors import ConfigError

BITS = 3
WIDE = {"dac.bits": BITS}
PULSES = (1 << BITS) - 1


def load(coding, **changes):
    """Return hardware whose reads take 100 cycles of 1 ns, 10 of them a pulse."""
    timing = {"timing.clock_hz": 1e9, "timing.read_cycles": 100, "timing.pulse_s": 1e-8}
    return xs.load_hardware("reference", {**WIDE, **timing, "dac.coding": coding, **changes})


@pytest.mark.parametrize(("coding", "cycles"), [("voltage", 100), ("width", 160), ("count", 160)])
def test_every_further_pulse_lengthens_a_read(coding, cycles):
    assert load(coding).read_cycles == cycles
    whole = load(coding, **{"timing.pulse_s": None}).read_cycles
    assert whole == (100 if coding == "voltage" else 100 * PULSES)


@pytest.mark.parametrize("coding", ["width", "count"])
@pytest.mark.parametrize("pulse", [1e-8, None])
def test_cells_conduct_at_full_voltage_for_all_pulses(coding, pulse):
    changes = {"timing.pulse_s": pulse}
    volts, pulses = (read_energy(load(each, **changes), 0.25, 0.5) for each in ("voltage", coding))
    assert pulses == pytest.approx(PULSES * volts, rel=1e-12)


def count_actions(coding):
    """Return the driver actions, array reads and delay of a network."""
    report = xs.estimate("lenet5", load(coding))
    counts = report.components.set_index("component")["actions"]
    return counts["dac"], counts["adc"], report.cost.delay_s


def test_only_counted_pulses_start_drivers_more_often():
    volts, width, count = (count_actions(each) for each in ("voltage", "width", "count"))
    assert width[0] == volts[0]
    assert count[0] == PULSES * volts[0]
    assert volts[1] == width[1] == count[1]
    assert volts[2] < width[2] == count[2]


def test_a_driver_of_pulses_needs_one_level():
    assert [load(each).dac.driver_bits for each in ("voltage", "width", "count")] == [BITS, 1, 1]


def test_a_pulse_longer_than_its_read_is_refused_with_the_cycles_that_it_needs():
    with pytest.raises(
        ConfigError, match=r"timing\.pulse_s: 1e-08 s .* 1 cycle of .* timing\.read_cycles to 13 or more"
    ):
        xs.load_hardware("reference", {"timing.read_cycles": 1})
    assert xs.load_hardware("reference", {"timing.read_cycles": 13}).read_cycles == 13


def test_small_arrays_of_one_layer_may_read_too_fast_for_the_pulse():
    hardware = xs.load_hardware("nax", {"timing.pulse_s": 1e-8})  # a read takes a cycle of 1 ns a row
    xs.estimate("lenet5", hardware, layers={"*": {"crossbar.rows": 10}})
    with pytest.raises(
        ConfigError, match=r"layer \S+: timing\.pulse_s: .* 8 cycles .* at crossbar\.rows: 8; .* to 145 "
    ):
        xs.estimate("lenet5", hardware, layers={"*": {"crossbar.rows": 8}})


@settings(deadline=None, max_examples=60)
@given(
    pulse=st.floats(1e-10, 1e-6), cycles=st.integers(1, 60), rows=st.sampled_from([8, 24, 128, 256]),
    measured=st.none() | st.sampled_from([24, 100, 128]),
)  # fmt: skip
def test_the_cycles_that_a_refusal_names_are_the_fewest_that_are_accepted(pulse, cycles, rows, measured):
    changes = {"timing.clock_hz": 1e9, "timing.pulse_s": pulse, "timing.read_rows": measured, "crossbar.rows": rows}

    def load_with(read_cycles):
        return xs.load_hardware("isaac", {**changes, "timing.read_cycles": read_cycles})

    free = xs.load_hardware("isaac", {**changes, "timing.pulse_s": None, "timing.read_cycles": cycles})
    if pulse <= free.single_read_cycles * 1e-9:
        assert load_with(cycles).single_read_cycles == free.single_read_cycles
        return
    with pytest.raises(ConfigError) as refused:
        load_with(cycles)
    assert len(str(refused.value)) <= 400
    needed = int(re.search(r"read_cycles to (\d+) or more", str(refused.value)).group(1))
    assert needed > cycles
    load_with(needed)
    with pytest.raises(ConfigError):
        load_with(needed - 1)
