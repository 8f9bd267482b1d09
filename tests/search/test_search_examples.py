"""The examples that drive the oracle run and find what they say."""

import importlib.util
from pathlib import Path

import pytest

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
