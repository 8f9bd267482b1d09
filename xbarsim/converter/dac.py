"""Word-line drivers: how an integer input is sent as a series of narrow streams.

Unsigned inputs of b bits go out in ceil(b / d) reads of d bits, lowest bits first. Signed inputs are two's
complement: the b - 1 magnitude bits go out like an unsigned input, then the sign bit alone, which counts
-2**(b - 1). A driver is ideal: stream value k puts k equal steps of voltage on the word line. Settling time,
driver noise and nonlinearity are neglected; the driver's output resistance belongs to the circuit (``crossbar``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Streams:
    """The reads that one input takes."""

    shifts: NDArray[np.int64]
    """Lowest input bit of each stream."""
    widths: NDArray[np.int64]
    """Bits of each stream; the last ones may be narrower than the driver."""
    weights: NDArray[np.int64]
    """What a stream's value counts: a power of two, negative for the sign bit."""
    bits: int
    """Bits of an input."""
    dac_bits: int
    """Bits of the driver: upper bound of ``widths``."""
    signed: bool
    """Whether inputs are two's complement."""

    def __len__(self) -> int:
        return len(self.shifts)

    @property
    def lowest(self) -> int:
        """Smallest input."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """Largest input."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1


def stream_count(activation_bits: int, dac_bits: int, signed: bool) -> int:
    """Return the number of array reads of one input.

    Parameters
    ----------
    activation_bits : int
        Bits of an input, sign included.
    dac_bits : int
        Bits sent in one read.
    signed : bool
        Whether inputs are two's complement.

    Returns
    -------
    int
        ceil(b / d), or ceil((b - 1) / d) + 1 for signed inputs.
    """
    return -(-(activation_bits - 1) // dac_bits) + 1 if signed else -(-activation_bits // dac_bits)


def encode_streams(activation_bits: int, dac_bits: int, signed: bool) -> Streams:
    """Lay out the streams of an input, least significant bits first; the sign bit is a stream of its own.

    Parameters
    ----------
    activation_bits : int
        Bits of an input code.
    dac_bits : int
        Bits of a code that a driver puts out at once.
    signed : bool
        Whether codes are two's complement.

    Returns
    -------
    Streams
        Shift, width and weight of every stream.
    """
    magnitude = activation_bits - 1 if signed else activation_bits
    shifts = list(range(0, magnitude, dac_bits))
    widths = [min(dac_bits, magnitude - shift) for shift in shifts]
    weights = [1 << shift for shift in shifts]
    if signed:
        shifts.append(magnitude)
        widths.append(1)
        weights.append(-(1 << magnitude))
    return Streams(
        shifts=np.array(shifts, dtype=np.int64),
        widths=np.array(widths, dtype=np.int64),
        weights=np.array(weights, dtype=np.int64),
        bits=activation_bits,
        dac_bits=dac_bits,
        signed=signed,
    )


def split_inputs(codes: ArrayLike, streams: Streams) -> NDArray[np.int64]:
    """Split integer inputs into the values that the drivers put out.

    Parameters
    ----------
    codes : array_like of int, any shape
        Inputs within ``streams.lowest`` .. ``streams.highest``.
    streams : Streams
        From :func:`encode_streams`.

    Returns
    -------
    ndarray of int, (streams, ...)
        Values; ``sum(weights[t] * values[t])`` is ``codes``.
    """
    raw = np.asarray(codes).astype(np.int64)
    axes = (len(streams),) + (1,) * raw.ndim
    masks = (1 << streams.widths) - 1
    return (raw[np.newaxis] >> streams.shifts.reshape(axes)) & masks.reshape(axes)
