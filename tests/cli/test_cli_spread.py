"""``xbarsim simulate`` over processes and streams: options reach the library, and contradictions are refused."""

import numpy as np
import pytest


def test_processes_and_checkpoints_reach_the_library(xbarsim_command, calls, images, tmp_path):
    folder = tmp_path / "run"
    code, _, err = xbarsim_command("simulate", "net.onnx", "--data", images, "--workers", "2", "--checkpoint", folder)
    assert (code, err) == (0, "")
    assert (calls["simulate"]["workers"], calls["simulate"]["checkpoint"]) == (2, folder)
    xbarsim_command("simulate", "net.onnx", "--data", images)
    assert not {"workers", "cluster", "checkpoint"} & calls["simulate"].keys()


def test_a_folder_of_shards_is_a_stream(xbarsim_command, calls, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 3, 4, 4)).astype(np.uint8)
    for number, part in enumerate((slice(0, 4), slice(4, 9))):
        np.savez(tmp_path / f"{number}.npz", images=pixels[part], labels=np.arange(9)[part])
    code, _, err = xbarsim_command(
        "simulate", "net.onnx", "--data", tmp_path, "--mean", "0.5", "--std", "2", "--images", "7"
    )
    assert (code, err) == (0, "")
    stream = calls["simulate"]["images"]
    (block,) = stream.blocks((3, 4, 4), 100)
    np.testing.assert_allclose(block.images, (pixels[:7] / 255 - 0.5) / 2, atol=1e-6)
    np.testing.assert_array_equal(block.labels, np.arange(7))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--workers", "2", "--dask", "tcp://127.0.0.1:1"], "--workers: cannot be combined with --dask"),
        (["--tls-ca", "ca.pem"], "--tls-ca, --tls-cert, --tls-key: only together with --dask"),
        (["--workers", "0"], "--workers 0: should be 1 or more"),
    ],
)
def test_contradicting_options_are_refused(xbarsim_command, calls, images, options, rule):
    code, _, err = xbarsim_command("simulate", "net.onnx", "--data", images, *options)
    assert code == 2
    assert rule in err
    assert err.count("\n") == 1
    assert "simulate" not in calls
