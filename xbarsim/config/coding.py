"""Codings of signed inputs: how integers from below zero on become unsigned numbers that drivers send.

A coding is a series of passes, each sent in reads of as many bits as a driver has, lowest bits first:

* ``twos_complement``: the b - 1 low bits, then the sign bit alone with the factor -2**(b - 1);
* ``sign_magnitude``: max(x, 0), then max(-x, 0) with a negative factor;
* ``offset``: x + 2**(b - 1); the product of the weights and this constant is subtracted digitally.

Signed inputs of one bit are -1 and 1, and 0 where nothing is driven (padding). In two's complement they have two bits;
as sign and magnitude they take a pass each; with an offset (x + 1) / 2 goes out in one, which has no place for 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator, WithJsonSchema

from xbarsim.config.record import check_name

Ints = NDArray[np.int64]


class Pass(NamedTuple):
    """An unsigned number that is sent in several reads."""

    bits: int
    """Number of bits."""
    weight: int
    """Factor of its value."""
    is_narrow: bool
    """Whether it is a single bit with the weight of all others together, whose read has a converter step of its own."""


@dataclass(frozen=True, kw_only=True)
class SignedCoding:
    """One way to send signed inputs of b bits."""

    name: str
    """Value of ``dac.signed``."""
    about: str
    """One line for the documentation."""
    passes: Callable[[int], tuple[Pass, ...]]
    """b -> passes, in the order of their reads."""
    sends_bits: bool
    """Whether the bits of an input are sent unchanged; higher bits are not sent."""
    encode: Callable[[Ints, int], Ints]
    """Inputs, b -> passes as one number, the first in its lowest bits."""
    constant: Callable[[int], int]
    """b -> constant that is added to every input and subtracted digitally."""

    def __reduce__(self) -> tuple[Callable[[str], SignedCoding], tuple[str]]:
        """Pickle a row of the table by its name: its functions have none."""
        return _find_coding, (self.name,)

    def counts_down(self, bits: int) -> bool:
        """Tell whether reads of inputs of so many bits count negative."""
        return any(part.weight < 0 for part in self.passes(bits))

    def sends_zero(self, bits: int) -> bool:
        """Tell whether an input of zero has a code."""
        return self.constant(bits) % min(abs(part.weight) for part in self.passes(bits)) == 0


def _find_coding(name: str) -> SignedCoding:
    return (CODINGS | {UNSIGNED.name: UNSIGNED})[name]


def _low(bits: int) -> int:
    """Return the bits of the largest magnitude above zero."""
    return max(bits - 1, 1)


CODINGS: dict[str, SignedCoding] = {
    coding.name: coding
    for coding in (
        SignedCoding(
            name="twos_complement",
            about="low bits, then the sign bit in a read of its own",
            passes=lambda b: (Pass(_low(b), 1, False), Pass(1, -(1 << _low(b)), True)),
            sends_bits=True,
            encode=lambda x, b: x & ((2 << _low(b)) - 1),
            constant=lambda b: 0,
        ),
        SignedCoding(
            name="sign_magnitude",
            about="positive inputs, then magnitudes of negative ones",
            passes=lambda b: (Pass(_low(b), 1, False), Pass(b, -1, False)),
            sends_bits=False,
            encode=lambda x, b: np.maximum(x, 0) | (np.maximum(-x, 0) << _low(b)),
            constant=lambda b: 0,
        ),
        SignedCoding(
            name="offset",
            about="inputs plus half of their range, which is subtracted digitally",
            passes=lambda b: (Pass(b, 2 if b == 1 else 1, False),),
            sends_bits=False,
            encode=lambda x, b: (x + 1) >> 1 if b == 1 else x + (1 << (b - 1)),
            constant=lambda b: 1 << (b - 1),
        ),
    )
}
"""Name -> coding of signed inputs."""

UNSIGNED = SignedCoding(
    name="unsigned",
    about="inputs as they are",
    passes=lambda b: (Pass(b, 1, False),),
    sends_bits=True,
    encode=lambda x, b: x,
    constant=lambda b: 0,
)
"""Coding of inputs that are never negative."""


def _check_coding(value: Any) -> str:
    return check_name(value, ("auto", *CODINGS))


CodingName: TypeAlias = Annotated[
    str, PlainValidator(_check_coding), WithJsonSchema({"type": "string", "enum": ["auto", *CODINGS]})
]
"""A name in :data:`CODINGS`, or ``auto``, as a field of a record."""
