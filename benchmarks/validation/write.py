"""Run every validation file and write docs/validation.md; exit code 1 where a claimed figure is missed.

python benchmarks/validation/write.py [FILE]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from figures import write_table

SOURCES = ("isaac", "puma", "neurram", "counts")
HEAD = """# Validation

Published figures beside ours. *met*: within the deviation that the file claims (2 % unless the figure is an exact
count). *missed*: it is not, and the note says why. *lead*: shown, not claimed. Written by
`python benchmarks/validation/write.py`; one file of that folder for each source.
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
    target.write_text("\n".join(parts), encoding="utf-8")
    print(f"{target}: {missed} claimed figures missed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
