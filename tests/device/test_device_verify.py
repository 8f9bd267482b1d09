"""Write and verify: what cells reach, how many pulses that takes, and what the pulses cost."""

import numpy as np
import pytest
from scipy import stats

from xbarsim.component.energy import write_energy
from xbarsim.config import Device, Programming, load_hardware
from xbarsim.config.verify import mean_pulses, row_pulses, success_chance
from xbarsim.config.write import Verify, Write
from xbarsim.device import program_cells
from xbarsim.device.cells import sample_written
from xbarsim.errors import ConfigError
from xbarsim.mapping import plan_network
from xbarsim.network import load_network
from xbarsim.rng import stream
from xbarsim.timing.program import program_seconds

SPAN = 9e-5


def device(tolerance=0.02, most=50, of="range", **law):
    law = {"distribution": "normal", "relative_to": "range", "sigma": 0.03, **law}
    write = Write(volt=2.0, pulse_s=1e-7, verify=Verify(tolerance=tolerance, max_pulses=most, relative_to=of))
    return Device(
        g_on_siemens=1e-4, g_off_siemens=1e-5, cell_bits=2, programming=Programming(**law), write=write
    )  # fmt: skip


LAWS = [
    {},
    {"relative_to": "target", "sigma": 0.05},
    {"distribution": "lognormal", "sigma": 0.04},
    {"distribution": "lognormal", "relative_to": "target", "sigma": 0.05},
    {"sigma_siemens": (1e-6, 3e-6, -1e-6)},
    {"sigma": 0.3},  # often cut off at zero
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("of", ["range", "target"])
def test_pulses_are_as_many_as_the_chance_of_one_says(law, of):
    # 40,000 cells a level: the mean of a count of deviation s has the error s / 200; 5 of them for 4 levels in each of
    # 12 tests: false alarm 3e-5
    cell = device(0.03, 40, of, **law)
    means = []
    for digit, p in enumerate(success_chance(cell)):
        target = np.full(40_000, cell.g_off_siemens + digit * cell.g_step_siemens)
        pulses = sample_written(target, cell, stream(1, "test", digit)).pulses
        means.append((1 - (1 - p) ** 40) / p)
        assert pulses.mean() == pytest.approx(means[-1], abs=5 * pulses.std() / 200 + 1e-4)
    assert mean_pulses(cell) == pytest.approx(np.mean(means))


def test_accepted_cells_follow_the_law_cut_off_at_the_tolerance():
    # Kolmogorov-Smirnov on 40,000 cells: false alarm 1e-6
    cell = device(0.02)
    g = program_cells(np.full((200, 200), 2), cell, seed=3)
    error = (g - 7e-5) / SPAN
    assert np.abs(error).max() <= 0.02 * (1 + 1e-9)
    assert stats.kstest(error.ravel(), stats.truncnorm(-2 / 3, 2 / 3, scale=0.03).cdf).pvalue > 1e-6


def test_cells_that_are_given_up_follow_the_rest_of_the_law():
    # 40,000 cells, 3 pulses, p = 0.0664: 0.814 are given up, standard error 0.002: 0.01 is 5 sigma, false alarm 6e-7;
    # Kolmogorov-Smirnov on their magnitudes: false alarm 1e-6
    cell = device(0.0025, 3)
    g = program_cells(np.full((200, 200), 2), cell, seed=3)
    z = np.abs((g - 7e-5) / SPAN).ravel() / 0.03
    outside = z[z > 0.0025 / 0.03]
    p = success_chance(cell)[2]
    assert p == pytest.approx(0.0664, abs=1e-4)
    assert outside.size / z.size == pytest.approx((1 - p) ** 3, abs=0.01)
    assert stats.kstest(outside, lambda x: (2 * stats.norm.cdf(x) - 1 - p) / (1 - p)).pvalue > 1e-6


def test_cells_that_the_first_pulse_leaves_within_the_tolerance_are_those_of_a_single_write():
    verified = device(0.02)
    once = verified.model_copy(update={"write": None})
    digits = np.full((50, 50), 2)
    a, b = (program_cells(digits, cell, seed=3) for cell in (once, verified))
    kept = np.abs(a - 7e-5) <= 0.02 * SPAN
    np.testing.assert_array_equal(a[kept], b[kept])
    assert np.all(a[~kept] != b[~kept])


def test_a_row_takes_as_many_pulses_as_its_slowest_cell():
    # 4,000 rows of 16 cells of mixed levels; 5 standard errors, false alarm 6e-7
    cell = device(0.02, 30)
    rng = stream(2, "test")
    target = cell.g_off_siemens + cell.g_step_siemens * rng.integers(0, 4, (4000, 16))
    slowest = sample_written(target, cell, rng).pulses.max(axis=1)
    assert row_pulses(cell, 16) == pytest.approx(slowest.mean(), abs=5 * slowest.std() / np.sqrt(4000))
    assert row_pulses(cell, 1) == pytest.approx(mean_pulses(cell))


def test_time_energy_and_wear_count_the_pulses():
    verified = load_hardware("isaac", {
        "device.programming": {"distribution": "normal", "relative_to": "range", "sigma": 0.03},
        "device.write": {"volt": 2.0, "pulse_s": 1e-7, "verify": {"tolerance": 0.02, "max_pulses": 20}},
    })  # fmt: skip
    single = verified.override({"device.write.verify": None})
    mean, row = mean_pulses(verified.device), row_pulses(verified.device, verified.crossbar.cols)
    assert row > mean > 1
    assert write_energy(verified) == pytest.approx(mean * write_energy(single))
    times = [program_seconds(plan_network(load_network("lenet5"), each))[0] for each in (verified, single)]
    assert times[0] == pytest.approx(row * times[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pulses": 4.0}, r"write\.pulses: 4 contradicts device\.write\.verify, .*set it to null"),
        ({"verify": {"tolerance": 0.0, "max_pulses": 9}}, r"write\.verify\.tolerance: 0\.0 is not allowed"),
        ({"verify": {"tolerance": 0.1, "max_pulses": 0}}, r"write\.verify\.max_pulses: 0 is not allowed"),
        ({"verify": {"tolerance": 0.1}}, r"write\.verify\.max_pulses: missing"),
    ],
)
def test_bad_verification_is_refused_by_key(change, message):
    write = {"volt": 2.0, "pulse_s": 1e-7, "verify": {"tolerance": 0.02, "max_pulses": 20}, **change}
    with pytest.raises(ConfigError, match=rf"^device\.{message}"):
        load_hardware("isaac", {"device.write": write})


def test_verified_writing_of_measured_cells_is_refused():
    write = {"volt": 2.0, "pulse_s": 1e-7, "verify": {"tolerance": 0.02, "max_pulses": 20}}
    with pytest.raises(ConfigError, match=r"^device\.write\.verify: contradicts measured conductances"):
        load_hardware("isaac", {"device.write": write, "device.levels_file": "a.csv"})
