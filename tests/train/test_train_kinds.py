"""Fine-tuning of convolutions along three axes, transformers and epitomes; networks that are refused."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

import xbarsim as xs
from xbarsim.errors import ConfigError
from xbarsim.network import Epitome
from xbarsim.train import finetune
from xbarsim.train.torch_network import torch

HARDWARE = {"device.programming.sigma": 0.1, "crossbar.method": "ideal"}
SETTINGS = {"epochs": 1, "batch": 8, "law": "measured", "strength": 1.0}


class Attention(torch.nn.Module):
    """One head of attention over four tokens, and a classifier."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (torch.nn.Linear(6, 6) for _ in range(3))
        self.norm, self.head = torch.nn.LayerNorm(6), torch.nn.Linear(6, 3)

    def forward(self, x):
        scores = self.q(x) @ self.k(x).transpose(1, 2) / 6**0.5
        return self.head(self.norm(scores.softmax(-1) @ self.v(x)).mean(1))


def make_volume():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv3d(1, 2, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(54, 3)
    )


def make_attention():
    torch.manual_seed(0)
    return Attention()


def make_images(*shape):
    rng = np.random.default_rng(0)
    return rng.random((16, *shape), dtype=np.float32), rng.integers(0, 3, 16)


@pytest.mark.parametrize(("make", "shape"), [(make_volume, (1, 3, 3, 3)), (make_attention, (4, 6))])
def test_convolutions_along_three_axes_and_transformers_are_trained(make, shape):
    images, labels = make_images(*shape)
    before = xs.from_torch(make().eval(), shape)
    after = finetune(before, xs.load_hardware("reference", HARDWARE), images, labels, **SETTINGS)
    assert after.hash != before.hash
    assert all(not np.array_equal(a.weight, b.weight) for a, b in zip(after.layers, before.layers))


def test_epitomes_are_trained_as_what_arrays_store():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(128, 3)
    )
    before = xs.from_torch(module.eval(), (2, 4, 4))
    name = before.layers[0].name
    before = before.with_epitomes({name: Epitome(rows=18, channels=4)})
    images, labels = make_images(2, 4, 4)
    after = finetune(before, xs.load_hardware("epim", HARDWARE), images, labels, **SETTINGS)
    old, new = (net.node(name) for net in (before, after))
    assert not np.array_equal(old.epitome.values, new.epitome.values)
    np.testing.assert_array_equal(new.weight, new.epitome.rebuild())
    assert new.epitome.sampler is old.epitome.sampler


def test_a_network_that_cannot_be_trained_through_is_refused_by_its_node():
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = torch.nn.LSTM(6, 4, batch_first=True), torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    images, labels = make_images(4, 6)
    with pytest.raises(ConfigError, match=r"cannot train through a \w+ node; .* xs\.nn\.convert"):
        finetune(Recurrent().eval(), xs.load_hardware("reference", HARDWARE), images, labels, **SETTINGS)
