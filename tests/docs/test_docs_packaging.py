"""What describes a release agrees with the package: the conda recipe, the versions, and the names of pages."""

import configparser
import re
from pathlib import Path

import yaml

import xbarsim

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"matplotlib": "matplotlib-base", "torch": "pytorch", "dask[distributed]": "dask"}


def load_recipe():
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    version = re.search(r'set version = "(.*?)"', text)[1]
    lines = [line for line in text.splitlines() if not line.startswith("{%")]
    return version, yaml.safe_load("\n".join(lines).replace("{{ version }}", version).replace("{{ PYTHON }}", "python"))


def requirements_of(text):
    """Return name -> least version of lines such as ``numpy>=1.26``, under the names of conda."""
    pairs = (line.split(">=") for line in text.split())
    return {CONDA_NAMES.get(name, name): version for name, version in pairs}


def test_the_conda_recipe_requires_what_the_package_requires():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    version, recipe = load_recipe()
    assert version == xbarsim.__version__
    run = dict(line.split(" >=") for line in recipe["requirements"]["run"])
    assert run.pop("python") == settings["options"]["python_requires"].removeprefix(">=")
    assert run == requirements_of(settings["options"]["install_requires"])
    extras = settings["options.extras_require"]
    known = {}
    for extra in ("onnx", "torch", "search", "cluster"):
        known |= requirements_of(extras[extra])
    constrained = dict(line.split(" >=") for line in recipe["requirements"]["run_constrained"])
    assert constrained.items() <= known.items()
    assert recipe["build"]["entry_points"] == settings["options.entry_points"]["console_scripts"].strip().splitlines()


def test_the_file_that_is_cited_is_of_the_form_that_readers_expect():
    given = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert given["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license", "type"} <= given.keys()


def test_the_release_page_names_commands_that_exist():
    page = (ROOT / "docs" / "release.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", page):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(
        r"`((?:packaging|benchmarks|xbarsim|\.ci)/[\w/.]+|CITATION\.cff|\.readthedocs\.yaml)`", page
    ):
        assert (ROOT / path).exists(), path
