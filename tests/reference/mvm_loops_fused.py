"""The fused kernels in plain loops over vectors, streams and columns; words and codes are Python's own integers."""

from __future__ import annotations

import numpy as np

WORD = (1 << 64) - 1
LANES = 16


def mix_word(x):
    """Scramble a 64-bit word (SplitMix64's finaliser)."""
    x = int(x)
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return np.uint64(x ^ (x >> 31))


def hash_vector(errors, v):
    """Hash the index of a vector within the run."""
    return np.uint64(0) if errors is None else mix_word((int(errors.key) + errors.first_vector + v) & WORD)


def draw_normal(word, column, pool, turns):
    """Draw the normal of one column."""
    word, column = int(word), int(column)
    turn = (word >> 30) & 255
    x = pool[(word & 0x7FFF) + column] * turns.ravel()[2 * turn]
    return x + pool[((word >> 15) & 0x7FFF) + column] * turns.ravel()[2 * turn + 1]


def find_code(y, r, column, levels):
    """Count the thresholds of a column's converter that are not above a sum."""
    return sum(1 for threshold in levels.thresholds[levels.converter[r, column]] if threshold <= y)


def look_up(y, r, column, errors):
    """Return what the code of a sum counts."""
    code = find_code(y, r, column, errors.levels)
    if errors.inl.size:
        code = find_code(np.float32(y) + errors.inl[code], r, column, errors.levels)
    return int(errors.levels.counts[code])


def convert(x, variance, word, r, column, adc, errors):
    """Convert the sum of one column to a code."""
    y = np.float32(x) * adc.scale
    if errors is not None:
        y = y * errors.gain[r, column] + errors.offset[r, column]
        if errors.read_noise.size:
            spread = np.sqrt(np.float32(variance) * errors.read_noise[r, column] + errors.thermal)
            y = y + spread * draw_normal(word, column, errors.pool, errors.turns)
        if errors.levels.counts.size:
            return look_up(y, r, column, errors)
        if errors.inl.size:
            y = y + errors.inl[int(np.rint(min(max(y, adc.low), adc.high)) - adc.low)]
    return int(np.rint(max(min(y, adc.high), adc.low)))


def note_sum(x, lane, adc, survey, weight):
    """Keep what a survey asks for of one sum."""
    survey.lowest[lane] = min(survey.lowest[lane], np.float32(x))
    survey.highest[lane] = max(survey.highest[lane], np.float32(x))
    if survey.counts.size and weight:
        survey.counts[min(int(abs(np.float32(x)) * survey.bins_per_unit), survey.counts.size - 1)] += 1
        y = np.float32(x) * adc.scale
        survey.clipped[0] += y > adc.high + 0.5 or y < adc.low - 0.5


