"""What belongs to one layer travels in one record: no function takes lists that run in parallel.

Two signs give such lists away, and both are read from the source. A ``zip`` over three or more sequences walks lists
that should be one list of records. A function with two or more parameters that are sequences by their annotation
(``list``, ``Sequence``, ``Iterable``, ``tuple[X, ...]``) takes lists whose lengths have to agree; arrays are no such
sequences, for an array has a documented shape. Nor are shapes (``tuple[int, ...]``), and a function may take several
vectors of numbers.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "xbarsim"
FILES = sorted(PACKAGE.rglob("*.py"))
INDEPENDENT = {
    "report/best.py: choose_best": "every design has every column that tells designs apart",
    "report/explore.py: _list_filters": "every design has every column",
    "report/markup.py: fit_table": "headings belong to columns, rows are lists of cells",
    "report/markup.py: lay_out_table": "headings belong to columns, rows are lists of cells",
    "diagnosis/run.py: explain": "which tables to make and which remedies to try are separate choices",
    "report/markup.py: render_frame": "cards and sections are separate parts of a page",
    "report/record.py: join_records": "records are matched by their names",
    "sweep/page.py: _best_cards": "every factor meets every metric",
    "sweep/page.py: _cards": "every factor meets every metric",
    "sweep/page.py: _explore": "every factor meets every metric",
    "sweep/page.py: _effects": "every factor meets every metric",
    "sweep/page.py: _front_table": "every factor meets every metric",
    "sweep/page.py: draw_figures": "every factor meets every metric",
}
"""Functions whose sequences do not run in parallel, and why."""
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
    if ast.unparse(annotation) == "tuple[int, ...]":
        return False
    if name == "tuple":
        items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else []
        return bool(items) and isinstance(items[-1], ast.Constant) and items[-1].value is ...
    return name in SEQUENCES


def is_vector(annotation):
    """Tell whether an annotation is a sequence of numbers, or one of several types that is one."""
    plain = re.compile(r"None|str|int|float|\w+\[(int|float)(, \.\.\.)?\]")
    return all(plain.fullmatch(part) for part in ast.unparse(annotation).split(" | "))


def find_parallel_lists(tree):
    """Return a line for every zip over too many sequences and every function that takes too many of them."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            if len(node.args) > MOST_ZIPPED:
                found.append(f"zip: line {node.lineno} walks {len(node.args)} sequences")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            lists = [item for item in given if item.annotation is not None and is_sequence(item.annotation)]
            if len(lists) > MOST_SEQUENCES and not all(is_vector(item.annotation) for item in lists):
                names = ", ".join(item.arg for item in lists)
                found.append(f"{node.name}: line {node.lineno} takes the sequences {names}")
    return found


def find_all():
    """Return what the check finds in the package, as ``file: function`` -> what is wrong."""
    found = {}
    for path in FILES:
        for line in find_parallel_lists(ast.parse(path.read_text(encoding="utf-8"))):
            function, _, what = line.partition(": ")
            found[f"{path.relative_to(PACKAGE).as_posix()}: {function}"] = what
    return found


def test_no_function_takes_parallel_lists():
    found = find_all()
    assert not (wrong := {key: what for key, what in found.items() if key not in INDEPENDENT}), wrong
    assert not (unknown := INDEPENDENT.keys() - found.keys()), f"named as independent, yet not found: {unknown}"


@pytest.mark.parametrize(
    "source",
    [
        "def plan(nodes: list[Node], cuts: Sequence[Partition]): ...",
        "def plan(*, nodes: 'tuple[Node, ...]', cuts: Sequence[Partition] | None): ...",
        "def count(names: Sequence[str], sizes: Sequence[int]): ...",
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
        "def pad(sizes: Sequence[int], kernel: tuple[int, ...], means: Sequence[float]): ...",
        "def shape(nodes: list[Node], first: tuple[int, ...]): ...",
        "for draft, count in zip(drafts, counts): pass",
    ],
)
def test_the_check_lets_records_and_arrays_pass(source):
    assert not find_parallel_lists(ast.parse(source))
