"""What inputs cost as voltages, as long pulses and as many pulses: time, energy, and what drivers do."""

import pytest

import xbarsim as xs
from xbarsim.component.energy import read_energy

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
