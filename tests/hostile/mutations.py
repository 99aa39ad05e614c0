"""Files that nobody thought of: honest ones with bytes changed, and what must hold for each.

The seeds are small: those in ``corpus/`` are what torch wrote for small checkpoints of each form
(`python -m tests.hostile.mutations` writes them again).
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.inert import Refused, Storage
from stages.common.plain import plain
from stages.common.unpickler import unpickle
from tests.archives import content, packed, saved
from tests.hostile.doors import suspicious, tensors

CORPUS = Path(__file__).parent / "corpus"
MOST = 64 << 20
"""Bytes that any of these may take."""

Mutation = tuple[str, float, float, bytes]

_NUMBERS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1]
_OPCODES = [getattr(pickle, name) for name in pickle.__all__ if name.isupper()]
_PIECES = st.one_of(
    st.binary(min_size=1, max_size=6),
    st.sampled_from([value for value in _OPCODES if isinstance(value, bytes)]),
    st.sampled_from([struct.pack("<Q", n)[:size] for n in _NUMBERS for size in (1, 2, 4, 8)]),
    st.sampled_from([b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"\x1b[2J\n", b"cos\nsystem\n"]),
    st.sampled_from([b"&a ", b"*a", b"!!int ", b"${", b"}", b"[", b"{", b": ", b"\n", b"<<: "]),
)
_KINDS = ("replace", "insert", "delete", "flip", "repeat", "move", "cut")
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.floats(0, 1), st.floats(0, 1), _PIECES),
    min_size=1,
    max_size=4,
)


def mutated(raw: bytes, mutations: list[Mutation]) -> bytes:
    """Change a file; places are given as parts of its length."""
    for kind, where, other, piece in mutations:
        at, to = int(where * max(len(raw) - 1, 0)), int(other * max(len(raw) - 1, 0))
        low, high = min(at, to), max(at, to)
        if kind == "replace":
            raw = raw[:at] + piece + raw[at + len(piece) :]
        elif kind == "insert":
            raw = raw[:at] + piece + raw[at:]
        elif kind == "delete":
            raw = raw[:at] + raw[at + len(piece) :]
        elif kind == "flip" and raw:
            raw = raw[:at] + bytes([raw[at] ^ (1 << len(piece) % 8)]) + raw[at + 1 :]
        elif kind == "repeat":
            raw = raw[:at] + raw[at : at + len(piece) * 8] * 3 + raw[at:]
        elif kind == "move":
            raw = raw[:low] + raw[high : high + 40] + raw[low:]
        elif kind == "cut":
            raw = raw[: len(raw) - len(piece)]
    return raw


_watching: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    own = event == "open" and "mutated" in str(arguments[0])
    if _watching and suspicious(event, arguments) and not own:
        _watching[-1].append(f"{event} {arguments!r}"[:200])


sys.addaudithook(_watch)


@contextmanager
def harmless() -> Iterator[None]:
    """Demand that a reader ends well or with our error, and leaves the world alone."""
    events: list[str] = []
    tracemalloc.start()
    _watching.append(events)
    try:
        yield
    except (FormatError, Refused) as error:
        lines = str(error).splitlines()
        assert 1 <= len(lines) <= 3 and all(line.isprintable() for line in lines), lines
    finally:
        _watching.pop()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not events, events
    assert peak < MOST


class Reference(pickle._Unpickler):  # type: ignore[name-defined, misc]
    """Python's own interpreter, for pickles that name nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(name)

    def persistent_load(self, reference: Any) -> Any:
        raise pickle.UnpicklingError(reference)


def read_pickle(raw: bytes) -> None:
    """Read a pickle that names nothing, and compare with what Python makes of it."""

    def no_storage(reference: Any) -> Any:
        raise Refused("a persistent id")

    values: list[Any] = []
    with harmless():
        values.append(plain(unpickle(raw, no_storage)))
    if values:
        with suppress(Exception):  # It names something after all, or Python is stricter.
            values.append(Reference(io.BytesIO(raw)).load())
    assert len({repr(value) for value in values}) <= 1


def read_described(raw: bytes) -> None:
    """Read a pickle, each of its storages being the same four floats."""
    with harmless():
        plain(unpickle(raw, lambda _: Storage("0", "float32", 4)))


def everything(path: Path) -> Any:
    with Archive.open(path) as archive:
        root = archive.root
        return root, [content(archive, ref) for ref in tensors(root)]


def repacked(path: Path, raw: bytes) -> Path:
    """Put a pickle into an archive that is in order, with the records that the seeds have."""
    return packed(path, raw, {f"data/{index}": bytes(16) for index in range(3)})


SEEDS: dict[str, Callable[[], Any]] = {
    "exported": lambda: {
        "best_state": {"emb.weight": torch.zeros(2, 2), "out.bias": torch.zeros(4)},
        "xp.cfg": "solver: musicgen\nlm_model: transformer_lm\nrate: ${sample_rate}\n",
        "version": "1.3.0", "exported": True,
    },
    "old": lambda: {
        "best_state": {"emb.weight": torch.zeros(2, 2)},
        "xp.cfg": OmegaConf.create({"solver": "musicgen", "lm_model": "x", "delays": [0, 1]}),
    },
    "training": lambda: {
        "best_state": {"model": {"emb.weight": torch.zeros(2, 2)}},
        "model": torch.nn.Linear(2, 2, bias=False).state_dict(),
        "history": [{"train": {"ce": 4.5, "n": 3}, "valid": {"ce": 4.25}}] * 2,
        "xp.cfg": {"solver": "musicgen", "lm_model": "transformer_lm"},
        "xp.sig": "1a2b3c4d",
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(4)}}, "betas": (0.9, 0.95)},
        "other": [b"raw", 1 << 40, -1, {"a", "b"}, None, Path("/x")],
    },
}  # fmt: skip


def write_corpus() -> None:
    CORPUS.mkdir(exist_ok=True)
    for name, make in SEEDS.items():
        path = saved(CORPUS / f"{name}.th", make())
        for protocol in (1, 2, 4):
            again = saved(CORPUS / "again", make(), pickle_protocol=protocol)
            with Archive.open(again) as archive:
                raw = bytes(archive._small("data.pkl", archive.records["data.pkl"]))
            (CORPUS / f"{name}-{protocol}.pkl").write_bytes(raw)
            again.unlink()
        assert path.stat().st_size < 8192
    plain_values = {"a": [1, 2.5, -3, "text", None, True], "b": ({1, 2}, b"raw", 1 << 70)}
    for protocol in (1, 2, 4, 5):
        (CORPUS / f"plain-{protocol}.pkl").write_bytes(pickle.dumps(plain_values, protocol))


if __name__ == "__main__":
    write_corpus()
