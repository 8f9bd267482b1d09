"""Ranges, codings and laws of the device that exclude one another, and numbers that cannot be meant: refused."""

import pytest

from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError

RANGES = [
    (
        {"adc.full_scale": "whole", "adc.quantile": 0.99},
        "adc.quantile: 0.99 contradicts adc.full_scale: whole; give one",
    ),
    ({"adc.full_scale": "quantile"}, "adc.quantile: missing with adc.full_scale: quantile; give .*a share"),
    ({"adc.quantile": float("nan")}, "adc.quantile: nan is not allowed: should be a finite number"),
    ({"adc.quantile": 0.3}, "adc.quantile: 0.3 is not allowed: should be greater than 0.5"),
    ({"adc.step_per": "read", "adc.full_scale": "whole"}, "adc.step_per: read needs .*calibrated or quantile"),
    ({"adc.step_per": "slice", "adc.thresholds": "quantile"}, "adc.step_per: slice needs converters of equal steps"),
    (
        {"adc.thresholds": "least_error", "adc.full_scale": "whole"},
        "adc.thresholds: least_error contradicts .*calibrated or quantile",
    ),
    ({"adc.saturation_ampere": -1}, "adc.saturation_ampere: -1 is not allowed"),
    ({"adc.inl_lsb": [0, float("nan")]}, "adc.inl_lsb: nan is not allowed: should be a finite number"),
    ({"adc.correction_chips": 3}, "adc.correction_chips: 3 needs adc.output_correction: true"),
]
CODINGS = [
    ({"dac.signed": "ones"}, "dac.signed: 'ones' is not allowed: should be 'auto', 'twos_complement'"),
    ({"dac.accumulate": "analogue"}, "dac.accumulate: 'analogue' is not allowed: should be 'digital' or 'analog'"),
    (
        {"dac.accumulate": "analog", "adc.step_per": "read"},
        "dac.accumulate: analog contradicts adc.step_per: read.*slice",
    ),
    (
        {"dac.coding": "count", "dac.bits": 4, "device.read_noise.integration_s": 1e-6},
        "dac.coding: count contradicts device.read_noise.integration_s.*leave integration_s out",
    ),
]
VERIFY = {"device.write": {"verify": {"tolerance": 0.1, "max_pulses": 3}, "volt": 1, "pulse_s": 1e-7}}
LAWS = [
    (
        {"device.stuck": {"on_rate": 0.7, "off_rate": 0.7}},
        "device.stuck.on_rate . device.stuck.off_rate: .*more than 1",
    ),
    (
        {"device.levels_file": "a.csv"},
        "device.levels_file: contradicts device.programming.*set the distribution to none",
    ),
    (
        {"device.programming.distribution": "none", "device.levels_file": "a.csv", **VERIFY},
        "device.write.verify: contradicts measured conductances.*one",
    ),
    (
        {"device.programming": {"distribution": "lognormal", "sigma_siemens": [1e-7]}},
        "device.programming.sigma_siemens: contradicts distribution: lognormal.*set the distribution to normal",
    ),
    (
        {"device.relaxation": {"sigma_siemens": 1e-7, "later": [{"time_s": 1, "sigma_siemens": [1e-7]}]}},
        "device.relaxation.later: contradicts sigma_siemens.*give one or the other",
    ),
    ({"device.telegraph": {"amplitude": 1.5}}, "device.telegraph.amplitude: 1.5 is not allowed"),
    ({"device.temperature_kelvin": -3}, "device.temperature_kelvin: -3 is not allowed: should be greater than 0"),
    ({"device.g_off_siemens": 1}, "device.g_off_siemens: 1 is not below device.g_on_siemens"),
    (
        {"mapping.groups": "serial", "crossbar.method": "fitted"},
        "mapping.groups: serial contradicts crossbar.method: fitted, whose response.*choose mapping.groups",
    ),
    ({"device.read_noise.exponent": -1}, "device.read_noise.exponent: -1 is not allowed"),
]


@pytest.mark.parametrize(("changes", "rule"), [*RANGES, *CODINGS, *LAWS])
def test_what_excludes_one_another_is_refused_with_the_keys_and_the_way_out(changes, rule):
    with pytest.raises(ConfigError, match=rule) as caught:
        load_hardware("reference", changes)
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)
