# %% [markdown]
# # A sweep
#
# How many bits does the converter need, and how large may arrays be? A sweep computes all combinations and answers the
# question.

# %%
from xbarsim.sweep import draw_sweep, make_sweep, plan_sweep, run_sweep

sweep = make_sweep(
    {
        "network": "digits",
        "hardware": "reference",
        "data": "digits",
        "images": 100,
        "axes": {
            "adc.bits": [3, 4, 5, 6],
            "crossbar.rows": [64, 128],
            "crossbar.cols": "same as crossbar.rows",
        },
        "metrics": ["accuracy.hardware", "accuracy.degradation", "cost.energy_joule", "cost.edap"],
        "where": "accuracy.lost <= 1 %",
        "minimize": "cost.edap",
    }
)
summary = run_sweep(plan_sweep(sweep), "result", workers=1)
summary

# %%
columns = ["adc.bits", "crossbar.rows", "accuracy.hardware", "cost.energy_joule", "cost.edap"]
summary.table[columns]

# %% [markdown]
# The folder `result` holds every point. A second run computes only what is missing, and `xbarsim report result` writes a
# page. The charts of the page as figures:

# %%
figures = draw_sweep("result")
figures["heat"]
