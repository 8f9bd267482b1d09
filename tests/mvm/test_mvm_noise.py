"""Statistics of every source of noise in the engine, with sample sizes and false-alarm rates."""

import numpy as np
from scipy import stats

from xbarsim.config import load_hardware
from xbarsim.crossbar import solve_transfer
from xbarsim.device import level_conductance, sample_read
from xbarsim.mvm import encode_weights, program_matrix
from xbarsim.mvm.noise import draw_normal, make_pool
from xbarsim.rng import stream


def test_counters_give_uncorrelated_standard_normals():
    # 640 000 draws; Kolmogorov-Smirnov at 1e-6; largest of 2016 correlations of 10 000 samples: 5.5 sigma, 8e-5
    pool = make_pool(64, stream(0, "test"))

    def draw(key=12345, first=0, r=0, t=3):
        return draw_normal(pool, key, np.arange(first, first + 10_000), r, t, 64)

    draws = draw()
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-6
    correlation = np.corrcoef(draws.T) - np.eye(64)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(10_000)
    for other in (draw(t=4), draw(r=1), draw(key=12346), draw(first=1)):
        assert abs(np.corrcoef(draws.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(640_000)  # 5 sigma, 6e-7
    assert np.unique(draws).size > 0.99 * draws.size


def test_a_pool_is_white_so_that_columns_stay_uncorrelated_over_any_number_of_reads():
    # exact by construction, up to float32 and the two frequencies that are real: 1 / 32 768 each
    pool = make_pool(0, stream(0, "test")).astype(np.float64)
    assert abs(pool.mean()) < 1e-6
    assert abs(pool.var() - 1) < 1e-6
    correlation = np.fft.irfft(np.abs(np.fft.rfft(pool)) ** 2) / pool.size
    assert np.abs(correlation[1:]).max() < 4 / pool.size
    # 32 768 samples against the normal law, 1e-6; the fourth moment has a standard error of sqrt(24 / n), 5 sigma
    assert stats.kstest(pool, "norm").pvalue > 1e-6
    assert abs(stats.kurtosis(pool)) < 5 * np.sqrt(24 / pool.size)


def single_slice(changes, rows=64, outputs=32):
    """Program weights of one 2-bit slice, so that one conversion is one column sum."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-3, 4, (rows, outputs))
    base = {"adc.bits": 16, "crossbar.rows": rows, "device.programming.sigma": 0.0}
    hardware = load_hardware("reference", {**base, **changes})
    return program_matrix(weights, hardware, weight_bits=3, activation_bits=1), weights, hardware


def test_thermal_noise_has_its_size():
    # 4000 vectors x 32 outputs, rounding adds 1/12; the standard error of a variance is sqrt(2 / 128 000), 5 sigma
    engine, weights, _ = single_slice({"adc.noise_lsb": 2.0, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0})
    codes = np.random.default_rng(1).integers(0, 2, (4000, 64)).astype(np.uint8)
    error = engine.multiply(codes) - codes @ weights
    assert abs(error.var() / (4 + 1 / 12) - 1) < 5 * np.sqrt(2 / error.size)
    assert abs(error.mean()) < 5 * np.sqrt(4.1 / error.size)


def read_cells(hardware, weights, codes, reads, wires):
    """Draw every cell anew for every read: the sibling that the column sums' law stands for."""
    device = hardware.device
    encoded = encode_weights(weights, "differential", weight_bits=3, cell_bits=2)
    g = level_conductance(encoded.digits[:, 0], device)
    rng = np.random.default_rng(7)
    result = np.empty((reads, codes.shape[0], weights.shape[1]))
    for k in range(reads):
        t = solve_transfer(sample_read(g, device, rng), **wires)
        result[k] = codes @ ((t[0] - t[1]) / device.g_step_siemens)
    return result


def compare_read_noise(wires, reads):
    """Return the standard deviations per column sum: engine, and cells drawn one by one."""
    changes = {"device.read_noise.sigma": 0.2, **{f"crossbar.{key}": value for key, value in wires.items()}}
    engine, weights, hardware = single_slice({**changes, "crossbar.cols": 32}, outputs=32)
    codes = np.random.default_rng(2).integers(0, 2, (8, 64))
    cells = read_cells(hardware, weights, codes, reads, wires).std(axis=0)
    # rounding adds 1/12 of a squared step; the same vectors again and again, each with an index of its own
    many = engine.multiply(np.tile(codes, (reads, 1)).astype(np.uint8)).reshape(reads, 8, 32)
    return np.sqrt(many.var(axis=0) - 1 / 12), cells


def test_read_noise_of_a_column_sum_has_the_law_of_its_cells():
    # 256 column sums, 1000 reads each: a ratio of variances has standard error sqrt(4 / 1000) alone, 0.004 in the mean
    engine, cells = compare_read_noise({"r_wl_ohm": 0.0, "r_bl_ohm": 0.0}, 1000)
    ratio = engine**2 / cells**2
    assert abs(ratio.mean() - 1) < 5 * np.sqrt(4 / 1000 / ratio.size) + 0.005  # 5 sigma, and rounding of variances
    assert np.abs(ratio - 1).max() < 6 * np.sqrt(4 / 1000) + 0.02


def test_with_wires_the_law_of_read_noise_is_approximate_within_bounds():
    # with 2.5 ohm wires and 100 kohm cells the law neglects how a cell's noise moves its neighbours' voltages
    engine, cells = compare_read_noise({"r_wl_ohm": 2.5, "r_bl_ohm": 2.5}, 250)
    ratio = (engine**2 / cells**2).mean()
    assert abs(ratio - 1) < 5 * np.sqrt(4 / 250 / cells.size) + 0.03, ratio


def test_gain_and_offset_errors_are_drawn_per_column():
    # 2 x 640 columns in 10 row blocks; standard error of a standard deviation 1 / sqrt(2 n), 5 sigma
    rng = np.random.default_rng(0)
    weights = rng.integers(-3, 4, (160, 64))
    changes = {"adc.gain_sigma": 0.05, "adc.offset_sigma_lsb": 0.5, "crossbar.rows": 16}
    hardware = load_hardware("reference", changes)
    engine = program_matrix(weights, hardware, weight_bits=3, activation_bits=1)
    for found, sigma in ((engine.errors.gain - 1, 0.05), (engine.errors.offset_lsb, 0.5)):
        assert abs(found.std() / sigma - 1) < 5 / np.sqrt(2 * found.size)
        assert np.unique(found).size == found.size


def test_nonlinearity_bends_codes_as_tabulated():
    changes = {"adc.inl_lsb": [2.0, 0.0, -3.0], "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": 9}
    engine, weights, _ = single_slice(changes)
    codes = np.random.default_rng(1).integers(0, 2, (300, 64)).astype(np.uint8)
    sums = codes @ weights
    highest = engine.adc.highest
    bend = np.interp(sums, [-highest, 0, highest], [2.0, 0.0, -3.0])
    np.testing.assert_array_equal(engine.multiply(codes), np.rint(sums + bend))


def test_an_ideal_converter_still_sees_read_noise():
    engine, _, _ = single_slice({"device.read_noise.sigma": 0.1, "adc.bits": "ideal"})
    codes = np.ones((50, 64), dtype=np.uint8)
    assert engine.multiply(codes).std(axis=0).min() > 0
