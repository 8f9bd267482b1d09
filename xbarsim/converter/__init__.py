"""DAC and ADC: input streams, ranges, codes, and what real converters add."""

from xbarsim.converter.adc import AdcRange, calibrate_range, convert_sums, nominal_range
from xbarsim.converter.dac import Streams, encode_streams, split_inputs, stream_count
from xbarsim.converter.errors import sample_column_errors, tabulate_nonlinearity

__all__ = [
    "AdcRange", "Streams", "calibrate_range", "convert_sums", "encode_streams", "nominal_range",
    "sample_column_errors", "split_inputs", "stream_count", "tabulate_nonlinearity",
]  # fmt: skip
