"""Variants as their runs leave them, without the runs: small files under the documented names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.layout import Outputs, Run
from tests.pipeline.pages import check, result, write, write_sound

EPOCHS = 5
RELEASE = "musicgen_small"


def history(best: int = EPOCHS, epochs: int = EPOCHS, **metrics: float) -> list[dict[str, Any]]:
    """A training whose validation loss is the least at one epoch, and is evaluated at the last."""
    told: list[dict[str, Any]] = [
        {
            "train": {"ce": 4 / n, "ce_q1": 3 / n, "duration": 9.0},
            "valid": {"ce": 2 + abs(n - best) / 10, "ppl": 8 + abs(n - best)},
        }
        for n in range(1, epochs + 1)
    ]
    told[-1]["evaluate"] = {"fad": 3.0, "kld": 1.5, "text_consistency": 0.3, **metrics}
    return told


def make_variant(
    outputs: Path,
    name: str = "1a2b3c4d-epoch5-float16-abc123",
    *,
    epoch: int | None = EPOCHS,
    signature: str | None = "1a2b3c4d",
    training: Sequence[Mapping[str, Any]] | None = None,
    verdict: str = "done",
    reason: str = "",
    failed: str = "",
    validation: str = "pass",
    sounds: Mapping[str, str] | None = None,
    release: str = RELEASE,
    **source: Any,
) -> Run:
    """Write what a run leaves; ``sounds`` are prompts by the names of their files."""
    run = Run(outputs / release / name, Outputs(outputs))
    run.root.mkdir(parents=True)
    run.config.write_text("name: musicgen_small\n", encoding="utf-8")
    write(run.result, result(verdict, reason, failed))
    run.page.write_text("a page", encoding="utf-8")
    digest = hashlib.sha256(f"{signature}{epoch}".encode()).hexdigest()
    known = {
        "signature": signature, "epoch": epoch, "epochs": EPOCHS, "state": "best",
        "dtypes": {"float32": 3}, "state_digest": digest, **source,
    }  # fmt: skip
    write(run.collect.source, known)
    write(run.collect.history, history() if training is None else training)
    checks = [
        check("lm.loads"),
        check("lm.scan", "skipped"),
        check("codec.sound") | {"figures": {"snr_db": 12.3456, "steps": 50}},
        check("layout", "pass" if validation == "pass" else validation),
    ]
    write(run.validate.report, {"verdict": validation, "checks": checks})
    for stem in sounds or ():
        write_sound(run.validate.samples, stem, 0.25)
    if sounds:
        listed = [
            {"file": f"{stem}.wav", "title": prompt, "prompt": prompt, "seed": 0, "seconds": 0.25}
            for stem, prompt in sounds.items()
        ]
        write(run.validate.samples / "samples.json", {"samples": listed})
    write_release(run, known)
    for stage in ("collect", "validate", "package"):
        write(run.record(stage), {})
    return run


def write_release(run: Run, source: Mapping[str, Any], dtype: str = "float16") -> None:
    """Write a release whose weights are a few bytes."""
    run.release.root.mkdir(exist_ok=True)
    weights = f"the weights of {source['state_digest']}".encode()
    run.release.state_dict.write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    settings = {
        "export_lm": {"dtype": dtype},
        "export_compression": {"pretrained": "facebook/encodec_32khz"},
    }
    listed = {"state_dict.bin": {"size": len(weights), "sha256": digest}}
    write(run.release.manifest, {"source": dict(source), "settings": settings, "files": listed})
    run.release.sums.write_text(f"{digest}  state_dict.bin\n", encoding="utf-8")


def publish(run: Run, **entry: Any) -> None:
    """Write a receipt of the release as it is."""
    sums = {"sha256": hashlib.sha256(run.release.sums.read_bytes()).hexdigest()}
    told = {
        "target": "hub", "repo_id": "me/small", "commit": "c" * 40, "tag": "v1.0.0",
        "files": {"SHA256SUMS": sums}, **entry,
    }  # fmt: skip
    write(run.push.receipt, {"format": 1, "targets": [told]})


def make_sweep(outputs: Path, signatures: Sequence[str] = ("1a2b3c4d", "5e6f7a8b")) -> list[Run]:
    """Every epoch of some experiments, each with two sounds."""
    prompts = {"text1-seed0": "a slow waltz", "text2-seed0": "drums & bass"}
    return [
        make_variant(
            outputs,
            f"{signature}-epoch{epoch}-float16-{position}{epoch:05d}",
            epoch=epoch,
            signature=signature,
            training=history(best=3 + position)[:epoch],
            sounds=prompts,
        )
        for position, signature in enumerate(signatures)
        for epoch in range(1, EPOCHS + 1)
    ]
