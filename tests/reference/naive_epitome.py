"""Plain loops over patches: what an epitome's samples are, and what a convolution over its patches gives."""

import numpy as np


def rebuild(values, sampler):
    """Copy every patch of an epitome to its place in the weight."""
    kh, kw = sampler.weight_shape[2:]
    weight = np.zeros(sampler.weight_shape, values.dtype)
    for i, (first_out, end_out, from_out) in enumerate(sampler.outputs):
        for j, (first_in, end_in, from_in) in enumerate(sampler.inputs):
            row, col = sampler.places[i, j]
            for o in range(end_out - first_out):
                for c in range(end_in - first_in):
                    patch = values[from_out + o, from_in + c, row : row + kh, col : col + kw]
                    weight[first_out + o, first_in + c] = patch
    return weight


def multiply_by_patches(values, sampler, windows):
    """Return windows (V, Cin, kh, kw) times the weight, patch by patch with the whole epitome as one matrix."""
    kh, kw = sampler.weight_shape[2:]
    matrix = values.reshape(len(values), -1).T
    result = np.zeros((len(windows), sampler.weight_shape[0]), np.int64)
    for i, (first_out, end_out, from_out) in enumerate(sampler.outputs):
        for j, (first_in, end_in, from_in) in enumerate(sampler.inputs):
            row, col = sampler.places[i, j]
            lines = np.zeros((len(windows), *sampler.epitome_shape[1:]), np.int64)
            lines[:, from_in : from_in + end_in - first_in, row : row + kh, col : col + kw] = windows[
                :, first_in:end_in
            ]
            sums = lines.reshape(len(windows), -1) @ matrix
            result[:, first_out:end_out] += sums[:, from_out : from_out + end_out - first_out]
    return result
