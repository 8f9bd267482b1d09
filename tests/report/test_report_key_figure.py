"""What key figures advise."""

import pytest

import xbarsim as xs
from xbarsim.data import load_data, normalize_images
from xbarsim.report.key_figure import answer_report


@pytest.mark.parametrize(("range_key", "is_advised"), [({}, False), ({"adc.quantile": 0.9}, True)])
def test_a_range_is_advised_only_where_another_one_is_set(range_key, is_advised):
    data = load_data("digits").take(60)
    hardware = xs.load_hardware("reference", {"adc.bits": 4, "device.programming.sigma": 0.5, **range_key})
    report = xs.simulate("digits", hardware, normalize_images(data.images), data.labels)
    assert max(error.clipped_share for error in report.errors) > 0.01
    advice = answer_report(report)[0].advice
    assert ("adc.full_scale: calibrated" in advice) == is_advised
