"""The ways to export, and what they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHECKPOINT = "checkpoint.th"
"""The training checkpoint."""
EXPORTED = "exported.bin"
"""A float32 export of it: the same bytes for ``cp``."""
TARGET = "state_dict.bin"
OUTPUTS = "outputs"
"""What a method leaves, a file or a folder; removed before the next one."""

Temperature = Literal["warm", "cold"]
TEMPERATURES: Sequence[Temperature] = ("warm", "cold")
"""Whether the source is in the page cache or only on the disk."""


@dataclass(frozen=True)
class Method:
    """One way, done by `benchmarks.work` in the benchmark's folder.

    Attributes:
        name: under which it is in the results.
        what: the same for a reader.
        arguments: of ``python -m benchmarks.work``.
        source: the file that it reads.
    """

    name: str
    what: str
    arguments: Sequence[str]
    source: str = CHECKPOINT


def release(dtype: str) -> list[str]:
    """Give the arguments of ``python -m`` that export the language model with the whole command."""
    return [
        "pipeline",
        "+release=musicgen_small",
        "checkpoint=file",
        f"checkpoint.path={CHECKPOINT}",
        "until_stage=export_lm",
        f"export.dtype={dtype}",
        f"outputs={OUTPUTS}",
    ]


def export(dtype: str) -> list[str]:
    """Give the arguments of `benchmarks.work` that call the export as the stage does."""
    return ["export", CHECKPOINT, TARGET, dtype]


AUDIOCRAFT = ("audiocraft", CHECKPOINT, TARGET)
"""The arguments of the stand-in for AudioCraft's way."""


def _copy(then: str) -> list[str]:
    return ["copy", EXPORTED, TARGET, then]


def methods() -> list[Method]:
    """Give all methods that there are, in the order in which they take turns."""
    return [
        Method("float32", "export, float32", export("float32")),
        Method("cp_sha256sum", "cp, sha256sum", _copy("sha256sum"), EXPORTED),
        Method("float16", "export, float16", export("float16")),
        Method("cp", "cp", _copy("nothing"), EXPORTED),
        Method("cp_sync", "cp, sync", _copy("sync"), EXPORTED),
        Method("cp_hashlib", "cp, hashlib's sha256", _copy("hashlib"), EXPORTED),
        Method("transfer", "read, write half, sync", ["transfer", EXPORTED, TARGET], EXPORTED),
        Method("audiocraft", "torch.load, torch.save, sha256", AUDIOCRAFT),
        Method("command", "the whole command, float32", ["module", *release("float32")]),
        Method("inspect", "python -m pipeline.inspect", ["module", "pipeline.inspect", CHECKPOINT]),
    ]
