"""What is no number of its quantity is refused by every public function, in one line that names the argument."""

import pickle
import warnings

import numpy as np
import pytest

from xbarsim import crossbar
from xbarsim.config import load_hardware
from xbarsim.crossbar import Lines, Wires, describe_circuit
from xbarsim.errors import ModelRangeWarning, XbarsimError

G, V, OPENING = np.full((3, 2), 1e-5), np.full(3, 0.2), np.full((2, 3), 0.5)
WIRES = ("r_wl_ohm", "r_bl_ohm", "r_source_ohm", "r_sink_ohm")
LINES = (*WIRES, "r_sl_ohm", "r_access_ohm", "g_leak_siemens")
PATTERN = {"topology": crossbar.TOPOLOGIES["passive"], "iv": None}
SETTLING = {"c_wl_farad": 1e-15, "c_bl_farad": 1e-15, "tol_ampere": 1e-9}
LOSSLESS, HARDWARE = Lines(wires=Wires()), load_hardware("reference")
WIRED = {"g": G, "v_in": V, "topology": "1t1r_gate"}
CALLS = {
    "solve_transfer": ({"g": G}, ("g", *WIRES, "threads", "checked", "tol", "method")),
    "solve_transfer_report": ({"g": G}, ("g", *WIRES, "threads", "method")),
    "solve_currents": (WIRED, ("g", "v_in", *LINES, "read_volt", "tol", "threads", "topology")),
    "solve_currents_report": (WIRED, ("g", "v_in", *LINES, "read_volt", "max_iterations")),
    "solve_reads": (WIRED, ("g", "v_in", *LINES, "read_volt", "tol", "max_iterations", "threads")),
    "write_netlist": (WIRED, ("g", "v_in", *LINES, "read_volt")),
    "solve_settling": ({**SETTLING, **WIRED}, ("g", "v_in", *LINES, "read_volt", *SETTLING)),
    "solve_operator": ({"g": G, "lines": LOSSLESS, "method": "auto", "threads": 1, "topology": "passive"}, ("g",)),
    "solve_operating_point": (
        {"g": G, "lines": LOSSLESS, "read_volt": 0.2, "drive": V, **PATTERN}, ("g", "read_volt", "drive"),
    ),
    "solve_patterns": (
        {"g": G, "lines": LOSSLESS, "opening": OPENING, "read_volt": 0.2, "pulses": 1, "tol": 1e-6, **PATTERN},
        ("g", "opening", "read_volt", "pulses", "tol"),
    ),
    "find_power": ({"g": G[np.newaxis], "opening": OPENING, "circuit": describe_circuit(HARDWARE)}, ("g", "opening")),
    "Wires": ({}, WIRES),
    "Lines": ({"wires": Wires()}, ("r_sl_ohm", "r_access_ohm", "g_leak_siemens")),
}  # fmt: skip
WRONG = (
    True, np.True_, "2", b"2", 1 + 1j, float("nan"), -1.0, float("inf"), [], {}, np.array([True, False]), ["1", "2"],
)  # fmt: skip
CASES = [(call, name) for call, (_, names) in CALLS.items() for name in names]


@pytest.mark.parametrize(("call", "name"), CASES)
def test_wrong_numbers_are_refused_in_a_line_that_names_the_argument(call, name):
    right = CALLS[call][0]
    for value in WRONG:
        with pytest.raises(XbarsimError) as caught:
            getattr(crossbar, call)(**{**right, name: value})
        message = str(caught.value)
        assert message.startswith(f"{name}: "), (value, message)
        assert "\n" not in message
        assert len(message) <= 400


@pytest.mark.parametrize("call", CALLS)
def test_numbers_of_any_real_type_are_taken_for_what_they_are(call):
    right, names = CALLS[call]

    def run(**changes):
        return pickle.dumps(getattr(crossbar, call)(**{**right, **changes}))

    for name in set(names) & {*WIRES, "r_sl_ohm", "r_access_ohm"}:
        expected = run(**{name: 1.0})
        for value in (1, np.float32(1), np.int16(1), np.array(1.0)):
            assert run(**{name: value}) == expected, (name, value)
    if "g" in names:
        g = right["g"].astype(np.float32)
        assert run(g=g.astype(np.float64).tolist()) == run(g=g) == run(g=g.astype(np.float64))


@pytest.mark.parametrize("topology", ["passive", "passive_interleaved", "passive_floating"])
def test_cells_and_wires_that_are_too_many_orders_apart_give_a_warning(topology):
    volt, wires = np.array([0.2, 0.12, 0.05]), {"r_wl_ohm": 1.0, "r_bl_ohm": 1.0}
    with pytest.warns(ModelRangeWarning, match="too many orders apart"):  # off by 1e-4 of full scale
        crossbar.solve_currents(np.full((3, 3), 1e12), volt, topology=topology, **wires)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crossbar.solve_currents(np.full((3, 3), 1e-2), volt, topology=topology, **wires)
