import numpy as np
import pytest

from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.network import list_networks, load_network, quantize_network, run_integer, run_network

# name -> weight layers, weights without biases and batch normalisation, multiply-accumulates; torchvision's parameter
# counts less biases and normalisation: 61,100,840; 138,357,544; 11,689,512; 25,557,032; 44,549,160; 3,504,872
PUBLISHED = {
    "alexnet": (8, 61_090_496, 714_188_480),
    "lenet5": (5, 61_470, 416_520),
    "mobilenetv2": (53, 3_469_760, 300_774_272),
    "resnet18": (21, 11_678_912, 1_814_073_344),
    "resnet20": (20, 268_336, 40_551_040),
    "resnet32": (32, 461_872, 68_862_592),
    "resnet50": (54, 25_502_912, 4_089_184_256),
    "resnet101": (105, 44_442_816, 7_801_405_440),
    "vgg8": (8, 12_973_440, 615_917_568),
    "vgg16": (16, 138_344_128, 15_470_264_320),
}
NAMES = {
    "alexnet": ["features.0", "features.10", "classifier.6"],
    "vgg16": ["features.0", "features.28", "classifier.0", "classifier.6"],
    "resnet18": ["conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.conv2", "fc"],
    "resnet20": ["conv1", "layer1.0.conv1", "layer3.2.conv2", "fc"],
    "resnet50": ["conv1", "layer1.0.downsample.0", "layer4.2.conv2", "layer3.0.downsample.0", "fc"],
    "resnet101": ["layer3.22.conv3", "fc"],
    "mobilenetv2": ["features.0.0", "features.1.conv.1", "features.17.conv.2", "features.18.0", "classifier.1"],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_zoo_network_has_the_published_size(name):
    network = load_network(name)
    assert not network.has_weights
    sizes = (len(network.layers), sum(x.weight_count for x in network.layers), sum(x.macs for x in network.layers))
    assert sizes == PUBLISHED[name]


@pytest.mark.parametrize("name", NAMES)
def test_zoo_layers_carry_torchvisions_names(name):
    assert set(NAMES[name]) <= {layer.name for layer in load_network(name).layers}


def test_every_name_loads():
    assert set(list_networks()) == {*PUBLISHED, "digits"}


@pytest.mark.parametrize("name", ["lenet5", "vgg8", "resnet20", "resnet32", "mobilenetv2"])
def test_random_weights_neither_vanish_nor_explode(name):
    network = load_network(name, weights="random", seed=3)
    images = np.random.default_rng(0).standard_normal((1, *network.input_shape))
    found = {}
    run_network(network, images, observe=lambda node, value: found.__setitem__(node, float(value.std())))
    deviations = [found[layer.name] for layer in network.layers]
    assert min(deviations) > 0.1
    assert max(deviations) < 10


def test_random_weights_follow_the_seed():
    first, same, other = (load_network("lenet5", weights="random", seed=seed) for seed in (0, 0, 1))
    assert first.hash == same.hash != other.hash


def test_the_embedded_network_reads_the_embedded_digits():
    network, digits, training = load_network("digits"), load_data("digits"), load_data("digits-train")
    images = normalize_images(digits.images)
    assert np.mean(run_network(network, images).argmax(axis=1) == digits.labels) >= 0.97
    quantized = quantize_network(network, normalize_images(training.images[:64]), weight_bits=8, activation_bits=8)
    assert np.mean(run_integer(quantized, images).argmax(axis=1) == digits.labels) >= 0.97
    assert not quantized.layers["conv1"].signed, "pixels are never negative"


DESCRIPTION = """
name: tiny
input_shape: [3, 8, 8]
layers:
  - {name: conv1, kind: conv2d, channels: 4, kernel: [3, 1], padding: [1, 0]}
  - {name: act, kind: relu}
  - {name: conv2, kind: conv2d, channels: 4, kernel: 3, padding: 1, groups: 2}
  - {kind: add, inputs: [conv2, act]}
  - {kind: max_pool, kernel: 2}
  - {kind: global_avg_pool}
  - {name: fc, kind: linear, features: 5}
"""


def test_a_network_in_yaml_form_is_read(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(DESCRIPTION)
    network = load_network(path)
    assert (network.name, network.output, network.output_shape) == ("tiny", "fc", (5,))
    assert [node.name for node in network.nodes if not node.is_layer] == [
        "act",
        "add1",
        "max_pool1",
        "global_avg_pool1",
    ]
    assert run_network(load_network(path, weights="random"), np.ones((2, 3, 8, 8))).shape == (2, 5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: relu", "kind: rleu", "layers[1]: kind: 'rleu' is unknown; did you mean relu?"),
        ("kernel: 2", "kernal: 2", "layers[4]: kernal: unknown key of max_pool; did you mean kernel?"),
        ("features: 5", "features: x", "layers[6]: features: 'x' is not a whole number"),
        (", features: 5", "", "layers[6]: features: missing for linear"),
        ("groups: 2", "groups: 3", "layers[2]: layer conv2: 4 and 4 channels do not divide into 3 groups"),
        ("groups: 2", "stride: 0", "layer conv2: channels, kernel, stride, dilation and groups must be at least 1"),
        ("padding: 1, groups: 2", "padding: -1", "padding at least 0; given are"),
        ("inputs: [conv2, act]", "inputs: [conv2, fc]", "layers[3]: inputs: 'fc' is not defined above"),
        ("name: act", "name: conv1", "layers[1]: name: 'conv1' is used twice"),
        ("[3, 8, 8]", "[3, 0, 8]", "input_shape: [3, 0, 8] is not"),
        ("input_shape: [3, 8, 8]", "", "input_shape: missing"),
        ("name: tiny", "colour: red", "colour: unknown key"),
        ("name: tiny", "output: nothing", "output 'nothing' does not exist"),
        ("name: tiny", "weights: none.npz", "none.npz: No such file"),
        ("kernel: 2}", "kernel: 2", "not valid YAML"),
    ],
)
def test_mistakes_in_a_description_are_named_with_file_and_key(old, new, message, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(DESCRIPTION.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_network(path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_from_an_npz_are_checked(tmp_path):
    network = load_network("lenet5", weights="random")
    arrays = {f"{layer.name}.weight": layer.weight for layer in network.layers}
    arrays |= {f"{layer.name}.bias": layer.bias for layer in network.layers}
    path = tmp_path / "w.npz"
    np.savez(path, **arrays)
    assert load_network("lenet5", weights=path).hash == network.hash
    np.savez(path, **arrays, other=np.zeros(3))
    with pytest.raises(ConfigError, match=r"w.npz: other: no such weight"):
        load_network("lenet5", weights=path)
    np.savez(path, **{**arrays, "fc1.weight": np.zeros((2, 2))})
    with pytest.raises(ConfigError, match=r"w.npz: layer fc1: weight has shape \(2, 2\), expected \(120, 400\)"):
        load_network("lenet5", weights=path)
    del arrays["conv2.weight"]
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match=r"w.npz: conv2.weight: missing"):
        load_network("lenet5", weights=path)
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(ConfigError, match=r"w.npz: not an .npz file of plain arrays"):
        load_network("lenet5", weights=path)


@pytest.mark.parametrize("name", ["resnet5O", "model.pt", "", "resnet"])
def test_an_unknown_network_is_refused_with_a_hint(name):
    with pytest.raises(ConfigError, match=r"not a network that ships.*(did you mean|known)"):
        load_network(name)
    with pytest.raises(ConfigError, match=r"neither 'random' nor an .npz"):
        load_network("lenet5", weights="zeros")
