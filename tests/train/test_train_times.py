"""Fine-tuning for chips that are read some time after programming."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.train import finetune
from xbarsim.train.law import NoiseSource, NoisyLayers, measure_law
from xbarsim.train.torch_network import TorchNetwork, torch, use_threads

LATE_S = 1e6
DRIFT = {"device.drift.nu": 0.06, "device.drift.nu_sigma": 0.02}
GIVEN = {"law": "measured", "strength": 1.0, "epochs": 1, "batch": 32}


@pytest.fixture(autouse=True)
def one_thread():
    """Keep PyTorch off the other cores."""
    with use_threads(1):
        yield


@pytest.fixture(scope="module")
def digits():
    """Some training digits with labels, and test digits."""
    parts = [load_data("digits-train"), load_data("digits")]
    return [part for data in parts for part in (normalize_images(data.images), np.asarray(data.labels))]


def find_weights(network):
    """Return the weights of all layers as one vector."""
    return np.concatenate([node.weight.ravel() for node in network.layers])


def test_one_time_is_that_of_the_hardware_and_others_give_other_weights(digits):
    images, labels = digits[0][:96], digits[1][:96]
    network = xs.load_network("digits")
    early = xs.load_hardware("reference", DRIFT)
    late = early.override({"device.drift.time_s": LATE_S})
    told = find_weights(finetune(network, late, images, labels, **GIVEN))
    found = [
        find_weights(finetune(network, early, images, labels, times=times, **GIVEN))
        for times in ([LATE_S], [0.0], [0.0, LATE_S])
    ]
    np.testing.assert_array_equal(found[0], told)
    assert all((found[a] != found[b]).any() for a, b in ((0, 1), (0, 2), (1, 2)))


def test_every_step_sees_one_of_the_times_and_cells_have_lost_more_at_the_later_one(digits):
    network, early = xs.load_network("digits"), xs.load_hardware("reference", DRIFT)
    records = [early.override({"device.drift.time_s": time}) for time in (0.0, LATE_S)]
    law = measure_law(network, records, digits[0][:16], trials=range(2), seed=0)
    for name in law.times[0]:
        first, later = (float(time[name].offset[-32:].mean()) for time in law.times)
        # large codes keep (1e6) ** -0.06 = 0.44 of their conductance
        assert later < first - 0.3 * len(law.times[0][name].offset)
    layers = NoisyLayers(TorchNetwork(network), law, NoiseSource(generator=torch.Generator().manual_seed(0)))
    drawn = []
    for _ in range(20):  # that all are of one time has a chance of 2 ** -19
        layers.draw_time()
        drawn.append(next(i for i, time in enumerate(law.times) if time is layers.time))
    assert set(drawn) == {0, 1}


def test_another_network_is_tried_with_the_weight_steps_that_its_own_largest_weights_give(digits):
    network = xs.load_network("digits")
    law = measure_law(network, [xs.load_hardware("reference", DRIFT)], digits[0][:16], trials=range(2), seed=0)
    outputs = []
    for factor in (1.0, 0.5):  # the noise of a layer with half the weights is half as large
        module = TorchNetwork(network)
        with torch.no_grad():
            for parts in (module.weights, module.biases):
                parts["fc"].mul_(factor)
        trained = TorchNetwork(module.to_network())
        source = NoiseSource(generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            outputs.append(trained(torch.tensor(digits[0][:8]), NoisyLayers(trained, law, source)).numpy())
    np.testing.assert_array_equal(outputs[1], outputs[0] / 2)


@pytest.mark.slow
def test_a_network_trained_for_two_times_gains_at_the_later_one_and_keeps_the_earlier_one(digits):
    """Means of 5 chips that training has not seen, 500 images: standard errors below 1 point."""
    network, early = xs.load_network("digits"), xs.load_hardware("reference", DRIFT)
    tuned = finetune(
        network, early, *digits[:2], law="measured", strength=1.0, epochs=8, times=[0.0, LATE_S], shift=1
    )  # fmt: skip
    found = {}
    for time in (0.0, LATE_S):
        hardware = early.override({"device.drift.time_s": time})
        for name, each in (("plain", network), ("tuned", tuned)):
            outcome = xs.simulate(each, hardware, *digits[2:], calibration=digits[0][:64], trials=5, seed=9, threads=1)
            found[name, time] = float(outcome.accuracy.hardware)
    assert found["tuned", LATE_S] > found["plain", LATE_S] + 0.02
    assert found["tuned", 0.0] > found["plain", 0.0] - 0.02
