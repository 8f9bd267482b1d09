import warnings

import numpy as np
import pytest

from xbarsim.errors import ConfigError
from xbarsim.network import from_torch, run_network


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


def test_a_module_computes_the_same_and_keeps_its_names(torch):
    from torch import nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.depthwise, self.act = nn.Conv2d(8, 8, 3, groups=8, stride=2), nn.Hardswish()
            self.fc = nn.Linear(8, 10)

        def forward(self, x):
            x = self.act(self.depthwise(torch.relu(self.bn1(self.conv1(x)))))
            return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))

    module = Small()
    module.bn1.running_mean.normal_()
    module.bn1.running_var.uniform_(0.5, 2)
    network = from_torch(module, (3, 16, 16))
    assert module.training
    assert (network.name, [layer.name for layer in network.layers]) == ("Small", ["conv1", "depthwise", "fc"])
    images = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
    expected = module.eval()(torch.from_numpy(images)).detach().numpy()
    assert np.abs(run_network(network, images) - expected).max() < 1e-5


def test_what_cannot_be_exported_is_refused(torch):
    with pytest.raises(ConfigError, match=r"int is not a torch.nn.Module"):
        from_torch(3, (3, 8, 8))
    with pytest.raises(ConfigError, match="module Linear: cannot be exported"):
        from_torch(torch.nn.Linear(5, 2), (3,))
