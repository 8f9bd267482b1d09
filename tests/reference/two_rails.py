"""Oracle: a gate-driven column as two rails, node by node, solved densely."""

import numpy as np


def solve_column(g, volt, r_sl, r_bl, r_source, r_sink, sensed_far=True):
    """Return the current of one column of cells ``g`` (rows,) whose source line is driven at row 0."""
    rows = len(g)
    matrix = np.zeros((2 * rows, 2 * rows))
    known = np.zeros(2 * rows)

    def join(a, b, siemens):
        for x, y in ((a, b), (b, a)):
            matrix[x, x] += siemens
            matrix[x, y] -= siemens

    for i in range(rows):
        join(i, rows + i, g[i])
        if i:
            join(i - 1, i, 1 / r_sl)
            join(rows + i - 1, rows + i, 1 / r_bl)
    matrix[0, 0] += 1 / (r_source + r_sl)
    known[0] = volt / (r_source + r_sl)
    end = 2 * rows - 1 if sensed_far else rows
    matrix[end, end] += 1 / (r_sink + r_bl)
    return np.linalg.solve(matrix, known)[end] / (r_sink + r_bl)
