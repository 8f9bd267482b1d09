"""Shipped device files: they load, name their sources, program cells, and hardware takes them by name."""

import numpy as np
import pytest

from xbarsim.config import Device, Drift, list_devices, load_device, load_hardware
from xbarsim.config.load import find_hardware
from xbarsim.device import program_cells, read_noise_sigma
from xbarsim.errors import ConfigError
from xbarsim.yaml_file import load_yaml


@pytest.mark.parametrize("name", list_devices())
def test_every_device_file_programs_cells(name):
    device = load_device(name)
    assert device.g_off_siemens < device.g_on_siemens
    digits = np.arange(10_000).reshape(100, 100) % device.levels
    g = program_cells(digits, device, seed=1)
    assert np.isfinite(g).all()
    assert g.min() >= 0
    on, off = g[digits == device.levels - 1].mean(), g[digits == 0].mean()
    assert on == pytest.approx(device.g_on_siemens, rel=0.1)
    assert off < 0.6 * on


@pytest.mark.parametrize("name", list_devices())
def test_every_number_of_a_device_file_has_a_source(name):
    content = load_yaml(find_hardware(name))
    sources = set(content["sources"])
    assert content["description"]
    assert "device" in sources or {f"device.{key}" for key in content["device"]} <= sources


@pytest.mark.parametrize("name", list_devices())
def test_hardware_takes_a_device_by_name_whole(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: reference\ndevice: {{base: {name}, read_volt: 0.125}}\n")
    hardware = load_hardware(path)
    expected = load_device(name)
    assert hardware.device == expected.model_copy(update={"read_volt": 0.125})
    assert load_hardware("reference").override({"device.base": name}).device == expected
    assert not any("ours: 1 Mohm" in text for text in hardware.sources.values())


def test_unknown_devices_are_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(ConfigError, match="did you mean devices/rram_mnsim"):
        load_hardware("reference", {"device.base": "devices/rram_mnsin"})
    path = tmp_path / "mine.yaml"
    path.write_text("base: reference\ndevice: {base: 3}\n")
    with pytest.raises(ConfigError, match=r"^device.base: 3 is not a name or a path"):
        load_hardware(path)


@pytest.mark.parametrize(
    ("name", "sigma"),
    [
        # the sources' polynomials, in uS over the target's share of the on conductance
        ("devices/pcm_nandakumar2019", lambda x: 0.26348 + 1.9650 * x - 1.1731 * x**2),
        ("devices/rram_hfox_wan2022", lambda x: 0.348 + 16.03 * x - 43.853 * x**2 + 45.393 * x**3 - 16.815 * x**4),
        ("devices/rram_cmo_hfox", lambda x: 0.0112185391 + 0.01129027418 * 88.2 * x),
    ],
)
def test_programming_noise_follows_the_conductance(name, sigma):
    # 40,000 cells a level, standard error of the deviation 0.35 %: 2 % is 5.6 sigma, false alarm 2e-8 a level
    device = load_device(name)
    for digit in (8, 15):
        g = program_cells(np.full((200, 200), digit), device, seed=3) * 1e6
        target = (device.g_off_siemens + digit * device.g_step_siemens) / device.g_on_siemens
        assert g.std() == pytest.approx(sigma(target), rel=0.02)


def test_drift_of_phase_change_cells_follows_the_conductance():
    # 40,000 cells a level; programming noise is taken out by programming twice with one seed. The standard error of a
    # deviation is 0.35 %, that of a mean at most 0.15 %: 2 % is at least 5.6 of them, false alarm below 1e-7
    device = load_device("devices/pcm_nandakumar2019")
    late = device.model_copy(update={"drift": device.drift.model_copy(update={"time_s": 2e4})})
    for digit, x in ((3, 3 / 15), (15, 1.0)):
        digits = np.full((200, 200), digit)
        now, then = (program_cells(digits, item, seed=4) for item in (device, late))
        held = now > 1e-7
        nu = -np.log(then[held] / now[held]) / np.log(1000)
        assert nu.mean() == pytest.approx(np.clip(0.0244 - 0.0155 * np.log(x), 0.049, 0.1), rel=0.02)
        assert nu.std() == pytest.approx(np.clip(-0.0059 - 0.0125 * np.log(x), 0.008, 0.045), rel=0.02)


def test_filamentary_cells_of_ibm_relax_as_published():
    # 40,000 cells; programming noise is taken out by programming twice with one seed; standard error of the deviation
    # 0.35 %: 2 % is 5.6 sigma, and of the mean 0.004 uS: 0.03 uS is 7 sigma; false alarm below 1e-7
    device = load_device("devices/rram_cmo_hfox")
    late = device.model_copy(update={"drift": Drift(time_s=3600.0)})
    now, then = (program_cells(np.full((200, 200), 8), item, seed=4) * 1e6 for item in (device, late))
    assert (then - now).mean() == pytest.approx(-0.08900206 * np.log(3600), abs=0.03)
    assert (then - now).std() == pytest.approx(0.41183342 + 0.04201137 * np.log(3600), rel=0.02)


@pytest.mark.parametrize(
    ("time_s", "terms"),
    [
        (86400.0, (0.701, 22.086, -50.773, 47.095, -16.458)),
        (1e6, (0.782, 20.274, -43.507, 37.062, -11.934)),
        (86400.0**0.5, None),
    ],
)
def test_cells_of_neurram_spread_as_published_after_days(time_s, terms):
    # 40,000 cells, standard error of the deviation 0.35 %: 2 % is 5.6 sigma, false alarm below 1e-7
    device = load_device("devices/rram_hfox_wan2022")
    late = device.model_copy(update={"drift": Drift(time_s=time_s)})
    for digit in (4, 15):
        g = program_cells(np.full((200, 200), digit), late, seed=3) * 1e6
        x = (device.g_off_siemens + digit * device.g_step_siemens) / device.g_on_siemens
        first, day = (0.348, 16.03, -43.853, 45.393, -16.815), (0.701, 22.086, -50.773, 47.095, -16.458)
        sigma = [np.polynomial.polynomial.polyval(x, np.array(each)) for each in (first, day, terms or day)]
        expected = sigma[2] if terms else (sigma[0] + sigma[1]) / 2  # half way in ln t from one second to one day
        assert g.std() == pytest.approx(expected, rel=0.02)


def test_read_noise_of_phase_change_cells_grows_as_they_conduct_less():
    device = load_device("devices/pcm_nandakumar2019")
    x = np.array([1.0, 0.1, 1e-4, 0.0])
    share = np.minimum(0.0088 * np.maximum(x, 1e-9) ** -0.65, 0.2) * np.sqrt(np.log(20.00000025 / 5e-7))
    np.testing.assert_allclose(read_noise_sigma(x * 25e-6, device), share * x * 25e-6, rtol=2e-3)


@pytest.mark.parametrize("change", [{"kind": "tanh"}, {"kind": "sinh"}, {"kind": "sinh", "scale_volt": -1.0}, 3])
def test_bad_curves_are_refused_by_key(change):
    with pytest.raises(ConfigError, match=r"device\.iv"):
        load_hardware("reference", {"device.iv": change})


def test_curves_of_every_kind_can_be_configured():
    for change in (
        {"kind": "sinh", "scale_volt": 0.1},
        {"kind": "polynomial", "coefficients": [0.0, 3.0]},
        {"kind": "selector", "threshold_volt": 0.1, "width_volt": 0.01},
    ):
        assert load_hardware("reference", {"device.iv": change}).device.iv.kind == change["kind"]
    assert Device(g_on_siemens=1e-4, g_off_siemens=0).iv is None
