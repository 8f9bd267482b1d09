"""Networks that carry their grids, and gains and offsets fitted by least squares."""

import numpy as np
import pytest
from network_samples import make_mixed_network

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError
from xbarsim.network import quantize_network, run_integer, run_network
from xbarsim.network.grid import fix_grids, require_float
from xbarsim.network.refit import LARGEST_GAIN, LEAST_GAIN, fit_channels, refit_network
from xbarsim.train import quantize


@pytest.fixture(scope="module")
def images():
    """256 training digits, normalised."""
    return normalize_images(load_data("digits-train").images)[:256]


@pytest.mark.parametrize("bits", [(3, 4), (5, 8), (8, 8)])
def test_a_network_with_fixed_grids_gives_back_its_integers(images, bits):
    network = xs.load_network("digits")
    known = quantize_network(network, images, weight_bits=bits[0], activation_bits=bits[1])
    fixed = fix_grids(known)
    again = quantize_network(fixed, None, weight_bits=bits[0], activation_bits=bits[1])
    for name, layer in known.layers.items():
        assert np.array_equal(layer.weight, again.layers[name].weight)
        assert again.layers[name].input_scale == layer.input_scale
        assert again.layers[name].signed == layer.signed
        assert np.array_equal(again.layers[name].weight_scale, layer.weight_scale.astype(np.float32))
        assert np.array_equal(again.layers[name].bias, layer.bias.astype(np.float32))
    # other sums in float32 may move a value over a half step here and there, in an image of a hundred at most
    integers = run_integer(again, images)
    for other in (run_integer(known, images), run_network(fixed, images)):
        equal = np.isclose(other, integers, rtol=1e-3, atol=1e-3).all(axis=1)
        assert equal.mean() > 0.98


def test_a_network_is_quantised_once():
    network = xs.load_network("digits")
    images = normalize_images(load_data("digits").images)[:32]
    fixed = quantize(network, images, weight_bits=4, activation_bits=4, method="nearest")
    with pytest.raises(ConfigError, match="is already quantised; give the float network"):
        require_float(fixed)
    with pytest.raises(ConfigError, match="has shapes but no weights"):
        require_float(xs.load_network("lenet5"))


def test_least_squares_finds_gain_and_offset():
    rng = np.random.default_rng(1)
    given = rng.normal(size=(40, 3, 5, 5))
    gain, offset = np.array([0.8, 1.3, 1.0]), np.array([0.5, 0.0, -2.0])
    wanted = given * gain.reshape(3, 1, 1) + offset.reshape(3, 1, 1)
    found = fit_channels(given.astype(np.float32), wanted.astype(np.float32), 3)
    np.testing.assert_allclose(found[0], gain, atol=1e-5)
    np.testing.assert_allclose(found[1], offset, atol=1e-5)
    # a channel that does not vary keeps its gain; far-off gains are cut
    constant = np.stack([np.ones((40, 2)), given[:, 0, 0, :2]], axis=-1)[:, :, :]
    found = fit_channels(constant, np.stack([np.full((40, 2), 3.0), 9 * given[:, 0, 0, :2]], axis=-1), 2)
    assert found[0].tolist() == [1.0, LARGEST_GAIN]
    assert found[1][0] == 2.0
    assert LEAST_GAIN < 1 < LARGEST_GAIN


def test_least_squares_brings_outputs_closer_and_keeps_the_integers(images):
    network = xs.load_network("digits")
    nearest = quantize_network(network, images, weight_bits=3, activation_bits=4)
    fitted = refit_network(nearest, images)
    held_back = normalize_images(load_data("digits").images)
    exact = run_network(network, held_back)
    errors = [np.mean((run_integer(part, held_back) - exact) ** 2) for part in (nearest, fitted)]
    assert errors[1] < 0.7 * errors[0]
    for name, layer in nearest.layers.items():
        assert np.array_equal(layer.weight, fitted.layers[name].weight)
        assert layer.input_scale == fitted.layers[name].input_scale


def test_least_squares_passes_through_every_kind_of_graph():
    network = make_mixed_network()
    images = np.random.default_rng(0).random((12, *network.input_shape), dtype=np.float32)
    fixed = quantize(network, images, weight_bits=4, activation_bits=8, method="least_squares")
    cost = xs.estimate(fixed, "reference", weight_bits=4).cost
    assert cost.crossbars == xs.estimate(network, "reference", weight_bits=4).cost.crossbars
    assert [layer.name for layer in fixed.layers] == [layer.name for layer in network.layers]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "magic"}, "method: 'magic' is not one of nearest, least_squares, learned"),
        ({"iterations": 0}, "iterations: 0 is not a whole number of at least 1"),
        ({"weight_bits": 0}, "weight_bits: 0 is not a whole number between 1 and 16"),
    ],
)
def test_wrong_settings_are_refused(images, changes, message):
    given = {"weight_bits": 4, "activation_bits": 4, "method": "nearest"} | changes
    with pytest.raises(ConfigError, match=message):
        quantize("digits", images, **given)


def test_no_images_are_refused(images):
    with pytest.raises(xs.ShapeError, match="calibration: no images given"):
        quantize("digits", images[:0], weight_bits=4, activation_bits=4)
