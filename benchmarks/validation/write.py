"""Run every validation file and write docs/validation.md; exit code 1 where a claimed figure is missed.

python benchmarks/validation/write.py [FILE]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from figures import write_table

SOURCES = ("isaac", "puma", "neurram", "sram", "counts")
HEAD = """# Validation

Published figures beside ours. *met*: within the deviation that the file claims (2 % unless the figure is an exact
count). *missed*: it is not, and the note says why. *lead*: shown, not claimed. Written by
`python benchmarks/validation/write.py`; one file of that folder for each source.
"""
TAIL = """## Not shipped, and why

**ISAAC-PE and ISAAC-SE** (ISCA 2016): the paper names these two beside ISAAC-CE, the design of `hwconfigs/isaac.yaml`,
as the best in power and in storage of a sweep over arrays, converters and IMAs. It lists components, powers and areas
for ISAAC-CE alone, and its authors' corrected version of 5 October 2016 changes results of just the other two. Sums of
recalled or scaled parts would agree with one version by construction, so that no figure of them could be claimed;
`isaac` with other `crossbar`, `adc.per_array` and `chip` settings runs designs of that kind.
"""


def main() -> None:
    """Write the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "validation.md"
    missed, parts = 0, [HEAD]
    for name in SOURCES:
        source = importlib.import_module(name)
        figures = source.collect()
        missed += sum(figure.verdict == "missed" for figure in figures)
        parts.append(f"## {source.TITLE}\n\n`python benchmarks/validation/{name}.py`\n\n{write_table(figures)}\n")
    target.write_text("\n".join([*parts, TAIL]), encoding="utf-8")
    print(f"{target}: {missed} claimed figures missed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
