"""Deep networks: 1,000 layers simulate, and time grows with their number."""

import sys
import time

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.network import Network, Node, make_linear


def make_deep(layers):
    rng = np.random.default_rng(0)
    nodes, source = [], "input"
    for number in range(layers):
        weight = (rng.standard_normal((8, 8)) / 2).astype(np.float32)
        nodes.append(make_linear(f"fc{number}", 8, 8, inputs=[source], weight=weight))
        nodes.append(Node(name=f"relu{number}", kind="relu", inputs=(f"fc{number}",)))
        source = f"relu{number}"
    return Network(name=f"deep{layers}", nodes=tuple(nodes), input_shape=(8,))


@pytest.mark.slow
def test_1000_layers_simulate_in_linear_time_and_survive_a_round_trip(tmp_path):
    images = np.random.default_rng(1).random((4, 8)).astype(np.float32)
    hardware = xs.load_hardware("nax").override({"crossbar.rows": 8, "crossbar.cols": 8})
    before = sys.getrecursionlimit()
    seconds = {}
    for layers in (20, 250, 1000):  # the first compiles
        network = make_deep(layers)
        started = time.process_time()
        report = xs.simulate(network, hardware, images, threads=1)
        seconds[layers] = time.process_time() - started
        assert report.outputs.shape == (1, 4, 8)
        assert len(report.layers) >= layers
    assert sys.getrecursionlimit() == before
    assert seconds[1000] < 2 * (4 * seconds[250])  # linear but for noise of the clock; quadratic would be 16 times
    chip = xs.program(network, hardware, images)
    loaded = xs.load_chip(chip.save(tmp_path / "chip"))
    np.testing.assert_array_equal(loaded(images), report.outputs[0])
