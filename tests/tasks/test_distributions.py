"""What is packed into an sdist, and into the wheel that is built from it."""

import tarfile
import zipfile

import pytest

pytestmark = pytest.mark.slow


def test_an_sdist_has_the_package_and_its_texts(distributions):
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("LICENSE", "README.md", "hwconfigs/reference.yaml", "xbarsim/py.typed", "xbarsim/cli/__init__.py"):
        assert name in names
    assert not [name for name in names if name.endswith((".pyc", ".nbi", ".nbc"))]


def test_a_wheel_has_the_package_alone(distributions):
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"xbarsim"}
    assert len(names) == len(set(names))
    assert "Description-Content-Type: text/markdown" in metadata
    assert "Apache-2.0" in metadata
