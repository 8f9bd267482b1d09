"""Arithmetic formulas over named numbers, as hardware files contain them; nothing but arithmetic can be written.

Allowed are numbers, names, ``+ - * / // % **``, parentheses, and the functions of :data:`FUNCTIONS`. Whole numbers stay
whole where the result is; a quotient of zero by zero is zero, since what does not occur is not counted.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from xbarsim.errors import ConfigError

LONGEST = 200
"""Most characters of a formula."""
_LARGEST_POWER = 64

Number = int | float

FUNCTIONS: dict[str, Callable[..., Number]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
    "log2": lambda value: math.log2(value) if value > 0 else 0.0,
}
"""Name -> function; ``log2`` of zero is zero."""


def _divide(left: Number, right: Number) -> Number:
    if not right:
        if not left:
            return 0
        raise ZeroDivisionError
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _divide_down(left: Number, right: Number) -> Number:
    return 0 if not left and not right else left // right


def _raise(left: Number, right: Number) -> Number:
    if abs(right) > _LARGEST_POWER:
        raise OverflowError
    power: Number = left**right
    return power


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: _divide,
    ast.FloorDiv: _divide_down,
    ast.Mod: lambda left, right: left % right if right else 0,
    ast.Pow: _raise,
}


@dataclass(frozen=True)
class Formula:
    """A parsed formula."""

    text: str
    """As it was written."""
    tree: ast.expr
    """Its expression, of allowed nodes only."""
    names: tuple[str, ...]
    """Names of the numbers that it needs, each once, in order."""

    def evaluate(self, values: Mapping[str, Number]) -> Number:
        """Return the value of the formula.

        Parameters
        ----------
        values : mapping of str to float
            A number for each of ``names``.

        Returns
        -------
        int or float
            Value; whole where its operands and the result are.

        Raises
        ------
        ConfigError
            If a number other than zero is divided by zero, or the result is too large, negative or not real.
        """
        try:
            value = _evaluate(self.tree, values)
        except ZeroDivisionError:
            raise ConfigError(f"{_shorten(self.text)!r}: divides by zero") from None
        except OverflowError:
            raise ConfigError(f"{_shorten(self.text)!r}: too large; powers are at most {_LARGEST_POWER}") from None
        if isinstance(value, complex) or not math.isfinite(value) or value < 0:
            raise ConfigError(f"{_shorten(self.text)!r}: gives {value}; a count is zero or more")
        return value


@lru_cache(maxsize=1024)
def parse_formula(text: str) -> Formula:
    """Parse a formula.

    Parameters
    ----------
    text : str
        Such as ``adc / 8 + reads * columns``.

    Returns
    -------
    Formula
        Parsed; its names are not checked.

    Raises
    ------
    ConfigError
        If it is not a formula, or contains anything but arithmetic.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"{_shorten(text)!r}: {len(text)} characters; a formula has at most {LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ConfigError(f"{_shorten(text)!r}: not a formula; write for example 'adc / 8 + reads * columns'") from None
    names: dict[str, None] = {}
    _check(tree, text, names)
    return Formula(text, tree, tuple(names))


def _check(node: ast.AST, text: str, names: dict[str, None]) -> None:
    """Collect the names of a formula and refuse what is not arithmetic."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return
    if isinstance(node, ast.Name):
        names.setdefault(node.id)
        return
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        _check(node.left, text, names)
        _check(node.right, text, names)
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        _check(node.operand, text, names)
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        least, most = (1, 1) if node.func.id not in ("min", "max") else (2, 8)
        if node.func.id in FUNCTIONS and least <= len(node.args) <= most:
            for each in node.args:
                _check(each, text, names)
            return
    allowed = f"+ - * / // % **, parentheses and {', '.join(FUNCTIONS)}"
    raise ConfigError(f"{_shorten(text)!r}: {_shorten(ast.unparse(node))!r} is not allowed; a formula has {allowed}")


def _evaluate(node: ast.AST, values: Mapping[str, Number]) -> Number:
    if isinstance(node, ast.Constant):
        constant: Number = node.value  # type: ignore[assignment]
        return constant
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, values)
        return -value if isinstance(node.op, ast.USub) else value
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return FUNCTIONS[node.func.id](*(_evaluate(each, values) for each in node.args))


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
