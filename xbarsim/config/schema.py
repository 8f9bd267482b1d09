"""JSON schemas of hardware, sweep and search files, for editors and for validators in other languages.

That of hardware files has no required keys, since any key may come from the file that ``base`` names.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from xbarsim.config.hardware import Hardware
from xbarsim.plugin import find_table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENT = {"$ref": "#/$defs/Component"}


def write_schema() -> dict[str, Any]:
    """Return the schema of hardware files.

    Returns
    -------
    dict
        JSON schema of draft 2020-12. A component whose ``kind`` is a law of a plug-in that is loaded has the keys of
        that law; under the name of any other law that does not ship, keys are free.
    """
    content = write_whole_schema()
    for name, part in content["$defs"].items():
        if name != "DeviceLaw":  # an item of a list is given whole
            part.pop("required", None)
    for choice in content["properties"]["components"]["additionalProperties"]["anyOf"][1:]:
        choice["required"] = ["kind"]
    content.pop("required")
    return content


def write_whole_schema() -> dict[str, Any]:
    """Return the schema of a hardware file that inherits nothing: every section lists the keys that it requires.

    Returns
    -------
    dict
        As :func:`write_schema`, with the lists ``required`` of all records.
    """
    content = Hardware.model_json_schema()
    parts = content["$defs"]
    base = {"type": "string", "description": "Name or path of a file to inherit from."}
    content["properties"]["base"] = parts["Device"]["properties"]["base"] = base
    content["properties"]["components"]["additionalProperties"] = _describe_component(parts)
    for part in (content, *parts.values()):
        for key in part.get("properties", {}).values():
            if "$ref" in key:  # left out by pydantic where it equals the description of the section
                key.setdefault("description", parts[key["$ref"].rpartition("/")[2]]["description"])
    _say_null(content)
    return {"$schema": DIALECT, **content}


def write_file_schema(record: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of files whose content is one record.

    Parameters
    ----------
    record : type
        ``Sweep``, ``Search`` or that of another file.

    Returns
    -------
    dict
        JSON schema of draft 2020-12: keys, and kinds and ranges of values. Rules between keys, and names of metrics and
        of hardware keys, are checked when a file is read.
    """
    content = record.model_json_schema()
    _say_null(content)
    return {"$schema": DIALECT, **content}


def _say_null(node: Any) -> None:
    """Write None, as docstrings call it, as ``null``, which is what stands in a file."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = re.sub(r"\bNone\b", "``null``", node["description"])
        for part in node.values():
            _say_null(part)
    elif isinstance(node, list):
        for part in node:
            _say_null(part)


def _describe_component(parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a component: by the keys of its law where that is known."""
    laws = find_table("component_law")
    own = parts["Component"]["properties"]
    shipped = [name for name in laws if laws.fingerprint(name) is None]
    choices: list[dict[str, Any]] = []
    for name in laws:
        law = laws[name]
        described = law.model_json_schema(ref_template="#/$defs/{model}")
        if name in shipped and described["properties"].keys() == own.keys():
            continue
        parts.update({key: value for key, value in described.pop("$defs", {}).items() if key not in parts})
        described["properties"]["kind"] = {"const": name, "description": own["kind"]["description"]}
        described["required"] = [*described.get("required", ()), "kind"]
        choices.append(described)
    kind = {"type": "string", "not": {"enum": list(laws)}, "description": own["kind"]["description"]}
    other = {**own, "kind": kind}
    parts["Component"]["properties"] = {**own, "kind": {**own["kind"], "anyOf": [{"enum": shipped}, {"type": "null"}]}}
    choices.append({"type": "object", "properties": other, "required": ["kind"]})
    return {"anyOf": [_COMPONENT, *choices]}
