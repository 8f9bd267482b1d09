"""Levels, programming variation, stuck cells, drift and read noise of cells."""

import numpy as np
import pytest
from scipy import stats

from xbarsim.config import Device, Drift, Programming, ReadNoise, Relaxation, Stuck, load_hardware
from xbarsim.device import level_conductance, program_cells, read_noise_sigma, sample_read
from xbarsim.errors import ConfigError, ShapeError
from xbarsim.rng import stream

RANGE = {"g_on_siemens": 1e-4, "g_off_siemens": 1e-6, "cell_bits": 2}


def program(digits, seed=0, trial=0, layer="", **fields):
    return program_cells(digits, Device(**RANGE, **fields), seed=seed, trial=trial, layer=layer)


def test_ideal_cells_reach_evenly_spaced_levels():
    np.testing.assert_allclose(program([[0, 1], [2, 3]]), [[1e-6, 34e-6], [67e-6, 1e-4]], rtol=1e-12)


@pytest.mark.parametrize("digits", [[[-1]], [[4]], [[0.5]], [["a"]]])
def test_digits_outside_the_levels_are_refused(digits):
    with pytest.raises(ShapeError, match="digits"):
        program(digits)


@pytest.mark.parametrize("distribution", ["normal", "lognormal"])
@pytest.mark.parametrize("relative_to", ["target", "range"])
def test_every_cell_gets_a_draw_of_its_own_with_the_stated_spread(distribution, relative_to):
    # 10,000 cells, standard error of the deviation 0.7 %: 4 % is 5.6 sigma, false alarm below 1e-7
    digits = np.full((100, 100), 2)
    programming = Programming(distribution=distribution, relative_to=relative_to, sigma=0.05)
    g = program(digits, programming=programming)
    assert len(np.unique(g)) == g.size
    reference = 67e-6 if relative_to == "target" else 99e-6
    error = (g - 67e-6) / reference
    normal = np.log1p(error) if distribution == "lognormal" else error
    assert abs(normal.std() / 0.05 - 1) < 0.04
    assert stats.kstest(normal.ravel() / 0.05, "norm").pvalue > 1e-6


def test_conductance_never_falls_below_zero():
    g = program(np.zeros((50, 50), int), programming=Programming(distribution="normal", relative_to="range", sigma=0.5))
    assert g.min() == 0
    device = Device(**RANGE, read_noise=ReadNoise(relative_to="range", sigma=1.0))
    assert sample_read(g, device, stream(0, "device.read")).min() == 0


def test_a_phenomenon_does_not_disturb_the_draws_of_another():
    digits = stream(1, "test").integers(0, 4, (64, 64))
    programming = Programming(distribution="normal", sigma=0.1)
    alone = program(digits, programming=programming)
    both = program(digits, programming=programming, stuck=Stuck(on_rate=0.1, off_rate=0.1))
    moved = alone != both
    assert set(np.unique(both[moved])) == {1e-6, 1e-4}
    assert 0.1 < moved.mean() < 0.3


def test_stuck_rates_are_met():
    # 40,000 cells at 5 and 10 %: five standard errors, false alarm 1e-6 for both
    g = program(np.full((200, 200), 1), stuck=Stuck(on_rate=0.05, off_rate=0.1))
    assert abs((g == 1e-4).mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95 / g.size)
    assert abs((g == 1e-6).mean() - 0.1) < 5 * np.sqrt(0.1 * 0.9 / g.size)


def test_drift_follows_the_power_law():
    # 10,000 cells: the mean within 5 standard errors, the deviation within 5.6, false alarm below 1e-6
    digits = np.full((100, 100), 3)
    g = program(digits, drift=Drift(nu=0.05, reference_s=20.0, time_s=20e3))
    np.testing.assert_allclose(g, 1e-4 * 1000.0**-0.05, rtol=1e-12)
    g = program(digits, drift=Drift(nu=0.05, nu_sigma=0.01, reference_s=20.0, time_s=20e3))
    nu = -np.log(g / 1e-4) / np.log(1000)
    assert abs(nu.mean() - 0.05) < 5e-4
    assert abs(nu.std() / 0.01 - 1) < 0.04
    assert (program(digits, drift=Drift(nu=0.05, reference_s=20.0, time_s=20.0)) == 1e-4).all()


