"""DAC and ADC: input streams, ranges, codes, and errors of converters."""

from xbarsim.config.coding import CODINGS, SignedCoding
from xbarsim.converter.adc import AdcRange, Levels, calibrate_range, convert_sums, nominal_range
from xbarsim.converter.dac import (
    Streams,
    cut_stream,
    encode_streams,
    split_inputs,
    spread_inputs,
    stream_count,
    sum_streams,
)
from xbarsim.converter.imperfections import sample_column_errors, tabulate_nonlinearity
from xbarsim.converter.kind import CONVERTERS, Converter, needs_sums, place_levels, vary_thresholds
from xbarsim.converter.thresholds import SumSample

__all__ = [
    "CODINGS", "CONVERTERS", "AdcRange", "Converter", "Levels", "SignedCoding", "Streams", "SumSample",
    "calibrate_range", "convert_sums", "cut_stream", "encode_streams", "needs_sums", "nominal_range", "place_levels",
    "sample_column_errors", "split_inputs", "spread_inputs", "stream_count", "sum_streams", "tabulate_nonlinearity",
    "vary_thresholds",
]  # fmt: skip
