"""Arrays of other topologies in the engine: what columns sense is what their circuit gives."""

import numpy as np
import pytest

from xbarsim.config import load_hardware
from xbarsim.crossbar import solve_currents
from xbarsim.mvm import encode_weights, program_matrix

OHMS = {"r_wl_ohm": 30.0, "r_bl_ohm": 20.0, "r_source_ohm": 200.0}
IDEAL = {"device.programming.sigma": 0.0, "adc.bits": "ideal", "crossbar.rows": 16, "crossbar.cols": 16}


@pytest.mark.parametrize(
    ("topology", "more"),
    [("passive_near", {}), ("passive_both", {}), ("passive_interleaved", {}), ("1t1r", {"r_access_ohm": 3e4})],
)
def test_a_layer_senses_the_currents_of_its_topology(topology, more):
    keys = {f"crossbar.{name}": ohm for name, ohm in {**OHMS, **more}.items()}
    hardware = load_hardware("reference", {**IDEAL, **keys, "crossbar.topology": topology})
    rng = np.random.default_rng(0)
    weights, codes = rng.integers(-127, 128, (16, 4)), rng.integers(0, 256, (5, 16))
    engine = program_matrix(weights, hardware, weight_bits=8, activation_bits=8)
    digits = encode_weights(weights, "differential", weight_bits=8, cell_bits=2).digits  # (2, slices, rows, outputs)
    levels = digits.transpose(0, 2, 3, 1).reshape(2, 16, 16)
    device = hardware.device
    g = device.g_off_siemens + levels * device.g_step_siemens
    i = solve_currents(g, codes.astype(float), topology=topology, **OHMS, **more)
    expected = ((i[0] - i[1]) / device.g_step_siemens).reshape(5, 4, -1) @ np.array([1, 4, 16, 64])
    np.testing.assert_allclose(engine.multiply(codes), expected, rtol=1e-5, atol=0.5)
