"""Action counts of an epitome by walking through rounds, arrays, word lines and columns one by one."""

import math
from collections import Counter


def count_rounds(layer):
    """Count what the arrays of one epitome do in one window without input wrapping, tables left out."""
    counts = Counter()
    hardware, tables = layer.hardware, layer.epitome
    sampler = tables.sampler
    arrays = 2 if hardware.encoding == "differential" else 1
    units = 1 if hardware.encoding in ("offset", "flip") else 0
    converted = 2 if arrays == 2 and hardware.adc.subtract == "digital" else 1
    result = min(32, layer.weight_bits + layer.activation_bits + max(1, math.ceil(math.log2(layer.rows))))
    for o, i in tables.rounds:
        first, end, start = sampler.outputs[o]
        lines, outputs = driven_lines(sampler, o, i), range(start, start + end - first)
        blocks = list(zip(layer.row_starts[:-1], layer.row_starts[1:], strict=True))
        active = [len([line for line in lines if low <= line < high]) for low, high in blocks]
        for block in range(layer.col_blocks):
            columns = len([o for o in columns_of(layer, block) if o in outputs])
            for rows in active:
                if not rows or not columns:
                    continue
                counts["input_register"] += rows * layer.activation_bits
                for _ in range(layer.streams):
                    counts["array"] += arrays
                    counts["dac"] += arrays * rows
                    for action in ("adc", "sample_hold", "shift_add"):
                        counts[action] += converted * (columns + units)
        reads = sum(rows > 0 for rows in active)
        counts["output_register"] += reads * len(outputs) * result
        counts["accumulate"] += (reads - 1) * len(outputs) + (len(outputs) if i != tables.rounds[0, 1] else 0)
    return Counter({action: count for action, count in counts.items() if count})


def driven_lines(sampler, output, inp):
    """Return the word lines that one patch drives."""
    _, _, p, q = sampler.epitome_shape
    kh, kw = sampler.weight_shape[2:]
    first, end, start = sampler.inputs[inp]
    row, col = sampler.places[output, inp]
    return {
        (c * p + row + m) * q + col + n for c in range(start, start + end - first) for m in range(kh) for n in range(kw)
    }


def columns_of(layer, block):
    """Return the output of every physical column in a column block."""
    width, slices = layer.hardware.crossbar.cols, layer.columns_per_weight
    if layer.hardware.mapping.slices == "separate":
        first = block % math.ceil(layer.cols / width) * width
        return list(range(first, min(layer.cols, first + width)))
    return [column // slices for column in range(block * width, min(layer.cols * slices, (block + 1) * width))]


def share_rounds(plan, layer, replica):
    """Return tile -> (fetched features, results that leave), by walking through all arrays of a replica."""
    tiles, at = {}, layer.first_array + replica * (layer.arrays // layer.replicas)
    for block in range(layer.col_blocks):
        for r in range(layer.row_blocks):
            for _ in range(layer.polarities):
                tiles.setdefault(at // plan.arrays_per_tile, set()).add((r, block))
                at += 1
    return {tile: _share(layer, places) for tile, places in tiles.items()}


def _share(layer, places):
    tables, sampler = layer.epitome, layer.epitome.sampler
    fetched, held = 0, set()
    for o, i in tables.rounds:
        first, end, start = sampler.outputs[o]
        outputs = range(start, start + end - first)
        for line in driven_lines(sampler, o, i):
            block = max(r for r, low in enumerate(layer.row_starts[:-1]) if low <= line)
            fetched += any(r == block and set(columns_of(layer, c)) & set(outputs) for r, c in places)
        held |= {(o, column) for _, c in places for column in columns_of(layer, c) if column in outputs}
    return fetched, len(held)
