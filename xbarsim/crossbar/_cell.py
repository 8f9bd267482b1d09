"""Current and slope of cells for several input vectors side by side: laws that kernels evaluate inline.

A law is a number and coefficients, for a cell of 1 S. Its reference voltage is already in the cell's conductance.

* ``OHMIC``: no coefficients.
* ``SINH``: ``scale_volt``, ``1 / (scale_volt 2^m)`` and ``m``. Taylor series of sinh and cosh at an argument of at
  most a half, or 1.5 in float32, and then ``m`` double angles.
* ``POLYNOMIAL``: how many coefficients follow; coefficients of v, v^2, ...
* ``SELECTOR``: threshold, one over the width, conductance of the closed selector relative to the open one. The
  exponential is a Taylor series of a small argument, squared ``SQUARINGS`` times. No selector closes further than
  ``CLOSED`` widths below its threshold: what flows there is below the rounding of what flows through an open one, and
  its slope stays above zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarsim._numba import inlined
from xbarsim._simd import Vector, add, divide, larger, multiply, multiply_add, peek, scale, smaller, spread

Floats = NDArray[np.float64]

OHMIC, SINH, POLYNOMIAL, SELECTOR = 0, 1, 2, 3
CLOSED = 40.0
"""Widths below the threshold beyond which a selector closes no further [-]."""
SQUARINGS = 7
"""Squarings of the exponential, whose series then has arguments of at most a third [-]."""


@inlined
def bend_sinh(coefs: Floats, v: Vector) -> tuple[Vector, Vector]:
    """Return current and slope of ``scale_volt sinh(v / scale_volt)``."""
    one = spread(1.0, v)
    x = scale(peek(coefs, 1), v)
    z = multiply(x, x)
    s = multiply_add(1.0 / 6227020800.0, z, spread(1.0 / 39916800.0, v))
    s = add(multiply(s, z), spread(1.0 / 362880.0, v))
    s = add(multiply(s, z), spread(1.0 / 5040.0, v))
    s = add(multiply(s, z), spread(1.0 / 120.0, v))
    s = add(multiply(s, z), spread(1.0 / 6.0, v))
    s = add(multiply(multiply(s, z), x), x)
    c = multiply_add(1.0 / 479001600.0, z, spread(1.0 / 3628800.0, v))
    c = add(multiply(c, z), spread(1.0 / 40320.0, v))
    c = add(multiply(c, z), spread(1.0 / 720.0, v))
    c = add(multiply(c, z), spread(1.0 / 24.0, v))
    c = add(multiply(c, z), spread(0.5, v))
    c = add(multiply(c, z), one)
    doublings = peek(coefs, 2)
    while doublings > 0.5:
        t = add(s, s)
        old = s
        s = multiply(t, c)
        c = add(multiply(t, old), one)
        doublings -= 1.0
    return scale(peek(coefs, 0), s), c


@inlined
def bend_polynomial(coefs: Floats, v: Vector) -> tuple[Vector, Vector]:
    """Return current and slope of a polynomial without constant, by Horner's rule."""
    n = int(peek(coefs, 0))
    f = spread(peek(coefs, n), v)
    slope = spread(0.0, v)
    while n > 1:
        n -= 1
        slope = add(multiply(slope, v), f)
        f = add(multiply(f, v), spread(peek(coefs, n), v))
    return multiply(f, v), add(multiply(slope, v), f)


@inlined
def bend_selector(coefs: Floats, v: Vector) -> tuple[Vector, Vector]:
    """Return current and slope of a cell behind a selector."""
    one = spread(1.0, v)
    size = larger(v, scale(-1.0, v))
    x = scale(peek(coefs, 1), add(size, spread(-peek(coefs, 0), v)))
    x = smaller(larger(x, spread(-CLOSED, v)), spread(CLOSED, v))
    z = scale(-1.0 / 2.0**SQUARINGS, x)
    e = multiply_add(1.0 / 3628800.0, z, spread(1.0 / 362880.0, v))
    e = add(multiply(e, z), spread(1.0 / 40320.0, v))
    e = add(multiply(e, z), spread(1.0 / 5040.0, v))
    e = add(multiply(e, z), spread(1.0 / 720.0, v))
    e = add(multiply(e, z), spread(1.0 / 120.0, v))
    e = add(multiply(e, z), spread(1.0 / 24.0, v))
    e = add(multiply(e, z), spread(1.0 / 6.0, v))
    e = add(multiply(e, z), spread(0.5, v))
    e = add(multiply(e, z), one)
    e = add(multiply(e, z), one)
    for _ in range(SQUARINGS):
        e = multiply(e, e)
    step = divide(one, add(e, one))
    open_share = scale(1.0 - peek(coefs, 2), step)
    share = add(open_share, spread(peek(coefs, 2), v))
    rest = multiply(e, step)  # 1 - step without cancellation
    return multiply(v, share), add(multiply(multiply(scale(peek(coefs, 1), size), open_share), rest), share)


@inlined
def bend(kind: int, coefs: Floats, v: Vector) -> tuple[Vector, Vector]:
    """Return current [A] and slope [S] of a cell of 1 S at ``v``."""
    if kind == SINH:
        return bend_sinh(coefs, v)
    if kind == POLYNOMIAL:
        return bend_polynomial(coefs, v)
    if kind == SELECTOR:
        return bend_selector(coefs, v)
    return v, spread(1.0, v)
