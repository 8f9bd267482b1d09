"""Twelve tasks of new users, done with an installed wheel and the commands of the documentation.

Each test runs the pages that a user would follow, block by block, and then looks at the results that the task asks for.
"""

import csv
import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "docs" / "notebooks"

pytestmark = pytest.mark.slow


@pytest.fixture
def follow(installed, tmp_path):
    """Run a page in an empty folder; skips where what it needs is not installed."""

    def run(page, *needs):
        if not installed.has(*needs):
            pytest.skip(f"{', '.join(needs)} is not installed")
        return installed.run_page(page, tmp_path)

    return run


def text_of(page):
    """Return the words of an HTML page, without scripts, styles and the text of figures."""
    content = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page.read_text(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", content)).split())


def test_a_network_of_pytorch_has_an_accuracy_and_an_edap(follow, tmp_path):
    follow("tutorials/pytorch.md", "torch", "onnx", "onnxscript")
    report = json.loads((tmp_path / "result" / "report.json").read_text())
    assert report["accuracy"]["hardware"] > 0.9
    assert report["cost"]["edap"] > 0
    assert "EDAP" in text_of(tmp_path / "result" / "index.html")


def test_b_the_cheapest_converter_within_a_point_is_named_or_none(follow, tmp_path):
    follow("tutorials/cheapest_converter.md")
    found, none = (json.loads((tmp_path / name / "answer.json").read_text()) for name in ("cheapest", "none"))
    with (tmp_path / "cheapest" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    allowed = [row for row in rows if float(row["accuracy.degradation"]) <= 0.01 + 1e-12]
    best = min(allowed, key=lambda row: float(row["cost.energy_joule"]))
    assert 0 < len(allowed) < len(rows)
    assert best["point"] == found["point"]
    assert f"adc.bits: {best['adc.bits']}" in found["text"]
    assert none["point"] is None
    assert none["nearest"] is not None


def test_c_a_measured_array_has_a_map_in_checked_units(follow, installed, tmp_path):
    follow("tutorials/measured_array.md")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    wrong = "import xbarsim as xs; xs.device.load_conductances('array_17.csv')"
    with pytest.raises(AssertionError, match="conductance of a wire; give the unit"):
        installed.run([installed.python, "-c", wrong], tmp_path)


def test_d_a_chip_of_a_paper_is_written_with_completion(follow, installed, tmp_path):
    follow("tutorials/paper_chip.md")
    schema = json.loads((tmp_path / "hardware.schema.json").read_text())
    adc = schema["$defs"]["Adc"]["properties"]
    assert {"bits", "full_scale"} <= adc.keys()
    assert all(key["description"] for key in adc.values())
    if installed.has("jsonschema"):
        code = (
            "import json, sys, yaml, jsonschema; schema = json.load(open('hardware.schema.json'))\n"
            "content = yaml.safe_load(open('chip.yaml'))\njsonschema.validate(content, schema)\n"
            "content['crossbar']['rwos'] = 64\n"
            "print([e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(content)])"
        )
        assert "rwos" in installed.run([installed.python, "-c", code], tmp_path)


def test_e_the_causes_of_a_bad_layer_are_named(follow, tmp_path):
    follow("tutorials/explain.md")
    explained = json.loads((tmp_path / "explained.json").read_text())
    assert {"cause", "share_points"} <= explained["causes"]["accuracy"][0].keys()
    assert all(row["snr_db"] is not None for row in explained["layers"])
    assert explained["remedies"]


def test_f_two_files_and_their_results_are_compared(follow, installed, tmp_path):
    follow("tutorials/compare_hardware.md")
    shown = installed.run(["xbarsim", "hardware", "diff", "reference", "mine.yaml"], tmp_path)
    for key, first, second in (("crossbar.rows", 128, 64), ("adc.bits", 8, 6)):
        assert re.search(rf"{re.escape(key)}\s+{first}\s+{second}", shown)
    compared = installed.run(["xbarsim", "compare", "reference.json", "mine.json"], tmp_path)
    assert "accuracy, hardware" in compared
    assert "EDAP" in compared


def test_g_sixty_points_run_on_a_dask_cluster(follow, tmp_path):
    follow("tutorials/cluster.md", "distributed")
    with (tmp_path / "sixty" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert {row["status"] for row in rows} == {"done"}
    assert (tmp_path / "sixty" / "index.html").is_file()


def test_h_a_program_in_another_language_asks_the_oracle(follow, installed, tmp_path):
    follow("tutorials/oracle_client.md")
    answer = json.loads((tmp_path / "answers.jsonl").read_text())
    assert answer["cost"]["edap"] > 0
    if not shutil.which("node"):
        pytest.skip("the client in JavaScript needs node")
    printed = installed.run(["node", "search.mjs"], tmp_path, timeout=120)
    assert re.search(r"array (16|32|64|128): EDAP \d\.\d+e-\d+ J s m2", printed)


def test_i_the_page_says_what_dominates_the_energy(follow, tmp_path):
    follow("tutorials/energy.md")
    with (tmp_path / "cost" / "components.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["energy_joule"]))
    words = text_of(tmp_path / "cost" / "index.html")
    share = 100 * float(rows[0]["energy_joule"]) / sum(float(row["energy_joule"]) for row in rows)
    told = rf"energy of one inference [\d.]+ \wJ {re.escape(rows[0]['component'])} takes {share:.0f} %"
    assert re.search(told, words), words[:600]
    assert "By component" in words


def test_j_a_device_law_and_a_converter_of_ones_own_run(follow, tmp_path):
    follow("tutorials/device_law.md")
    follow("tutorials/converter.md")
    assert (tmp_path / "disturbed.yaml").is_file()
    assert (tmp_path / "companding.yaml").is_file()


def test_k_a_notebook_runs_in_jupyter(installed, tmp_path):
    if not installed.has("nbclient", "ipykernel"):
        pytest.skip("Jupyter is not installed")
    shutil.copy(NOTEBOOKS / "first_result.ipynb", tmp_path)
    execute = "from nbclient.cli import main; main()"  # what "jupyter execute" runs
    installed.run([installed.python, "-c", execute, "--inplace", "first_result.ipynb"], tmp_path)
    cells = json.loads((tmp_path / "first_result.ipynb").read_text())["cells"]
    kinds = {kind for cell in cells for output in cell.get("outputs", ()) for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds


def test_l_the_arrays_run_inside_a_training_loop(follow):
    page = NOTEBOOKS.parent / "tutorials" / "training_loop.md"
    assert "assert after.hardware > before.hardware" in page.read_text()  # a page that fails raises
    follow("tutorials/training_loop.md", "torch", "onnx", "onnxscript")
