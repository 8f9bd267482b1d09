"""Kernels of the float network, and what they must equal. Small kernels around them make lanes and pointers."""

from __future__ import annotations

import numpy as np
from reference.kernel_case import KernelCase

from xbarsim._numba import kernel
from xbarsim._simd import LANES, address, zeros
from xbarsim.network import _codes, _kernels, _scales

DEPTH, OUTPUTS, GROUPS, WINDOWS = 5, 6, 2, 27
STEP = 100
"""Values of one group."""


def rng():
    """The same numbers for every kernel."""
    return np.random.default_rng(5)


def pixels():
    """A run of 16 windows side by side, and others that are spread."""
    return np.concatenate([np.arange(16), np.arange(11) * 7])


def taps():
    """Taps that skip values."""
    return np.array([0, 1, 9, 10, 19])


def panel(kind=np.float32):
    """An empty panel."""
    return np.zeros(DEPTH * LANES, dtype=kind)


def values(kind=np.float32):
    """Values of both groups."""
    found = rng().normal(0.0, 3.0, GROUPS * STEP)
    return found.astype(kind)


def layer(kind=np.float32):
    """Arguments of a whole layer; results of one output lie side by side."""
    weight, bias = rng().normal(0.0, 3.0, (OUTPUTS, DEPTH)), rng().normal(0.0, 9.0, OUTPUTS)
    weight, bias, out = weight.astype(kind), bias.astype(kind), np.zeros(OUTPUTS * WINDOWS, dtype=kind)
    tail = np.arange(WINDOWS), out, panel(kind), np.zeros(4 * LANES, dtype=kind)
    return GROUPS, STEP, WINDOWS, values(kind), pixels(), taps(), weight, bias, *tail


def scattered():
    """The same with the results of one window side by side."""
    groups, step, _, *head, _, out, left, sums = layer()
    return groups, step, 1, *head, np.arange(WINDOWS) * OUTPUTS, out, left, sums


@kernel
def call_gather(values, pixels, taps, start, first, count, panel):
    """Gather by eight lanes."""
    _kernels.gather_panel(address(values), pixels, taps, start, first, count, zeros(values, 8), address(panel))


def gather(values, pixels, taps, start, first, count, panel):
    """Copy value by value."""
    for k in range(len(taps)):
        for lane in range(count):
            panel[k * LANES + lane] = values[start + pixels[first + lane] + taps[k]]


@kernel
def call_sum(panel, weight, depth, at, sums):
    """Sum 16 lanes."""
    _kernels.sum_taps(address(panel), address(weight), depth, at, zeros(panel, LANES), address(sums))


def sum_taps(panel, weight, depth, at, sums):
    """Sum window by window."""
    for row, first in enumerate(at):
        for lane in range(LANES):
            total = np.float32(0)
            for k in range(depth):
                total += weight.ravel()[first + k] * panel[k * LANES + lane]
            sums[row * LANES + lane] = total


def multiply(groups, group_step, row_step, values, pixels, taps, weight, bias, places, out, *scratch):
    """Multiply sum by sum."""
    for n in range(len(weight)):
        start = n // (len(weight) // groups) * group_step
        for p in range(len(pixels)):
            total = values.dtype.type(0)
            for k in range(len(taps)):
                total += weight[n, k] * values[start + pixels[p] + taps[k]]
            out[places[p] + n * row_step] = total + bias[n]


def sum_errors(values, counts, step, low, high, bin_width, most):
    """Sum what rounding and clipping do to every bin; a sum that reaches ``most`` may stop anywhere above."""
    codes = values / step
    squares = (codes - np.clip(np.rint(codes), low, high)) ** 2
    is_coarse = (low <= codes) & (codes <= high) & (np.abs(codes) * bin_width > 1)
    total = np.sum(np.where(is_coarse, 1 / 12, squares) * counts)
    return total if total < most else most


def stopped_errors(*arguments):
    """Cut a sum that stopped to the bound that it reached."""
    return min(_scales.sum_errors(*arguments), arguments[-1])


def find_step(values, counts, steps, low, high, bin_width):
    """Compare the errors of all steps."""
    errors = [sum_errors(values, counts, step, low, high, bin_width, np.inf) * step**2 for step in steps]
    return int(np.argmin(errors))


