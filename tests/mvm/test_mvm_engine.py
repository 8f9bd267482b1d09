"""The engine on imperfect hardware: against plain loops, its float64 sibling, and its own promises."""

import numpy as np
import pytest
from reference.mvm_loops import multiply_differential

from xbarsim.config import load_hardware
from xbarsim.errors import ShapeError
from xbarsim.mvm import program_matrix
from xbarsim.mvm.fused import multiply_fused
from xbarsim.mvm.grid import FIXED_ERROR, KINDS, make_grids
from xbarsim.mvm.window import gather_windows, make_geometry


def program(changes, rows=200, outputs=20, seed=0, **keys):
    """Program normal weights into the reference hardware with some changes; return the engine and inputs."""
    rng = np.random.default_rng(seed)
    hardware = load_hardware("reference", changes)
    weights = np.clip(np.rint(rng.standard_normal((rows, outputs)) * 40), -127, 127).astype(int)
    codes = rng.integers(0, 256, (400, rows)).astype(np.uint8)
    return program_matrix(weights, hardware, weight_bits=8, activation_bits=8, **keys), codes


@pytest.mark.parametrize("method", [*KINDS, "product"])
@pytest.mark.parametrize("dac_bits", [1, 2])
def test_the_engine_agrees_with_plain_loops(method, dac_bits):
    engine, codes = program({"dac.bits": dac_bits, "crossbar.rows": 32, "adc.bits": 5}, rows=50, outputs=3)
    engine = engine.calibrate(codes[:40])
    grid = engine.grids.by_kind.get(method)
    matrix = engine.programmed.matrix if grid is None else grid.round_cells(engine.programmed.matrix)
    cells = matrix[:, : 4 * 16].reshape(50, 4, 16)[:, :, :3].transpose(1, 0, 2)
    adc = (engine.adc.lsb, engine.adc.lowest, engine.adc.highest)
    expected = [multiply_differential(cells, x, engine.row_starts, 8, dac_bits, 4, 2, adc) for x in codes[:20]]
    np.testing.assert_array_equal(engine.multiply(codes[:20], method=method), expected)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip", "twos_complement"])
