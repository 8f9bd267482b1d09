"""Measured conductances from files, and one-line errors for files that do not fit."""

import numpy as np
import pytest

from xbarsim.device import load_conductances, load_measured
from xbarsim.errors import ConfigError

G = np.random.default_rng(0).uniform(1e-6, 1e-4, (3, 4, 5))


def test_arrays_come_back_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", G)
    np.save(tmp_path / "b.npy", G.reshape(12, 5))
    np.savetxt(tmp_path / "c.csv", G.reshape(12, 5), delimiter=",", fmt="%.17g")
    for name in ("a.npy", "b.npy", "c.csv"):
        np.testing.assert_array_equal(load_measured(tmp_path / name, "conv1", G.shape), G)


def test_a_folder_holds_a_file_for_each_layer(tmp_path):
    np.save(tmp_path / "layer1.0.conv1.npy", G)
    np.testing.assert_array_equal(load_measured(tmp_path, "layer1.0.conv1", G.shape), G)
    with pytest.raises(ConfigError, match=r"device.measured: .* has no fc.npy or fc.csv"):
        load_measured(tmp_path, "fc", G.shape)


def wrong(value):
    g = G.copy()
    g[1, 2, 3] = value
    return g


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (G[:2], "holds 2 arrays"),
        (G[:, :3], "shape"),
        (G[..., :4], "shape"),
        (G.ravel(), "shape"),
        (wrong(np.nan), "array 1, row 2, column 3"),
        (wrong(-1.0), "array 1, row 2, column 3"),
        (G + 1j, "real numbers"),
        (np.array([None]), "Object arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ConfigError, match=f"^device.measured: .*{message}") as caught:
        load_measured(tmp_path / "a.npy", "conv1", G.shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("a.csv", "1,x\n"), ("a.npy", "no array"), ("a.txt", "1"), ("b.csv", None)])
def test_files_that_cannot_be_read_are_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=r"^device.measured: "):
        load_measured(tmp_path / name, "conv1", G.shape)


@pytest.mark.parametrize(
    ("name", "unit", "factor"), [("a.csv", "uS", 1e-6), ("a.npy", "nS", 1e-9), ("a.csv", "S", 1.0)]
)
def test_conductances_come_in_siemens_whatever_the_unit_of_the_file(tmp_path, name, unit, factor):
    values = G[0] / factor
    if name.endswith(".csv"):
        np.savetxt(tmp_path / name, values, delimiter=",", fmt="%.17g")
    else:
        np.save(tmp_path / name, values)
    np.testing.assert_allclose(load_conductances(tmp_path / name, unit=unit), G[0], rtol=1e-15)


@pytest.mark.parametrize(
    ("values", "unit", "message"),
    [
        (G[0] * 1e6, "S", "the conductance of a wire; give the unit of the file: unit='S' or 'mS' or 'uS'"),
        (G[0] * 1e-6, "nS", "too little to be measured"),
        (G[0], "siemens", "unit: 'siemens' should be one of S, mS, uS, nS"),
        (G[0][0], "S", "rows and columns"),
        (wrong(np.nan), "S", r"nan at \(1, 2, 3\)"),
    ],
)
def test_conductances_in_another_unit_are_refused(tmp_path, values, unit, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ConfigError, match=message) as caught:
        load_conductances(tmp_path / "a.npy", unit=unit)
    assert not str(caught.value).startswith("device.measured")


def test_measured_arrays_in_microsiemens_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", G * 1e6)
    with pytest.raises(ConfigError, match=r"device.measured: .* is 54.7. S, the conductance of a wire; .* by 1e-6"):
        load_measured(tmp_path / "a.npy", "conv1", G.shape)


def test_arrays_without_a_conducting_cell_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    assert not load_conductances(tmp_path / "a.npy").any()
