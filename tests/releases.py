"""A run whose stages up to validate are done, made by hand: what package and push start from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.layout import STAGE_JSON, Outputs, ReleaseFolder, Run
from pipeline.schema import CacheConfig, CardConfig, ExportConfig, PackageConfig, PushConfig
from pipeline.stage import Context, Plan, Record, Task
from stages.package import Package
from stages.push import Push

SOURCE: dict[str, Any] = {
    "kind": "dora",
    "signature": "9370b59c",
    "family": "lm",
    "form": "training",
    "solver": "musicgen",
    "epoch_asked": None,
    "epochs": 2,
    "epoch": 2,
    "state": "best",
    "state_key": "best_state",
    "state_digest": "ab" * 32,
    "parameters": 1234567,
    "dtypes": {"float32": 36},
    "bytes": 4938268,
    "codec": "//sig/98dabcc6",
    "base_model": None,
    "miniature": False,
    "archive": "cd" * 32,
}
LM: dict[str, Any] = {"dtype": "float16", "layout": "two_file", "config_overrides": {}}
CODEC: dict[str, Any] = {
    "form": "weights",
    "pretrained": None,
    "signature": "98dabcc6",
    "epoch": 2,
    "state": "best",
    "state_digest": "ef" * 32,
    "codec": {
        "n_q": 4,
        "cardinality": 2048,
        "sample_rate": 32000,
        "channels": 1,
        "frame_rate": 50.0,
    },
}
REFERENCE: dict[str, Any] = {
    **CODEC,
    "form": "reference",
    "pretrained": "facebook/encodec_32khz",
    "signature": None,
    "epoch": None,
    "state": None,
    "state_digest": None,
}
HISTORY: list[dict[str, Any]] = [
    {"train": {"ce": 7.5, "duration": 17.9}, "valid": {"ce": 7.25, "duration": 1.1}},
    {
        "train": {"ce": 5.046090126037598, "ppl": 159.38, "lr": 0.5, "duration": 17.9},
        "valid": {"ce": 58.177154541015625, "ppl": 1.856513815947838e25, "duration": 10.0},
        "evaluate": {"fad": 4.123456789, "kld": 1.25, "text_consistency": 0.27, "duration": 3.0},
        "generate": {"rtf": 4.3, "duration": 5.1},
    },
]


class Notes:
    """A progress that keeps the lines it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "bytes") -> Iterator[Task]:
        yield self

    def note(self, text: str) -> None:
        self.lines.append(text)

    def advance(self, amount: int) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass
class Fabricated:
    """A run with files, and the records of its finished stages."""

    run: Run
    records: dict[str, Record] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    def finish(self, stage: str, facts: Mapping[str, Any], contents: Mapping[str, bytes]) -> None:
        """Leave files and a record as the engine does."""
        folder = self.run.output(stage)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        digests = {name: asdict(files.file_digest(folder / name)) for name in contents}
        (folder / STAGE_JSON).write_text(json.dumps({"format": 1, "files": digests}))
        self.records[stage] = Record(facts=facts)

    def context(self, stage: str) -> Context:
        """Give a context with an empty folder to work in."""
        folder = self.run.working(stage)
        files.remove(folder)
        folder.mkdir(parents=True)
        return Context(self.run, folder, dict(self.records), dict(self.plans), self.notes)

    def make(self, stage: Package | Push) -> Record:
        """Run a stage and put its folder in place."""
        ctx = self.context(stage.name)
        record = stage.run(ctx)
        files.replace_folder(ctx.folder, self.run.output(stage.name))
        self.records[stage.name] = record
        return record


def fabricate(
    outputs: Path,
    *,
    variant: str = "9370b59c-best-float16-4f1c2a",
    source: Mapping[str, Any] | None = None,
    codec: Mapping[str, Any] = CODEC,
    lm: Mapping[str, Any] = LM,
    weights: bytes = b"the language model" * 1000,
    history: list[dict[str, Any]] | None = None,
) -> Fabricated:
    """Make a run up to validate, by default a MusicGen with its own codec."""
    facts = {**SOURCE, **(source or {})}
    made = Fabricated(Run(outputs / "musicgen_small" / variant, Outputs(outputs)))
    told = json.dumps(HISTORY if history is None else history).encode()
    made.finish("collect", facts, {"history.json": told})
    if facts["family"] == "lm":
        made.finish("export_lm", lm, {"state_dict.bin": weights})
    compression = {"compression_state_dict.bin": b"the codec" * 500}
    made.finish("export_compression", codec, compression)
    made.finish("validate", {"verdict": "pass", "warnings": []}, {"report.json": b"{}"})
    return made


def write_samples(release: ReleaseFolder, sounds: Mapping[str, bytes]) -> None:
    """Put samples into a release, with their list as validate writes it."""
    release.samples.mkdir()
    for name, content in sounds.items():
        (release.samples / name).write_bytes(content)
    listed = {name: asdict(files.file_digest(release.samples / name)) for name in sounds}
    (release.samples / "samples.json").write_text(json.dumps({"samples": [], "files": listed}))


def package(card: CardConfig | None = None, **changed: Any) -> Package:
    """Build the stage as the config does."""
    arguments: dict[str, Any] = {
        "name": "musicgen_small",
        "version": "1.0.0",
        "config": PackageConfig(),
        "card": card or CardConfig(license="cc-by-nc-4.0"),
        "export": ExportConfig(kind="audiocraft"),
        "repo_id": "local/musicgen_small",
    }
    return Package(**{**arguments, **changed})


PUSHED = PushConfig(repo_id="local/musicgen_small", tag="v1.0.0", cache=CacheConfig())


def push(sweep: bool = False, **changed: Any) -> Push:
    """Build the stage with the cache as its target, or what ``changed`` says."""
    return Push("musicgen_small", "1.0.0", replace(PUSHED, **changed), sweep=sweep)
