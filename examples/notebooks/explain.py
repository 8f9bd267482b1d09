# %% [markdown]
# # Why accuracy is lost
#
# `explain` attributes the loss of accuracy to causes and to layers, and ranks changes of the hardware that reduce it.

# %%
import xbarsim as xs
from xbarsim.data import load_data, normalize_images

data = load_data("digits").take(60)
images = normalize_images(data.images)
poor = xs.load_hardware("reference").override(
    {"device.programming.sigma": 0.3, "crossbar.r_wl_ohm": 10.0, "crossbar.r_bl_ohm": 10.0, "adc.bits": 5}
)
explanation = xs.explain("digits", poor, (images, data.labels), trials=2)
explanation

# %% [markdown]
# Shares of causes add up to the whole loss. A cause with a negative share compensates another one.

# %%
explanation.draw()["causes"]

# %%
explanation.remedies[["remedy", "points", "energy_ratio", "area_ratio"]].head(5)
