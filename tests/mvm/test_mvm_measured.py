"""Measured arrays and curved cells in the engine."""

import numpy as np
import pytest

from xbarsim.component.energy import read_energy
from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError
from xbarsim.mvm import program_matrix

SIZE = {"crossbar.rows": 16, "crossbar.cols": 16, "device.programming.sigma": 0.0}
PERFECT = {**SIZE, "crossbar.r_wl_ohm": 0.0, "crossbar.r_bl_ohm": 0.0, "adc.bits": "ideal"}
WEIGHTS = np.random.default_rng(0).integers(-127, 128, (40, 6))
CODES = np.random.default_rng(1).integers(0, 256, (9, 40)).astype(np.uint8)


def program(changes, **keys):
    hardware = load_hardware("reference", changes)
    return program_matrix(
        WEIGHTS, hardware, weight_bits=8, activation_bits=8, signed=False, row_starts=[0, 16, 32, 40], **keys
    )


def arrays(change=lambda g: g):
    """Return the ideal arrays: (row block, column block, polarity, row, column), four slices of 2 bits side by side."""
    device = load_hardware("reference").device
    digits = np.zeros((3, 2, 2, 16, 16))
    for k, row in enumerate(WEIGHTS):
        for o, weight in enumerate(row):
            for s in range(4):
                block, column = divmod(4 * o + s, 16)
                digits[k // 16, block, int(weight < 0), k % 16, column] = (abs(weight) >> (2 * s)) & 3
    return change(device.g_off_siemens + digits * device.g_step_siemens)


@pytest.mark.parametrize("encoding", ["differential"])
def test_measured_ideal_arrays_are_the_ideal_arrays(tmp_path, encoding):
    np.save(tmp_path / "conv.npy", arrays())
    expected = program(PERFECT).multiply(CODES)
    for path in (tmp_path / "conv.npy", tmp_path):
        found = program({**PERFECT, "device.measured": str(path)}, layer="conv").multiply(CODES)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(expected, CODES.astype(int) @ WEIGHTS, rtol=1e-5, atol=1e-2)


def test_measured_arrays_are_taken_as_they_are(tmp_path):
    noise = np.random.default_rng(2)
    g = arrays(lambda g: g * noise.uniform(0.9, 1.1, g.shape))
    np.save(tmp_path / "conv.npy", g)
    change = {
        "device.measured": str(tmp_path / "conv.npy"),
        "device.stuck.on_rate": 0.5,
        "device.programming.sigma": 1.0,
    }
    device = load_hardware("reference").device
    columns = (g[:, :, 0] - g[:, :, 1]) / device.g_step_siemens
    rows = columns.transpose(0, 2, 1, 3).reshape(48, 32)[:40, :24].reshape(40, 6, 4)
    expected = CODES.astype(float) @ (rows * 4.0 ** np.arange(4)).sum(axis=2)
    found = program({**PERFECT, **change}).multiply(CODES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1.0)


def test_files_of_another_size_are_refused_in_one_line(tmp_path):
    np.save(tmp_path / "conv.npy", arrays()[:2])
    with pytest.raises(ConfigError, match=r"^device.measured: .*holds 8 arrays, but layer conv has 12$"):
        program({**PERFECT, "device.measured": str(tmp_path / "conv.npy")}, layer="conv")


def describe_twice(curve, change):
    """Describe the same currents twice: by curved cells, and by ohmic ones of the curve's secant."""
    hardware = load_hardware("reference", {**change, "device.iv": curve})
    device = hardware.device
    ohmic = {
        **change,
        "device.g_on_siemens": device.g_on_siemens * device.secant,
        "device.g_off_siemens": device.g_off_siemens * device.secant,
    }
    return hardware, load_hardware("reference", ohmic)


@pytest.mark.parametrize("encoding", ["differential", "offset", "flip"])
@pytest.mark.parametrize("reference_volt", [0.0, 0.2])
@pytest.mark.parametrize("wires", [0.0, 2.5])  # in the closed form, which reads curved cells at their secant
def test_curved_cells_and_ohmic_cells_of_the_same_currents_give_the_same_integers(encoding, reference_volt, wires):
    curve = {"kind": "sinh", "scale_volt": 0.1, "reference_volt": reference_volt}
    noise = {"device.read_noise": {"relative_to": "range", "sigma": 0.02, "exponent": 0.5}}
    change = {"encoding": encoding, "crossbar.r_wl_ohm": wires, "crossbar.r_bl_ohm": wires, "adc.bits": 8, **noise}
    change["crossbar.method"] = "closed_form"
    curved, ohmic = (
        program_matrix(
            WEIGHTS, hardware, weight_bits=8, activation_bits=8, row_starts=[0, 16, 32, 40], layer="a"
        ).calibrate(CODES)
        for hardware in describe_twice(curve, {**SIZE, **change, "device.programming.sigma": 0.05})
    )
    np.testing.assert_allclose(curved.lsb, ohmic.lsb, rtol=1e-6)
    found, expected = (engine.with_lsb(ohmic.lsb).multiply(CODES) for engine in (curved, ohmic))
    assert np.mean(found == expected) > 0.999


def test_curved_cells_and_ohmic_cells_of_the_same_currents_cost_the_same():
    curved, ohmic = describe_twice({"kind": "sinh", "scale_volt": 0.1}, {})
    assert read_energy(curved) == pytest.approx(read_energy(ohmic), rel=1e-12)
    assert read_energy(curved) > 1.8 * read_energy(load_hardware("reference"))
