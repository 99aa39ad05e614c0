"""A pickle interpreter that can only build plain values.

The opcodes are those that ``torch.save`` writes under protocols 1 to 5 (format:
``pickletools``). It runs nothing: names become inert stand-ins (`stages.common.stubs`), a
persistent id becomes what ``persistent`` gives for it, and everything else is refused.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from collections.abc import Callable
from typing import Any

from pipeline.errors import FormatError
from stages.common import budget
from stages.common.inert import Refused, shown
from stages.common.machine import Machine
from stages.common.pickle_stream import MAX_INTEGER


def unpickle(content: bytes | bytearray, persistent: Callable[[Any], Any]) -> Any:
    """Build the value that a pickle describes, of stand-ins and plain containers.

    Args:
        content: the pickle.
        persistent: gives the value for a persistent id; may raise `Refused`.

    Raises:
        FormatError: when the pickle is damaged, too large, or holds what a checkpoint does not.
    """
    try:
        return _run(Machine(content, persistent))
    except Refused as refused:
        raise FormatError(
            f"This is no safe checkpoint: its pickle holds {refused}. Nothing of it was run."
        ) from None
    except (ValueError, LookupError, TypeError, OverflowError, struct.error) as error:
        raise FormatError(f"The pickle is damaged: {shown(str(error))}") from error


def _run(machine: Machine) -> Any:
    content, allowance = machine.content, machine.budget
    while (code := content[machine.at]) != _STOP:
        if code not in _OPCODES:
            name = _NAMES.get(chr(code), f"number {code:#x}")
            raise Refused(f"the opcode {name}")
        action, cost, read, size = _OPCODES[code]
        allowance.left -= cost  # As `Budget.spend`, without the call: this is the inmost loop.
        if allowance.left < 0:
            raise allowance.exceeded
        (argument,) = read(content, machine.at + 1)
        machine.at += 1 + size
        action(machine, argument)
    return machine.result()


_Action = Callable[[Machine, Any], None]
_Read = Callable[[bytes | bytearray, int], tuple[Any, ...]]


def _argument(form: str) -> tuple[_Read, int]:
    """Give what reads a number of fixed size, and that size."""
    own = struct.Struct(form)
    return own.unpack_from, own.size


def _always(value: Any) -> tuple[_Read, int]:
    """Give what reads nothing, for an opcode whose argument is in its name."""
    return lambda content, at: (value,), 0


_STOP = pickle.STOP[0]
_NAMES = {opcode.code: opcode.name for opcode in pickletools.opcodes}
_BYTE, _SHORT, _WORD, _LONG = map(_argument, ("<B", "<H", "<I", "<Q"))
_NONE = _always(None)
_NUMBER = budget.PLACE + budget.NUMBER
_TUPLE = budget.PLACE + budget.TUPLE
_OBJECT = budget.PLACE + budget.OBJECT

_TABLE: list[tuple[bytes, _Action, int, tuple[_Read, int]]] = [
    (pickle.PROTO, Machine.op_ignore, 0, _BYTE),
    (pickle.FRAME, Machine.op_ignore, 0, _LONG),
    (pickle.NONE, Machine.op_push, budget.PLACE, _NONE),
    (pickle.NEWTRUE, Machine.op_push, budget.PLACE, _always(True)),
    (pickle.NEWFALSE, Machine.op_push, budget.PLACE, _always(False)),
    (pickle.INT, Machine.op_decimal, _NUMBER, _NONE),
    (pickle.LONG, Machine.op_decimal, _NUMBER, _NONE),
    (pickle.BININT, Machine.op_push, _NUMBER, _argument("<i")),
    (pickle.BININT1, Machine.op_push, _NUMBER, _BYTE),
    (pickle.BININT2, Machine.op_push, _NUMBER, _SHORT),
    (pickle.LONG1, Machine.op_integer, _NUMBER + MAX_INTEGER, _BYTE),
    (pickle.LONG4, Machine.op_integer, _NUMBER + MAX_INTEGER, _argument("<i")),
    (pickle.BINFLOAT, Machine.op_push, _NUMBER, _argument(">d")),
    (pickle.SHORT_BINUNICODE, Machine.op_text, budget.PLACE, _BYTE),
    (pickle.BINUNICODE, Machine.op_text, budget.PLACE, _WORD),
    (pickle.BINUNICODE8, Machine.op_text, budget.PLACE, _LONG),
    (pickle.SHORT_BINBYTES, Machine.op_bytes, budget.PLACE, _BYTE),
    (pickle.BINBYTES, Machine.op_bytes, budget.PLACE, _WORD),
    (pickle.BINBYTES8, Machine.op_bytes, budget.PLACE, _LONG),
    (pickle.BINPUT, Machine.op_put, budget.PLACE, _BYTE),
    (pickle.LONG_BINPUT, Machine.op_put, budget.PLACE, _WORD),
    (pickle.MEMOIZE, Machine.op_memoize, budget.PLACE, _NONE),
    (pickle.BINGET, Machine.op_get, budget.PLACE, _BYTE),
    (pickle.LONG_BINGET, Machine.op_get, budget.PLACE, _WORD),
    (pickle.MARK, Machine.op_mark, budget.LIST, _NONE),
    (pickle.POP, Machine.op_pop, 0, _NONE),
    (pickle.POP_MARK, Machine.op_pop_mark, 0, _NONE),
    (pickle.EMPTY_TUPLE, Machine.op_push, budget.PLACE, _always(())),
    (pickle.EMPTY_LIST, Machine.op_new, budget.PLACE + budget.LIST, _always(list)),
    (pickle.EMPTY_DICT, Machine.op_new, budget.PLACE + budget.DICT, _always(dict)),
    (pickle.EMPTY_SET, Machine.op_new, budget.PLACE + budget.SET, _always(set)),
    (pickle.LIST, Machine.op_gather, budget.PLACE + budget.LIST, _always(list)),
    (pickle.TUPLE, Machine.op_gather, _TUPLE, _always(tuple)),
    (pickle.TUPLE1, Machine.op_tuple, _TUPLE + 1 * budget.PLACE, _always(1)),
    (pickle.TUPLE2, Machine.op_tuple, _TUPLE + 2 * budget.PLACE, _always(2)),
    (pickle.TUPLE3, Machine.op_tuple, _TUPLE + 3 * budget.PLACE, _always(3)),
    (pickle.DICT, Machine.op_dict, budget.PLACE + budget.DICT, _NONE),
    (pickle.FROZENSET, Machine.op_frozenset, budget.PLACE + budget.SET, _NONE),
    (pickle.APPEND, Machine.op_append, budget.PLACE, _NONE),
    (pickle.APPENDS, Machine.op_appends, 0, _NONE),
    (pickle.SETITEM, Machine.op_setitem, 0, _NONE),
    (pickle.SETITEMS, Machine.op_setitems, 0, _NONE),
    (pickle.ADDITEMS, Machine.op_additems, 0, _NONE),
    (pickle.GLOBAL, Machine.op_global, budget.PLACE, _NONE),
    (pickle.STACK_GLOBAL, Machine.op_stack_global, budget.PLACE, _NONE),
    (pickle.REDUCE, Machine.op_reduce, _OBJECT, _NONE),
    (pickle.NEWOBJ, Machine.op_newobj, _OBJECT, _NONE),
    (pickle.BUILD, Machine.op_build, 0, _NONE),
    (pickle.BINPERSID, Machine.op_persid, _OBJECT, _NONE),
]
"""For each opcode what it does, what that always costs, and how its argument is read."""

_OPCODES = {opcode[0]: (action, cost, *argument) for opcode, action, cost, argument in _TABLE}
