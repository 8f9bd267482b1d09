"""An installation as a user has it: a wheel that was built from the sdist, and nothing of the repository.

Tests run its programs in an empty folder with the environment of a user. ``XBARSIM_TASK_PYTHON`` names the Python of an
environment where a wheel is installed already (``make test-wheel`` makes an empty one); it is then used in place of a
folder that is put before the packages of this Python. Everything is offline.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"
SOURCES = ("xbarsim", "hwconfigs", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
RUNNER = ROOT / "tests" / "doc_pages.py"
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Installation:
    """Python and programs of a user."""

    python: str
    environment: dict

    def run(self, command, folder, **options):
        """Run a command in a folder; return what it prints, with its messages."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def has(self, *modules):
        """Tell whether modules can be imported."""
        code = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
        return not subprocess.run([self.python, "-c", code, *modules], env=self.environment).returncode

    def run_page(self, name, folder):
        """Run all blocks of a page of the documentation."""
        return self.run([self.python, str(RUNNER), str(DOCS / name)], folder)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """Folder with an sdist of this tree and a wheel that was built from it."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("distributions")
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=ignore)
        elif path.exists():
            shutil.copy(path, source)
    build("sdist", source, folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    build("wheel", next((folder / "unpacked").iterdir()), folder)
    return folder


def build(kind, source, folder):
    """Build an sdist or a wheel with the backend of pyproject.toml, without isolation and network."""
    done = subprocess.run(
        [sys.executable, "-c", BACKEND.format(kind), str(folder)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def installed(request, tmp_path_factory):
    """The package as installed from a wheel."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XBARSIM", "PYTHONPATH"))}
    python = os.environ.get("XBARSIM_TASK_PYTHON")
    if python is not None:
        folder = str(Path(python).absolute().parent)
        environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", "")])
        return Installation(python, environment)
    target = tmp_path_factory.mktemp("installed")
    wheel = next(request.getfixturevalue("distributions").glob("*.whl"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    programs = [str(target / "bin"), str(Path(sys.executable).parent), environment.get("PATH", "")]
    found = Installation(sys.executable, {**environment, "PATH": os.pathsep.join(programs), "PYTHONPATH": str(target)})
    where = found.run([sys.executable, "-c", "import xbarsim; print(xbarsim.__file__)"], target.parent)
    assert where.strip().startswith(str(target)), "the tests must not see the repository"
    return found
