"""A condition on named values, such as ``valid.ce < 3.2 and epoch >= 10``: parsed, never eval'd.

Python's own parser reads it, since the words and their precedence are those that everybody knows
from it; what is not on the short list below is refused, so that nothing can be called or reached.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pipeline.errors import ConfigError

Value = float | str | bool | None
Values = Mapping[str, Value]

MAX_LENGTH = 1000
"""Characters; a person types fifty."""

MAX_DEPTH = 20
"""Comparisons, ``and``, ``or``, ``not`` and signs within each other."""

_SHOWN = 8
"""Names that are told when none is near."""

_LONG = 100
"""Characters of a condition that an error repeats."""

_NAME = re.compile(r"[^\W\d][\w-]*(\.[\w-]+)*")
_BREAK = re.compile(r"[\t\n\r\f\v]")
_TRUTHS = {"true": True, "false": False, "True": True, "False": False}
_SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_WORKS = "This works: valid.ce < 3.2 and (3 <= epoch < 10 or not evaluate.fad > 5)"


@dataclass(frozen=True)
class Condition:
    """What values have to fulfil.

    A name without a value (it is not there, null, or NaN) makes every comparison with it false,
    ``!=`` as well; alone it is false. So ``not valid.ce < 3`` holds where there is no ``valid.ce``,
    and ``valid.ce >= 3`` does not. A text and a number are never equal and in no order, nor are a
    truth and a number.

    Attributes:
        text: as it was typed.
        key: the option or config key that it was typed for.
        names: the values that it asks for, each once, in order.
    """

    text: str
    key: str
    names: tuple[str, ...]
    _term: Callable[[Values], Value] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, key: str = "--where") -> Condition:
        """Read a condition.

        Comparisons (``< <= > >= == !=``, in chains too) of dotted names, numbers, texts in quotes,
        ``true`` and ``false``; ``and``, ``or``, ``not`` and parentheses. A name alone holds where
        its value is true, not zero, or not empty.

        Args:
            text: what was typed.
            key: the option or config key that it was typed for, to name in an error.

        Raises:
            ConfigError: when it is anything else; says where, and what works.
        """
        if len(text) > MAX_LENGTH:
            what = f"{key} is too long for a condition: {len(text):,} characters."
            raise ConfigError(what, _shortened(text), _WORKS)
        reader = _Reader(text, key)
        term = reader.term(reader.tree(), 0)
        return cls(text, key, tuple(dict.fromkeys(reader.names)), term)

    def holds(self, values: Values) -> bool:
        """Tell whether it holds for these values: numbers, texts, truths, or none."""
        return bool(self._term(values))

    def demand_known(self, known: Iterable[str]) -> None:
        """Make sure that it asks only for what there is.

        Args:
            known: every name that anything has.

        Raises:
            ConfigError: for a name that nothing has; says which are near, or which there are.
        """
        there = tuple(dict.fromkeys(known))
        for name in self.names:
            if name in there:
                continue
            hint = suggestion(name, there)
            if not hint.startswith("Did"):
                hint += f'   A text stands in quotes: "{name}"'
            raise ConfigError(f"{self.key}: nothing has a value {name}.", self.text, hint)

    def __reduce__(self) -> tuple[Callable[..., Condition], tuple[str, str]]:
        """Travel to a worker as the text that it is made of."""
        return Condition.parse, (self.text, self.key)


def suggestion(name: str, known: Sequence[str]) -> str:
    """Say what an unknown name may mean: those that are near it, else some of what there is."""
    inside = [other for other in known if other.endswith(f".{name}")]
    if near := [*inside, *get_close_matches(name, known, 3)]:
        return f"Did you mean {' or '.join(dict.fromkeys(near[:3]))}?"
    # A training has its section twice, and is judged by the other.
    ordered = sorted(known, key=lambda other: other.startswith("train."))
    more = [*ordered[:_SHOWN], *(["..."] if len(known) > _SHOWN else [])]
    return f"Known: {', '.join(more)}" if known else "Nothing has any value."


class _Reader:
    """Makes of each allowed node a function of the values, and notes the names."""

    def __init__(self, text: str, key: str) -> None:
        self.text, self.key = _BREAK.sub(" ", text).strip(" "), key
        self.names: list[str] = []

    def tree(self) -> ast.expr:
        """Parse the text."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's remarks on style would be printed
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            place = error.offset - 1 if error.offset else len(self.text)
            equals = "'=='" in error.msg or self.text[place : place + 1] == "="
            why = "it takes two signs, ==" if equals else "it breaks off, or goes on as it cannot"
            raise self.refusal(why, place) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.refusal("it cannot be read") from error

    def term(self, node: ast.expr, depth: int) -> Callable[[Values], Value]:
        """Give what computes a node that holds or does not."""
        if depth > MAX_DEPTH:
            raise self.refusal("it is nested too deeply")
        if isinstance(node, ast.BoolOp):
            join = all if isinstance(node.op, ast.And) else any
            parts = [self.term(part, depth + 1) for part in node.values]
            return lambda values: join(part(values) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            part = self.term(node.operand, depth + 1)
            return lambda values: not part(values)
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        fixed = isinstance(node, ast.Constant | ast.UnaryOp)
        if fixed and not isinstance(self.constant(node), bool):
            # Who writes solver == "musicgen" or "audiogen" means something else.
            raise self.refusal("a number or a text alone says nothing", self.place(node))
        return self.operand(node)

    def comparison(self, node: ast.Compare) -> Callable[[Values], Value]:
        """Give what compares each operand with the next."""
        signs = [_SIGNS[type(sign)] for sign in node.ops if type(sign) in _SIGNS]
        if len(signs) < len(node.ops):
            raise self.refusal("only < <= > >= == != compare", self.place(node))
        operands = [self.operand(part) for part in (node.left, *node.comparators)]

        def compared(values: Values) -> bool:
            held = [operand(values) for operand in operands]
            return all(map(_compared, signs, held, held[1:]))

        return compared

    def operand(self, node: ast.expr) -> Callable[[Values], Value]:
        """Give a name's value, or the number, text or truth that stands there."""
        name = self.name(node)
        if name is not None and name not in _TRUTHS:
            self.names.append(name)
            return lambda values: _held(values.get(name))
        constant = self.constant(node) if name is None else _TRUTHS[name]
        return lambda _: constant

    def name(self, node: ast.expr) -> str | None:
        """Give a dotted name; to Python a hyphen in it is a minus."""
        if not isinstance(node, ast.Name | ast.Attribute | ast.BinOp):
            return None
        written = ast.get_source_segment(self.text, node) or ""
        return written if _NAME.fullmatch(written) else None

    def constant(self, node: ast.expr) -> Value:
        """Give the number, text or truth that stands there."""
        sign, number = 1, node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign, number = -1 if isinstance(node.op, ast.USub) else 1, node.operand
        value = number.value if isinstance(number, ast.Constant) else None
        if isinstance(value, bool | str) and number is node:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refusal("names, numbers and texts in quotes compare", self.place(node))
        if abs(value) > sys.float_info.max:
            raise self.refusal("no number is so large", self.place(node))
        return sign * value

    def place(self, node: ast.expr) -> int:
        """Give where a node begins, in characters."""
        return len(self.text.encode()[: node.col_offset].decode(errors="ignore"))

    def refusal(self, why: str, place: int = 0) -> ConfigError:
        """Say what is wrong with the text, and where in it."""
        rest = _shortened(self.text[place:].strip())
        at = f", at: {rest}" if place and rest else ", at its end" if place else ""
        what = f"{self.key} is no condition: {why}."
        return ConfigError(what, _shortened(self.text) + at, _WORKS)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _held(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


def _compared(sign: Callable[[Any, Any], bool], one: Value, other: Value) -> bool:
    if one is None or other is None:
        return False
    kinds = {type(value) if isinstance(value, bool | str) else float for value in (one, other)}
    if len(kinds) > 1:
        return sign is operator.ne
    # Truths have no order.
    return bool(sign(one, other)) and (kinds != {bool} or sign in (operator.eq, operator.ne))
