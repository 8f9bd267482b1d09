"""Curves of current over voltage: slopes, reference voltage, and the range in which they rise."""

import numpy as np
import pytest
from pydantic import ValidationError

from xbarsim.config import Device, Polynomial, Selector, Sinh
from xbarsim.device import cell_current, secant_conductance
from xbarsim.device.iv import check_curve, write_expression
from xbarsim.errors import ConfigError

CURVES = [
    Sinh(scale_volt=0.1, reference_volt=0.2),
    Polynomial(coefficients=(0.5, 20.0, -3.0), reference_volt=0.1),
    Selector(threshold_volt=0.1, width_volt=0.01, off_ratio=0.01),
    None,
]
V = np.linspace(-0.3, 0.3, 61)


@pytest.mark.parametrize("iv", CURVES)
def test_slopes_are_the_derivative_of_the_current(iv):
    step = 1e-6
    slope = (cell_current(iv, V + step)[0] - cell_current(iv, V - step)[0]) / (2 * step)
    np.testing.assert_allclose(cell_current(iv, V)[1], slope, rtol=1e-5)


@pytest.mark.parametrize("iv", CURVES[:2])
def test_the_programmed_conductance_holds_at_the_reference_voltage(iv):
    assert secant_conductance(iv, iv.reference_volt) == pytest.approx(1, rel=1e-14)
    assert secant_conductance(iv, 0.5 * iv.reference_volt) < 1


@pytest.mark.parametrize("iv", CURVES)
def test_the_expression_gives_the_same_current(iv):
    names = {"sinh": np.sinh, "exp": np.exp, "abs": abs}
    for v in (-0.17, 0.0, 0.05, 0.2):
        current = eval(write_expression(iv, 2e-5, "(x)"), {"__builtins__": {}}, {**names, "x": v})
        assert current == pytest.approx(2e-5 * float(cell_current(iv, v)[0]), rel=1e-12)


def test_curves_that_fall_or_overflow_are_refused():
    with pytest.raises(ConfigError, match=r"^iv\.coefficients"):
        check_curve(Polynomial(coefficients=(0.0, -10.0)), 0.2)
    check_curve(Polynomial(coefficients=(0.0, -10.0)), 0.15)
    check_curve(Polynomial(coefficients=(0.0, 0.0)), 10)
    with pytest.raises(ConfigError, match=r"^iv\.scale_volt"):
        check_curve(Sinh(scale_volt=1e-4), 0.2)
    assert np.isfinite(cell_current(Selector(threshold_volt=1, width_volt=1e-6), V)[0]).all()


def test_one_answer_for_the_conductance_of_a_level_at_a_voltage():
    sinh = Device(g_on_siemens=1e-5, g_off_siemens=1e-6, read_volt=0.2, iv=Sinh(scale_volt=0.1))
    ohmic = Device(g_on_siemens=1e-5, g_off_siemens=1e-6, read_volt=0.2)
    assert sinh.secant == pytest.approx(np.sinh(2.0) / 2.0)
    assert sinh.conductance_siemens(0.5) == pytest.approx(5.5e-6 * np.sinh(2.0) / 2.0)
    assert sinh.conductance_siemens(1.0, 0.1) == pytest.approx(1e-5 * np.sinh(1.0))
    assert (ohmic.secant, ohmic.conductance_siemens(0.0)) == (1.0, 1e-6)


@pytest.mark.parametrize(
    "iv", [Polynomial(coefficients=(0.0, -30.0)), Sinh(scale_volt=1e-4), Selector(threshold_volt=9, width_volt=1e-3)]
)
def test_a_curve_without_current_at_the_read_voltage_is_refused(iv):
    with pytest.raises(ValidationError, match=r"device\.iv: gives .* device\.read_volt"):
        Device(g_on_siemens=1e-5, g_off_siemens=1e-6, read_volt=0.2, iv=iv)
