"""Technology scaling and the converter survey: published entries, limits, and what they do to a component."""

import itertools
import math
import warnings

import pytest

from xbarsim.component import action_energy, rate_component
from xbarsim.component.scaling import NODES_NM, scale_area, scale_energy
from xbarsim.component.survey import survey_area, survey_energy
from xbarsim.config import Process, load_hardware
from xbarsim.errors import ConfigError, ModelRangeWarning

HARDWARE = load_hardware("isaac")
AT_32 = {"node_m": 32e-9, "supply_volt": 1.0}


def at(node_nm, supply_volt=1.0):
    return Process(node_m=node_nm * 1e-9, supply_volt=supply_volt)


@pytest.mark.parametrize(
    ("old", "new", "published"),
    [(130, 7, 0.0092), (32, 7, 0.13), (45, 32, 0.46), (65, 45, 0.66), (90, 65, 0.53), (7, 130, 110), (16, 45, 5.3),
     (32, 130, 14), (20, 10, 0.48), (10, 7, 0.58)],
)  # fmt: skip
def test_area_factors_are_those_of_the_paper_within_the_rounding_of_its_two_digits(old, new, published):
    assert scale_area(at(old), at(new)) == pytest.approx(published, rel=0.06)


def test_energy_follows_the_published_polynomials():
    old, new = 7.171 * 1.2**2 - 6.709 * 1.2 + 2.904, 0.1776 * 0.7**2 - 0.09097 * 0.7 + 0.02447
    assert scale_energy(at(130, 1.2), at(7, 0.7)) == pytest.approx(new / old)


def test_scaling_there_and_back_changes_nothing_and_every_step_down_shrinks():
    for low, high in itertools.pairwise(NODES_NM):
        between = math.sqrt(low * high)
        for scale in (scale_area, scale_energy):
            assert scale(at(low), at(high)) * scale(at(high), at(low)) == pytest.approx(1)
            assert scale(at(high), at(low)) < scale(at(high), at(between)) < 1


@pytest.mark.parametrize("node", [5e-9, 180e-9, -1e-9])
def test_nodes_outside_of_the_fit_are_refused(node):
    with pytest.raises(ConfigError, match=r"process\.node_m"):
        HARDWARE.override({"process": {"node_m": node, "supply_volt": 1.0}})


def test_components_with_a_process_are_scaled_and_others_are_not():
    known = HARDWARE.override({"components.bus.process": AT_32, "process": AT_32})
    assert rate_component("bus", known).energy_joule == HARDWARE.components["bus"].energy_joule
    small = known.override({"process": {"node_m": 7e-9, "supply_volt": 0.7}})
    assert rate_component("bus", small).area_m2 == pytest.approx(9e-8 * scale_area(at(32), at(7)))
    assert rate_component("bus", small).energy_joule == pytest.approx(5.4e-14 * scale_energy(at(32), at(7, 0.7)))
    assert rate_component("router", small).area_m2 == HARDWARE.components["router"].area_m2


def test_tables_are_scaled_too():
    known = HARDWARE.override({"components.adc.process": AT_32, "process": {"node_m": 65e-9, "supply_volt": 1.1}})
    before, after = rate_component("adc", HARDWARE), rate_component("adc", known)
    assert action_energy(after) / action_energy(before) == pytest.approx(scale_energy(at(32), at(65, 1.1)))
    assert after.rate_hz == before.rate_hz


def test_the_survey_costs_four_times_for_a_bit_and_nothing_for_speed_up_to_a_point():
    assert survey_energy(9, 1e6) == pytest.approx(4 * survey_energy(8, 1e6))
    assert survey_energy(8, 1e5) == survey_energy(8, 1e7)
    assert survey_energy(8, 1e10) > 2 * survey_energy(8, 1e9)


def test_the_survey_is_near_the_converter_of_isaac():
    assert survey_energy(8, 1.28e9) == pytest.approx(2e-3 / 1.28e9, rel=0.5)
    assert 0.5 < survey_area(8, 1.28e9, 32e-9) / 1.2e-9 < 3


def test_outside_of_the_survey_is_said_once():
    with pytest.warns(ModelRangeWarning, match="3 bits"):
        survey_energy(3, 1.25e9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        survey_energy(3, 1.25e9)


def test_a_component_takes_its_numbers_from_the_survey():
    hardware = HARDWARE.override(
        {"components.adc": {"per": "adc", "survey": "best", "rate_hz": 1e9, "source": "survey"}, "process": AT_32}
    )
    rating = rate_component("adc", hardware)
    assert action_energy(rating) == survey_energy(8, 1e9)
    assert rating.power_watt == pytest.approx(survey_energy(8, 1e9) * 1e9)
    assert rating.area_m2 == survey_area(8, 1e9, 32e-9)
    finer = rate_component("adc", hardware.override({"adc.bits": 9}))
    assert action_energy(finer) == pytest.approx(4 * action_energy(rating))


def test_a_survey_without_rate_or_process_is_refused():
    with pytest.raises(ConfigError, match=r"components\.adc\.survey"):
        HARDWARE.override({"components.adc.survey": True})
