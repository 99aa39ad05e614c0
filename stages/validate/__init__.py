"""Checks the exported files as a user would load them, and says of each finding what cures it."""

from __future__ import annotations

from pipeline import files
from pipeline.amounts import many
from pipeline.errors import ValidationError
from pipeline.layout import ValidateFolder
from pipeline.manifest import pretty
from pipeline.schema import ExpectConfig, ValidateConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common.checks import FAIL, WARN, Report
from stages.validate import estimate
from stages.validate.request import KINDS, Request
from stages.validate.suite import Suite


class Validate:
    """Makes ``report.json``; fails after all checks, when one of them did."""

    name = "validate"
    version = 2
    inputs = ("collect", "export_lm", "export_compression", "export_transformers")
    always = False

    def __init__(
        self,
        config: ValidateConfig,
        expect: ExpectConfig,
        strict: bool,
        device: str = "auto",
        name: str = "",
    ) -> None:
        """Take how much to check, what the release claims, and whether warnings are failures."""
        self.request = Request(config, expect, strict, device, name)

    def check(self, ctx: Context) -> list[Problem]:
        """Find a choice that does not exist."""
        return list(self.request.problems())

    def plan(self, ctx: Context) -> Plan:
        """Tell how much is looked at, and about how long that takes."""
        strict = ", warnings count as failures" if self.request.strict else ""
        source, codec = ctx.facts("collect"), ctx.facts("export_compression")
        told = estimate.told(estimate.seconds(self.request, source, codec))
        return Plan(f"{KINDS[self.request.kind]}{strict}{told}")

    def key(self, ctx: Context) -> Facts:
        """Give what is checked and against what."""
        return self.request.key

    def run(self, ctx: Context) -> Record:
        """Run all checks, write the report into ``ctx.folder``.

        Raises:
            ValidationError: after all checks, when any failed; the report is written by then.
        """
        report = Suite.run(ctx, self.request)
        if self.request.strict:
            report = report.strict()
        files.write_text(
            ValidateFolder(ctx.folder).report,
            pretty({"verdict": report.verdict, "checks": report.rows}),
        )
        if report.verdict == FAIL:
            raise _error(ctx, report)
        warnings = report.only(WARN)
        return Record(
            facts={"verdict": report.verdict, "warnings": [check.name for check in warnings]},
            local={"checks": report.rows},
            warnings=tuple(check.line for check in warnings),
        )


def _error(ctx: Context, report: Report) -> ValidationError:
    """Tell the first failure in full; the report has the others."""
    failures = report.only(FAIL)
    return ValidationError(
        f"{many(len(failures), 'check')} failed: {failures[0].name}: {failures[0].message}",
        str(ValidateFolder(ctx.run.failed("validate")).report),
        failures[0].remedy,
    )
