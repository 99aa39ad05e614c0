"""``board.json``, ``board.md`` and ``board.html``: every variant of a release side by side.

The same variants give the same bytes, whatever launcher made them in whatever order: there is no
clock, no host and no path of this machine in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import files, lenient, lock, markup
from pipeline.amounts import many
from pipeline.audition import Audition
from pipeline.board_text import markdown
from pipeline.chart import HEIGHT, WIDTH, Chart
from pipeline.columns import Column, columns_of
from pipeline.layout import ReleaseRuns
from pipeline.manifest import pretty
from pipeline.variants import Mode, Variant, best_of, variants_of

FORMAT = 1
"""Of board.json: raised when a reader of the format before would misread it."""

METRIC = "valid.ce"
"""By which variants are compared when nothing else is asked for: AudioCraft's own choice."""

PATIENCE = 60.0
"""Seconds to wait for another who draws the same board, which takes less than one."""

TEMPLATE, SCRIPT = "board.html.jinja", "board.js.jinja"


@dataclass(frozen=True)
class Board:
    """What a board shows.

    Attributes:
        name: the release.
        metric: by which variants are compared.
        mode: whether its least or its greatest value is the best.
        variants: all of them, ordered by experiment, epoch and name.
        seed: of the blind order of the sounds.
    """

    name: str
    metric: str
    mode: Mode
    variants: tuple[Variant, ...]
    seed: int = 0

    @cached_property
    def best(self) -> Variant | None:
        """The best of those that every check let pass; ``None`` where none has the metric."""
        return best_of((v for v in self.variants if v.validated), self.metric, self.mode)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What there is to compare."""
        shared = {title for title, _ in self.shared}
        return tuple(column for column in self._columns if column.title not in shared)

    @cached_property
    def shared(self) -> tuple[tuple[str, str], ...]:
        """What all variants say alike, and a column would only repeat."""
        if len(self.variants) < 2:
            return ()
        return tuple(
            (c.title, "".join(c.said))
            for c in self._columns
            if not c.telling and len(c.said) == 1 and all(each.text for each in c.cells)
        )

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        return columns_of(self.variants, self.metric)

    @cached_property
    def chart(self) -> Chart | None:
        """The metric over the epochs."""
        return Chart.of(self.variants, self.metric, self.best)

    @cached_property
    def audition(self) -> Audition:
        """The sounds side by side."""
        return Audition.of(self.variants, self.seed)

    @property
    def tally(self) -> str:
        """How the variants stand: ``12 variants: 10 validated, 1 failed``."""
        counts = {
            "validated": sum(v.validated for v in self.variants),
            "failed": sum(v.verdict == "failed" for v in self.variants),
            "interrupted": sum(v.verdict == "interrupted" for v in self.variants),
            "unfinished": sum(v.verdict == "unfinished" for v in self.variants),
            "broken": sum(bool(v.faults) for v in self.variants),
        }
        told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
        return many(len(self.variants), "variant") + (f": {told}" if told else "")

    @property
    def choice(self) -> str:
        """Which is the best and by what: ``least valid.ce, 1.567``; empty for none."""
        value = self.best.metric(self.metric) if self.best else None
        extreme = "least" if self.mode == "min" else "greatest"
        return "" if value is None else f"{extreme} {self.metric}, {value:.4g}"

    def document(self) -> dict[str, Any]:
        """Give the content of board.json."""
        traces = self.chart.traces if self.chart else ()
        return {
            "format": FORMAT,
            "release": self.name,
            "metric": self.metric,
            "mode": self.mode,
            "best": self.best.name if self.best else None,
            "variants": [_told(variant, variant is self.best) for variant in self.variants],
            "history": {
                trace.name: [{"epoch": n, "value": value} for n, value in trace.values.items()]
                for trace in traces
            },
        }


def board_of(folder: Path, metric: str = METRIC, mode: Mode = "min", seed: int = 0) -> Board:
    """Read every variant of ``outputs/<release>/``."""
    name = lenient.text(ReleaseRuns(folder).name)
    return Board(name, lenient.text(metric), mode, variants_of(folder), seed)


def draw(
    folder: Path, metric: str = METRIC, mode: Mode = "min", *, blind: bool = False, seed: int = 0
) -> Board:
    """Read every variant of ``outputs/<release>/``, and write its three files.

    Reading and writing are under one lock: of two who draw at once, the later has seen all that the
    earlier saw, and no older board comes to stand over a newer. Where no variant is or was, nothing
    is written.

    Args:
        folder: of the release.
        metric: section and name, by which the best is marked.
        mode: whether the least or the greatest value is the best.
        blind: whether the page hides which sounds are whose, until that is asked for.
        seed: of the order in which they are hidden.

    Raises:
        LockedError: when another who draws does not end.
        OSError: when the disk refuses.
    """
    runs = ReleaseRuns(folder)
    if not runs.runs and not runs.board_json.exists():  # every request was refused at once
        return board_of(folder, metric, mode, seed)
    runs.locks.mkdir(parents=True, exist_ok=True)
    with lock.hold(runs.lock, PATIENCE, lambda _: None):
        for left in folder.glob(".board.*.tmp"):
            files.remove(left)  # by one who was killed while putting it in place
        board = board_of(folder, metric, mode, seed)
        files.write_text(runs.board_json, pretty(board.document()))
        files.write_text(runs.board_md, markdown(board))
        files.write_text(runs.board_html, page(board, blind))
    return board


def page(board: Board, blind: bool = False) -> str:
    """Give the board as HTML: the same text for the same variants."""
    return markup.render(TEMPLATE, SCRIPT, board=board, blind=blind, width=WIDTH, height=HEIGHT)


_PLAIN = (
    "name", "verdict", "reason", "faults", "signature", "epoch", "state", "dtype", "codec", "size",
    "state_digest", "digest", "validated", "checks", "figures", "metrics",
)  # fmt: skip
"""What board.json says of a variant under the names that it has here."""


def _told(variant: Variant, best: bool) -> dict[str, Any]:
    """Give a variant as JSON values; what is empty stays, so that all have the same keys."""
    return {
        **{key: getattr(variant, key) for key in _PLAIN},
        "best": best,
        "published": [vars(place) for place in variant.published],
        "samples": [
            {**vars(sample), "path": lenient.text(sample.path.as_posix())}
            for sample in variant.samples
        ],
        "report": variant.report and lenient.text(variant.report.as_posix()),
    }
