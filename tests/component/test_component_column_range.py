"""Settings of converter steps of columns are read for each conversion, and priced by a component of their name."""

import pytest

import xbarsim as xs

COLUMN = {"adc.step_per": "column"}
SHIPPED = ("epim", "isaac", "mnsim", "nax", "neurram", "puma", "reference", "sram_7nm")


def test_settings_of_columns_are_counted_for_each_conversion_and_priced_by_the_file():
    layer, column = (xs.estimate("lenet5", xs.load_hardware("reference", keys)) for keys in ({}, COLUMN))
    conversions = next(part for part in column.cost.components if part.component == "adc").actions
    settings = next(part for part in column.cost.components if part.component == "column_range")
    assert settings.actions == 4 * conversions
    more = column.cost.energy_joule - layer.cost.energy_joule
    assert more == pytest.approx(4 * conversions * 2.3e-4 / 2.56e9, rel=1e-9)  # ISAAC's output register
    slots = column.cost.tiles * 96
    assert column.cost.area_m2 - layer.cost.area_m2 == pytest.approx(slots * 128 / 512 * 7.7e-10, rel=1e-9)
    assert column.cost.delay_s == layer.cost.delay_s


def test_settings_without_a_price_are_listed():
    bare = {"components.column_range": {"per": "array", "source": "no price for this test"}}
    report = xs.estimate("lenet5", xs.load_hardware("reference", {**COLUMN, **bare}))
    conversions = next(part for part in report.cost.components if part.component == "adc").actions
    assert report.cost.unpriced["column_range"] == 4 * conversions


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_has_a_price_for_settings_or_says_that_there_is_none(name):
    assert "column_range" not in xs.estimate("lenet5", xs.load_hardware(name, COLUMN)).cost.unpriced


@pytest.mark.parametrize("per", ["layer", "slice", "read"])
def test_other_steps_read_no_settings_and_have_no_memory_for_them(per):
    found = xs.estimate("lenet5", xs.load_hardware("reference", {"adc.step_per": per})).cost
    part = next(part for part in found.components if part.component == "column_range")
    assert part.actions == part.energy_joule == part.area_m2 == 0
    assert "column_range" not in found.unpriced
