"""Target -> actual conductance: levels, programming variation, stuck cells, drift and read noise."""

from xbarsim.device.cells import (
    level_conductance,
    program_cells,
    read_noise_sigma,
    sample_drifted,
    sample_programmed,
    sample_read,
    sample_stuck,
)

__all__ = [
    "level_conductance", "program_cells", "read_noise_sigma", "sample_drifted", "sample_programmed", "sample_read",
    "sample_stuck",
]  # fmt: skip
