# %% [markdown]
# # A first result
#
# The accuracy of a trained network on a crossbar chip, and the cost of one inference. Network, images and hardware ship
# with the package.

# %%
import xbarsim as xs
from xbarsim.data import load_data, normalize_images

data = load_data("digits").take(200)
images = normalize_images(data.images)
network = xs.load_network("digits")
network

# %% [markdown]
# A hardware record describes the chip. Values of single keys are overridden by their dotted names.

# %%
hardware = xs.load_hardware("reference").override({"device.programming.sigma": 0.1, "adc.bits": 6})
hardware

# %% [markdown]
# `simulate` programs two chips at random, passes the images through them, and counts what one inference takes.

# %%
report = xs.simulate(network, hardware, images, data.labels, trials=2)
report

# %% [markdown]
# Tables are DataFrames. The signal-to-noise ratio of a layer (`snr_db`) shows where errors arise.

# %%
layers = report.layers[report.layers["snr_db"].notna()]
layers[["name", "arrays", "energy_joule", "busy_s", "snr_db"]]

# %% [markdown]
# Every chart of the report page is a matplotlib figure.

# %%
figures = report.draw()
figures["cost_by_component"]
