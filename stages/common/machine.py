"""What the opcodes of a pickle do to a stack, marks and a memo; `stages.common.unpickler` runs it.

The methods ``op_...`` are named after the opcodes (``pickletools``). Whatever they make is paid for
first: what they always make by the table of opcodes, what depends on the file right here.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import getsizeof
from typing import Any

from stages.common import budget, stubs
from stages.common.budget import Budget
from stages.common.inert import plain_key
from stages.common.pickle_stream import PickleStream


class Machine(PickleStream):
    """The stack, the marks and the memo of one run."""

    def __init__(self, content: bytes | bytearray, persistent: Callable[[Any], Any]) -> None:
        super().__init__(content)
        self.budget = Budget()
        self.budget.spend(len(content))
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: list[Any] = []
        self.texts: dict[str, str] = {}
        self.persistent = persistent

    def result(self) -> Any:
        """Give the value that is left at the end."""
        value = self.stack.pop()
        if self.stack or self.marks:
            raise ValueError("it ends before its value is complete")
        return value

    def op_push(self, value: Any) -> None:
        """Push what the opcode says."""
        self.stack.append(value)

    def op_put(self, index: int) -> None:
        """Put the top into the memo, where torch puts it: in a row."""
        if index > len(self.memo):
            raise ValueError("its memo is out of order")
        self.memo[index : index + 1] = self.stack[-1:]

    def op_get(self, index: int) -> None:
        """Push what is in the memo."""
        self.stack.append(self.memo[index])

    def op_ignore(self, _: Any) -> None:
        """Go on: the argument says nothing that is needed."""

    def op_new(self, kind: Callable[[], Any]) -> None:
        """Push an empty container."""
        self.stack.append(kind())

    def op_text(self, count: int) -> None:
        """Push a text; equal ones are one, since a history repeats its names in every epoch."""
        text = self.counted(count).decode()  # Strict: no lone surrogates, which none can write.
        if text not in self.texts:
            self.budget.spend(budget.TEXT + getsizeof(text))
            self.texts[text] = text
        self.stack.append(self.texts[text])

    def op_bytes(self, count: int) -> None:
        """Push so many bytes."""
        self.budget.spend(budget.BYTES + count)
        self.stack.append(bytes(self.counted(count)))

    def op_integer(self, count: int) -> None:
        """Push an integer of so many bytes."""
        self.stack.append(self.integer(count))

    def op_decimal(self, _: Any) -> None:
        """Push an integer written in decimals, or a boolean."""
        self.stack.append(self.decimal())

    def op_memoize(self, _: Any) -> None:
        """Put the top into the memo."""
        self.memo.append(self.stack[-1])

    def op_pop(self, _: Any) -> None:
        """Drop the top."""
        self.stack.pop()

    def op_mark(self, _: Any) -> None:
        """Begin a row of items."""
        self.marks.append(self.stack)
        self.stack = []

    def _items(self) -> list[Any]:
        """Give what lies above the last mark, and go back below it."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def op_pop_mark(self, _: Any) -> None:
        """Drop the row."""
        self._items()

    def op_gather(self, kind: Callable[[list[Any]], Any]) -> None:
        """Push the row as a list or tuple."""
        items = self._items()  # First: it changes the stack.
        self.budget.spend(budget.PLACE * len(items))
        self.stack.append(kind(items))

    def op_tuple(self, length: int) -> None:
        """Push a tuple of so many items."""
        if len(self.stack) < length:
            raise ValueError("a tuple lacks items")
        self.stack[-length:] = [tuple(self.stack[-length:])]

    def op_append(self, _: Any) -> None:
        """Append the top to a list."""
        value = self.stack.pop()
        _of(list, self.stack[-1]).append(value)

    def op_appends(self, _: Any) -> None:
        """Append the row to a list."""
        items = self._items()
        self.budget.spend(budget.PLACE * len(items))
        _of(list, self.stack[-1]).extend(items)

    def op_setitem(self, _: Any) -> None:
        """Set one key of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self._fill([key, value])

    def op_setitems(self, _: Any) -> None:
        """Set the keys and values in the row."""
        items = self._items()
        self._fill(items)

    def op_dict(self, _: Any) -> None:
        """Push the row as a dict."""
        items = self._items()
        self.stack.append({})
        self._fill(items)

    def _fill(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if len(keys) > len(values):
            raise ValueError("a key lacks its value")
        target = _of(dict, self.stack[-1])
        before, paid = getsizeof(target), budget.ITEM * len(keys)
        self._demand_keys(keys, paid)
        target.update(zip(keys, values, strict=True))
        self.budget.spend(getsizeof(target) - before - paid)  # What it did not take is given back.

    def op_additems(self, _: Any) -> None:
        """Add the row to a set."""
        items = self._items()
        self._demand_keys(items, budget.MEMBER * len(items))
        _of(set, self.stack[-1]).update(items)

    def op_frozenset(self, _: Any) -> None:
        """Push the row as a frozen set."""
        items = self._items()
        self._demand_keys(items, budget.MEMBER * len(items))
        self.stack.append(frozenset(items))

    def _demand_keys(self, keys: list[Any], places: int) -> None:
        if not self.budget.spend_keys(keys, places):
            for key in keys:
                plain_key(key)

    def op_global(self, _: Any) -> None:
        """Push what stands for a name."""
        module = self.line()
        self.stack.append(stubs.named(module, self.line()))

    def op_stack_global(self, _: Any) -> None:
        """Push what stands for a name that is on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(stubs.named(_of(str, module), _of(str, name)))

    def op_reduce(self, _: Any) -> None:
        """Push what stands for a call."""
        args = self.stack.pop()
        for arg in args if type(args) is tuple else ():
            if type(arg) is list:  # of a set, before protocol 4
                self.budget.spend_keys(arg, budget.MEMBER * len(arg))
            elif type(arg) is str:  # of bytes, before protocol 3
                self.budget.spend(len(arg))
        self.stack.append(stubs.call(self.stack.pop(), args))

    def op_newobj(self, _: Any) -> None:
        """Push what stands for a new object."""
        args = self.stack.pop()
        self.stack.append(stubs.new(self.stack.pop(), args))

    def op_build(self, _: Any) -> None:
        """Give the top its state."""
        state = self.stack.pop()
        if type(state) is dict:
            self.budget.spend_keys(state, budget.ITEM * len(state))
        stubs.build(self.stack[-1], state)

    def op_persid(self, _: Any) -> None:
        """Push what stands for a persistent id."""
        self.stack.append(self.persistent(self.stack.pop()))


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where a {kind.__name__} should be")
    return value
