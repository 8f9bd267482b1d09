"""Sliding windows: convolution and pooling, bit for bit independent of the batch.

Convolution says where windows lie in padded images and leaves their product to a kernel that sums in one order;
pooling combines shifted images in a fixed order. The same code serves integers carried in floats, where every sum is
exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from xbarsim.network.product import Windows, multiply_windows


def slide_sizes(size: Sequence[int], attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Return the output size of a kernel that slides over an image.

    Parameters
    ----------
    size : sequence of int
        Height and width of the image [pixels].
    attributes : mapping
        ``kernel``, ``stride``, ``padding`` and, where given, ``dilation`` and ``ceil_mode``.

    Returns
    -------
    tuple of int
        Height and width of the output [pixels].
    """
    (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
    top, left, bottom, right = attributes["padding"]
    dh, dw = attributes.get("dilation", (1, 1))
    high, wide = size[0] + top + bottom - dh * (kh - 1) - 1, size[1] + left + right - dw * (kw - 1) - 1
    if attributes.get("ceil_mode", False):
        return _ceil_count(high, sh, size[0] + top), _ceil_count(wide, sw, size[1] + left)
    return high // sh + 1, wide // sw + 1


def _ceil_count(span: int, stride: int, end: int) -> int:
    """Count windows when the last may hang over, as long as it starts inside the image or its front padding."""
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= end else count


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    attributes: Mapping[str, Any],
    pad_value: float = 0.0,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Convolve images with a layer's kernels.

    Parameters
    ----------
    x : ndarray, (B, C, H, W)
        Images, of the type in which sums are to be formed.
    weight : ndarray, (N, C / groups, kh, kw)
        Kernels, of the same type.
    attributes : mapping
        Of a ``conv2d`` node: ``kernel``, ``stride``, ``padding``, ``dilation``, ``groups``.
    pad_value : float
        What padding holds.
    bias : ndarray, (N,), optional
        Added to every sum.

    Returns
    -------
    ndarray, (B, N, OH, OW)
        Sums, of the type of ``x``.
    """
    high, wide = slide_sizes(x.shape[2:], attributes)
    padded = np.ascontiguousarray(_padded(x, attributes, pad_value, high, wide))
    out = np.empty((len(x), len(weight), high, wide), x.dtype)
    return multiply_windows(padded, weight, bias, _index_windows(padded.shape, attributes, out.shape), out)


def _index_windows(padded: Sequence[int], attributes: Mapping[str, Any], out: Sequence[int]) -> Windows:
    """Return where the windows of padded images lie, and their results."""
    batch, channels, height, width = padded
    outputs, high, wide = out[1:]
    groups, (kh, kw), (sh, sw) = attributes["groups"], attributes["kernel"], attributes["stride"]
    dh, dw = attributes.get("dilation", (1, 1))
    area, image = height * width, channels * height * width
    rows = np.arange(batch)[:, None, None] * image + np.arange(high)[:, None] * (sh * width)
    taps = np.arange(channels // groups)[:, None, None] * area + np.arange(kh)[:, None] * (dh * width)
    return Windows(
        pixels=(rows + np.arange(wide) * sw).reshape(-1),
        taps=(taps + np.arange(kw) * dw).reshape(-1),
        places=(np.arange(batch)[:, None] * (outputs * high * wide) + np.arange(high * wide)).reshape(-1),
        row_step=high * wide,
        groups=groups,
        group_step=channels // groups * area,
    )


def pool_max(x: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """Return the largest value under a sliding kernel; padding never wins.

    Parameters
    ----------
    x : ndarray, (B, C, H, W)
        Images.
    attributes : mapping
        ``kernel``, ``stride``, ``padding``, ``dilation`` and ``ceil_mode`` of a pooling node.

    Returns
    -------
    ndarray, (B, C, OH, OW)
        Of the type of ``x``.
    """
    high, wide = slide_sizes(x.shape[2:], attributes)
    taps = _taps(_padded(x, attributes, -np.inf, high, wide), attributes, high, wide)
    best = next(taps).copy()
    for values in taps:
        np.maximum(best, values, out=best)
    return best


def pool_mean(x: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """Return the mean under a sliding kernel.

    The count of a window leaves out what hangs over in ``ceil_mode``, and padding too unless ``count_include_pad``.

    Parameters
    ----------
    x : ndarray, (B, C, H, W)
        Images.
    attributes : mapping
        ``kernel``, ``stride``, ``padding``, ``ceil_mode`` and ``count_include_pad`` of a pooling node.

    Returns
    -------
    ndarray, (B, C, OH, OW)
        Of the type of ``x``.
    """
    high, wide = slide_sizes(x.shape[2:], attributes)
    total = np.zeros((*x.shape[:2], high, wide), x.dtype)
    for values in _taps(_padded(x, attributes, 0.0, high, wide), attributes, high, wide):
        total += values
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if attributes.get("count_include_pad", False):
        top, left, bottom, right = attributes["padding"]
        ones = np.pad(ones, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
        attributes = {**attributes, "padding": (0, 0, 0, 0)}
    count = np.zeros((1, 1, high, wide), x.dtype)
    for values in _taps(_padded(ones, attributes, 0.0, high, wide), attributes, high, wide):
        count += values
    return total / count


def _padded(x: np.ndarray, attributes: Mapping[str, Any], value: float, high: int, wide: int) -> np.ndarray:
    """Pad images, at the end also by what the last window hangs over."""
    top, left, bottom, right = attributes["padding"]
    (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
    dh, dw = attributes.get("dilation", (1, 1))
    bottom = max(bottom, (high - 1) * sh + dh * (kh - 1) + 1 - x.shape[2] - top)
    right = max(right, (wide - 1) * sw + dw * (kw - 1) + 1 - x.shape[3] - left)
    if not (top or left or bottom or right):
        return x
    shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    padded = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return padded


def _taps(padded: np.ndarray, attributes: Mapping[str, Any], high: int, wide: int) -> Iterator[np.ndarray]:
    """Yield, for each kernel position row by row, the (B, C, OH, OW) view of what it sees."""
    (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
    dh, dw = attributes.get("dilation", (1, 1))
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (high - 1) * sh + 1, sh)
            yield padded[:, :, rows, j * dw : j * dw + (wide - 1) * sw + 1 : sw]
