"""Sweeps over networks, hardware and keys, on local processes or Dask, with a store from which they are resumed."""

from xbarsim.sweep.draw import draw_sweep
from xbarsim.sweep.file import Sweep, load_sweep, make_sweep
from xbarsim.sweep.plan import Point, SweepPlan, plan_sweep
from xbarsim.sweep.run import Summary, estimate_seconds, run_sweep
from xbarsim.sweep.store import read_store
from xbarsim.sweep.table import tabulate_points

__all__ = [
    "Point", "Summary", "Sweep", "SweepPlan", "draw_sweep", "estimate_seconds", "load_sweep", "make_sweep",
    "plan_sweep", "read_store", "run_sweep", "tabulate_points",
]  # fmt: skip
