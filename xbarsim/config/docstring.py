"""Descriptions of fields: the strings below them in the source of their class, read when a schema is written."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping


def read_descriptions(cls: type) -> dict[str, str]:
    """Return the descriptions of the fields of a class and of its bases.

    Parameters
    ----------
    cls : type
        A record.

    Returns
    -------
    dict
        Field -> text; fields without a string below them are left out, and all where there is no source.
    """
    found: dict[str, str] = {}
    for each in reversed(
        [base for base in cls.__mro__ if base.__module__.split(".")[0] not in ("builtins", "pydantic")]
    ):
        found |= _read_module(each.__module__).get(each.__qualname__, {})
    return found


@functools.cache
def _read_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return the descriptions of all classes of a module, by their qualified names."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return dict(_walk(tree, ""))


def _walk(node: ast.AST, before: str) -> Iterator[tuple[str, dict[str, str]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield f"{before}{child.name}", _read_class(child)
            yield from _walk(child, f"{before}{child.name}.")
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _walk(child, f"{before}{child.name}.<locals>.")
        else:
            yield from _walk(child, before)


def _read_class(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, below in itertools.pairwise(node.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value.value if isinstance(below.value, ast.Constant) else None
            if isinstance(text, str):
                found[field.target.id] = inspect.cleandoc(text)
    return found