def bins(*numbers):
    """Bins of a signed tensor, some clipped and some wider than a step."""
    centres = np.sort(rng().normal(0.0, 40.0, 50))
    return (centres, rng().integers(1, 99, 50).astype(float), *numbers)


def quantize_values(x, scale, zero_point, low, high, codes):
    """Round value by value; NaN is any code."""
    codes[:] = np.clip(np.nan_to_num(np.rint(x / scale) + zero_point), low, high)
    return bool(np.isnan(x).any())


def values_to_round(kind, *numbers):
    """Values some of which are halfway between two codes, or beyond them."""
    found = (np.arange(-40, 40) * 0.25).astype(np.float32)
    return (found, np.float32(0.5), *map(np.float32, numbers), np.zeros(80, dtype=kind))


def dequantize_sums(sums, strides, unit, taken, scale, bias, out):
    """Compute value by value in float64."""
    images, outputs, places = out.shape
    for b in range(images):
        for n in range(outputs):
            for p in range(places):
                total = float(sums[b * outputs * places + n * strides[0] + p * strides[1]])
                out[b, n, p] = (total * unit - taken[n]) * scale[n] + bias[n]


def sums_to_scale(kind, strides):
    """Sums of two images, three outputs and 70 places."""
    sums = rng().integers(-9999, 9999, 2 * 3 * 70).astype(kind)
    taken, scale, bias = rng().normal(0.0, 9.0, (3, 3))
    return sums, strides, 0.37, taken, scale, bias, np.zeros((2, 3, 70), dtype=np.float32)


NETWORK = (
    *(
        KernelCase(
            kernel=_codes.quantize_values, call=_codes.quantize_values, twin=quantize_values, inputs=inputs,
            outputs=(5,), rtol=0,
        )
        for inputs in (
            lambda: values_to_round(np.uint8, 3, 0, 15), lambda: values_to_round(np.int16, 0, -8, 7),
        )
    ),
    *(
        KernelCase(
            kernel=_codes.dequantize_sums, call=_codes.dequantize_sums, twin=dequantize_sums, inputs=inputs,
            outputs=(6,), rtol=0,
        )
        for inputs in (
            lambda: sums_to_scale(np.int64, (70, 1)), lambda: sums_to_scale(np.int32, (1, 3)),
            lambda: sums_to_scale(np.float64, (70, 1)),
        )
    ),
    *(
        KernelCase(
            kernel=_scales.sum_errors,
            call=stopped_errors,
            twin=sum_errors,
            inputs=lambda most=most: bins(0.3, -128, 127, 2.0**-5, most),
            outputs=(),
            rtol=1e-12,
        )
        for most in (np.inf, 50.0)
    ),
    KernelCase(
        kernel=_scales.find_step,
        call=_scales.find_step,
        twin=find_step,
        inputs=lambda: bins(np.geomspace(0.05, 2.0, 20)[::-1].copy(), -32, 31, 2.0**-5),
        outputs=(),
        rtol=0,
    ),
    KernelCase(
        kernel=_kernels.gather_panel,
        call=call_gather,
        twin=gather,
        inputs=lambda: (values(), pixels(), taps(), STEP, 0, 16, panel()),
        outputs=(6,),
        rtol=0,
    ),
    KernelCase(
        kernel=_kernels.gather_panel,
        call=call_gather,
        twin=gather,
        inputs=lambda: (values(), pixels(), taps(), 0, 16, 11, panel()),
        outputs=(6,),
        rtol=0,
    ),
    KernelCase(
        kernel=_kernels.sum_taps,
        call=call_sum,
        twin=sum_taps,
        inputs=lambda: (values()[: DEPTH * LANES], layer()[6], DEPTH, (0, 5, 10, 25), np.zeros(4 * LANES, np.float32)),
        outputs=(4,),
        rtol=1e-6,  # products are fused with their sums
    ),
    *(
        KernelCase(
            kernel=_kernels.multiply_windows,
            call=_kernels.multiply_windows,
            twin=multiply,
            inputs=inputs,
            outputs=(9,),
            rtol=1e-6,
        )
        for inputs in (layer, scattered, lambda: layer(np.float64), lambda: layer(np.int64))
    ),
)  # fmt: skip
