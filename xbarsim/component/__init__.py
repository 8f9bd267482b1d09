"""Counted actions, and the laws that price the components of a hardware file: joules, watts and square metres."""

from xbarsim.component.action import ACTIONS, Action

__all__ = ["ACTIONS", "Action"]
