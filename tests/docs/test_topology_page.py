"""The page of circuits and cells names what there is."""

from pathlib import Path

from xbarsim.config import list_devices
from xbarsim.crossbar import TOPOLOGIES

PAGE = (Path(__file__).parents[2] / "docs" / "topologies.md").read_text()


def test_every_topology_stands_on_the_page_with_what_it_covers_and_how_it_is_solved():
    for topology in TOPOLOGIES.values():
        response = "fitted (nonlinear cells)" if topology.has_selector and not topology.floating else topology.response
        assert f"| `{topology.name}` | {topology.covers} | {topology.solver} | {response} |" in PAGE


def test_every_device_file_stands_on_the_page():
    for name in list_devices():
        assert f"| `{name}` |" in PAGE
