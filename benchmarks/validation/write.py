"""Run every validation file and write docs/validation.md; exit code 1 where a claimed figure is missed.

python benchmarks/validation/write.py [FILE]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from figures import write_table
from macros import TITLE, write_section

SOURCES = ("isaac", "puma", "neurram", "sram", "converters", "counts")
HEAD = """# Validation

Published figures compared with results of xbarsim. The verdicts are: *met*, the deviation is within the limit of
the source (2 %; exact counts allow none); *missed*, it is larger, and the note gives the reason; *lead*, the figure is
shown, but no agreement is claimed. *Ratio* is the result of xbarsim over the published figure. The page is written by
`python benchmarks/validation/write.py`, from one file for each source in that folder.
"""
TAIL = """## Designs that do not ship

**ISAAC-PE and ISAAC-SE** (ISCA 2016). The paper explores arrays, converters and IMAs. Besides ISAAC-CE, the design in
`hwconfigs/isaac.yaml`, it names these two as the designs with the best power efficiency and storage efficiency. It
gives components, powers and areas only for ISAAC-CE, and the authors' corrected version of 5 October 2016 changes the
results of only the other two. Sums of recalled or scaled component figures would agree with one of the versions by
construction, so no agreement could be claimed. Designs of this kind can be described by `isaac` with other values of
`crossbar`, `adc.per_array` and `chip`.
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
    section, is_kept = write_section()
    missed += not is_kept
    parts.append(f"## {TITLE}\n\n`python benchmarks/validation/macros.py`\n\n{section}")
    target.write_text("\n".join([*parts, TAIL]), encoding="utf-8")
    print(f"{target}: {missed} claimed figures missed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
