"""What differs from the hardware file that a run began with, and the whole hardware record, for pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from xbarsim.config.keys import show_value
from xbarsim.config.source import find_source, list_leaves, read_key
from xbarsim.report.markup import Change, lay_out_fold, lay_out_pairs, lay_out_table

_TEXTS = ("name", "source")


def list_changes(made: Mapping[str, Any]) -> list[Change]:
    """List the keys of a run whose values are not those of the hardware file.

    Parameters
    ----------
    made : mapping
        Fields of a :class:`~xbarsim.report.Provenance`.

    Returns
    -------
    list of Change
        Overrides of the hardware, then those of layers; keys that were set to the value of the file are left out.
    """
    found, replaced, record = [], made.get("replaced") or {}, made.get("record") or {}
    for key, new in (made.get("overrides") or {}).items():
        if key.startswith("layers.") and isinstance(new, Mapping):
            name = key.removeprefix("layers.")
            found += [
                Change(key=f"{name}: {part}", new=show_value(value), old=_show_old(read_key(record, part)))
                for part, value in new.items()
                if value != read_key(record, part)
            ]
            continue
        old = replaced.get(key)
        for leaf in list_leaves(new, key):
            one, two = _read(old, key, leaf), _read(new, key, leaf)
            if one != two:
                found.append(Change(key=leaf, new=show_value(two), old=_show_old(one)))
    return found


def describe_changes(made: Mapping[str, Any], changes: list[Change]) -> str:
    """Return the sentence that leads to a list of changes."""
    if changes:
        return f"What differs from the hardware file {made.get('hardware', '?')}:"
    return f"The hardware is that of the file {made.get('hardware', '?')}, unchanged."


def lay_out_record(made: Mapping[str, Any]) -> Markup:
    """Lay out every key of the hardware with its value and source, folded; nothing where there is no record.

    Parameters
    ----------
    made : mapping
        Fields of a :class:`~xbarsim.report.Provenance`.

    Returns
    -------
    Markup
        One element, or nothing.
    """
    record, sources = made.get("record") or {}, made.get("sources") or {}
    if not record:
        return Markup("")
    rows, before = [], ""
    for key in list_leaves(record, "")[:]:
        name = key.removeprefix(".")
        value = read_key(record, name)
        if name.rpartition(".")[2] in _TEXTS or value is None:
            continue
        line = find_source(sources, name)
        text = sources[line] if line else ""
        rows.append([name, show_value(value), "as above" if text and text == before else text])
        before = text
    table = lay_out_table(("key", "value", "source"), rows, text_columns=(1, 2), label="hardware record")
    return lay_out_fold(f"Every key of the hardware, {len(rows)} values", table)


def lay_out_provenance(made: Mapping[str, Any], more: Iterable[tuple[str, Any]] = ()) -> Markup:
    """Lay out what a result was made from.

    Parameters
    ----------
    made : mapping
        Fields of a :class:`~xbarsim.report.Provenance`.
    more : iterable of (str, object)
        Further names and values.

    Returns
    -------
    Markup
        One element.
    """
    return lay_out_pairs([*_list_provenance(made), *more], label="provenance")


def _list_provenance(made: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("version", "hardware", "hardware_hash", "network", "network_hash", "seed"):
        yield name.replace("_", " "), made.get(name, "-")
    for title, name in (("override", "overrides"), ("plug-in", "plugins")):
        yield from ((f"{title} {key}", value) for key, value in (made.get(name) or {}).items())
    yield from ((str(key).replace("_", " "), value) for key, value in (made.get("settings") or {}).items())


def _read(content: Any, key: str, leaf: str) -> Any:
    """Return the value of a leaf of a key's content."""
    return content if leaf == key else read_key(content or {}, leaf[len(key) + 1 :])


def _show_old(value: Any) -> str | None:
    return None if value is None else show_value(value)