@pytest.mark.parametrize("dac_bits", [1, 2, 4])
def test_fused_kernels_differ_from_float64_in_few_codes(encoding, dac_bits):
    # a code differs where rounding cells to the grid moves a sum of root-mean-square error e across a threshold,
    # in a share of about 0.8 e / lsb of conversions; a result joins 4 slices and 8 / d streams of 2 row blocks
    engine, codes = program({"encoding": encoding, "dac.bits": dac_bits, "adc.bits": 9})
    engine = engine.calibrate(codes[:50])
    exact = engine.multiply(codes, method="product")
    for method, grid in engine.grids.by_kind.items():
        conversions = 2 * 5 * -(-8 // dac_bits)
        differs = np.mean(engine.multiply(codes, method=method) != exact)
        assert differs <= 0.8 * grid.rms_error / engine.lsb * conversions + 0.002


@pytest.mark.parametrize("bits", [3, 4, 6])
@pytest.mark.parametrize("dac_bits", [1, 2, 4])
def test_sums_on_a_threshold_round_the_same_way_in_every_kernel(bits, dac_bits):
    # whole levels, and steps of a sum over a whole number of codes, put sums on thresholds
    changes = {"dac.bits": dac_bits, "adc.bits": bits, "device.programming.sigma": 0.0, "crossbar.method": "ideal"}
    for seed in range(3):
        engine, codes = program(changes, rows=60 + seed, seed=seed)
        engine = engine.calibrate(codes[:40])
        expected = engine.multiply(codes, method="product")
        assert len(engine.grids.by_kind) == (len(KINDS) if dac_bits < 3 else 1)
        for method in engine.grids.by_kind:
            np.testing.assert_array_equal(engine.multiply(codes, method=method), expected)
        for lsb in (36 / 7, 212 / 3, 2.0, 2.5):
            other = engine.with_lsb(lsb)
            found = other.multiply(codes[:50], method="product")
            np.testing.assert_array_equal(other.multiply(codes[:50], method="float"), found)


def test_steps_in_resonance_with_the_level_grid_show_sums_next_to_thresholds():
    # 65,536 conversions: a share of 0.2 is known within 0.005 (three standard deviations)
    wires = {"crossbar.r_wl_ohm": 0.1, "crossbar.r_bl_ohm": 0.1, "device.programming.sigma": 0.0, "adc.bits": 8}
    engine, codes = program(wires, rows=60)
    assert engine.with_lsb(2.0).survey(codes).threshold_share > 0.45
    assert engine.with_lsb(1.0).survey(codes).threshold_share < 0.01
    varied, _ = program({**wires, "device.programming.sigma": 0.3}, rows=60)
    assert varied.with_lsb(2.0).survey(codes).threshold_share == pytest.approx(0.2, abs=0.03)
    assert program({"adc.bits": "ideal"})[0].survey(codes[:, :1].repeat(200, 1)).threshold_share is None


def test_the_chosen_grid_keeps_its_bound():
    engine, _ = program({})
    assert engine.choose_method() == "short"
    assert engine.with_lsb(0.1).choose_method() == "fixed"
    assert engine.with_lsb(0.001).choose_method() == "float"
    for lsb in (1.0, 0.1, 0.001):
        grid = engine.grids.choose(lsb)
        assert grid.rms_error <= FIXED_ERROR * lsb or grid.kind == "float"
        moved = np.abs(grid.round_cells(engine.programmed.matrix) - engine.programmed.matrix)
        assert moved.max() <= 0.5 / grid.step


@pytest.mark.parametrize("dac_bits", [1, 2])
def test_sums_of_the_short_grid_fit_16_bits(dac_bits):
    # the largest sums that inputs can drive, of both signs, in one column each
    rng = np.random.default_rng(3)
    matrix = rng.normal(0, 2, (120, 32)).astype(np.float32)
    matrix[:, 0], matrix[:, 1] = 3.3, -3.3
    for scale in (1.0, 0.01, 4.0):
        grid = make_grids(matrix * np.float32(scale), np.array([0, 60, 120]), dac_bits).short
        cells = grid.round_cells(matrix * np.float32(scale)) * grid.step
        largest = max(np.maximum(s * cells[a : a + 60], 0).sum(axis=0).max() for s in (1, -1) for a in (0, 60))
        assert 0.45 * 32767 < largest * (2**dac_bits - 1) <= 32767


NOISY = {"device.read_noise.sigma": 0.02, "adc.noise_lsb": 0.4, "adc.gain_sigma": 0.01, "adc.offset_sigma_lsb": 0.3}


@pytest.mark.parametrize("changes", [{}, NOISY, {**NOISY, "encoding": "flip", "dac.bits": 2}, {"dac.bits": 4}])
def test_results_do_not_depend_on_threads_batches_or_kernels(changes):
    engine, codes = program(changes, outputs=70)
    engine = engine.calibrate(codes[:50])
    whole = engine.multiply(codes, threads=1)
    np.testing.assert_array_equal(whole, engine.multiply(codes, threads=2))
    parts = [engine.multiply(codes[a:b], first_vector=a, threads=2) for a, b in ((0, 1), (1, 5), (5, 200), (200, 400))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    matrix = engine._matrix(engine.choose_method(), 0)
    np.testing.assert_array_equal(whole, multiply_fused(matrix, engine.streams.encode(codes), 1))


@pytest.mark.parametrize("changes", [{}, NOISY])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_the_product_of_its_windows(changes, stride):
    rng = np.random.default_rng(3)
    engine, _ = program(changes, rows=16 * 9, outputs=18)
    images = rng.integers(0, 256, (3, 16, 11, 9)).astype(np.uint8)
    geometry = make_geometry(images.shape, kernel=3, stride=stride, padding=1)
    windows = gather_windows(images, geometry, channels_last=True, pad_code=5)
    vectors = engine.multiply(windows, first_vector=40)
    shape = (3, geometry.out_height, geometry.out_width, 18)
    result = engine.convolve(images, 3, stride, 1, pad_code=5, first_vector=40)
    np.testing.assert_array_equal(result, vectors.reshape(shape).transpose(0, 3, 1, 2))


def test_noise_agrees_with_its_float64_sibling():
    engine, codes = program({**NOISY, "adc.inl_lsb": [0.0, 0.5, -0.5, 0.0]})
    engine = engine.calibrate(codes[:50])
    exact = engine.multiply(codes, method="product")
    assert np.mean(engine.multiply(codes, method="float") != exact) < 0.01


def test_calibration_takes_the_largest_sum_and_never_a_step_below_one_level():
    engine, codes = program({"adc.bits": 4})
    fitted = engine.calibrate(codes[:50])
    seen = engine.survey(codes[:50])
    assert fitted.lsb == pytest.approx(max(seen.highest, -seen.lowest) / 7)
    assert fitted.survey(codes[:50]).clipped_share == 0.0
    wide, codes = program({"adc.bits": 12})
    assert wide.calibrate(codes[:50]).lsb == 1.0


def test_a_quantile_clips_about_its_share():
    # 50 vectors, 2 row blocks, 8 streams, 80 columns: 64 000 sums; bins are 1 / 32768 of the range
    engine, codes = program({"adc.bits": 4, "adc.quantile": 0.98})
    engine = engine.calibrate(codes[:50])
    assert 0.01 < engine.survey(codes[:50]).clipped_share < 0.02
    assert engine.calibrate(codes[:50], threads=2).lsb == engine.lsb


def test_calibration_on_images_equals_calibration_on_their_windows():
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (3, 16, 11, 9)).astype(np.uint8)
    geometry = make_geometry(images.shape, kernel=3, padding=1)
    for quantile in (1.0, 0.99):
        engine, _ = program({"adc.bits": 5, "adc.quantile": quantile}, rows=16 * 9, outputs=18)
        windows = gather_windows(images, geometry, channels_last=True)
        assert engine.calibrate(images, geometry=geometry).lsb == engine.calibrate(windows).lsb


def test_an_ideal_converter_collapses_within_float64_rounding():
    engine, codes = program({"adc.bits": "ideal"})
    assert engine.choose_method() == "collapsed"
    collapsed = engine.multiply(codes)
    np.testing.assert_allclose(collapsed, engine.multiply(codes, method="product"), rtol=1e-12, atol=1e-6)


def test_a_gain_correction_brings_wired_columns_closer_to_the_integers():
    changes = {"crossbar.r_wl_ohm": 10.0, "crossbar.r_bl_ohm": 10.0, "adc.bits": 10, "device.g_on_siemens": 1e-4}
    errors = []
    for correct in (False, True):
        rng = np.random.default_rng(0)
        weights = np.clip(np.rint(rng.standard_normal((128, 20)) * 40), -127, 127).astype(int)
        hardware = load_hardware("reference", {**changes, "adc.gain_correction": correct})
        codes = rng.integers(0, 256, (100, 128)).astype(np.uint8)
        engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8).calibrate(codes)
        errors.append(np.std(engine.multiply(codes) * engine.lsb - codes @ weights))
    assert errors[1] < 0.8 * errors[0]


