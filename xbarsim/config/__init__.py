"""YAML -> frozen Hardware record. The only room that reads hardware YAML."""

from xbarsim.config.activity import AssumedActivity
from xbarsim.config.adc import Adc
from xbarsim.config.chip import ChipSize
from xbarsim.config.compare import KeyDifference, compare_hardware
from xbarsim.config.component import Component, Rating
from xbarsim.config.crossbar import Crossbar
from xbarsim.config.dac import Dac
from xbarsim.config.device import Device, Drift, LogLaw, Programming, ReadNoise, Relaxation, Stuck, Telegraph
from xbarsim.config.epitome import EpitomeRules
from xbarsim.config.hardware import Hardware, Timing
from xbarsim.config.iv import Polynomial, Selector, Sinh
from xbarsim.config.load import (
    hash_hardware,
    list_devices,
    list_hardware,
    load_device,
    load_hardware,
    override_record,
)
from xbarsim.config.mapping import Mapping
from xbarsim.config.process import Process
from xbarsim.config.record import Record

__all__ = [
    "Adc", "AssumedActivity", "ChipSize", "Component", "Crossbar", "Dac", "Device", "Drift", "EpitomeRules", "Hardware",
    "KeyDifference", "LogLaw", "Mapping", "Polynomial", "Process", "Programming", "Rating", "ReadNoise", "Record",
    "Relaxation", "Selector", "Sinh", "Stuck", "Telegraph", "Timing", "compare_hardware", "hash_hardware",
    "list_devices", "list_hardware", "load_device", "load_hardware", "override_record",
]  # fmt: skip
