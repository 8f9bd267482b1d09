"""An executor of the float network planted in its table runs references and calibration, and reports say so."""

import dataclasses

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.network import EXECUTORS
from xbarsim.network.executor import Executor

CALLS = []


def run(network, images, how):
    """Run as the package does, and remember how many images."""
    CALLS.append(len(images))
    return EXECUTORS["own"].run(network, images, how)


EXECUTOR = {"name": "mine", "describe": lambda: "mine 1.0", "run": run}


def test_a_planted_executor_runs_the_float_network_and_is_named(monkeypatch):
    monkeypatch.setitem(EXECUTORS, "mine", Executor(**EXECUTOR))
    CALLS.clear()
    images = xs.data.normalize_images(xs.data.load_data("digits").images[:20])
    mine, own = (xs.simulate("digits", "reference", images, executor=name) for name in ("mine", "own"))
    assert CALLS == [20, 20]  # the reference, and the calibration on the same images
    assert mine.provenance.settings["executor"] == "mine 1.0"
    np.testing.assert_array_equal(mine.outputs, own.outputs)


def test_a_record_without_a_field_cannot_be_made_and_names_it():
    assert {field.name for field in dataclasses.fields(Executor)} == set(EXECUTOR)
    for field in EXECUTOR:
        with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{field}'"):
            Executor(**{key: value for key, value in EXECUTOR.items() if key != field})
