"""What the files of a run tell of its variant; what is missing or spoilt is empty, and a fault.

The names of the files are in ``outputs/README.md``; nothing is imported from the stages that write
them, and no weight is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline import files, lenient
from pipeline.layout import Run, ValidateFolder
from pipeline.published import Published, published_in
from pipeline.sounds import Sample, samples_of

ENDS = ("done", "failed", "interrupted")
"""What run.json can say of how a run ended."""

_FIGURES = {
    "codec.sound": "snr_db",
    "lm.logits": "relative",
    "lm.parity": "wrong_elements",
    "baseline.tensors": "relative_difference",
    "baseline.metrics": "regression",
}
"""What of a check's figures is told side by side."""

_FOLDERS = re.compile(r"(?<![\w.~:/])/(?:[^\s/'\":]+/)+(?=[^\s/])")
"""The folders of an absolute path; in an address they follow a colon or a name."""


@dataclass(frozen=True)
class Reading:
    """The files of one run. What a run that failed left of an earlier one is not read."""

    run: Run

    @cached_property
    def verdict(self) -> str:
        """How the last run ended, one of `ENDS`; ``unfinished`` when none did yet."""
        said = lenient.text(self._result.get("verdict"))
        return said if said in ENDS else "unfinished"

    @property
    def reason(self) -> str:
        """The first line of why it failed, without the folders of this machine."""
        line = lenient.text(self._result.get("reason")).partition("\n")[0]
        line = line.replace(f"{self.run.outputs.root.absolute()}/", "")
        return _FOLDERS.sub("", line) if self.verdict == "failed" else ""

    @property
    def faults(self) -> Iterator[str]:
        """What is missing or spoilt, a line each."""
        run = self.run
        whole: Mapping[Path, tuple[bool, Any]] = {
            run.result: (run.result.exists(), self._result),
            run.collect.source: (self._stands("collect"), self.source),
            run.collect.history: (self._stands("collect"), isinstance(self._history, list)),
            run.validate.report: (self._stands("validate"), self._report),
            run.release.manifest: (self._stands("package"), self.manifest),
            run.release.sums: (self._stands("package"), self.digest),
            run.push.receipt: (run.push.receipt.exists(), self._receipt),
        }
        for path, (due, found) in whole.items():
            if due and not found:
                spoilt = "cannot be read" if path.exists() else "is missing"
                yield f"{path.relative_to(run.root).as_posix()} {spoilt}"
        yield from self._unlike()

    @cached_property
    def source(self) -> Mapping[str, Any]:
        """The content of source.json."""
        return lenient.mapping(self.run.collect.source) if self._stands("collect") else {}

    @property
    def history(self) -> Sequence[Any]:
        """The training, per epoch a mapping of sections to numbers by name."""
        return self._history if isinstance(self._history, list) else ()

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The content of release.json."""
        return lenient.mapping(self.run.release.manifest) if self._stands("package") else {}

    @property
    def size(self) -> int | None:
        """The bytes of what release.json lists; ``None`` without a release."""
        sizes = [lenient.whole(entry.get("size")) for entry in self._listed.values()]
        return sum(size or 0 for size in sizes) if sizes else None

    @cached_property
    def digest(self) -> str:
        """The sha256 of SHA256SUMS, in hex; empty without one."""
        sums = self.run.release.sums
        there = self._stands("package") and sums.is_file()
        return files.file_digest(sums).sha256 if there else ""

    @property
    def dtype(self) -> str:
        """The dtype of the released weights; several where they are mixed."""
        asked = lenient.text(self._settings("export_lm").get("dtype"))
        dtypes = lenient.mapping(self.source.get("dtypes"))
        return asked if asked not in ("", "keep") else ", ".join(sorted(map(lenient.text, dtypes)))

    @property
    def codec(self) -> str:
        """The compression model: the name of a published one, or a signature."""
        settings = self._settings("export_compression")
        return lenient.text(settings.get("pretrained")) or lenient.text(settings.get("signature"))

    @property
    def validation(self) -> str:
        """The verdict of the report: ``pass``, ``warn`` or ``fail``; empty for none."""
        return lenient.text(self._report.get("verdict"))

    @property
    def checks(self) -> Mapping[str, int]:
        """How many checks said what."""
        said = (lenient.text(check.get("verdict")) for check in self._checks)
        return dict(sorted(Counter(filter(None, said)).items()))

    @property
    def figures(self) -> Mapping[str, float]:
        """What validate measured, to two digits: more would differ from machine to machine."""
        found = {}
        for check in self._checks:
            name = lenient.text(check.get("name"))
            figure = _FIGURES.get(name, "")
            value = lenient.number(lenient.mapping(check.get("figures")).get(figure))
            if value is not None:
                found[f"{name}.{figure}"] = float(f"{value:.2g}")
        return dict(sorted(found.items()))

    @property
    def published(self) -> tuple[Published, ...]:
        """Where this very release was published; what was only shown (``dry_run``) is left out."""
        return published_in(self._receipt, self.digest) if self.digest else ()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What can be heard, in the order of its list."""
        if not self._stands("validate"):
            return ()
        return samples_of(self.run.validate.samples, self.run.root.parent)

    @property
    def page(self) -> PurePosixPath | None:
        """The page of the last run, below ``outputs/<release>/``; ``None`` for none."""
        return self._below(self.run.page) if self.run.page.is_file() else None

    def _below(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self.run.root.parent).as_posix())

    @cached_property
    def _result(self) -> Mapping[str, Any]:
        return lenient.mapping(self.run.result)

    @cached_property
    def _history(self) -> Any:
        return lenient.content(self.run.collect.history) if self._stands("collect") else None

    @cached_property
    def _report(self) -> Mapping[str, Any]:
        if self._stands("validate"):
            return lenient.mapping(self.run.validate.report)
        failed = self._ended("validate") == "failed"
        folder = ValidateFolder(self.run.failed("validate"))
        return lenient.mapping(folder.report) if failed else {}

    @cached_property
    def _receipt(self) -> Mapping[str, Any]:
        return lenient.mapping(self.run.push.receipt)

    @property
    def _checks(self) -> list[Mapping[str, Any]]:
        return lenient.mappings(self._report.get("checks"))

    @property
    def _listed(self) -> Mapping[str, Mapping[str, Any]]:
        """The files that release.json lists."""
        files = lenient.mapping(self.manifest.get("files"))
        return {name: lenient.mapping(entry) for name, entry in files.items()}

    def _settings(self, stage: str) -> Mapping[str, Any]:
        return lenient.mapping(lenient.mapping(self.manifest.get("settings")).get(stage))

    def _ended(self, stage: str) -> Any:
        stages = lenient.mapping(self._result.get("stages"))
        return lenient.mapping(stages.get(stage)).get("verdict")

    def _stands(self, stage: str) -> bool:
        """Tell whether what a stage left is of the last run, or was taken over by it."""
        stopped = self.verdict in ("failed", "interrupted")
        reached = self._ended(stage) not in (None, "failed") or not stopped
        return reached and self.run.record(stage).is_file()

    def _unlike(self) -> Iterator[str]:
        """Find a release that is not what its lists say, as far as names and sizes tell."""
        sources = (lenient.mapping(self.manifest.get("source")), self.source)
        known = {lenient.text(source.get("state_digest")) for source in sources}
        if len(known - {""}) > 1:
            yield "release/ and collect/ are of different weights"
        for name, entry in self._listed.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                yield f"release.json names {lenient.text(name)}, which is elsewhere"
                continue
            file = self.run.release.root / path
            if not file.is_file():
                yield f"release/{lenient.text(name)} is missing"
            elif file.stat().st_size != entry.get("size"):
                yield f"release/{lenient.text(name)} has another size than release.json says"
