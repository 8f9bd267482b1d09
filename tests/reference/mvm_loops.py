"""A matrix-vector product on crossbars in plain loops: one conversion at a time, nothing shared with the package."""

import numpy as np


def multiply_differential(cells, codes, row_starts, bits, dac_bits, slices, cell_bits, adc):
    """Multiply one vector by a differential matrix with analog subtraction.

    Parameters
    ----------
    cells : array, (slices, K, N)
        Effective cells in level units.
    codes : array of int, (K,)
        Unsigned inputs.
    row_starts : sequence of int
        Where arrays begin, and K.
    bits, dac_bits : int
        Bits of an input and of a stream.
    slices, cell_bits : int
        Slices of a weight and bits of each.
    adc : tuple
        Least significant bit, lowest and highest code.

    Returns
    -------
    list of int
        One result per output, in units of the least significant bit.
    """
    lsb, lowest, highest = adc
    outputs = cells.shape[2]
    result = [0] * outputs
    for o in range(outputs):
        for r in range(len(row_starts) - 1):
            for s in range(slices):
                for shift in range(0, bits, dac_bits):
                    mask = (1 << min(dac_bits, bits - shift)) - 1
                    total = 0.0
                    for i in range(row_starts[r], row_starts[r + 1]):
                        total += ((int(codes[i]) >> shift) & mask) * float(cells[s, i, o])
                    code = int(min(max(np.rint(total / lsb), lowest), highest))
                    result[o] += code << (shift + s * cell_bits)
    return result
