"""Counted actions, and cost laws of the components of a hardware file: energy, power and area."""

from xbarsim.component.action import ACTIONS, OFF_CHIP, Action
from xbarsim.component.area import (
    ChipArea,
    count_instances,
    is_off_chip,
    measure_chip,
    shared_area,
    slot_area,
)
from xbarsim.component.energy import action_energy, idle_power, read_energy, write_energy
from xbarsim.component.law import LAWS, CostLaw, OperatingPoint, Rated, fit_rating, scale_rating
from xbarsim.component.rate import rate_component
from xbarsim.component.table import interpolate_rating
from xbarsim.config import Rating

__all__ = [
    "ACTIONS", "LAWS", "OFF_CHIP", "Action", "ChipArea", "CostLaw", "OperatingPoint", "Rated", "Rating",
    "action_energy", "count_instances", "fit_rating", "idle_power", "interpolate_rating", "is_off_chip",
    "measure_chip", "rate_component", "read_energy", "scale_rating", "shared_area", "slot_area", "write_energy",
]  # fmt: skip
