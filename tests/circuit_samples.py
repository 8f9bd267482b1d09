"""Arrays, inputs and curves that the tests of currents and of SPICE decks share."""

import numpy as np

from xbarsim.config.iv import Polynomial, Selector, Sinh
from xbarsim.crossbar import TOPOLOGIES

WIRES = {"r_wl_ohm": 2.5, "r_bl_ohm": 3.5, "r_source_ohm": 100.0, "r_sink_ohm": 50.0, "r_sl_ohm": 1.5}
CURVES = {
    "ohmic": None,
    "sinh": Sinh(scale_volt=0.1, reference_volt=0.2),
    "polynomial": Polynomial(coefficients=(0.5, 20.0)),
    "selector": Selector(threshold_volt=0.1, width_volt=0.005, off_ratio=1e-4),
}
CASES = [
    (topology.name, curve)
    for topology in TOPOLOGIES.values()
    for curve in CURVES
    if not (topology.has_selector and curve == "ohmic")
]
"""(topology, curve): every combination that means something."""


def sample_cells(shape, seed=0):
    """Return conductances between 1 and 100 uS, a tenth of the cells missing."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 1e-4, shape)
    g[rng.random(shape) < 0.1] = 0
    return g


def sample_inputs(vectors, rows, seed=1):
    """Return inputs up to 0.2 V, two fifths of them zero."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 0.2, (vectors, rows)) * (rng.random((vectors, rows)) < 0.6)
