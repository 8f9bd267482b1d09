"""Action counts by walking through windows, streams, crossbars and columns one by one."""

import math
from collections import Counter

from xbarsim.timing.dataflow import POOLS


def count_layer(layer):
    """Count what the arrays of one weight layer do, without what moves between buffers."""
    counts = Counter()
    hardware = layer.hardware
    arrays = 2 if hardware.encoding == "differential" else 1
    units = 1 if hardware.encoding in ("offset", "flip") else 0
    converted = 2 if arrays == 2 and hardware.adc.subtract == "digital" else 1
    result = min(32, layer.weight_bits + layer.activation_bits + max(1, math.ceil(math.log2(layer.rows))))
    for _ in range(layer.windows):
        for index in range(layer.stripes):
            stripe = layer.stripe(index)
            starts = stripe.row_starts
            for block in range(len(starts) - 1):
                rows = starts[block + 1] - starts[block]
                counts["output_register"] += stripe.cols * result
                counts["accumulate"] += stripe.cols if block else 0
                for columns in layer.block_columns(index):
                    counts["input_register"] += rows * layer.activation_bits
                    for _ in range(layer.streams):
                        counts["array"] += arrays
                        counts["dac"] += arrays * rows
                        for action in ("adc", "sample_hold", "shift_add"):
                            counts[action] += converted * (int(columns) + units)
    return counts


def count_digital(step, bits):
    """Count what a digital step does, without what it sends."""
    counts = Counter()
    for _ in range(step.windows):
        counts["pooling" if step.kind in POOLS else "vector"] += step.operations
        counts["buffer"] += step.operands * bits
    return counts


def last_operands(height, width, attributes, out_height, out_width):
    """Return the last raster position under every position of a sliding kernel, by looking at all of them."""
    (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
    top, left, _, _ = attributes["padding"]
    dh, dw = attributes.get("dilation", (1, 1))
    last = []
    for y in range(out_height):
        for x in range(out_width):
            seen = [-1]
            for i in range(kh):
                for j in range(kw):
                    row, col = y * sh - top + i * dh, x * sw - left + j * dw
                    if 0 <= row < height and 0 <= col < width:
                        seen.append(row * width + col)
            last.append(max(seen))
    return last


def list_reached(activity, index):
    """Return the tiles that the result of each replica of a step is sent to."""
    sites, first = activity.layout.sites, int(activity.machine.first_replica[index])
    replicas = range(first, first + len(activity.layout.steps[index].homes))
    return [sites.reached[sites.first_reached[each] : sites.first_reached[each + 1]].tolist() for each in replicas]
