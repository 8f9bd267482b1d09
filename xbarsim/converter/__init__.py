"""DAC and ADC: input streams, ranges, codes, and what real converters add."""

from xbarsim.converter.adc import AdcRange, calibrate_range, convert_sums, nominal_range
from xbarsim.converter.dac import Streams, encode_streams, split_inputs, stream_count

__all__ = [
    "AdcRange", "Streams", "calibrate_range", "convert_sums", "encode_streams", "nominal_range", "split_inputs",
    "stream_count",
]  # fmt: skip
