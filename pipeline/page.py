"""``report.html``: a run as one page that people send to each other.

It is made from the records and files of a run under their documented names, so the engine need not
know a stage. Everything in it may come from elsewhere (a checkpoint's metrics, a Hub's answer): the
template escapes all of it, and reads nothing from a network.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files, lenient, markup
from pipeline.amounts import count, many
from pipeline.curves import HEIGHT, WIDTH, Curve, curves_of
from pipeline.layout import Run, ValidateFolder
from pipeline.record import FileStamp, read_record
from pipeline.sounds import Sound, sounds_of

TEMPLATE = "page.html.jinja"
HEADLINES = {"done": "Released", "failed": "Failed", "interrupted": "Interrupted"}
VERDICTS = ("fail", "warn", "pass", "skipped")
"""What a check can say, the gravest first."""

_SOURCE = {
    "Kind": "kind",
    "Signature": "signature",
    "Hub id": "repo_id",
    "Revision": "revision",
    "Address": "url",
    "Solver": "solver",
    "State": "state",
    "Epoch asked for": "epoch_asked",
    "Base model": "base_model",
    "Codec in training": "codec",
    "Digest of the state": "state_digest",
}
_TARGET = ("target", "repo_id", "commit", "changed", "refs", "pull_request", "load_with")


@dataclass(frozen=True)
class Page:
    """What the template shows; whatever a run has not is empty.

    Attributes:
        name: the release.
        variant: the run's folder.
        version: of the release; empty for none.
        result: the content of ``run.json``.
        outcomes: its stages, in the order in which they run.
        miniature: whether it is the embedded example.
        source: name and value of what the weights come from.
        curves: the metrics of the training.
        epoch: the released epoch.
        checks: what validate saw, as the report has it, the gravest first.
        parts: what is in the files below: ``release``, or the stages that left them.
        files: by name.
        sounds: what can be heard.
        targets: where it was published, of the receipt's ``targets``.
        command: what repeats it.
    """

    name: str
    variant: str
    version: str
    result: Mapping[str, Any]
    outcomes: Mapping[str, Mapping[str, Any]]
    miniature: bool
    source: tuple[tuple[str, str], ...]
    curves: tuple[Curve, ...]
    epoch: Any
    checks: tuple[Mapping[str, str], ...]
    parts: str
    files: Mapping[str, FileStamp]
    sounds: tuple[Sound, ...]
    targets: tuple[Mapping[str, Any], ...]
    command: str

    @classmethod
    def of(cls, run: Run, result: Mapping[str, Any], stages: Sequence[str]) -> Page:
        """Read a run.

        Args:
            run: its folders.
            result: the content of its ``run.json``.
            stages: the names of all stages, in order. What one that failed or a later one left is
                of an earlier run, and is not shown.
        """
        outcomes = result["stages"]
        broken = [name for name in stages if outcomes.get(name, {}).get("verdict") == "failed"]
        standing = set(stages[: stages.index(broken[0])] if broken else stages)
        source = lenient.mapping(run.collect.source) if "collect" in standing else {}
        history = lenient.content(run.collect.history) if "collect" in standing else None
        validate = run.validate
        if "validate" in broken:
            validate = ValidateFolder(run.failed("validate"))
        heard = "validate" in standing or "validate" in broken
        report = lenient.mapping(validate.report) if heard else {}
        manifest = lenient.mapping(run.release.manifest) if "package" in standing else {}
        receipt = lenient.mapping(run.push.receipt) if "push" in standing else {}
        parts, stamps = _files(run, standing)
        return cls(
            name=run.root.parent.name,
            variant=run.root.name,
            version=str(manifest.get("version") or ""),
            result=result,
            outcomes={name: outcomes[name] for name in stages if name in outcomes},
            miniature=bool(source.get("miniature")),
            source=_described(source),
            curves=curves_of(history, source.get("epoch")),
            epoch=source.get("epoch"),
            checks=_checks(report),
            parts=parts,
            files=stamps,
            sounds=sounds_of(validate.samples, run.page) if heard else (),
            targets=tuple(
                {key: target.get(key) for key in _TARGET}
                for target in lenient.mappings(receipt.get("targets"))
                if target.get("commit")  # a dry run publishes nothing
            ),
            command=_command(run.overrides),
        )

    @property
    def headline(self) -> str:
        """The verdict in a word; a run that stopped before package released nothing."""
        verdict = str(self.result["verdict"])
        if verdict == "done" and self.parts != "release":
            return "Done"
        return HEADLINES.get(verdict, verdict)

    @property
    def tally(self) -> str:
        """How the checks went: ``27 checks: 25 pass, 2 skipped``."""
        said = [check["verdict"] for check in self.checks]
        counts = (f"{said.count(v)} {v}" for v in VERDICTS if v in said)
        return f"{many(len(said), 'check')}: {', '.join(counts)}" if said else ""

    @property
    def quiet(self) -> bool:
        """Whether no check needs anybody's attention."""
        return all(check["verdict"] in ("pass", "skipped") for check in self.checks)


def write(run: Run, result: Mapping[str, Any], stages: Sequence[str]) -> None:
    """Write ``report.html`` of a run that has ended, however it ended."""
    files.write_text(run.page, render(Page.of(run, result, stages)))


def render(page: Page) -> str:
    """Give the page as HTML: the same text for the same run."""
    return markup.render(TEMPLATE, page=page, width=WIDTH, height=HEIGHT)


def _described(source: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = [(title, str(source[key])) for title, key in _SOURCE.items() if source.get(key)]
    if source.get("epoch"):
        of = f" of {source['epochs']}" if source.get("epochs") else ""
        rows.append(("Epoch of the weights", f"{source['epoch']}{of}"))
    if isinstance(source.get("parameters"), int):
        rows.append(("Parameters", count(source["parameters"])))
    dtypes = source.get("dtypes")
    if isinstance(dtypes, Mapping):
        rows.append(("Tensors", ", ".join(f"{number} {dtype}" for dtype, number in dtypes.items())))
    return tuple(rows)


def _checks(report: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    checks = [
        {key: str(check.get(key) or "") for key in ("name", "verdict", "message", "remedy")}
        for check in lenient.mappings(report.get("checks"))
    ]
    rank = {verdict: position for position, verdict in enumerate(VERDICTS[:2])}
    return tuple(sorted(checks, key=lambda check: rank.get(check["verdict"], len(rank))))


def _files(run: Run, standing: set[str]) -> tuple[str, Mapping[str, FileStamp]]:
    """Give the release's files; before there is a release, what the exports left."""
    package = read_record(run.record("package")) if "package" in standing else None
    if package is not None:
        return "release", package.files
    found: dict[str, FileStamp] = {}
    parts = sorted(name for name in standing if name.startswith("export_"))
    for name in parts:
        record = read_record(run.record(name))
        found |= {f"{name}/{file}": stamp for file, stamp in record.files.items()} if record else {}
    return ", ".join(dict.fromkeys(name.partition("/")[0] for name in found)), found


def _command(overrides: Path) -> str:
    try:
        typed = overrides.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return " ".join(["python -m pipeline", *(shlex.quote(override) for override in typed)])
