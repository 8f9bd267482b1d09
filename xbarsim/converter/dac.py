"""Word-line drivers: an integer input is sent as a series of narrow streams.

Unsigned inputs of b bits are sent in ceil(b / d) reads of d bits, lowest bits first. Signed inputs are converted to
unsigned numbers by one of the codings in :data:`~xbarsim.config.coding.CODINGS`.

Where an integrator adds up the reads of an input before one conversion, each weighed by what it counts
(``dac.accumulate: analog``), converters see the sum of a whole input: :func:`sum_streams`.

Drivers are ideal: stream value k applies k equal steps of voltage to the word line. Settling time, driver noise and
nonlinearity are neglected; the driver's output resistance belongs to the circuit (``crossbar``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbarsim.config.coding import CODINGS, UNSIGNED, SignedCoding

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Streams:
    """The reads that one input takes."""

    shifts: Ints
    """Lowest bit of each stream in the coded input."""
    widths: Ints
    """Bits of each stream; some may be narrower than the driver."""
    weights: Ints
    """Factors of the streams: powers of two, negative for the sign bit and for magnitudes of negative inputs."""
    is_narrow: NDArray[np.bool_]
    """Streams that have a converter step of their own: the sign bit, where others are wider."""
    bits: int
    """Bits of an input."""
    dac_bits: int
    """Bits of the driver: upper bound of ``widths``."""
    signed: bool
    """Whether inputs may be negative."""
    power: int
    """Exponent with which variance and energy of a read grow with its value: 2 for voltages, 1 for pulses."""
    coding: SignedCoding
    """Coding of the inputs as unsigned numbers."""
    sent: Streams | None = None
    """The reads that are added up before they are converted; this is then their sum, one stream of whole inputs with
    the constant of the coding, which may be negative. None: every read is converted."""

    def __len__(self) -> int:
        return len(self.shifts)

    @property
    def lowest(self) -> int:
        """Smallest input."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """Largest input."""
        return max((1 << (self.bits - 1)) - 1, 1) if self.signed else (1 << self.bits) - 1

    @property
    def reads(self) -> Streams:
        """The reads, whether they are converted one by one or added up before."""
        return self if self.sent is None else self.sent

    @property
    def span(self) -> tuple[int, int]:
        """Smallest and largest value that is converted at once."""
        if self.sent is None:
            return 0, (1 << self.dac_bits) - 1
        return self.lowest + self.constant, self.highest + self.constant

    @property
    def has_zero(self) -> bool:
        """Whether 0 can be sent; it cannot where -1 and 1 are all that an offset tells apart."""
        if self.bits > 1 or not self.signed:
            return True
        reads = self.reads
        return int(reads.weights @ split_inputs(np.zeros(1, dtype=np.int64), reads)[:, 0]) == self.constant

    @property
    def coded_bits(self) -> int:
        """Bits of a coded input."""
        return int(self.shifts[-1] + self.widths[-1])

    @property
    def constant(self) -> int:
        """Constant that the coding adds to every input."""
        return self.coding.constant(self.bits)

    def encode(self, codes: ArrayLike) -> NDArray[Any]:
        """Return coded inputs of any shape, contiguous: unsigned numbers of one, two or four bytes; sums as int32."""
        if self.sent is not None:
            return np.ascontiguousarray(np.asarray(codes).astype(np.int32) + np.int32(self.constant))
        kind = np.dtype([np.uint8, np.uint16, np.uint32][int(np.searchsorted([8, 16], self.coded_bits))])
        given = np.asarray(codes)
        if self.coding.sends_bits:
            raw = given.view(kind) if given.dtype.itemsize == kind.itemsize else given.astype(kind)
        else:
            raw = self.coding.encode(given.astype(np.int64), self.bits).astype(kind)
        return np.ascontiguousarray(raw)


def stream_count(activation_bits: int, dac_bits: int, signed: bool, coding: str = "twos_complement") -> int:
    """Return the number of array reads of one input.

    Parameters
    ----------
    activation_bits : int
        Bits of an input, sign included.
    dac_bits : int
        Bits that a driver puts out at once.
    signed : bool
        Whether inputs may be negative.
    coding : str
        Name of the coding of signed inputs, in :data:`~xbarsim.config.coding.CODINGS`.

    Returns
    -------
    int
        Of b bits, d a read: ceil(b / d); for signed inputs ceil((b - 1) / d) + 1 in two's complement,
        ceil((b - 1) / d) + ceil(b / d) as sign and magnitude, ceil(b / d) with an offset. Of -1 and 1 (b = 1): 2, 2
        and 1.
    """
    chosen = CODINGS[coding] if signed else UNSIGNED
    return sum(-(-each.bits // dac_bits) for each in chosen.passes(activation_bits))


def encode_streams(
    activation_bits: int, dac_bits: int, signed: bool, coding: str = "twos_complement", power: int = 2
) -> Streams:
    """Lay out the streams of an input: pass after pass, least significant bits first.

    Parameters
    ----------
    activation_bits : int
        Bits of an input, sign included.
    dac_bits : int
        Bits that a driver puts out at once.
    signed : bool
        Whether inputs may be negative.
    coding : str
        Name of the coding of signed inputs, in :data:`~xbarsim.config.coding.CODINGS`.
    power : int
        2 where a read drives voltages, 1 where it drives pulses of one voltage.

    Returns
    -------
    Streams
        Shift, width and weight of every stream.
    """
    chosen = CODINGS[coding] if signed else UNSIGNED
    shifts, widths, weights, is_narrow = [], [], [], []
    first = 0
    for each in chosen.passes(activation_bits):
        for shift in range(0, each.bits, dac_bits):
            shifts.append(first + shift)
            widths.append(min(dac_bits, each.bits - shift))
            weights.append(each.weight << shift)
            is_narrow.append(each.is_narrow and max(widths) > 1)
        first += each.bits
    return Streams(
        shifts=np.array(shifts, dtype=np.int64),
        widths=np.array(widths, dtype=np.int64),
        weights=np.array(weights, dtype=np.int64),
        is_narrow=np.array(is_narrow, dtype=np.bool_),
        bits=activation_bits,
        dac_bits=dac_bits,
        signed=signed,
        power=power,
        coding=chosen,
    )


def sum_streams(reads: Streams) -> Streams:
    """Return the streams at the converters where an integrator adds the reads of an input.

    Parameters
    ----------
    reads : Streams
        Reads, each converted.

    Returns
    -------
    Streams
        One stream of whole inputs.
    """
    one = np.ones(1, dtype=np.int64)
    return replace(
        reads, shifts=0 * one, widths=reads.bits * one, weights=one, is_narrow=np.zeros(1, dtype=np.bool_), sent=reads
    )


class SpreadInputs(NamedTuple):
    """Factors of the noise of single reads in their sum, any shape."""

    squares: NDArray[np.float64]
    """Sum over reads of the squared weight and the squared value: of variances that go with the square of an input."""
    linears: NDArray[np.float64]
    """Sum over reads of the squared weight and the value: of variances that go with the input itself."""


def spread_inputs(codes: ArrayLike, streams: Streams) -> SpreadInputs:
    """Weigh the independent noise of the reads of an input as their sum does.

    Parameters
    ----------
    codes : array_like of int, any shape
        Inputs.
    streams : Streams
        From :func:`sum_streams`.

    Returns
    -------
    SpreadInputs
        In the shape of ``codes``.
    """
    reads = streams.reads
    values = split_inputs(codes, reads).astype(np.float64)
    weights = np.square(reads.weights.astype(np.float64))
    return SpreadInputs(np.tensordot(weights, values**2, 1), np.tensordot(weights, values, 1))


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
        Values; ``sum(weights[t] * values[t]) - constant`` is ``codes``. Of a sum of reads the value may be negative.
    """
    coded = streams.encode(codes)
    return np.stack([cut_stream(coded, streams, t) for t in range(len(streams))]).astype(np.int64)


def cut_stream(coded: NDArray[Any], streams: Streams, t: int) -> NDArray[Any]:
    """Return the values of one stream.

    Parameters
    ----------
    coded : ndarray of int, any shape
        From :meth:`Streams.encode`.
    streams : Streams
        From :func:`encode_streams`.
    t : int
        Number of the stream.

    Returns
    -------
    ndarray of int, shape of ``coded``
        What the drivers put out; of a sum of reads the whole input, which may be negative.
    """
    if streams.sent is not None:
        return coded
    return (coded >> int(streams.shifts[t])) & ((1 << int(streams.widths[t])) - 1)
