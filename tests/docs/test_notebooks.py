"""Executed notebooks of the documentation: made from their scripts, and giving the same results again."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from doc_pages import is_alike

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"
SCRIPTS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))
LARGEST_BYTES = 200_000
NEEDS = {"training_loop": ("torch", "onnx", "onnxscript")}


def load_builder():
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "benchmarks" / "validation" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text())


def texts_of(cells):
    """Return what cells print, and the text of objects; addresses left out."""
    found = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                continue  # a figure says its size alone
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            found.append(re.sub(r"0x[0-9a-f]+", "", "".join(text)))
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_script_and_their_outputs(script):
    cells = read(script.stem)["cells"]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == list(
        load_builder().split_cells(script.read_text())
    )
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert outputs
    assert all(output["output_type"] != "error" for output in outputs)
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert (FOLDER / f"{script.stem}.ipynb").stat().st_size < LARGEST_BYTES


def test_every_notebook_has_a_script_and_a_line_in_the_index():
    names = {path.stem for path in FOLDER.glob("*.ipynb")}
    assert names == {path.stem for path in SCRIPTS}
    index = (FOLDER / "index.md").read_text()
    assert all(f"\n{name}\n" in index for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_gives_the_same_results_again(script):
    for needed in ("nbclient", "ipykernel", *NEEDS.get(script.stem, ())):
        pytest.importorskip(needed, reason=f"{needed} is not installed (extra docs)")
    builder = load_builder()
    again = builder.run_notebook(builder.make_notebook(script.read_text()))
    for shown, found in zip(texts_of(read(script.stem)["cells"]), texts_of(again.cells), strict=True):
        assert is_alike(shown, found), f"the notebook shows\n{shown}\nbut now prints\n{found}"
