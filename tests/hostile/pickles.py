"""Hostile pickles, each by its name: what it is, and what the refusal says of it."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from typing import Any

Make = Callable[[str], bytes]
"""Makes a pickle; is given a shell command that leaves a mark where it is run."""

CAP = 16 << 20
"""Bytes of the largest pickles here, as large as they may be."""

TOO_MUCH = "more than a checkpoint needs"


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(name: str) -> bytes:
    module, _, name = name.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def called(name: str, *args: str) -> bytes:
    return named(name) + b"(" + b"".join(map(text, args)) + b"tR"


def flood(one: bytes, before: bytes = b"(") -> Make:
    """Repeat opcodes as often as a pickle may be long."""
    return lambda _: (before + one * ((CAP - 1000) // len(one)))[: CAP - 1000]


def numbered(before: bytes, one: Callable[[int], bytes], count: int, after: bytes) -> Make:
    return lambda _: before + b"".join(map(one, range(count))) + after


def doubled(_: str) -> bytes:
    value: Any = ["x"]
    for _level in range(60):
        value = [value, value]
    return pickle.dumps(value, 2)


def storage(key: str, numel: int = 4) -> bytes:
    count = pickle.dumps(numel, 2)[2:-1]
    return (
        b"("
        + text("storage")
        + named("torch.FloatStorage")
        + text(key)
        + text("cpu")
        + count
        + b"tQ"
    )


def tensor(shape: Any, stride: Any, offset: int = 0, key: str = "0", numel: int = 4) -> Make:
    """Describe a tensor in the record ``data/0`` of four floats."""
    rest = b"".join(pickle.dumps(item, 2)[2:-1] for item in (offset, shape, stride))
    whole = named("torch._utils._rebuild_tensor_v2") + b"(" + storage(key, numel) + rest
    return lambda _: whole + b"\x89NtR."


def again(made: bytes, call: bytes) -> Make:
    """Make a long text, and then again and again another thing from it."""
    return flood(call, made)


LONG = text("x" * 4000) + b"\x94"
MEGABYTE = text("x" * (1 << 20)) + b"\x94"
NODE = named("omegaconf.nodes.AnyNode") + b"\x94"

PICKLES: dict[str, tuple[Make, str]] = {
    # What runs something where it is unpickled.
    "os.system": (lambda mark: pickle.dumps(Call(os.system, mark), 2), r"posix\.system"),
    "os.system as INST": (lambda mark: b"(" + text(mark) + b"ios\nsystem\n.", "INST"),
    "os.system as OBJ": (lambda mark: b"(cos\nsystem\n" + text(mark) + b"o.", r"os\.system"),
    "eval": (
        lambda mark: called("builtins.eval", f"__import__('os').system({mark!r})") + b".",
        r"builtins\.eval",
    ),
    "exec": (
        lambda mark: called("builtins.exec", f"import os; os.system({mark!r})") + b".",
        r"builtins\.exec",
    ),
    "import": (lambda mark: called("builtins.__import__", "os") + b".", "__import__"),
    "getattr chain": (
        lambda _: named("builtins.getattr") + called("builtins.__import__", "os") + b".",
        r"builtins\.getattr",
    ),
    "dotted name": (
        lambda _: b"\x80\x04" + text("torch") + text("os.system") + b"\x93.", r"torch\.os\.system",
    ),
    "attrgetter": (lambda _: called("operator.attrgetter", "system") + b".", "attrgetter"),
    "Popen": (lambda mark: called("subprocess.Popen", mark) + b".", "Popen"),
    "runpy": (lambda mark: called("runpy._run_code", mark) + b".", "runpy"),
    "torch.load": (lambda _: called("torch.load", "/etc/passwd") + b".", "torch.load"),
    "open": (lambda _: called("builtins.open", "/tmp/x", "w") + b".", "open"),
    "partial": (lambda _: named("functools.partial") + b".", "partial"),
    "a class with a setstate": (lambda _: b"cargparse\nNamespace\n)\x81}b.", "Namespace"),
    "reduce that applies": (
        lambda mark: named("functools.reduce") + named("operator.getitem") + b"](" + text(mark)
        + b"e\x86R.", "functools.reduce",
    ),
    "extension": (lambda _: b"\x82\x01.", "EXT1"),
    "persistent id of its own": (lambda _: text("file:///etc/passwd") + b"Q.", "persistent id"),
    "persistent id as text": (lambda _: b"P0\n.", "PERSID"),
    "out-of-band buffer": (lambda _: b"\x97.", "NEXT_BUFFER"),
    # Depth, circles, and values that unfold.
    "deep lists": (lambda _: b"]" * 100_000 + b"a" * 99_999 + b".", "nested too deeply"),
    "deep tuples": (lambda _: b")" + b"\x85" * 300_000 + b".", "nested too deeply"),
    "deep marks": (flood(b"(", b""), TOO_MUCH),
    "a deep key": (lambda _: b"})" + b"\x85" * 300_000 + b"Ns.", "a key"),
    "a circle": (lambda _: b"]q\0h\0a.", "in a circle"),
    "a circle of a node": (lambda _: NODE + b")\x81\x94}" + text("_content") + b"h\1sb.", "circle"),
    "doubled": (doubled, TOO_MUCH),
    "a text named often": (lambda _: b"](" + MEGABYTE + b"h\0" * 1000 + b"e.", TOO_MUCH),
    # Floods: whatever takes more memory than bytes.
    "nones": (flood(b"N"), TOO_MUCH),
    "lists": (flood(b"]"), TOO_MUCH),
    "dicts": (flood(b"}"), TOO_MUCH),
    "dicts of one": (flood(b"}" + text("a") + b"Ns"), TOO_MUCH),
    "sets": (flood(b"\x8f"), TOO_MUCH),
    "floats": (flood(b"G12345678"), TOO_MUCH),
    "integers": (flood(b"J\1\2\3\4"), TOO_MUCH),
    "longs": (flood(b"\x8a\x20" + b"\x7f" * 32), TOO_MUCH),
    "bytes": (flood(b"C\1a"), TOO_MUCH),
    "pairs": (flood(b"NN\x86"), TOO_MUCH),
    "memo": (flood(b"\x94", b"N"), TOO_MUCH),
    "ordered dicts": (flood(b"h\0)R", named("collections.OrderedDict") + b"\x94("), TOO_MUCH),
    "nodes": (flood(b"h\0)\x81", NODE + b"("), TOO_MUCH),
    "texts": (numbered(b"(", lambda n: text(f"{n:x}"), 900_000, b""), TOO_MUCH),
    "wide texts": (numbered(b"(", lambda n: text(f"\U0001f600{n:x}"), 700_000, b""), TOO_MUCH),
    "long wide texts": (
        numbered(b"(", lambda n: text(f"\U0001f600{n:02}" + "a" * 1_000_000), 15, b""), TOO_MUCH,
    ),
    "17 MB": (lambda _: bytes(17 << 20), "record data.pkl is too large"),
    "one huge text": (lambda _: text("a" * (CAP - 1000)) + b".", "one value"),
    "a dict of texts": (
        numbered(b"}(", lambda n: text(f"{n:x}") + b"N", 700_000, b"u."), TOO_MUCH,
    ),
    "a set of texts": (numbered(b"\x8f(", lambda n: text(f"{n:x}"), 700_000, b"\x90."), TOO_MUCH),
    "a set by a call": (
        numbered(named("builtins.set") + b"](", lambda n: text(f"{n:x}"), 240_000, b"e\x85R."),
        TOO_MUCH,
    ),
    "numbers that collide": (
        numbered(b"}(", lambda n: pickle.dumps(n * (2**61 - 1), 2)[2:-1] + b"N", 200_000, b"u."),
        TOO_MUCH,
    ),
    "a long key hashed often": (
        flood(b"}h\0Ns", b"(" + b"N" * 100_000 + b"t\x94"), "a key",
    ),
    "texts encoded often": (
        again(MEGABYTE, named("_codecs.encode") + b"h\0" + text("latin1") + b"\x86R"), TOO_MUCH,
    ),
    "paths": (again(LONG, named("pathlib.PosixPath") + b"h\0\x85R"), TOO_MUCH),
    "a path of a text often": (
        lambda _: LONG + named("pathlib.PosixPath") + b"(" + b"h\0" * 9_000 + b"tR.", "a path",
    ),
    "a device of a text often": (
        lambda _: LONG + named("torch.device") + b"(" + b"h\0" * 9_000 + b"tR.", "torch.device",
    ),
    # Numbers and memo.
    "a huge integer": (
        lambda _: b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b".", "256 bits",
    ),
    "a huge decimal": (lambda _: b"L" + b"9" * 200 + b"L\n.", "256 bits"),
    "a decimal without an end": (lambda _: b"I" + b"9" * 100_000 + b"\n.", "does not end"),
    "a memo index of 4 G": (lambda _: b"Nr\xff\xff\xff\xff.", "memo is out of order"),
    "what the memo has not": (lambda _: b"h\7.", "damaged"),
    "a text that lies": (lambda _: b"X\xff\xff\xff\x7fa.", "cut off"),
    "a lone surrogate": (lambda _: text("\ud800") + b".", "damaged"),
    "nothing": (lambda _: b"", "damaged"),
    # Tensors.
    "65 dimensions": (tensor((1,) * 65, (1,) * 65), "proper shape"),
    "a length beyond 64 bits": (tensor((1 << 70,), (1,)), "a size"),
    "a stride that overflows": (tensor((2, 2), (1 << 61, 1)), "past the end of its record data/0"),
    "a negative stride": (tensor((4,), (-1,), 3), "a size"),
    "a negative offset": (tensor((4,), (1,), -1), "a size"),
    "past its end": (tensor((5,), (1,)), "past the end of its record data/0"),
    "expanded": (tensor((1 << 40,), (0,)), "repeats its record data/0 too often"),
    "more elements than bytes": (tensor((4,), (1,), numel=1 << 40), "record data/0"),
    "the pickle as a storage": (tensor((1,), (1,), key="../data.pkl"), r"data/\.\./data\.pkl"),
    "no such record": (tensor((1,), (1,), key="7"), "data/7"),
    "a storage that steers the terminal": (tensor((1,), (1,), key="\x1b[2J\n\n\n\n"), r"\\x1b"),
    # Names that steer the terminal, or fill it.
    "a name that steers the terminal": (
        lambda _: b"\x80\x04" + text("\x1b[2J\n\n\n\n") + text("x") + b"\x93.", r"\\x1b",
    ),
    "a huge name": (lambda _: b"\x80\x04" + MEGABYTE + text("x") + b"\x93.", "the name xxx"),
}  # fmt: skip
"""By name: the pickle, and a pattern that the refusal has."""