def decode(inputs, row_starts, bits, vectors):
    """Return the integers that bit planes hold, (vectors, K)."""
    codes = np.zeros((vectors, row_starts[-1]), dtype=np.int64)
    for v in range(vectors):
        for r in range(len(row_starts) - 1):
            for i in range(row_starts[r], row_starts[r + 1]):
                local = i - row_starts[r]
                q = inputs.group_starts[r] + local // 8
                for bit in range(bits):
                    word = int(inputs.planes[inputs.bases[v] + inputs.offsets[q] + bit // 8])
                    codes[v, i] |= ((word >> (8 * (bit % 8) + local % 8)) & 1) << bit
    return codes


def list_rows(reads, inputs, r, starts, rows):
    """List the table rows of groups whose inputs are not all zero, filled up with row 0 to a multiple."""
    members = 8 // reads.dac_bits
    groups = 8 * (inputs.group_starts[r + 1] - inputs.group_starts[r]) // members
    ends = 8 * inputs.group_starts
    bits = int((reads.shifts + reads.widths).max())
    codes = decode(inputs, ends, bits, inputs.bases.size)[:, ends[r] : ends[r + 1]]
    n = 0
    for v in range(inputs.bases.size):
        for t in range(reads.shifts.size):
            starts[v * reads.shifts.size + t] = n
            for group in range(groups):
                entry = 0
                for k in range(members):
                    value = (int(codes[v, group * members + k]) >> reads.shifts[t]) & ((1 << reads.widths[t]) - 1)
                    for b in range(reads.dac_bits):
                        entry |= ((value >> b) & 1) << (k + b * members)
                if entry:
                    rows[n] = (group << (reads.dac_bits * members)) + entry
                    n += 1
            while n % 4:
                rows[n] = 0
                n += 1
    starts[inputs.bases.size * reads.shifts.size] = n


def build_table(dac_bits, count, part, width, table):
    """Tabulate the column sums of every combination of the inputs of a group."""
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    cells = part.reshape(-1, width)
    for group in range(-(-count // members)):
        for entry in range(entries):
            total = np.zeros(width, dtype=np.int64)
            for k in range(members):
                digit = sum(((entry >> (k + b * members)) & 1) << b for b in range(dac_bits))
                if group * members + k < count:
                    total += cells[group * members + k].astype(np.int64) * digit
            table.reshape(-1, width)[group * entries + entry] = total


def shorten(x):
    """Round a float32 of zero or more to eight binary digits, halves up."""
    fraction, exponent = np.frexp(x)
    return np.float32(np.ldexp(np.floor(fraction * 256 + 0.5) / 256, exponent))


def sum_group(digits, noise, shot):
    """Sum the variance of a group of rows, last row first, rounded after each."""
    total = np.zeros(noise.shape[1:], dtype=np.float32)
    for k in range(len(digits) - 1, -1, -1):
        if digits[k]:
            digit = np.float32(digits[k])
            cell = noise[k] * digit**2
            if len(shot):
                cell = cell + shot[k] * digit
            total = shorten(total + cell)
    return total


def build_variances(dac_bits, count, part, shot, width, table):
    """Tabulate the variances of every combination of the inputs of a group, halves of the lanes side by side."""
    members = 8 // dac_bits
    entries = 1 << (dac_bits * members)
    noise, shot = part.reshape(-1, width)[:count], shot.reshape(-1, width)[:count]
    for group in range(-(-count // members)):
        rows = slice(group * members, (group + 1) * members)
        for entry in range(entries):
            digits = [sum(((entry >> (k + b * members)) & 1) << b for b in range(dac_bits)) for k in range(members)]
            total = sum_group(digits[: len(noise[rows])], noise[rows], shot[rows])
            halves = (total.view(np.uint32) >> 16).astype(np.uint16).reshape(2, -1).T.ravel()
            table.reshape(-1, width)[group * entries + entry] = halves


def pack_bits(codes, bits):
    """Return bit planes of integers, (..., K), eight to a byte: (..., bits, bytes)."""
    planes = np.zeros((*codes.shape[:-1], bits, -(-codes.shape[-1] // 8)), dtype=np.uint8)
    for i in range(codes.shape[-1]):
        for bit in range(bits):
            planes[..., bit, i // 8] |= (((codes[..., i].astype(np.int64) >> bit) & 1) << (i % 8)).astype(np.uint8)
    return planes


def pack_groups(codes, words):
    """Return groups of eight integers, (..., K), as words whose bytes are their bits: (..., groups, words)."""
    planes = pack_bits(codes, 8 * words).astype(np.uint64)
    planes = planes.reshape(*planes.shape[:-2], words, 8, planes.shape[-1])
    return np.moveaxis((planes << np.arange(0, 64, 8, dtype=np.uint64)[:, np.newaxis]).sum(axis=-2), -2, -1)


def bend(x, parts, n, tilt, terms):
    """Return what a column senses for its sums over all rows and before each cut, and load and tilt of the read."""
    n = np.float32(n)
    if len(terms) == 2:
        return np.float32(x * (terms[0] + terms[1] * x))
    found = x * (terms[0] + terms[1] * x + terms[2] * n) + terms[3] * n
    if len(parts):
        found = found + terms[4] * tilt * (parts[len(parts) // 2] - x / 2)
    for k, part in enumerate(parts):
        found = found + part * (terms[5 + 2 * k] + terms[6 + 2 * k] * n)
    return np.float32(found)


def bend_column(digits, row_cells, curves, r, block, column):
    """Return what a column senses for the inputs of its rows."""
    x = np.float32(digits @ row_cells)
    parts = [np.float32(digits[:cut] @ row_cells[:cut]) for cut in curves.cuts]
    n = digits @ curves.weights[block]
    if curves.own.size:
        n = min(digits @ curves.own[block, column].astype(np.int64), curves.limit)
    return bend(x, parts, n, digits @ curves.tilts[block], curves.terms[r, :, column])


def weigh_groups(dac_bits, curves, begin, end, table):
    """Tabulate load and tilt of every combination of the inputs of a group."""
    members = 8 // dac_bits
    for place in range(-(-(end - begin) // members) << (dac_bits * members)):
        group, entry = divmod(place, 1 << (dac_bits * members))
        for k in range(members):
            digit = sum(((entry >> (k + b * members)) & 1) << b for b in range(dac_bits))
            row = begin + group * members + k
            table[place] += digit * (curves.weights[row] + 65536 * curves.tilts[row]) if row < end else 0


def multiply(reads, codes, cells, adc, fine, errors, survey, plane_weights, columns, unit_weights, out, unit_codes):
    """Read some columns of every row block for every vector; unit columns lie behind the others.

    ``columns`` lists (column, lane that a survey keeps its extremes in).
    """
    every = [(column, lane, False) for column, lane in columns]
    every += [(plane_weights.shape[1] + k, k % LANES, True) for k in range(unit_weights.size)]
    for r in range(len(cells.row_starts) - 1):
        for v in range(len(codes)):
            for t in range(reads.shifts.size):
                read_block(
                    reads,
                    codes,
                    cells,
                    adc,
                    fine,
                    errors,
                    survey,
                    plane_weights,
                    every,
                    unit_weights,
                    out,
                    unit_codes,
                    r,
                    v,
                    t,
                )


def read_block(
    reads, codes, cells, adc, fine, errors, survey, plane_weights, every, unit_weights, out, unit_codes, r, v, t
):
    """Make one read of one row block."""
    block = slice(cells.row_starts[r], cells.row_starts[r + 1])
    digits = (codes[v, block].astype(np.int64) >> reads.shifts[t]) & ((1 << int(reads.widths[t])) - 1)
    for column, lane, is_unit in every:
        row_cells = np.rint(cells.matrix[block, column] * cells.step).astype(np.int64)
        x = digits @ row_cells
        factor = 1.0 if fine is None else float(fine.streams[t] * fine.columns[column])
        if fine is not None and fine.curves is not None:
            x = bend_column(digits, row_cells, fine.curves, r, block, column)
        x = x * np.float32(factor)
        unit = column - plane_weights.shape[1]
        weight = int(unit_weights[unit] if is_unit else plane_weights[r, column])
        if survey is not None:
            gain = np.float32(1.0 if errors is None else errors.gain[r, column])
            note_sum(np.float32(x) * gain, lane, adc, survey, weight)
            continue
        variance = np.float32(0)
        if cells.noise.size:
            noise, shot = (
                each[block, column : column + 1] if each.size else each for each in (cells.noise, cells.shot)
            )
            members = 8 // reads.dac_bits
            for first in range(0, len(digits), members):
                rows = slice(first, first + members)
                variance = variance + sum_group(digits[rows], noise[rows], shot[rows])[0]
            variance = variance + (0 if errors is None else errors.still[r, column])
        variance = variance * np.float32(factor**2)
        word = mix_word((int(hash_vector(errors, v)) + r * 65536 + t) & WORD)
        code = convert(x, variance, word, r, column, adc, errors) * int(reads.weights[t]) * weight
        if is_unit:
            unit_codes[r, v, unit % unit_codes.shape[2]] += code
        else:
            out[v, column % out.shape[1]] += code