def test_trials_draw_anew_and_seeds_repeat():
    first, _ = program({}, trial=0)
    again, _ = program({}, trial=0)
    other, _ = program({}, trial=1)
    np.testing.assert_array_equal(first.programmed.matrix, again.programmed.matrix)
    assert np.any(first.programmed.matrix != other.programmed.matrix)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((3, 199), dtype=np.uint8), r"\(vectors, 200\)"),
        (np.zeros((3, 200)), "integers"),
        (np.full((3, 200), 256), "not within 0 .. 255"),
        (np.full((3, 200), -1), "not within 0 .. 255"),
    ],
)
def test_wrong_inputs_are_named(codes, message):
    engine, _ = program({})
    with pytest.raises(ShapeError, match=message):
        engine.multiply(codes)


def test_wrong_matrices_are_named():
    hardware = load_hardware("reference")
    with pytest.raises(ShapeError, match="do not fit 4 bits"):
        program_matrix(np.full((4, 4), 9), hardware, weight_bits=4, activation_bits=8)
    with pytest.raises(ShapeError, match="row_starts"):
        program_matrix(np.ones((200, 4), int), hardware, weight_bits=4, activation_bits=8, row_starts=[0, 200])
    engine, _ = program({})
    with pytest.raises(ShapeError, match="windows of 9 inputs"):
        engine.convolve(np.zeros((1, 1, 8, 8), np.uint8), 3)
