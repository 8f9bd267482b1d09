"""Notebooks of the documentation, executed from plain scripts.

    python benchmarks/validation/notebooks.py [NAME ...]

reads examples/notebooks/*.py, where ``# %%`` begins a cell of code and ``# %% [markdown]`` one of text, runs the cells
with Jupyter in an empty folder (extra ``docs``), and writes docs/notebooks/*.ipynb with their outputs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "examples" / "notebooks"
FOLDER = ROOT / "docs" / "notebooks"
MARK = "# %%"
TIMEOUT_S = 600


def split_cells(script: str) -> Iterator[tuple[str, str]]:
    """Yield kind (``code`` or ``markdown``) and source of every cell of a script."""
    for part in ("\n" + script).split(f"\n{MARK}")[1:]:
        head, _, body = part.partition("\n")
        if head.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            yield "markdown", "\n".join(lines)
        else:
            yield "code", body.strip()


def make_notebook(script: str) -> Any:
    """Return a notebook without outputs."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    make = {"markdown": new_markdown_cell, "code": new_code_cell}
    cells = [make[kind](source, id=f"cell-{number}") for number, (kind, source) in enumerate(split_cells(script))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def run_notebook(notebook: Any) -> Any:
    """Execute a notebook in an empty folder; return it with outputs, without what differs from run to run."""
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": folder}})
        client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Execute and write the notebooks that are named, or all."""
    import nbformat

    FOLDER.mkdir(exist_ok=True)
    for script in sorted(SCRIPTS.glob("*.py")):
        if len(sys.argv) > 1 and script.stem not in sys.argv[1:]:
            continue
        path = FOLDER / f"{script.stem}.ipynb"
        nbformat.write(run_notebook(make_notebook(script.read_text())), path)
        print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
