"""The result of one check: a name, a verdict, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

PASS, WARN, FAIL, SKIPPED = "pass", "warn", "fail", "skipped"


@dataclass(frozen=True)
class Outcome:
    """What a check saw.

    Attributes:
        verdict: `PASS`, `WARN`, `FAIL` or `SKIPPED`.
        message: one line; for `SKIPPED` the reason.
        remedy: one line that says what to type or change; empty where nothing is wrong.
        figures: what was measured, as JSON values.
    """

    verdict: str
    message: str
    remedy: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


def passed(message: str, figures: Mapping[str, Any] | None = None) -> Outcome:
    """Say what was found in order."""
    return Outcome(PASS, message, figures=figures or {})


def warned(message: str, remedy: str, figures: Mapping[str, Any] | None = None) -> Outcome:
    """Say what a reader of the release will stumble over."""
    return Outcome(WARN, message, remedy, figures or {})


def failed(message: str, remedy: str, figures: Mapping[str, Any] | None = None) -> Outcome:
    """Say what keeps the files from being a release."""
    return Outcome(FAIL, message, remedy, figures or {})


def skipped(reason: str) -> Outcome:
    """Say why there was nothing to look at."""
    return Outcome(SKIPPED, reason)


@dataclass(frozen=True)
class Check:
    """A named outcome: one line of the report."""

    name: str
    verdict: str
    message: str
    remedy: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, outcome: Outcome) -> Check:
        """Give an outcome its name."""
        return cls(name, outcome.verdict, outcome.message, outcome.remedy, outcome.figures)

    @property
    def line(self) -> str:
        """The check in one line, for the console."""
        return f"{self.name}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


@dataclass(frozen=True)
class Report:
    """All the checks of one release, in the order in which they ran."""

    checks: tuple[Check, ...]

    def strict(self) -> Report:
        """Give the same report with every warning as a failure."""
        return Report(
            tuple(
                replace(check, verdict=FAIL) if check.verdict == WARN else check
                for check in self.checks
            )
        )

    def only(self, verdict: str) -> tuple[Check, ...]:
        """Give the checks that ended with ``verdict``."""
        return tuple(check for check in self.checks if check.verdict == verdict)

    @property
    def verdict(self) -> str:
        """The worst of all verdicts; what was skipped does not count."""
        seen = {check.verdict for check in self.checks}
        return FAIL if FAIL in seen else WARN if WARN in seen else PASS

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The checks as JSON values; ``figures`` only where there are any."""
        rows = [asdict(check) for check in self.checks]
        return [{key: row[key] for key in row if key != "figures" or row[key]} for row in rows]


def listed(items: Sequence[str], limit: int = 3) -> str:
    """Give the first few: ``a, b, c and 5 more``."""
    more = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more} more" if more > 0 else "")


def phrased(phrases: Sequence[str]) -> str:
    """Give the first few of what may have commas of its own: ``a is b, not c; and 5 more``."""
    more = len(phrases) - 3
    return "; ".join([*phrases[:3], *([f"and {more} more"] if more > 0 else [])])
