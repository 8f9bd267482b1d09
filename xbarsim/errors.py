"""The exceptions and warnings of xbarsim.

Every one of them is an :class:`XbarsimError`, so that one ``except`` clause separates wrong input and failed
computations from bugs. The command line turns :class:`SolverError` into exit code 3 and every other
:class:`XbarsimError` into exit code 2. Messages are one line of bounded length, which :func:`shorten_message` makes.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

LONGEST = 400
"""Most characters of a line on standard error, and of a message."""
_GAP = " ... "
_PREFIX = 20
"""Characters that a program puts before a message, such as ``xbarsim: warning: ``."""


def shorten_message(text: str, most: int = LONGEST) -> str:
    """Put a message on one line and leave out its middle where it is too long.

    The beginning names file, key and value, and the end the way out, so both are kept.

    Parameters
    ----------
    text : str
        Any text.
    most : int
        Most characters.

    Returns
    -------
    str
        At most that many; printable, with single spaces.
    """
    if len(text) > 20 * most:  # the middle of a huge text is never looked at
        text = f"{text[: 10 * most]}{_GAP}{text[-10 * most :]}"
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())
    if len(line) <= most:
        return line
    end = most // 3
    return f"{line[: most - end - len(_GAP)].rstrip()}{_GAP}{line[-end:].lstrip()}"


def show_value(value: Any) -> str:
    """Write a value for a message, in bounded time and length.

    Parameters
    ----------
    value : object
        What a user gave.

    Returns
    -------
    str
        Its literal, the middle of long text and the rest of long lists left out.
    """
    try:
        return _WRITER.repr(value)
    except ValueError:  # Python refuses to write huge whole numbers
        return "a number of thousands of digits"


def explain_shape(given: Sequence[int], wanted: Sequence[int]) -> str:
    """Return what may be wrong with images of another shape: channels last, an axis too few; nothing where unclear.

    Parameters
    ----------
    given, wanted : sequence of int
        Shape of one image, as it is and as the network takes it.

    Returns
    -------
    str
        The way out, for the end of a message.
    """
    given, wanted = tuple(given), tuple(wanted)
    if len(wanted) == 3 and given == (*wanted[1:], wanted[0]):
        return "; its channels come last: transpose images by (0, 3, 1, 2)"
    if len(wanted) == 3 and wanted[0] == 1 and given == wanted[1:]:
        return "; its axis of channels is missing: take images[:, None]"
    return ""


_WRITER = reprlib.Repr()
_WRITER.maxstring = _WRITER.maxother = _WRITER.maxlong = 80
_WRITER.maxlist = _WRITER.maxtuple = _WRITER.maxdict = _WRITER.maxset = 6
_WRITER.maxlevel = 3


class XbarsimError(Exception):
    """Base class of all errors: wrong input, or a computation that could not finish; the message is one line.

    Parameters
    ----------
    *parts : object
        The message; what lies beyond the longest line is left out of its middle.
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(
            *(shorten_message(part, LONGEST - _PREFIX) if isinstance(part, str) else part for part in parts)
        )


class ConfigError(XbarsimError, ValueError):
    """An input file, key or argument is wrong; the message names what, where, the value and the rule."""


class ShapeError(XbarsimError, ValueError):
    """An array has the wrong shape, type or values; the message names the argument."""


class MappingError(XbarsimError):
    """A network does not fit the hardware as configured."""


class SolverError(XbarsimError, RuntimeError):
    """A computation did not reach its tolerance; the message says how far it came."""


class Interrupted(BaseException):
    """A run was stopped by a signal; the message says what is kept. Not an error, like KeyboardInterrupt."""


class PlausibilityWarning(UserWarning):
    """An input or a result is possible, but probably not what is meant; the message says why and what to do."""


class ModelRangeWarning(UserWarning):
    """A model is used outside the range that it was fitted or published for."""
