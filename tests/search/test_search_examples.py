"""The examples that drive the oracle run and find what they say."""

import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xbarsim as xs
from xbarsim.search import load_search, open_space
from xbarsim.search.epitome import load_epitome_search, open_epitome_search

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the user's cache out of it."""
    monkeypatch.setenv("XBARSIM_CACHE", str(tmp_path / "cache"))


def load(name):
    """Import an example by its name."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_optuna_finds_a_design_no_worse_than_every_single_size():
    pytest.importorskip("optuna", reason="the extra search is not installed")
    study, uniform = load("oracle_optuna").search(30)
    assert study.best_value <= uniform
    assert len(study.best_params) == 20


def test_a_plain_evolutionary_loop_improves_on_chance():
    example = load("oracle_evolution")
    assert example.main(15)[1] < 0.8 * example.main(0)[1]


def test_another_process_gets_its_answers_over_json_lines():
    answers = load("oracle_lines").main()
    assert [answer["id"] for answer in answers] == [16, 32, 64, 128, "network", "wrong"]
    assert all("cost" in answer for answer in answers[:-1])
    assert "shape.kernel" in answers[-1]["error"]


@pytest.mark.slow
def test_a_client_in_javascript_improves_a_design_over_json_lines():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = [sys.executable, "-m", "xbarsim", "oracle", "--hardware", "nax", "--cache", "none"]
    done = subprocess.run(
        [node, str(EXAMPLES / "oracle_node.js"), *program], capture_output=True, text=True, check=True, timeout=120
    )
    found = json.loads(done.stdout)
    assert found["best"] < found["first"]
    layers = {glob: dict(choice) for glob, choice in found["chosen"].items()}
    assert xs.CostOracle("nax", cache=None).cost("resnet20", layers).edap == found["best"]


def test_pymoo_finds_a_front_of_energy_and_delay():
    pytest.importorskip("pymoo", reason="pymoo is not installed")
    front = load("oracle_pymoo").search(3, population=8)
    assert len(front) >= 1
    order = front[front[:, 0].argsort()]
    assert all(later <= earlier for earlier, later in itertools.pairwise(order[:, 1]))


def test_nevergrad_finds_a_design_better_than_the_first():
    pytest.importorskip("nevergrad", reason="nevergrad is not installed")
    example = load("oracle_nevergrad")
    assert example.search(60)[1] < example.search(1)[1]


SEARCHES = sorted(set(EXAMPLES.glob("search_*.yaml")) - {EXAMPLES / "search_epitome.yaml"})


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.name)
def test_search_files_are_sound(path, tmp_path, request):
    text = path.read_text()
    if "../../shared" in text:
        text = text.replace("../../shared", str(request.getfixturevalue("shared")))
    copy = tmp_path / path.name
    copy.write_text(text)
    space, _ = open_space(load_search(copy))
    assert space.count > 100


def test_the_epitome_example_is_a_search_that_can_start():
    task = open_epitome_search(load_epitome_search(EXAMPLES / "search_epitome.yaml"))
    assert (task.budget, len(task.starts)) == (364, 3)
