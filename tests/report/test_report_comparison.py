"""Two results side by side on a page: what differs in their inputs, and which component moves."""

import re

import xbarsim
from xbarsim.report import describe_report
from xbarsim.report.comparison import compare_numbers, list_differences, write_comparison

A = describe_report(xbarsim.estimate("lenet5", "reference"))
B = describe_report(xbarsim.estimate("lenet5", xbarsim.load_hardware("reference", {"adc.bits": 6}), weight_bits=6))


def test_the_differences_are_the_keys_of_the_hardware_that_differ():
    found = {each.key: (each.old, each.new) for each in list_differences(A, B)}
    assert found == {"adc.bits": ("8", "6"), "weight_bits": ("8", "6")}
    assert list_differences(A, A) == []


def test_results_of_older_versions_are_compared_by_their_overrides():
    old = [{**each, "provenance": {**each["provenance"], "record": {}}} for each in (A, B)]
    assert {each.key for each in list_differences(*old)} == {"adc.bits", "weight_bits"}


def test_the_page_says_what_moved(tmp_path):
    page = write_comparison(A, B, tmp_path).read_text()
    text = re.sub("<.*?>", " ", page)
    ratio = B["cost"]["energy_joule"] / A["cost"]["energy_joule"]
    assert f"x {ratio:.3f}" in text
    assert "adc changes most: -" in text
    assert "core EDAP" in text
    assert page.count('<svg class="broad"') == 2
    shown = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert all(cell in shown for row in compare_numbers(A, B) for cell in row)


def test_the_command_writes_the_page(tmp_path, capsys):
    import xbarsim.cli

    for name, hardware in (("a", "reference"), ("b", "isaac")):
        xbarsim.estimate("lenet5", hardware).to_json(tmp_path / f"{name}.json")
    words = ["compare", *(str(tmp_path / f"{name}.json") for name in "ab"), "--report", str(tmp_path / "page")]
    assert xbarsim.cli.run(words) == 0
    assert f"wrote {tmp_path / 'page' / 'index.html'}" in capsys.readouterr().out
    assert "lenet5 on reference against lenet5 on isaac" in (tmp_path / "page" / "index.html").read_text()