def test_streams_depend_on_seed_trial_and_layer_alone():
    digits = np.full((8, 8), 3)
    programming = Programming(distribution="normal", sigma=0.1)
    first = program(digits, programming=programming)
    np.testing.assert_array_equal(first, program(digits, programming=programming))
    for key in ({"seed": 1}, {"trial": 1}, {"layer": "conv1"}):
        assert (program(digits, programming=programming, **key) != first).all()


def test_read_noise_is_relative_to_target_or_range():
    g = level_conductance([0, 3], Device(**RANGE))
    target = Device(**RANGE, read_noise=ReadNoise(sigma=0.1))
    whole = Device(**RANGE, read_noise=ReadNoise(sigma=0.1, relative_to="range"))
    np.testing.assert_allclose(read_noise_sigma(g, target), [1e-7, 1e-5])
    np.testing.assert_allclose(read_noise_sigma(g, whole), [9.9e-6, 9.9e-6])


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_read_noise_is_limited_whether_or_not_it_depends_on_the_conductance(exponent):
    device = Device(**RANGE, read_noise=ReadNoise(sigma=0.3, most=0.2, exponent=exponent))
    np.testing.assert_allclose(read_noise_sigma([1e-6, 1e-4], device), [2e-7, 2e-5])


def test_warm_cells_age_faster_by_arrhenius_law():
    hot = Drift(nu=0.05, time_s=1e3, activation_ev=0.3)
    rate = np.exp(0.3 / 8.617333262e-5 * (1 / 300 - 1 / 350))
    found = program(np.full((2, 2), 3), drift=hot, temperature_kelvin=350.0)
    np.testing.assert_allclose(found, 1e-4 * (rate * 1e3) ** -0.05, rtol=1e-12)
    for drift, kelvin in ((hot, 300.0), (Drift(nu=0.05, time_s=1e3), 350.0)):
        np.testing.assert_allclose(program([[3]], drift=drift, temperature_kelvin=kelvin), 1e-4 * 1e3**-0.05)
    assert program([[3]], drift=hot, temperature_kelvin=100.0) == 1e-4  # frozen, and never younger than programmed


def test_relaxation_is_a_stream_of_its_own_and_nothing_at_its_defaults():
    digits = np.full((60, 60), 2)
    written = {"programming": Programming(distribution="normal", sigma=0.1), "drift": Drift(time_s=100.0)}
    alone = program(digits, **written)
    np.testing.assert_array_equal(alone, program(digits, relaxation=Relaxation(), **written))
    shifted = program(digits, relaxation=Relaxation(mean_siemens=-1e-7), **written)
    np.testing.assert_allclose(shifted, alone - 1e-7 * np.log(100.0))
    spread = program(digits, relaxation=Relaxation(sigma_siemens=1e-6), **written)
    assert abs(np.corrcoef((alone - 67e-6).ravel(), (spread - alone).ravel())[0, 1]) < 0.09  # 3,600 cells: 5.4 sigma


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"later": [{"time_s": 9, "sigma_siemens": [1e-6]}], "sigma_siemens": 1e-7}, r"later: contradicts sigma_siem"),
        (
            {"later": [{"time_s": t, "sigma_siemens": [1e-6]} for t in (9, 5)]},
            r"later: times \[9\.0, 5\.0\] are not in increasing order",
        ),
    ],
)
def test_relaxation_that_contradicts_itself_is_refused(given, message):
    with pytest.raises(ConfigError, match=r"device\.relaxation\." + message):
        load_hardware("reference", {"device.relaxation": given})


def test_read_noise_grows_with_the_time_since_programming_as_noise_of_a_1_over_f_spectrum():
    def sigma(**drift):
        noise = ReadNoise(sigma=0.01, exponent=0.5, most=0.02, integration_s=1e-6)
        device = Device(**RANGE, read_noise=noise, drift=Drift(**drift))
        return read_noise_sigma([1e-4, 1e-6], device)

    for time_s in (1.0, 3600.0):
        grown = np.sqrt(np.log((time_s + 1e-6) / 2e-6))
        np.testing.assert_allclose(sigma(time_s=time_s), [1e-6 * grown, 2e-8 * grown])
    np.testing.assert_allclose(sigma(time_s=0.0), sigma(time_s=1.0))  # not before the programmed conductance holds
    assert sigma(time_s=0.0, reference_s=1e-7).max() == 0  # a read that is not over yet
