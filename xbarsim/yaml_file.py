"""The strict YAML reader for hardware, networks, sweeps, searches, and values on the command line.

Scalars are those of the YAML 1.2 core schema, so that ``yes``, ``off``, ``1:30`` and ``2026-01-01`` are text and
``1e-6`` is a number. Four additions keep wrong files from being read as something else:

* a repeated key is an error;
* a number with a leading zero (``0100``) is an error, since YAML 1.1 reads 64 and YAML 1.2 reads 100;
* ``<<: *name``, or a list of aliases, merges mappings as in YAML 1.1: keys of the mapping itself replace merged ones,
  and of two merged mappings the first one counts;
* the size of a file, its depth, the number of its values, and that after the expansion of aliases are bounded.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import yaml

from xbarsim.errors import ConfigError

LARGEST_FILE = 1 << 20
"""Largest YAML file [bytes]."""
LARGEST_EXPANSION = 100_000
"""Most values of a file with aliases, every alias counted as what it stands for."""
MOST_VALUES = 50_000
"""Most keys and values of a file as it is written, which takes about two seconds to read."""
DEEPEST = 100
"""Most levels of mappings and lists within each other."""

_LONGEST_INT = 400
_TAG = "tag:yaml.org,2002:"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
"""Tag, what a plain scalar of it looks like, and its first characters; in this order."""


class _StrictLoader(yaml.SafeLoader):
    """The core schema of YAML 1.2, with the additions above."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0
        self._has_alias = False
        self._whole: set[int] = set()
        self._merged = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; ConfigError where nodes lie too deep within each other."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConfigError(f"line {self.line + 1}: more than {DEEPEST} levels deep")
        self._values += 1
        if self._values > MOST_VALUES:
            raise ConfigError(
                f"line {self.line + 1}: more than {MOST_VALUES:,} keys and values, the most for a YAML file; use a "
                f"range instead of a list, or several files"
            )
        self._has_alias = self._has_alias or self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_document(self) -> Any:
        """Compose the file; ConfigError where aliases expand without end or to too many values."""
        node = super().compose_document()
        if self._has_alias and node is not None:
            _count(node, {})
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Compose a mapping and what it merges; ConfigError where a key stands twice or is a list or mapping."""
        node = super().compose_mapping_node(anchor)
        own: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"line {line}: a key must be a plain word")
            if key_node.tag == f"{_TAG}merge":
                merged = self._list_merged(value)
            key = self.construct_object(key_node, deep=True)
            if key in own:
                raise ConfigError(f"{key}: given twice (line {line})")
            own[key] = key_node, value
        if merged:
            del own["<<"]
        for part in merged:
            for key_node, value in part.value:
                own.setdefault(self.construct_object(key_node, deep=True), (key_node, value))
        node.value = list(own.values())
        self._whole.add(id(node))
        return node

    def _list_merged(self, value: yaml.Node) -> list[yaml.Node]:
        items = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not items or not all(isinstance(item, yaml.MappingNode) and id(item) in self._whole for item in items):
            raise ConfigError(f"<<: merges other mappings only, such as <<: *name (line {value.start_mark.line + 1})")
        self._merged += sum(len(item.value) for item in items)
        if self._merged > LARGEST_EXPANSION:
            raise ConfigError(_explain_expansion(value))
        return list(items)


def _explain_expansion(node: yaml.Node) -> str:
    line = node.start_mark.line + 1
    return f"line {line}: aliases expand to more than {LARGEST_EXPANSION:,} values; write out what is meant"


def _construct_int(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    _refuse_leading_zero(text, node)
    try:
        if len(text) > _LONGEST_INT:
            raise ValueError
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    except ValueError:  # an explicit tag, or more digits than Python reads
        raise ConfigError(f"line {node.start_mark.line + 1}: {text[:40]} is not a whole number") from None


def _construct_float(loader: _StrictLoader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    _refuse_leading_zero(text, node)
    try:
        return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()))
    except ValueError:
        raise ConfigError(f"line {node.start_mark.line + 1}: {text[:40]} is not a number") from None


def _construct_bool(loader: _StrictLoader, node: yaml.ScalarNode) -> bool:
    text = loader.construct_scalar(node).lower()
    if text not in ("true", "false"):
        raise ConfigError(f"line {node.start_mark.line + 1}: {text[:40]} is not true or false")
    return bool(text == "true")


def _refuse_tag(_: _StrictLoader, node: yaml.Node) -> None:
    raise ConfigError(f"line {node.start_mark.line + 1}: {node.tag}: such a tag has no meaning here; leave it out")


def _refuse_leading_zero(text: str, node: yaml.ScalarNode) -> None:
    if _LEADING_ZERO.fullmatch(text):
        plain = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text)
        raise ConfigError(
            f"line {node.start_mark.line + 1}: {text[:40]}: a number with a leading zero, which some YAML readers take "
            f"for octal; write {plain[:40]}, or put text in quotes"
        )


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of values of a node, aliases expanded; each node is visited once."""
    if id(node) in known:
        if not known[id(node)]:
            raise ConfigError(f"line {node.start_mark.line + 1}: an alias refers to what contains it")
        return known[id(node)]
    known[id(node)] = 0
    below = [] if isinstance(node, yaml.ScalarNode) else node.value
    parts = [part for item in below for part in (item if isinstance(item, tuple) else (item,))]
    total = 1 + sum(_count(part, known) for part in parts)
    if total > LARGEST_EXPANSION:
        raise ConfigError(_explain_expansion(node))
    known[id(node)] = total
    return total


