"""What every validation file shares: a figure with its published value, ours, their ratio and a reason; a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure beside ours."""

    what: str
    """What it is, unit included."""
    published: float
    """What the source says."""
    ours: float
    """What xbarsim says."""
    within: float | None
    """Largest deviation that counts as met, as a fraction; None for a lead that is shown but not claimed."""
    why: str = ""
    """Where it comes from, or why it is off."""

    @property
    def ratio(self) -> float:
        """Ours over published."""
        return self.ours / self.published if self.published else float("nan")

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or ``lead``."""
        if self.within is None:
            return "lead"
        return "met" if abs(self.ratio - 1) <= self.within + 1e-12 else "missed"


def write_table(figures: Iterable[Figure]) -> str:
    """Write figures as a Markdown table."""
    lines = ["| figure | published | xbarsim | ratio | verdict | note |", "|---|---|---|---|---|---|"]
    for figure in figures:
        numbers = f"{figure.published:.5g} | {figure.ours:.5g} | {figure.ratio:.4f}"
        lines.append(f"| {figure.what} | {numbers} | {figure.verdict} | {figure.why} |")
    return "\n".join(lines)


def main(title: str, collect: Callable[[], list[Figure]]) -> None:
    """Print one source's table; exit code 1 where a claimed figure is missed."""
    figures = collect()
    print(f"## {title}\n\n{write_table(figures)}")
    sys.exit(any(figure.verdict == "missed" for figure in figures))
