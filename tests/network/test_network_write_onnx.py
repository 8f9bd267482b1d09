"""What is written as ONNX reads back as the same network, here and in ONNX Runtime."""

import numpy as np
import pytest
from network_samples import make_mixed_network

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import list_networks, load_onnx, run_network
from xbarsim.network.write_onnx import write_onnx


@pytest.mark.parametrize("name", ["mixed", *(set(list_networks()) & {"digits", "resnet20", "lenet5", "resnet32"})])
def test_a_network_survives_the_way_through_an_onnx_file(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = make_mixed_network() if name == "mixed" else xs.load_network(name, None if name == "digits" else "random")
    path = write_onnx(network, tmp_path / "net.onnx")
    images = np.random.default_rng(0).random((3, *network.input_shape), dtype=np.float32)
    expected = run_network(network, images)
    again = load_onnx(path)
    assert [node.name for node in again.layers] == [node.name for node in network.layers]
    np.testing.assert_array_equal(run_network(again, images), expected)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": images})
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no weights"):
        write_onnx(xs.load_network("lenet5"), tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_onnx(xs.load_network("digits"), tmp_path / "no" / "net.onnx")
