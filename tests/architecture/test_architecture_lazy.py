"""Packages that load their names on first use: type checkers and Python see the same names of the same modules."""

import ast
import importlib

import pytest
from test_architecture import FILES, ROOT, read, shown

LAZY = [path for path in FILES if path.name == "__init__.py" and "load_lazily" in path.read_text(encoding="utf-8")]


def list_imports(tree):
    """Return module -> names that a file imports for type checkers alone."""
    found = {}
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for node in block.body:
                found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return found


def test_the_rooms_that_an_estimate_does_not_need_are_lazy():
    assert {"xbarsim", "xbarsim/crossbar", "xbarsim/mvm", "xbarsim/inference"} <= {shown(path.parent) for path in LAZY}


@pytest.mark.parametrize("path", LAZY, ids=shown)
def test_names_for_type_checkers_are_those_that_are_loaded(path):
    package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
    loaded = {module: set(names) for module, names in package._SOURCES.items()}
    if hasattr(package, "_ROOMS"):
        loaded[package.__name__] = set(package._ROOMS)
    assert list_imports(read(path)) == loaded
    assert all(getattr(package, name) is not None for names in loaded.values() for name in names)
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.__getattr__("nothing")
