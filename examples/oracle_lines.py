"""Drive the oracle from another process over JSON lines; nothing of xbarsim is imported here.

    python examples/oracle_lines.py

Any language that starts a process and reads JSON can do the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SIZES = (16, 32, 64, 128)


def ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send questions, one JSON object a line, and return the answers in order."""
    program = [sys.executable, "-c", "from xbarsim.cli import main; main()"]  # or simply: xbarsim
    done = subprocess.run(
        [*program, "oracle", "--hardware", "nax"],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> list[dict[str, Any]]:
    """Ask for one layer on four arrays, for a network, and for something that does not exist."""
    shape = {"in_channels": 64, "out_channels": 64, "kernel": 3, "padding": 1, "height": 8, "width": 8}
    questions: list[dict[str, Any]] = [
        {"id": size, "layer": "conv2d", "shape": shape, "choice": {"crossbar.rows": size, "crossbar.cols": size}}
        for size in SIZES
    ]
    questions.append({"id": "network", "network": "resnet20", "layers": {"layer3.*": {"weight_bits": 4}}})
    questions.append({"id": "wrong", "layer": "conv2d", "shape": {**shape, "kernel": 0}})
    return ask(questions)


if __name__ == "__main__":
    for answer in main():
        cost = answer.get("cost")
        print(answer["id"], f"{cost['edap']:.3e} J s m2" if cost else answer["error"])
