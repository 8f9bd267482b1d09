"""Convolution windows as vectors: geometry, and the materialised form for blocks of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ShapeError


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Windows of a two-dimensional convolution."""

    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    """Top, left, bottom, right."""
    dilation: tuple[int, int]

    @property
    def out_height(self) -> int:
        """Windows along the height."""
        span = self.dilation[0] * (self.kernel[0] - 1) + 1
        return (self.height + self.padding[0] + self.padding[2] - span) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Windows along the width."""
        span = self.dilation[1] * (self.kernel[1] - 1) + 1
        return (self.width + self.padding[1] + self.padding[3] - span) // self.stride[1] + 1

    @property
    def rows(self) -> int:
        """Inputs of one window."""
        return self.channels * self.kernel[0] * self.kernel[1]


def as_pair(value: Any) -> tuple[int, int]:
    """Read a number or a pair of numbers."""
    return (int(value), int(value)) if np.ndim(value) == 0 else (int(value[0]), int(value[1]))


def as_padding(value: Any) -> tuple[int, int, int, int]:
    """Read one number, (vertical, horizontal) or (top, left, bottom, right)."""
    if np.ndim(value) == 0 or len(value) == 2:
        vertical, horizontal = as_pair(value)
        return vertical, horizontal, vertical, horizontal
    top, left, bottom, right = (int(item) for item in value)
    return top, left, bottom, right


def make_geometry(
    shape: tuple[int, ...], *, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Geometry:
    """Check and collect the geometry of a convolution.

    Parameters
    ----------
    shape : tuple of int
        (images, channels, height, width) of the input.
    kernel, stride, dilation : int or pair of int
        Rows and columns; one number serves for both.
    padding : int or tuple of int
        One number, (rows, columns), or (top, left, bottom, right).

    Returns
    -------
    Geometry

    Raises
    ------
    ShapeError
        If the input is not four-dimensional or no window fits.
    """
    if len(shape) != 4:
        raise ShapeError(f"codes: need (images, channels, height, width), got {shape}")
    geometry = Geometry(
        channels=shape[1],
        height=shape[2],
        width=shape[3],
        kernel=as_pair(kernel),
        stride=as_pair(stride),
        padding=as_padding(padding),
        dilation=as_pair(dilation),
    )
    if min(geometry.stride) < 1 or min(geometry.dilation) < 1 or min(geometry.padding) < 0:
        raise ShapeError(f"stride, dilation or padding out of range: {geometry}")
    if geometry.out_height < 1 or geometry.out_width < 1:
        raise ShapeError(f"codes: {shape} is smaller than one window of {geometry.kernel}")
    return geometry


def gather_windows(
    codes: NDArray[Any], geometry: Geometry, *, channels_last: bool, pad_code: float = 0
) -> NDArray[Any]:
    """Materialise every window as one vector.

    Parameters
    ----------
    codes : ndarray, (images, channels, height, width)
        Inputs, of any type.
    geometry : Geometry
        Windows.
    channels_last : bool
        Order within a vector: (kh, kw, channel), or (channel, kh, kw).
    pad_code : float
        Value outside the image.

    Returns
    -------
    ndarray, (images * out_height * out_width, K)
        Vectors, image by image, row by row.
    """
    top, left, bottom, right = geometry.padding
    padded = np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad_code)
    (kh, kw), (sh, sw), (dh, dw) = geometry.kernel, geometry.stride, geometry.dilation
    oh, ow = geometry.out_height, geometry.out_width
    views = [
        padded[:, :, i * dh : i * dh + sh * (oh - 1) + 1 : sh, j * dw : j * dw + sw * (ow - 1) + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
    windows = np.stack(views)  # (kh*kw, images, channels, oh, ow)
    order = (1, 3, 4, 0, 2) if channels_last else (1, 3, 4, 2, 0)
    return np.ascontiguousarray(windows.transpose(order)).reshape(codes.shape[0] * oh * ow, -1)
