"""Made-up networks that several rooms try."""

from hypothesis import strategies as st
from reference.residual_networks import Builder

import xbarsim as xs
from xbarsim.network import Network, Node, make_linear
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


@st.composite
def networks(draw):
    """Small networks with branches, pools, strides, groups and a classifier."""
    builder = Builder()
    channels, size = draw(st.integers(1, 4)), draw(st.integers(3, 6))
    shape = (channels, size, size)
    at = "input"
    for index in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "conv", "residual", "pool", "depthwise"]))
        if kind == "pool" and size >= 2:
            settings_ = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0)}
            at = builder.add(Node(name=f"pool{index}", kind="max_pool", inputs=(at,), attributes=settings_))
            size //= 2
        elif kind == "residual":
            inner = builder.relu(builder.conv(f"a{index}", at, channels, channels, draw(st.sampled_from([1, 3]))))
            inner = builder.conv(f"b{index}", inner, channels, channels, 3)
            at = builder.relu(builder.sum(f"add{index}", inner, at))
        elif kind == "depthwise":
            at = builder.conv(f"dw{index}", at, channels, channels, 3, groups=channels)
        else:
            fan_out, stride = draw(st.integers(1, 12)), draw(st.sampled_from([1, 1, 2]))
            at = builder.relu(builder.conv(f"c{index}", at, channels, fan_out, 3, stride))
            channels, size = fan_out, (size - 1) // stride + 1
    builder.add(make_linear("fc", channels, draw(st.integers(1, 12)), inputs=(builder.pool(at),)))
    return Network(name="drawn", nodes=tuple(builder.nodes), input_shape=shape)
