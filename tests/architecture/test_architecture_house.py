"""Rules that keep the house readable: short functions, one name for one thing, frozen records, shapes and units."""

import ast
import collections
import inspect
import re
from pathlib import Path

import pytest
from test_architecture import FILES, PACKAGE, is_kernel, is_typer_command, public_functions, read, shown

LONGEST_BODY = 60


def body_lines(function):
    """Return the lines of a function's body, without its docstring."""
    body = function.body
    if ast.get_docstring(function) and len(body) > 1:
        body = body[1:]
    return function.end_lineno - body[0].lineno + 1


def functions(path):
    """Yield every function of a file, those inside others and methods too."""
    for node in ast.walk(read(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_function_bodies_stay_short(path):
    long = {node.name: body_lines(node) for node in functions(path) if body_lines(node) > LONGEST_BODY}
    assert not long


def test_a_class_name_means_one_thing():
    found = collections.defaultdict(set)
    for path in FILES:
        for node in ast.walk(read(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].add(shown(path))
    assert {name: sorted(paths) for name, paths in found.items() if len(paths) > 1} == {}


def is_frozen(node):
    """Tell whether a class is a frozen dataclass."""
    return any("frozen=True" in ast.unparse(item) for item in node.decorator_list)


def called_in(tree, wanted):
    """Yield (name of the enclosing function, line) of every mention of a dotted name."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and ast.unparse(node) == wanted:
                    yield function.name, node.lineno


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_what_is_frozen_is_changed_only_while_it_is_made(path):
    wrong = [line for name, line in called_in(read(path), "object.__setattr__") if name != "__post_init__"]
    assert not wrong, f"object.__setattr__ outside __post_init__: lines {wrong}"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_frozen_records_hold_nothing_that_can_be_changed(path):
    wrong = [
        f"{node.name}.{ast.unparse(item.target)}: {ast.unparse(item.annotation)}"
        for node in ast.walk(read(path))
        if isinstance(node, ast.ClassDef) and is_frozen(node)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and re.match(r"(list|dict|set|bytearray)\b", ast.unparse(item.annotation))
    ]
    assert not wrong, "use tuple, Mapping or frozenset: " + ", ".join(wrong)


ARRAY = re.compile(r"NDArray|ndarray|ArrayLike|\bArray\b|\bTensor\b")
QUANTITY = re.compile(r"_(siemens|ohm|volt|s|hz|joule|watt|m2|m|kelvin|farad|ampere)$")
SHAPE = r"(\(|any shape|shape of|same shape|shape like|shape as|scalar)"


def entry(docstring, section, name):
    """Return the head line of one entry of a numpydoc section, None where it is missing."""
    match = re.search(rf"^(?:Other )?{section}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}\n|\Z)", docstring, re.M | re.S)
    if match is None:
        return None
    heads = [line for line in match[1].splitlines() if line and not line.startswith(" ")]
    return next((line for line in heads if re.search(rf"\b{re.escape(name)}\b", line.split(" : ")[0])), None)


def missing_shapes_and_units(function):
    """Return what the docstring of a public function leaves out about its arrays and quantities."""
    docstring = inspect.cleandoc(ast.get_docstring(function) or "")
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    missing = []
    for argument in arguments:
        annotation = "" if argument.annotation is None else ast.unparse(argument.annotation)
        if ARRAY.search(annotation) and not re.search(r"Callable|Sequence|Mapping|dict|list|tuple", annotation):
            head = entry(docstring, "Parameters", argument.arg)
            if head is None or not re.search(SHAPE, head):
                missing.append(f"shape of {argument.arg}")
        if QUANTITY.search(argument.arg):
            head = entry(docstring, "Parameters", argument.arg)
            if head is None or not re.search(r"\[[^\]]+\]", docstring):
                missing.append(f"unit of {argument.arg}")
    returns = "" if function.returns is None else ast.unparse(function.returns)
    if re.fullmatch(r"(np\.ndarray|NDArray\[.*\]|Array|Tensor|torch\.Tensor)", returns):
        match = re.search(r"^Returns\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", docstring, re.M | re.S)
        if match is None or not re.search(SHAPE, match[1]):
            missing.append("shape of the result")
    return missing


def test_the_check_of_shapes_and_units_sees_what_is_missing():
    text = '''
def solve(g: NDArray[np.float64], r_wl_ohm: float) -> NDArray[np.float64]:
    """Solve.

    Parameters
    ----------
    g : ndarray, (rows, cols)
        Conductance [S].
    r_wl_ohm : float
        One segment [ohm].

    Returns
    -------
    ndarray, shape of ``g``
        Transfer [S].
    """
'''
    function = ast.parse(text).body[0]
    assert missing_shapes_and_units(function) == []
    blind = ast.parse(text.replace(", (rows, cols)", "").replace(", shape of ``g``", "")).body[0]
    assert missing_shapes_and_units(blind) == ["shape of g", "shape of the result"]
    bare = ast.parse(text.split('"""')[0] + '"""Solve."""').body[0]
    assert missing_shapes_and_units(bare) == ["shape of g", "unit of r_wl_ohm", "shape of the result"]


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.parent != PACKAGE and not is_typer_command(path)], ids=shown
)
def test_functions_with_arrays_or_quantities_say_shapes_and_units(path):
    wrong = {
        name: missing
        for name, function, is_method in public_functions(path)
        if not is_kernel(function) and (missing := missing_shapes_and_units(function))
        if not (is_method and says_shape_in_passing(function))
    }
    assert not wrong


def says_shape_in_passing(function):
    """Tell whether the docstring of a short method gives a shape, or names the function that does."""
    docstring = inspect.cleandoc(ast.get_docstring(function) or "")
    shape = r"\((\w|\.\.\.|\*)[^()]*,[^()]*\)|shape of|any shape"
    return re.search(rf"{shape}|see :meth:|arguments as|[Aa]s (in |for )?:(func|meth)", docstring) is not None


def test_every_file_of_the_package_is_seen():
    assert Path(PACKAGE / "__init__.py") in FILES
    assert len({path.parent.name for path in FILES}) > 15
