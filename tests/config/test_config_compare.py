"""What differs between two hardware records."""

import pytest

import xbarsim as xs
from xbarsim.config import KeyDifference, compare_hardware, list_hardware


def test_an_override_is_the_only_difference():
    one = xs.load_hardware("reference")
    two = one.override({"adc.bits": 6, "device.programming.sigma": 0.2})
    assert compare_hardware(one, two) == (
        KeyDifference(key="device.programming.sigma", first=one.device.programming.sigma, second=0.2),
        KeyDifference(key="adc.bits", first=8, second=6),
    )
    assert compare_hardware(one, one) == ()


def test_parts_that_one_record_lacks_are_listed_in_their_section():
    one, two = xs.load_hardware("reference"), xs.load_hardware("nax")
    found = compare_hardware(one, two)
    sections = [each.key.split(".")[0] for each in found]
    assert sections == sorted(sections, key=sections.index)  # a section stays together
    assert any(each.first is None for each in found)
    assert any(each.second is None for each in found)
    assert not any(each.key.startswith(("sources", "name", "description")) for each in found)


@pytest.mark.parametrize("name", list_hardware())
def test_the_differences_make_one_file_of_the_other(name):
    base, other = xs.load_hardware("reference"), xs.load_hardware(name)
    keys = {each.key for each in compare_hardware(base, other)}
    assert {each.key for each in compare_hardware(other, base)} == keys
    assert ("crossbar.rows" in keys) == (base.crossbar.rows != other.crossbar.rows)
    assert ("adc.bits" in keys) == (base.adc.bits != other.adc.bits)
