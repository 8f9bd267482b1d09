"""The fit over converters of macros: its figures, its spread, and a component that takes them."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from xbarsim.component import action_energy, rate_component
from xbarsim.component.converter_survey import PUBLISHED, converter_area, converter_energy, fit_converters
from xbarsim.component.survey import best_energy
from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError, ModelRangeWarning

PAGE = (Path(__file__).parents[2] / "docs" / "components.md").read_text()
ADC = {"per": "adc", "survey": True, "rate_hz": 1e8, "source": "survey"}
KEYS = {"components.adc": ADC, "process": {"node_m": 32e-9, "supply_volt": 0.8}}


def test_the_fit_is_the_mean_over_sources_and_the_spread_that_of_the_converters():
    logs = {}
    for each in PUBLISHED:
        logs.setdefault(each.source, []).append(np.log(each.energy_joule / each.bits / each.supply_volt**2))
    mean = np.mean([np.mean(values) for values in logs.values()])
    variance = np.mean([np.mean((np.array(values) - mean) ** 2) for values in logs.values()])
    fit = fit_converters()
    assert fit.farad_per_bit == pytest.approx(np.exp(mean))
    assert fit.energy_sigma == pytest.approx(np.sqrt(variance))
    assert len(logs) >= 6


def test_every_published_converter_lies_within_the_factor_that_the_page_states():
    ratios = [converter_energy(each.bits, 1e8, each.supply_volt) / each.energy_joule for each in PUBLISHED]
    worst = max(max(ratios), 1 / min(ratios))
    stated = [float(number) for number in re.findall(r"factor of (\d\.\d+)", PAGE)]
    fit = fit_converters()
    assert stated == [round(math.exp(fit.energy_sigma), 2), round(math.exp(fit.area_sigma), 2), round(worst, 2)]


def test_energy_goes_with_resolution_and_squared_supply_and_a_quantile_with_the_spread():
    assert converter_energy(8, 1e8, 1.0) == pytest.approx(2 * converter_energy(4, 1e8, 1.0))
    assert converter_energy(8, 1e8, 1.2) == pytest.approx(1.44 * converter_energy(8, 1e8, 1.0))
    one_sigma = converter_energy(8, 1e8, 1.0, quantile=0.8413447460685429) / converter_energy(8, 1e8, 1.0)
    assert one_sigma == pytest.approx(math.exp(fit_converters().energy_sigma))
    assert converter_area(8, 0.1) < converter_area(8) < converter_area(8, 0.9)


def test_no_converter_of_a_macro_costs_less_than_the_best_alone():
    with pytest.warns(ModelRangeWarning, match="14 bits"):
        assert converter_energy(14, 1e6, 1.0) == best_energy(14, 1e6)
    assert converter_energy(8, 1e8, 1.0) > 10 * best_energy(8, 1e8)


def test_a_component_takes_its_numbers_from_the_fit():
    hardware = load_hardware("isaac", KEYS)
    rating = rate_component("adc", hardware)
    assert action_energy(rating) == converter_energy(8, 1e8, 0.8)
    assert (rating.area_m2, rating.rate_hz) == (converter_area(8), 1e8)
    dear = rate_component("adc", hardware.override({"components.adc.quantile": 0.9}))
    assert action_energy(dear) == converter_energy(8, 1e8, 0.8, 0.9)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"components.adc.supply": {"volt": 0.8}}, r"components\.adc\.supply: contradicts components\.adc\.survey"),
        ({"components.adc": {**ADC, "survey": "best", "quantile": 0.9}}, r"components\.adc\.quantile: only with"),
        ({"components.adc.survey": "worst"}, r"components\.adc\.survey"),
        ({"components.adc.quantile": 1.0}, r"components\.adc\.quantile"),
    ],
)
def test_a_survey_that_contradicts_itself_is_refused(change, named):
    with pytest.raises(ConfigError, match=named):
        load_hardware("isaac", KEYS).override(change)
