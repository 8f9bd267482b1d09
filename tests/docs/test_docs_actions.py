"""The page of counted actions is the table of actions."""

import re
from pathlib import Path

from xbarsim.component import ACTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()


def test_the_page_lists_every_action_in_the_order_of_the_table():
    rows = [f"| `{action.name}` | {action.counted} | {action.unit} |" for action in ACTIONS.values()]
    assert re.findall(r"^\| `.*$", PAGE, re.MULTILINE) == rows
