"""Plain loops over one window at a time: what a convolution and poolings are."""

import numpy as np


def convolve(x, weight, attributes, pad_value=0):
    """Convolve (B, C, H, W) with (N, C / groups, kh, kw) in Python's own numbers of the arrays' type."""
    (kh, kw), (sh, sw), (dh, dw) = attributes["kernel"], attributes["stride"], attributes["dilation"]
    top, left, bottom, right = attributes["padding"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad_value)
    batch, _, height, width = padded.shape
    high, wide = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    outputs, depth = weight.shape[:2]
    per_group = outputs // attributes["groups"]
    y = np.zeros((batch, outputs, high, wide), x.dtype)
    for b, o, i, j in np.ndindex(y.shape):
        total = x.dtype.type(0)
        for c, m, n in np.ndindex(depth, kh, kw):
            channel = o // per_group * depth + c
            total += weight[o, c, m, n] * padded[b, channel, i * sh + m * dh, j * sw + n * dw]
        y[b, o, i, j] = total
    return y


def multiply_integers(weight, codes):
    """Return codes (B, F) times weight (N, F), in Python integers."""
    y = np.zeros((len(codes), len(weight)), object)
    for b, o in np.ndindex(y.shape):
        y[b, o] = sum(int(w) * int(x) for w, x in zip(weight[o], codes[b], strict=True))
    return y.astype(np.int64)
