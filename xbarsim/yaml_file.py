"""The strict YAML reader for hardware, networks, sweeps and searches.

YAML 1.1 with two repairs: ``1e-6`` is a number, and a repeated key is an error.
"""

from __future__ import annotations

import copy
import functools
import re
from pathlib import Path
from typing import Any

import yaml

from xbarsim.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """YAML 1.1 with two repairs: ``1e-6`` is a number, and a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (dict, list)):
                raise ConfigError(f"line {key_node.start_mark.line + 1}: a key must be a plain word")
            if key in seen:
                raise ConfigError(f"{key}: given twice (line {key_node.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> Any:
    """Parse a file once, since searches and sweeps read the same files repeatedly and parsing takes most of the
    time."""
    return yaml.load(text, Loader=_StrictLoader)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping, strictly.

    Parameters
    ----------
    path : str or Path
        File to read.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, repeats a key, or holds something else than a mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file") from None
    try:
        content = copy.deepcopy(_parse(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise ConfigError(f"{path}: not valid YAML: {problem}{where}") from None
    except (ConfigError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: the top level must be a mapping of keys to values")
    return content
