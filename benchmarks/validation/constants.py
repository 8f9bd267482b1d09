"""Reference page of the numbers that the code contains, from their descriptions.

    python benchmarks/validation/constants.py

writes the tables of docs/constants.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "constants.md"
MARKER = "<!-- constants, written by python benchmarks/validation/constants.py -->"
ROOMS = (
    "device", "crossbar", "converter", "mvm", "network", "data", "mapping", "timing", "inference", "component", "cost",
    "config", "api", "train", "diagnosis", "search", "sweep",
)  # fmt: skip
"""Rooms whose numbers can enter results; the others store and show them."""
SHOWING = ("face.py", "page.py", "figures.py")
"""Modules of these rooms that only show results."""
NAMING = {
    **dict.fromkeys(("crossbar._cell.OHMIC", "crossbar._cell.SINH", "crossbar._cell.POLYNOMIAL",
                     "crossbar._cell.SELECTOR"), "codes of kinds of cells"),
    **dict.fromkeys(("network.kinds.record.ONE", "network.kinds.record.TWO"), "how many operands an operator takes"),
    **{f"timing._kernels.{name}": "fields of the keys by which events are sorted"
       for name in ("SLOT_SHIFT", "WINDOW_SHIFT", "STEP_SHIFT", "SLOT_LIMIT", "WINDOW_LIMIT", "STEP_LIMIT", "FIRST")},
}  # fmt: skip
"""Constants that name or number things and are no quantities -> what they are."""
NAMES = {
    "np", "math", "float", "int", "finfo", "eps", "pi", "sqrt", "exp", "geomspace", "linspace", "arange", "float64",
    "float32",
}  # fmt: skip
"""Names, beside those of other constants, that the expression of a number may use."""
CHOICE = "our choice"
"""Source of what names none."""
SOURCES = {"our choice": CHOICE, "our limits": CHOICE, "measured": "measured", "exact in the si": "SI (2019), exact"}
"""Words of a description -> source."""


class Constant(NamedTuple):
    """A number of a module."""

    module: str
    name: str
    value: str
    about: str

    @property
    def unit(self) -> str:
        """What stands in brackets at the end of a clause, empty for counts."""
        found = re.search(r" \[([^\]\n]+)\](?=[.,;:]|$)", self.about)
        return found[1] if found else ""

    @property
    def source(self) -> str:
        """Publication, measurement or choice."""
        named = re.search(r"Source: (.+)\.$", self.about)
        lower = self.about.lower()
        return named[1] if named else next((SOURCES[word] for word in SOURCES if word in lower), CHOICE)

    @property
    def meaning(self) -> str:
        """Description without unit and source."""
        text = re.sub(r" \[([^\]\n]+)\](?=[.,;:]|$)", "", self.about, count=1)
        return re.sub(r" ?Source: .+\.$", "", text).replace("``", "`").replace("|", "\\|")


def is_number(value: ast.expr) -> bool:
    """Tell whether an expression consists of numbers and other constants."""
    nodes = list(ast.walk(value))
    names = [node.id if isinstance(node, ast.Name) else node.attr for node in nodes
             if isinstance(node, (ast.Name, ast.Attribute))]  # fmt: skip
    literals = [node.value for node in nodes if isinstance(node, ast.Constant)]
    refused = (ast.Dict, ast.Set, ast.Subscript, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.keyword)
    return (
        all(type(literal) in (int, float) for literal in literals)
        and bool(literals)
        and all(name in NAMES or name.isupper() for name in names)
        and not any(isinstance(node, refused) for node in nodes)
    )


def list_constants() -> Iterator[Constant]:
    """Yield the numeric constants of all modules in the order of rooms and files."""
    for room in ROOMS:
        for path in sorted((ROOT / "xbarsim" / room).rglob("*.py")):
            if path.name in SHOWING:
                continue
            body = ast.parse(path.read_text(encoding="utf-8")).body
            for node, after in zip(body, [*body[1:], None]):
                found = _read_constants(node, after, path.relative_to(ROOT / "xbarsim").as_posix())
                yield from (each for each in found if f"{each.module}.{each.name}" not in NAMING)


def _read_constants(node: ast.stmt, after: ast.stmt | None, module: str) -> Iterator[Constant]:
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return
    if len(targets) != 1 or not is_number(value):
        return
    target = targets[0]
    items = target.elts if isinstance(target, ast.Tuple) else [target]
    names = [item.id for item in items if isinstance(item, ast.Name)]
    about = ""
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        about = " ".join(after.value.value.split())
    for number, name in enumerate(names):
        if name.isupper():
            each = value.elts[number] if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else value
            yield Constant(module.removesuffix(".py").replace("/", "."), name, _show(each), about)


def _show(value: ast.expr) -> str:
    """Write an expression; of a long one its beginning."""
    text = ast.unparse(value).replace("**", "^").replace("|", "\\|")
    return f"`{text}`" if len(text) <= 48 else f"`{text[:44]} ...`"


def write_page() -> str:
    """Return the page with new tables."""
    head = PAGE.read_text(encoding="utf-8").split(MARKER)[0]
    lines = [head + MARKER]
    listed = list(list_constants())
    for room in ROOMS:
        rows = [each for each in listed if each.module.split(".")[0] == room]
        if rows:
            lines += ["", f"## `{room}`", "", "| constant | value | unit | meaning | source |", "|---|---|---|---|---|"]
            lines += [
                f"| `{each.module}.{each.name}` | {each.value} | {each.unit} | {each.meaning} | {each.source} |"
                for each in rows
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}: {len(list(list_constants()))} constants")
