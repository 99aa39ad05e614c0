"""Runs as they lie on disk, for a page to be made of."""

from __future__ import annotations

import json
import math
import struct
import wave
import zlib
from pathlib import Path
from typing import Any

from pipeline.layout import Outputs, Run

STAGES = ["train", "collect", "export_lm", "export_compression", "validate", "package", "push"]


def make_run(root: Path, name: str = "musicgen_small") -> Run:
    run = Run(root / name / "1a2b3c4d-best-keep-abc123", Outputs(root))
    run.root.mkdir(parents=True)
    return run


def result(verdict: str = "done", reason: str = "", failed: str = "") -> dict[str, Any]:
    """The content of a run.json; after the stage that failed, none ran."""
    ran = STAGES[: STAGES.index(failed) + 1] if failed else STAGES
    return {
        "pipeline": "0.1.0", "python": "3.11.7", "host": "here", "versions": {"torch": "2.13"},
        "started": "2026-01-01T00:00:00Z", "seconds": 1.5, "verdict": verdict, "reason": reason,
        "stages": {
            name: {"verdict": "failed" if name == failed else "done", "seconds": 0.1}
            for name in ran
        },
    }  # fmt: skip


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def check(name: str, verdict: str = "pass", remedy: str = "") -> dict[str, str]:
    return {"name": name, "verdict": verdict, "message": f"{name} was seen", "remedy": remedy}


def write_training(run: Run, metric: str = "ce", epochs: int = 5, **source: Any) -> None:
    history = [
        {"train": {metric: 5 / n, "lr": 0.1 / n}, "valid": {metric: 6 / n}}
        for n in range(1, epochs + 1)
    ]
    write(run.collect.history, history)
    known = {"signature": "1a2b3c4d", "epoch": 4, "epochs": epochs, "state": "best"}
    write(run.collect.source, known | source)


def write_sound(folder: Path, stem: str, seconds: float = 0.5) -> None:
    """Write a tone, and a grey picture of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with wave.open(str(folder / f"{stem}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        tone = (int(9000 * math.sin(0.17 * n)) for n in range(int(16000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", value) for value in tone))

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", 64, 16, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * 64) * 16)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (folder / f"{stem}-mel.png").write_bytes(png)
