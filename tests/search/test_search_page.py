"""The page of a search: the chosen design with its trades, whole and without the network."""

import json
import re

import pytest

from xbarsim.search import make_search, run_search

CONTENT = {
    "network": "lenet5", "hardware": "nax", "space": {"*": {"array": [16, 32, 64], "adc.bits": [5, 6, 8]}},
    "objectives": {"cost.energy_joule": "min", "cost.edap": "min"}, "method": "random", "points": 16,
    "constraints": {"cost.area_m2": {"max": 1.0}}, "set": {"activation_bits": 7},
}  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    return run_search(make_search(CONTENT), folder, cache=None), (folder / "index.html").read_text()


def test_the_chosen_design_is_named_with_what_it_gives_up(searched):
    result, page = searched
    chosen = result.entries[result.chosen]
    card = re.sub("<.*?>", " ", page[page.index("<dl") : page.index("</dl>")])
    assert f"chosen design: {chosen.label or f'design {result.chosen}'}" in card
    for goal, title in (("cost.energy_joule", "energy"), ("cost.edap", "EDAP")):
        metrics = [entry.metrics for entry in result.entries]
        best = min(metrics, key=lambda each: each[goal])
        if best[goal] < chosen.metrics[goal]:
            ratio = chosen.metrics["cost.energy_joule"] / best["cost.energy_joule"]
            assert re.search(
                rf"Against the lowest {title} \(.*?\): energy x {re.escape(f'{ratio:.3g}')}, EDAP x ", card
            )
    assert "core EDAP" in card
    assert f"{len(result.front)} designs that no other beats" in card


def test_the_head_says_what_the_search_may_change(searched):
    _, page = searched
    assert "<h1>Search (random): lenet5 on nax</h1>" in page
    listed = [re.sub("<.*?>", "", item) for item in re.findall(r"<li>(.*?)</li>", page)]
    assert listed == ["*: array 16, 32, 64 instead of 64 x 64", "*: adc.bits 5, 6, 8 instead of auto",
                      "activation_bits 7 instead of 8"]  # fmt: skip


def test_every_design_can_be_explored_and_the_page_is_whole_without_script(searched):
    result, page = searched
    data = json.loads(re.search(r'id="explore-data">(.*?)</script>', page, re.DOTALL)[1])
    assert len(data["rows"]) == len(result.entries)
    assert data["best"] == result.chosen
    assert len(data["front"]) == len(result.front)
    marked = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert marked.count('<svg class="broad"') == 2
    assert not re.search(r'(src|href)="(?!#|data:)[^"]*"|url\((?!#)', marked)
    assert "The chosen design, layer by layer" in marked
