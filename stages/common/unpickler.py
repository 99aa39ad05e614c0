"""A pickle interpreter that can only build plain values.

The opcodes are those that ``torch.save`` writes under protocols 1 to 5 (format:
``pickletools``). It runs nothing: names become inert stand-ins (`stages.common.stubs`), a
persistent id becomes what ``persistent`` gives for it, and everything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from pipeline.errors import FormatError
from stages.common import stubs
from stages.common.inert import Refused, plain_key, shown

MAX_BYTES = 16 << 20
"""Bytes of a pickle; one for a thousand tensors takes 180 kB."""

MAX_STEPS = 2_000_000
"""Opcodes of a pickle; one for a thousand tensors takes 60 thousand."""


def unpickle(content: bytes, persistent: Callable[[Any], Any]) -> Any:
    """Build the value that a pickle describes, of stand-ins and plain containers.

    Args:
        content: the pickle.
        persistent: gives the value for a persistent id; may raise `Refused`.

    Raises:
        FormatError: when the pickle is damaged, too large, or holds what a checkpoint does not.
    """
    if len(content) > MAX_BYTES:
        raise FormatError(f"The pickle is too large: {len(content)} bytes.")
    try:
        return _Machine(persistent).run(content)
    except Refused as refused:
        raise FormatError(
            f"This is no safe checkpoint: its pickle holds {refused}. Nothing of it was run."
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise FormatError(f"The pickle is damaged: {shown(str(error))}") from error


class _Machine:
    """The stack, the marks and the memo of one run."""

    def __init__(self, persistent: Callable[[Any], Any]) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.persistent = persistent

    def run(self, content: bytes) -> Any:
        for steps, (opcode, arg, _) in enumerate(pickletools.genops(content)):
            name = opcode.name
            if steps > MAX_STEPS:
                raise Refused(f"more than {MAX_STEPS} steps")
            if name in _PUSHED:
                if type(arg) is str and not arg.isascii():
                    arg.encode()  # A lone surrogate could not be written again.
                self.stack.append(arg)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _STEPS:
                _STEPS[name](self, arg)
            elif name == "STOP":
                break
            elif name not in ("PROTO", "FRAME"):
                raise Refused(f"the opcode {name}")
        value = self.stack.pop()
        if self.stack or self.marks:
            raise ValueError("it ends before its value is complete")
        return value

    def _mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _items(self) -> list[Any]:
        """Give what lies above the last mark, and go back below it."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._items()

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def _empty(self, kind: type) -> None:
        self.stack.append(kind())

    def _gather(self, kind: type) -> None:
        items = self._items()  # First: it changes the stack.
        self.stack.append(kind(items))

    def _tuple(self, length: int) -> None:
        if len(self.stack) < length:
            raise ValueError("a tuple lacks items")
        self.stack[-length:] = [tuple(self.stack[-length:])]

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        _of(list, self.stack[-1]).append(value)

    def _appends(self, _: Any) -> None:
        items = self._items()
        _of(list, self.stack[-1]).extend(items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _set_items(self.stack[-1], [key, value])

    def _setitems(self, _: Any) -> None:
        items = self._items()
        _set_items(self.stack[-1], items)

    def _dict(self, _: Any) -> None:
        items = self._items()
        self.stack.append({})
        _set_items(self.stack[-1], items)

    def _additems(self, _: Any) -> None:
        items = self._items()
        _of(set, self.stack[-1]).update(map(plain_key, items))

    def _frozenset(self, _: Any) -> None:
        items = self._items()
        self.stack.append(frozenset(map(plain_key, items)))

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self.stack.append(stubs.named(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(stubs.named(_of(str, module), _of(str, name)))

    def _reduce(self, _: Any) -> None:
        args = self.stack.pop()
        self.stack.append(stubs.call(self.stack.pop(), args))

    def _newobj(self, _: Any) -> None:
        args = self.stack.pop()
        self.stack.append(stubs.new(self.stack.pop(), args))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        stubs.build(self.stack[-1], state)

    def _persid(self, _: Any) -> None:
        self.stack.append(self.persistent(self.stack.pop()))


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where a {kind.__name__} should be")
    return value


def _set_items(target: Any, items: list[Any]) -> None:
    if len(items) % 2:
        raise ValueError("a key lacks its value")
    mapping = _of(dict, target)
    for key, value in zip(items[::2], items[1::2], strict=True):
        mapping[plain_key(key)] = value


_PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._pop,
    "POP_MARK": _Machine._pop_mark,
    "PUT": _Machine._put,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "GET": _Machine._get,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "EMPTY_LIST": lambda machine, _: machine._empty(list),
    "EMPTY_DICT": lambda machine, _: machine._empty(dict),
    "EMPTY_SET": lambda machine, _: machine._empty(set),
    "LIST": lambda machine, _: machine._gather(list),
    "TUPLE": lambda machine, _: machine._gather(tuple),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._setitem,
    "SETITEMS": _Machine._setitems,
    "DICT": _Machine._dict,
    "ADDITEMS": _Machine._additems,
    "FROZENSET": _Machine._frozenset,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "NEWOBJ": _Machine._newobj,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persid,
}
