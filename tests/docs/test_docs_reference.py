"""The reference names everything that is public."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import xbarsim as xs

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
ROOMS = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")
INDEX = (FOLDER / "index.md").read_text()


def test_every_name_of_the_package_stands_on_the_first_page():
    assert ".. automodule:: xbarsim.errors\n   :members:\n" in INDEX
    for name in xs.__all__:
        thing = getattr(xs, name)
        if inspect.ismodule(thing) or getattr(thing, "__module__", "") == "xbarsim.errors":
            continue
        assert f"`xs.{name}`" in INDEX or f"autofunction:: xbarsim.{name}" in INDEX, name


def test_every_public_subpackage_has_a_page():
    public = {name for name in xs.__all__ if inspect.ismodule(getattr(xs, name))}
    assert public <= set(ROOMS)
    for name in ROOMS:
        assert f"[`xbarsim.{name}`]({name}.md)" in INDEX
        assert re.search(rf"^{name}$", INDEX, re.MULTILINE), "in the list of pages"


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_subpackage_stands_on_its_page(room):
    module, page = importlib.import_module(f"xbarsim.{room}"), (FOLDER / f"{room}.md").read_text()
    assert f".. automodule:: xbarsim.{room}\n   :members:\n" in page  # Sphinx takes the names of __all__
    assert module.__all__
    left_out = re.findall(r":exclude-members: (.*)", page)
    for name in module.__all__:
        thing = getattr(module, name)
        if callable(thing):
            assert inspect.getdoc(thing), name
            assert name not in left_out or f"`{name}` is that of [`xbarsim." in page, name
        else:  # Sphinx finds no description of constants
            assert f"| `xbarsim.{room}.{name}` | " in page, name
