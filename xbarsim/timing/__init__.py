"""The cycle-level machine: windows through tile pipelines, buffers, buses and the network on chip; action counts."""

from xbarsim.timing.allocate import plan_pipeline
from xbarsim.timing.bounds import StepBound, find_bounds
from xbarsim.timing.dataflow import trace_dataflow
from xbarsim.timing.occupancy import trace_occupancy
from xbarsim.timing.simulate import Activity, StepActivity, simulate_plan
from xbarsim.timing.trace import write_trace

__all__ = [
    "Activity", "StepActivity", "StepBound", "find_bounds", "plan_pipeline", "simulate_plan", "trace_dataflow",
    "trace_occupancy", "write_trace",
]  # fmt: skip
