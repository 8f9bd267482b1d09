"""The exceptions and warnings of xbarsim.

Every one of them is an :class:`XbarsimError`, so that one ``except`` clause separates wrong input and failed
computations from bugs. The command line turns :class:`SolverError` into exit code 3 and every other
:class:`XbarsimError` into exit code 2.
"""


class XbarsimError(Exception):
    """Base class of all errors: wrong input, or a computation that could not finish; the message is one line."""


class ConfigError(XbarsimError, ValueError):
    """An input file, key or argument is wrong; the message names what, where, the value and the rule."""


class ShapeError(XbarsimError, ValueError):
    """An array has the wrong shape, type or values; the message names the argument."""


class MappingError(XbarsimError):
    """A network does not fit the hardware as configured."""


class SolverError(XbarsimError, RuntimeError):
    """A computation did not reach its tolerance; the message says how far it came."""


class ModelRangeWarning(UserWarning):
    """A model is used outside the range that it was fitted or published for."""
