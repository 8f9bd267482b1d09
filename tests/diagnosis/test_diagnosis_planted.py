"""A cause and a remedy planted in their tables take part in explanations; without a field neither can exist."""

import dataclasses

import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.diagnosis import CAUSES, REMEDIES, Cause, Remedy
from xbarsim.diagnosis.cause import switch_off

CAUSE = {
    "name": "driver resistance", "about": "drivers lose voltage",
    "is_present": lambda hardware: hardware.crossbar.r_source_ohm > 0, "is_random": False,
    "overrides": {"crossbar.r_source_ohm": 0.0},
}  # fmt: skip
REMEDY = {
    "name": "strong drivers", "about": "drivers of a tenth of the resistance",
    "choose": lambda hardware: {"crossbar.r_source_ohm": hardware.crossbar.r_source_ohm / 10}, "needs": "any",
}  # fmt: skip


@pytest.fixture(scope="module")
def poor():
    """Hardware that is ideal but for its drivers."""
    return xs.load_hardware("reference", {**switch_off(CAUSES), "adc.bits": "ideal"}).override(
        {"crossbar.method": "auto", "crossbar.r_source_ohm": 3e3}
    )


@pytest.fixture(scope="module")
def data():
    found = load_data("digits").take(24)
    return normalize_images(found.images), found.labels


def test_a_planted_cause_takes_its_share_of_what_is_lost(poor, data, monkeypatch):
    monkeypatch.delitem(CAUSES, "wires")
    monkeypatch.setitem(CAUSES, CAUSE["name"], Cause(**CAUSE))
    found = xs.explain("digits", poor, data, trials=1, parts=["causes"])
    whole = found.wholes["cosine"]
    shares = {row.cause: row.share_points for row in found.shares["cosine"]}
    assert list(shares) == ["quantisation", "driver resistance"]
    assert shares["driver resistance"] > 0.1
    assert sum(shares.values()) == pytest.approx(whole.lost_points, abs=1e-9)


def test_a_planted_remedy_is_tried_and_described(poor, data, monkeypatch, tmp_path):
    monkeypatch.setitem(REMEDIES, REMEDY["name"], Remedy(**REMEDY))
    found = xs.explain("digits", poor, data, trials=1, parts=["remedies"], remedies=["strong *"])
    assert [row.remedy for row in found.gains] == ["strong drivers"]
    assert found.gains[0].cosine > found.wholes["cosine"].hardware / 100
    assert REMEDY["about"] in found.to_html(tmp_path / "page.html").read_text()


@pytest.mark.parametrize(("record", "given"), [(Cause, CAUSE), (Remedy, REMEDY)])
def test_a_record_without_a_field_cannot_be_made_and_names_it(record, given):
    assert {field.name for field in dataclasses.fields(record)} == set(given)
    for field in given:
        with pytest.raises(TypeError, match=rf"missing 1 required keyword-only argument: '{field}'"):
            record(**{key: value for key, value in given.items() if key != field})
