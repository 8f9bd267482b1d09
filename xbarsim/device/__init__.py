"""Target -> actual conductance: levels, programming variation, stuck cells, drift, read noise, I-V and measurements."""

from xbarsim.config.iv import cell_current, secant_conductance
from xbarsim.device.cells import (
    level_conductance,
    read_noise_sigma,
    sample_drifted,
    sample_programmed,
    sample_read,
    sample_relaxed,
    sample_stuck,
)
from xbarsim.device.law import LAWS, Law
from xbarsim.device.levels import load_levels
from xbarsim.device.measured import load_conductances, load_measured
from xbarsim.device.noise import read_variance, trap_stream
from xbarsim.device.program import program_cells

__all__ = [
    "LAWS", "Law", "cell_current", "level_conductance", "load_conductances", "load_levels", "load_measured",
    "program_cells", "read_noise_sigma", "read_variance", "sample_drifted", "sample_programmed", "sample_read",
    "sample_relaxed", "sample_stuck", "secant_conductance", "trap_stream",
]  # fmt: skip
