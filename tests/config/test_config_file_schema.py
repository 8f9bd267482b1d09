"""JSON schemas of sweep and search files, checked by a validator that knows nothing of the records."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from doc_pages import blocks_of

import xbarsim.cli
from xbarsim.yaml_file import load_yaml, parse_yaml

Draft202012Validator = pytest.importorskip("jsonschema").Draft202012Validator
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {"axes": ["sweep"], "space": ["search", "nax"], "shapes": ["search", "epitome"]}
SWEEP = {"network": "digits", "axes": {"adc.bits": [5, 6]}}
SEARCH = {"network": "digits", "space": {"*": {"array": [32]}}}
EPITOMES = {"network": "resnet20", "shapes": [{"rows": 288, "channels": 32}], "uniform": {"rows": 288, "channels": 32}}


@pytest.fixture
def check(capsys):
    """Returns what is wrong with the content of a file, by the key that tells whose it is."""
    known = {}

    def find(key, content):
        if key not in known:
            assert xbarsim.cli.run([*COMMANDS[key], "--schema"]) == 0
            known[key] = json.loads(capsys.readouterr().out)
            Draft202012Validator.check_schema(known[key])
        return [error.message for error in Draft202012Validator(known[key]).iter_errors(content)]

    return find


def list_files():
    texts = [path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml"))]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        texts += [content for kind, content in blocks_of(page.read_text()) if kind == "yaml" and "network:" in content]
    found = [parse_yaml(text, "page") for text in texts]
    return [(key, content) for content in found for key in COMMANDS if isinstance(content, dict) and key in content]


@pytest.mark.parametrize("key", COMMANDS)
def test_the_schema_takes_the_files_of_examples_and_pages(key, check):
    files = [content for found, content in list_files() if found == key]
    assert files
    assert [check(key, content) for content in files] == [[]] * len(files)


@pytest.mark.parametrize(
    ("key", "content", "change"),
    [
        ("axes", SWEEP, {"trails": 3}), ("axes", SWEEP, {"trials": 0}), ("axes", SWEEP, {"trials": "two"}),
        ("axes", SWEEP, {"network": 3}), ("axes", SWEEP, {"design": "sobol"}),
        ("axes", SWEEP, {"design": {"point": 9}}),
        ("space", SEARCH, {"pionts": 4}), ("space", SEARCH, {"objectives": {"cost.edap": "least"}}),
        ("space", SEARCH, {"evolution": {"population": "many"}}), ("shapes", EPITOMES, {"shapes": [{"row": 8}]}),
        ("shapes", EPITOMES, {"budget": "all"}),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_reader_refuses(key, content, change, check, tmp_path, capsys):
    assert check(key, content) == []
    wrong = {**content, **change}
    assert check(key, wrong)
    path = tmp_path / "file.yaml"
    path.write_text(json.dumps(wrong))
    assert xbarsim.cli.run([*COMMANDS[key], str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_sweep_is_read_from_standard_input(tmp_path, monkeypatch, capsys):
    text = b"network: lenet5\naxes: {crossbar.r_wl_ohm: [1e-5, 1.0e-5]}\nmetrics: [cost.edap]\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert load_yaml("-")["axes"] == {"crossbar.r_wl_ohm": [1e-5, 1e-5]}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.replace(b"1.0e-5", b"2e-5"))))
    assert xbarsim.cli.run(["sweep", "-", "--out", str(tmp_path / "out"), "--workers", "1", "--dry-run"]) == 0
    assert "2 points" in capsys.readouterr().out
