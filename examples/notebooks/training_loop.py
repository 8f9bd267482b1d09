# %% [markdown]
# # Arrays inside a training loop
#
# `xs.nn.convert` puts the layers of a PyTorch module on simulated arrays. The module is trained by an ordinary loop.

# %%
import torch

import xbarsim as xs
from xbarsim.data import load_data, normalize_images

train, test = load_data("digits-train"), load_data("digits")
images, labels = torch.from_numpy(normalize_images(train.images)), torch.from_numpy(train.labels)
test_images, test_labels = torch.from_numpy(normalize_images(test.images)), torch.from_numpy(test.labels)

torch.manual_seed(0)
torch.set_num_threads(1)
module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


def run_epoch(module, optimizer):
    for part in torch.randperm(len(images)).split(64):
        loss = torch.nn.functional.cross_entropy(module(images[part]), labels[part])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()


optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
for _ in range(20):
    run_epoch(module, optimizer)

# %% [markdown]
# A chip whose cells vary by half of their target loses accuracy:

# %%
poor = xs.load_hardware("reference").override(
    {"device.programming.sigma": 0.5, "crossbar.rows": 64, "crossbar.cols": 64}
)


def test_on_chips(module):
    network = xs.from_torch(module.eval(), input_shape=(1, 8, 8))
    inputs, known = test_images.numpy(), images[:64].numpy()
    return xs.simulate(network, poor, inputs, test_labels.numpy(), calibration=known, trials=5, seed=1)


test_on_chips(module)

# %% [markdown]
# Training continues with the errors of the hardware: every step draws another chip. `refresh` measures these errors anew for the weights
# that training has reached.

# %%
converted = xs.nn.convert(module, poor, calibration=images[:64], seed=0)
optimizer = torch.optim.Adam(converted.parameters(), lr=1e-3)
for _ in range(10):
    converted.train()
    converted.refresh()
    run_epoch(converted, optimizer)
module.load_state_dict(converted.state_dict())
test_on_chips(module)
