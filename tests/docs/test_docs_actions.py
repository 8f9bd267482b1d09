"""The page of counted actions is the table of actions."""

import re
from pathlib import Path

from xbarsim.component import ACTIONS
from xbarsim.component.quantity import QUANTITIES

PAGE = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()


def test_the_page_lists_every_action_and_quantity_in_the_order_of_the_tables():
    rows = [f"| `{action.name}` | {action.counted} | {action.unit} |" for action in ACTIONS.values()]
    rows += [f"| `{quantity.name}` | {quantity.meaning} |" for quantity in QUANTITIES.values()]
    assert re.findall(r"^\| `.*$", PAGE, re.MULTILINE) == rows
