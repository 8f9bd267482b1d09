"""What belongs to one layer travels in one record: no function takes lists that run in parallel.

Two signs give such lists away, and both are read from the source. A ``zip`` over three or more sequences walks lists
that should be one list of records. A function with two or more parameters that are sequences by their annotation
(``list``, ``Sequence``, ``Iterable``, ``tuple[X, ...]``) takes lists whose lengths have to agree; arrays are no such
sequences, for an array has a documented shape.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "xbarsim"
ROOMS = ("config", "device", "crossbar", "converter", "mvm", "mapping", "inference")
"""Rooms that keep the rule."""
SEQUENCES = {"list", "List", "Sequence", "MutableSequence", "Iterable", "Iterator", "Collection"}
MOST_ZIPPED = 2
MOST_SEQUENCES = 1


def is_sequence(annotation):
    """Tell whether an annotation is a sequence, or one of several types that is one."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return is_sequence(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.BinOp):
        return is_sequence(annotation.left) or is_sequence(annotation.right)
    if not isinstance(annotation, ast.Subscript):
        return False
    name = ast.unparse(annotation.value).split(".")[-1]
    if name == "tuple":
        items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else []
        return bool(items) and isinstance(items[-1], ast.Constant) and items[-1].value is ...
    return name in SEQUENCES


def find_parallel_lists(tree):
    """Return a line for every zip over too many sequences and every function that takes too many of them."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            if len(node.args) > MOST_ZIPPED:
                found.append(f"{node.lineno}: zip over {len(node.args)} sequences")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            lists = [item.arg for item in given if item.annotation is not None and is_sequence(item.annotation)]
            if len(lists) > MOST_SEQUENCES:
                found.append(f"{node.lineno}: {node.name} takes the sequences {', '.join(lists)}")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_function_takes_parallel_lists(room):
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line in find_parallel_lists(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "def plan(nodes: list[Node], cuts: Sequence[Partition]): ...",
        "def plan(*, nodes: 'tuple[Node, ...]', cuts: Sequence[Partition] | None): ...",
        "for a, b, c in zip(nodes, cuts, signs): pass",
    ],
)
def test_the_check_sees_parallel_lists(source):
    assert find_parallel_lists(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "def plan(drafts: Sequence[LayerDraft], hardware: Hardware, shape: tuple[int, int]): ...",
        "def plan(codes: NDArray[np.int64], starts: NDArray[np.int64]): ...",
        "for draft, count in zip(drafts, counts): pass",
    ],
)
def test_the_check_lets_records_and_arrays_pass(source):
    assert not find_parallel_lists(ast.parse(source))
