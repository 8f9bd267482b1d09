"""Layers cut by outputs give the same floats, and are joined where they were."""

import numpy as np
import pytest
from reference.residual_networks import resnet_cifar

from xbarsim.errors import ConfigError
from xbarsim.network import load_network, run_network, split_layers


def test_a_cut_network_has_the_same_shapes_and_the_same_floats():
    network = load_network("lenet5", weights="random", seed=1)
    cut = split_layers(network, {"conv2": 3, "fc1": 7, "fc3": 10})
    assert cut.output_shape == network.output_shape
    assert [layer.name for layer in cut.layers][:4] == ["conv1", "conv2.part0", "conv2.part1", "conv2.part2"]
    assert sum(layer.weight_count for layer in cut.layers) == sum(layer.weight_count for layer in network.layers)
    images = np.random.Generator(np.random.Philox(key=3)).normal(size=(4, *network.input_shape)).astype(np.float32)
    np.testing.assert_allclose(run_network(cut, images), run_network(network, images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "count"), [("fc", 11), ("fc", 0), ("layer1.0.add", 2)])
def test_what_cannot_be_cut_is_named(name, count):
    with pytest.raises(ConfigError, match=f"node {name}: cannot be cut into {count} parts"):
        split_layers(resnet_cifar(1), {name: count})
