"""What a checkpoint was made from, as the JSON document in its folder says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xbarsim.errors import ConfigError


def check_origin(path: str | Path, settings: Mapping[str, Any], *, work: str) -> None:
    """Refuse the checkpoint of other work.

    Parameters
    ----------
    path : str or Path
        Its document.
    settings : mapping
        What this work depends on, as JSON gives it back.
    work : str
        What is done, for messages: ``simulation``.

    Raises
    ------
    ConfigError
        If the document is damaged, or says anything else of one of the settings.
    """
    document = Path(path)
    way = "choose another folder, or remove it"
    try:
        found = json.loads(document.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"checkpoint {document}: damaged: not JSON; {way}")
    for key, value in settings.items():
        if found.get(key) != value:
            raise ConfigError(
                f"checkpoint {document.parent}: holds a {work} with {key} {str(found.get(key))[:60]}, this one has "
                f"{str(value)[:60]}; {way}, or use the same settings"
            )
