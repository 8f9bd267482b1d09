"""Made-up networks that several rooms try."""

import xbarsim as xs
from xbarsim.network.build import NetworkBuilder


def make_mixed_network():
    """Return a small network with random weights, groups, odd padding, strides and most kinds of operations."""
    net = NetworkBuilder("mixed", (4, 9, 9))
    net.add("conv2d", "stem", settings={"channels": 8, "kernel": 3, "padding": [1, 0, 2, 1], "stride": 2})
    entry = net.add("relu", "relu1")
    net.add("conv2d", "grouped", settings={"channels": 8, "kernel": 3, "padding": 1, "groups": 4})
    net.add("leaky_relu", "leaky", settings={"alpha": 0.1})
    net.add("add", "sum", [net.last, entry])
    net.add("clip", "clip", settings={"min": 0, "max": 6})
    net.add("slice", "half", settings={"ranges": [[0, 8, 2], [0, 5, 1], [0, 5, 1]]})
    net.add("pad", "wide", settings={"pads": [[2, 2], [0, 0], [0, 0]]})
    net.add("avg_pool", "pool", settings={"kernel": 2, "padding": 0})
    net.add("hard_swish", "swish")
    net.add("flatten", "flat")
    net.add("linear", "fc", settings={"features": 5})
    return xs.load_network(net.build(), weights="random")