for _name, _pattern, _first in _SCALARS:
    _StrictLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)
for _name in ("null", "str", "seq", "map"):
    _StrictLoader.add_constructor(f"{_TAG}{_name}", yaml.SafeLoader.yaml_constructors[f"{_TAG}{_name}"])
_StrictLoader.add_constructor(f"{_TAG}merge", yaml.SafeLoader.yaml_constructors[f"{_TAG}str"])
_StrictLoader.add_constructor(f"{_TAG}int", _construct_int)
_StrictLoader.add_constructor(f"{_TAG}float", _construct_float)
_StrictLoader.add_constructor(f"{_TAG}bool", _construct_bool)
_StrictLoader.add_constructor(None, _refuse_tag)


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> Any:
    """Parse a file once, since searches and sweeps read the same files repeatedly and parsing takes most of the
    time."""
    return yaml.load(text, Loader=_StrictLoader)


def parse_yaml(text: str, where: str) -> Any:
    """Read a YAML text strictly.

    Parameters
    ----------
    text : str
        The text: a file, or one value.
    where : str
        File or option that it came from, which begins messages.

    Returns
    -------
    object
        Mappings, lists, text, numbers, booleans and None; a copy of its own for each call.

    Raises
    ------
    ConfigError
        If it is not YAML, or breaks a rule of this module.
    """
    try:
        return copy.deepcopy(_parse(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" (line {mark.line + 1})" if mark else ""
        raise ConfigError(f"{where}: not valid YAML: {_name_problem(error)}{at}") from None
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply; at most {DEEPEST} levels") from None
    except ValueError as error:  # a ConfigError of the loader, or text that YAML cannot hold
        raise ConfigError(f"{where}: {error}") from None


def _name_problem(error: yaml.YAMLError) -> str:
    """Return what PyYAML found, with what it was doing where the finding alone says too little."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    if problem == "but found another document":
        return "a second document begins with ---; keep one document in a file"
    if problem == "second occurrence":
        return f"{str(error.context).partition(';')[0]}; rename one of the anchors"  # type: ignore[attr-defined]
    return str(problem)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping, strictly.

    Parameters
    ----------
    path : str or Path
        File to read; ``-`` is standard input.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, repeats a key, is too large, or holds something else than a mapping.
    """
    path = Path(path)
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)  # bounded: the path may name a device
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError:  # a zero character
        raise ConfigError(f"{str(path)!r}: not a path") from None
    if not content and str(path) == "-":
        raise ConfigError("-: standard input is empty, or has been read already; only one file can come from it")
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{path}: larger than {LARGEST_FILE >> 20} MiB, the most for a YAML file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: not a text file in UTF-8 (byte 0x{content[error.start]:02x} in line {line}); save it as UTF-8"
        ) from None
    found = parse_yaml(text, str(path))
    if not isinstance(found, dict):
        nothing = " (the file is empty)" if found is None else ""
        raise ConfigError(f"{path}: the top level must be a mapping of keys to values{nothing}")
    return found
