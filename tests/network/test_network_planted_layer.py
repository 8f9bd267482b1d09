"""A kind of weight layer is one record: planted in the tables, arrays, prices, searches and training take it."""

import math

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.cost import price_layer
from xbarsim.errors import ConfigError
from xbarsim.mapping.partition import describe_matrix
from xbarsim.network import kinds, quantize_network, run_integer, run_network
from xbarsim.network.convolve import convolve
from xbarsim.network.kinds import layers, record
from xbarsim.network.kinds.rule import always, no_work, unknown_sign
from xbarsim.network.reshape import change_layer, describe_layer, reshape_network

KERNEL = ("kernel", "stride", "padding", "dilation")


def patch_attributes(settings, shape):
    size = settings["size"]
    return {
        "colours": shape[0], "features": settings["features"], "kernel": (size, size), "stride": (size, size),
        "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1,
    }  # fmt: skip


def patch_shape(node, inputs):
    high, wide = (size // step for size, step in zip(inputs[0][1:], node.attributes["kernel"]))
    return (node.attributes["features"], high, wide)


def patch_torch(torch, node, x, weight, bias, pad_value):
    return torch.nn.functional.conv2d(x, weight, bias, node.attributes["stride"])


def resize_patches(node, kernel):
    raise ConfigError(f"{node.name}: patches do not overlap, whatever their size")


COUNT = kinds.Setting(default=record.REQUIRED, read=int)
PATCHES = kinds.Kind(
    name="patches",
    inputs=record.ONE,
    shape=patch_shape,
    sign=unknown_sign,
    run=lambda node, inputs: convolve(inputs[0], node.weight, node.attributes) + node.bias[:, None, None],
    torch=record.NO_TORCH,
    codes=kinds.Codes.MULTIPLIES,
    moments=layers._unit_moments,
    layer=kinds.LayerRule(
        rows=lambda node: node.attributes["colours"] * math.prod(node.attributes["kernel"]),
        inputs="colours",
        outputs="features",
        windows=lambda node: math.prod(node.shape[1:]),
        weight_shape=lambda node: (node.attributes["features"], node.attributes["colours"], *node.attributes["kernel"]),
        geometry=KERNEL,
        resize=resize_patches,
        query=kinds.LayerQuery(
            keys={"colours": COUNT, "features": COUNT, "size": COUNT, "side": COUNT},
            describe=lambda node, source: {
                "colours": source[0], "features": node.columns, "size": node.attributes["kernel"][0], "side": source[1],
            },
            build=lambda shape: (
                patch_attributes(shape, (shape["colours"],)), (shape["colours"], shape["side"], shape["side"])
            ),
        ),
        output_axis=1,
        scratch=lambda node: node.windows * node.rows,
        multiply=lambda node, codes, weight, pad: convolve(codes, weight, node.attributes, pad),
        torch=patch_torch,
    ),
    timing=kinds.TimingClass.LAYER,
    work=no_work,
    reach=always(record.Reach.KERNEL),
    settings={"features": COUNT, "size": COUNT},
    attributes=patch_attributes,
    onnx_read=record.NOT_READ,
    onnx_write=record.NOT_WRITTEN,
)  # fmt: skip

TEXT = """
input_shape: [3, 8, 8]
layers:
  - {name: patches, kind: KIND}
  - {name: relu, kind: relu}
  - {name: flatten, kind: flatten}
  - {name: fc, kind: linear, features: 5}
"""


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "patches", PATCHES)
    monkeypatch.setitem(kinds.LAYER_RULES, "patches", PATCHES.layer)


def load(folder, kind):
    path = folder / f"{kind[:6]}.yaml"
    path.write_text(TEXT.replace("KIND", kind))
    return xs.load_network(path, "random")


@pytest.fixture
def pair(planted, tmp_path):
    """Return a network with the planted layer and one with the convolution that it is, of the same weights."""
    new = load(tmp_path, "patches, features: 6, size: 2")
    old = load(tmp_path, "conv2d, channels: 6, kernel: 2, stride: 2")
    first, other = new.node("patches"), old.node("patches")
    same = type(other)(
        name="patches", kind="conv2d", attributes=other.attributes, weight=first.weight, bias=first.bias
    )  # fmt: skip
    last = type(other)(
        name="fc", kind="linear", inputs=("flatten",), attributes=old.node("fc").attributes,
        weight=new.node("fc").weight, bias=new.node("fc").bias,
    )  # fmt: skip
    return new, old.replace_nodes({"patches": same, "fc": last})


IMAGES = np.random.default_rng(0).random((6, 3, 8, 8), dtype=np.float32)


def test_a_planted_layer_runs_maps_and_costs_as_the_convolution_that_it_is(pair):
    new, old = pair
    np.testing.assert_array_equal(run_network(new, IMAGES), run_network(old, IMAGES))
    quantized = [quantize_network(net, IMAGES, weight_bits=8, activation_bits=8) for net in pair]
    np.testing.assert_array_equal(*(run_integer(net, IMAGES) for net in quantized))
    assert describe_matrix(new.node("patches")) == describe_matrix(old.node("patches"))
    costs = [xs.estimate(net, "reference") for net in pair]
    assert costs[0].energy_joule == costs[1].energy_joule
    assert "patches" in costs[0].cost.layers[1].kind


def test_a_planted_layer_gives_the_results_of_that_convolution_on_arrays(pair):
    hardware = xs.load_hardware("reference").override({"adc.output_correction": True})
    outputs = [xs.simulate(net, hardware, IMAGES, calibration=IMAGES, threads=1).outputs for net in pair]
    np.testing.assert_array_equal(*outputs)


def test_a_planted_layer_is_asked_for_and_reshaped_by_its_own_record(pair):
    new, old = pair
    kind, shape = describe_layer(new, "patches")
    assert (kind, shape) == ("patches", {"colours": 3, "features": 6, "size": 2, "side": 8})
    hardware = xs.load_hardware("reference")
    alone = price_layer(kind, shape, hardware)
    assert alone.energy_joule == price_layer(*describe_layer(old, "patches"), hardware).energy_joule
    with pytest.raises(ConfigError, match=r"shape\.kernel: unknown key for patches; known: colours, features, size"):
        price_layer("patches", {**shape, "kernel": 2}, hardware)
    assert reshape_network(new, widths={"patches": 2.0}).node("fc").attributes["in_features"] == 12 * 16
    with pytest.raises(ConfigError, match="patches do not overlap"):
        change_layer(new.node("patches"), (3, 8, 8), 3, 1.0)


def test_a_planted_layer_trains_through_its_arrays(pair):
    torch = pytest.importorskip("torch")
    from reference.drawn_chip import draw_chip

    from xbarsim.train.torch_network import TorchNetwork

    new = pair[0]
    with torch.no_grad():
        outputs = TorchNetwork(new)(torch.tensor(IMAGES)).numpy()
    np.testing.assert_allclose(outputs, run_network(new, IMAGES), rtol=1e-4, atol=1e-5)
    chips = [draw_chip(net, xs.load_hardware("reference"), IMAGES) for net in pair]
    for name in ("shift", "mean", "deviation"):
        first, second = (getattr(chip.layers["patches"], name) for chip in chips)
        assert torch.equal(first, second)
