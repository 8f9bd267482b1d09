"""Measured conductances from files, and one-line errors for files that do not fit."""

import numpy as np
import pytest

from xbarsim.device import load_measured
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
