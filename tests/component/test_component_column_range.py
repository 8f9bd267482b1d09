"""Settings of converter steps of columns are read for each conversion, and priced by a component of their name."""

import pytest

import xbarsim as xs

PRICE = {"per": "array", "energy_joule": 2e-15, "source": "a price for this test"}


def test_settings_of_columns_are_counted_for_each_conversion_and_can_be_priced():
    free = xs.estimate("lenet5", xs.load_hardware("reference", {"adc.step_per": "column"}))
    priced = xs.estimate("lenet5", xs.load_hardware("reference", {
        "adc.step_per": "column", "components.column_range": PRICE,
    }))  # fmt: skip
    conversions = next(part for part in free.cost.components if part.component == "adc").actions
    assert free.cost.unpriced["column_range"] == 4 * conversions
    assert "column_range" not in priced.cost.unpriced
    more = priced.cost.energy_joule - free.cost.energy_joule
    assert more == pytest.approx(4 * conversions * 2e-15, rel=1e-9)
    assert priced.cost.delay_s == free.cost.delay_s


@pytest.mark.parametrize("per", ["layer", "slice", "read"])
def test_other_steps_read_no_settings(per):
    report = xs.estimate("lenet5", xs.load_hardware("reference", {"adc.step_per": per}))
    assert "column_range" not in report.cost.unpriced
