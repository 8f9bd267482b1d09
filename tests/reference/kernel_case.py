"""One record for every kernel: what is compiled, its plain twin, and small inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class KernelCase:
    """A kernel and what it must equal."""

    kernel: Any
    """The kernel."""
    call: Callable[..., Any]
    """What is called: the kernel itself, or a small one around it where it takes or returns lanes or pointers."""
    twin: Callable[..., Any]
    """Plain function of the same arguments; it fills the same outputs."""
    inputs: Callable[[], tuple[Any, ...]]
    """Makes small arguments."""
    outputs: tuple[int, ...]
    """Arguments that are results beside what is returned; the other arrays are inputs or scratch."""
    rtol: float
    """Largest relative difference to the twin: 0 unless floats are added in another order, or fused [-]."""

    @property
    def name(self) -> str:
        """Module and name, such as ``xbarsim.timing._swaps._swap``."""
        return f"{self.kernel.__module__}.{self.kernel.__name__}"

    def run(self, function: Callable[..., Any]) -> tuple[list[Any], list[Any]]:
        """Call with fresh arguments; return what it returned and filled, and all arguments as it left them."""
        arguments = self.inputs()
        result = function(*arguments)
        return flatten((result, *(arguments[place] for place in self.outputs))), flatten(arguments)


def flatten(values: Any) -> list[Any]:
    """List numbers and arrays within tuples and named tuples as arrays; None is left out."""
    if values is None:
        return []
    if isinstance(values, tuple):
        return [each for value in values for each in flatten(value)]
    return [copy.deepcopy(np.asarray(values))]


def plain(kernel: Any) -> Callable[..., Any]:
    """Return a kernel's own function, for loops that a second author would write alike."""
    return getattr(kernel, "py_func", kernel)
