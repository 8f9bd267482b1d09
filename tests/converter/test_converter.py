"""Streams, ranges and codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbarsim.config import load_hardware
from xbarsim.converter import (
    CODINGS,
    AdcRange,
    calibrate_range,
    convert_sums,
    encode_streams,
    nominal_range,
    split_inputs,
    stream_count,
    tabulate_nonlinearity,
)
from xbarsim.errors import ConfigError, ShapeError


@given(st.integers(1, 16), st.integers(1, 8), st.sampled_from([None, *CODINGS]))
def test_streams_add_up_to_the_inputs(bits, dac_bits, coding):
    if coding and bits < 2:
        return
    signed, named = coding is not None, {"coding": coding} if coding else {}
    streams = encode_streams(bits, dac_bits, signed, **named)
    codes = np.unique(np.linspace(streams.lowest, streams.highest, 101).astype(int))
    values = split_inputs(codes, streams)
    assert len(streams) == stream_count(bits, dac_bits, signed, **named) == len(values)
    assert values.min() >= 0
    assert np.all(values.max(axis=1) < 1 << streams.widths)
    np.testing.assert_array_equal(streams.weights @ values - streams.constant, codes)
    raw = streams.encode(codes)
    assert raw.dtype.kind == "u"
    np.testing.assert_array_equal((raw.astype(int) >> streams.shifts[:, None]) % (1 << streams.widths[:, None]), values)


def test_the_hardware_record_names_every_coding_of_signed_inputs():
    for coding in CODINGS:
        assert load_hardware("reference", {"dac.signed": coding}).dac.signed_coding == coding
    with pytest.raises(ConfigError, match=r"dac\.signed: 'ones' is not allowed"):
        load_hardware("reference", {"dac.signed": "ones"})


@pytest.mark.parametrize(("dac_bits", "coding"), [(1, "twos_complement"), (2, "sign_magnitude"), (8, "sign_magnitude")])
def test_the_coding_of_signed_inputs_follows_the_width_of_a_read(dac_bits, coding):
    assert load_hardware("reference", {"dac.bits": dac_bits}).dac.signed_coding == coding


@pytest.mark.parametrize(
    ("coding", "dac_bits", "reads"),
    [("twos_complement", 1, 8), ("twos_complement", 4, 3), ("twos_complement", 8, 2), ("sign_magnitude", 1, 15),
     ("sign_magnitude", 4, 4), ("sign_magnitude", 8, 2), ("offset", 1, 8), ("offset", 4, 2), ("offset", 8, 1)],
)  # fmt: skip
def test_reads_of_a_signed_byte(coding, dac_bits, reads):
    assert stream_count(8, dac_bits, True, coding) == reads


@pytest.mark.parametrize(
    ("encoding", "cell_bits", "rows", "bits"),
    [
        ("twos_complement", 2, 128, 9),  # NAX: ceil(log2(3 N)) = 6, 7, 8, 9 at N = 16, 32, 64, 128
        ("twos_complement", 2, 16, 6),
        ("offset", 1, 128, 8),
        ("flip", 2, 128, 8),  # ISAAC: flipping saves the ninth bit
        ("differential", 2, 128, 10),  # one more for the sign
    ],
)
def test_auto_bits_have_a_code_for_every_sum(encoding, cell_bits, rows, bits):
    hardware = load_hardware(
        "reference",
        {"encoding": encoding, "device.cell_bits": cell_bits, "crossbar.rows": rows, "adc.bits": "auto"},
    )
    assert hardware.adc_bits == bits
    adc = nominal_range(hardware)
    assert adc.lsb == 1.0
    assert adc.highest >= hardware.highest_sum


def test_a_comparator_for_the_sign_doubles_the_codes():
    base = load_hardware("reference")
    included = nominal_range(base)
    extra = nominal_range(base.override({"adc.sign": "extra"}))
    assert (included.lowest, included.highest) == (-127, 127)
    assert (extra.lowest, extra.highest) == (-255, 255)


def test_conversion_rounds_halves_to_even_and_clips():
    adc = AdcRange(lsb=2.0, lowest=0, highest=7, is_ideal=False)
    np.testing.assert_array_equal(convert_sums([-3.0, 1.0, 3.0, 5.0, 20.0], adc), [0, 0, 2, 2, 7])


def test_an_ideal_converter_passes_sums_on():
    adc = nominal_range(load_hardware("reference", {"adc.bits": "ideal"}))
    np.testing.assert_array_equal(convert_sums([0.25, -1e6], adc), [0.25, -1e6])


def test_calibration_holds_the_quantile_and_floors_the_step():
    nominal = AdcRange(lsb=9.0, lowest=0, highest=10, is_ideal=False)
    counts, edges = [90, 9, 1], [20.0, 50.0, 300.0]
    assert calibrate_range(nominal, counts, edges, 1.0).lsb == 30.0
    assert calibrate_range(nominal, counts, edges, 0.99).lsb == 5.0
    assert calibrate_range(nominal, counts, [2.0, 5.0, 8.0], 1.0).lsb == 1.0
    with pytest.raises(ShapeError, match="calibration"):
        calibrate_range(nominal, [0], [1.0], 1.0)


def test_nonlinearity_is_interpolated_over_the_codes():
    hardware = load_hardware("reference", {"adc.inl_lsb": [0.0, 1.0, 0.0]})
    table = tabulate_nonlinearity(hardware.adc, nominal_range(hardware))
    assert table.size == 255
    assert table[127] == 1.0
    assert table[0] == table[-1] == 0.0
