"""Random streams, display units and the exception tree."""

import numpy as np
import pytest

from xbarsim import errors
from xbarsim._aligned import LINE_BYTES, aligned_zeros
from xbarsim.rng import stream, stream_key
from xbarsim.units import format_si


def test_stream_depends_on_its_key_alone():
    first = stream(1, "device.programming", 0, "conv1").standard_normal(5)
    stream(1, "device.read", 0).standard_normal(100)
    assert np.array_equal(first, stream(1, "device.programming", 0, "conv1").standard_normal(5))


def test_different_keys_give_different_streams():
    keys = {stream_key(s, n, t, layer) for s in (0, 1) for n in ("a", "b") for t in (0, 1) for layer in ("x", "y")}
    assert len(keys) == 16
    assert stream_key(0, "a", 1, 11) != stream_key(0, "a", 11, 1)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.13e-11, "J", "41.3 pJ"),
        (0.0, "W", "0 W"),
        (999.96, "W", "1 kW"),
        (65.8, "W", "65.8 W"),
        (3.72e-7, "m2", "0.372 mm2"),
        (1.2e-9, "m2", "0.0012 mm2"),
        (None, "W", "-"),
        (float("nan"), "W", "-"),
        (-2.5e-3, "V", "-2.5 mV"),
        (41.29e12, "op/s", "41.3 Top/s"),
    ],
)
def test_quantities_are_shown_with_a_fitting_prefix(value, unit, text):
    assert format_si(value, unit) == text


def test_every_error_is_an_xbarsim_error():
    for name in ("ConfigError", "ShapeError", "MappingError", "SolverError"):
        assert issubclass(getattr(errors, name), errors.XbarsimError)
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.SolverError, RuntimeError)


@pytest.mark.parametrize("shape", [5, (3, 7), (4, 129, 16)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_scratch_begins_with_a_line_of_the_cache(shape, dtype):
    kept = [aligned_zeros(shape, dtype) for _ in range(20)]
    for made in kept:
        assert made.ctypes.data % LINE_BYTES == 0
        assert made.shape == (shape if isinstance(shape, tuple) else (shape,))
        assert made.dtype == dtype
        assert made.flags.c_contiguous
        assert made.flags.writeable
        assert not made.any()
    kept[0][...] = 1
    assert not any(made.any() for made in kept[1:])


def test_scratch_may_be_empty():
    assert aligned_zeros((2, 0)).shape == (2, 0)
