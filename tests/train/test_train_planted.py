"""A method of quantisation planted in its table is chosen by name; without a field it cannot exist."""

import dataclasses

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import run_network
from xbarsim.train.integers import METHODS, QuantizationMethod, quantize


def choose(nearest, images, settings, progress):
    """Raise every output of the last layer by its number of iterations."""
    name = list(nearest.layers)[-1]
    layer = nearest.layers[name]
    moved = dataclasses.replace(layer, bias=layer.bias + settings["iterations"])
    return dataclasses.replace(nearest, layers={**nearest.layers, name: moved})


METHOD = {"name": "lifted", "choose": choose}


def test_a_planted_method_is_chosen_by_its_name(monkeypatch):
    images = xs.data.normalize_images(xs.data.load_data("digits").images[:40])
    bits = {"weight_bits": 8, "activation_bits": 8}
    with pytest.raises(ConfigError, match="method: 'lifted' is not one of nearest, least_squares, learned"):
        quantize("digits", images, method="lifted", **bits)
    monkeypatch.setitem(METHODS, "lifted", QuantizationMethod(**METHOD))
    plain, lifted = (quantize("digits", images, method=name, iterations=3, **bits) for name in ("nearest", "lifted"))
    np.testing.assert_allclose(run_network(lifted, images), run_network(plain, images) + 3, rtol=1e-5, atol=1e-4)


def test_a_record_without_a_field_cannot_be_made_and_names_it():
    assert {field.name for field in dataclasses.fields(QuantizationMethod)} == set(METHOD)
    for field in METHOD:
        with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{field}'"):
            QuantizationMethod(**{key: value for key, value in METHOD.items() if key != field})
