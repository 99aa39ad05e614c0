"""Exported files to validate: genuine ones, to be spoilt in one way at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ValidationError
from pipeline.layout import Run
from pipeline.schema import ExpectConfig, ValidateConfig
from pipeline.stage import Context, Record
from stages.validate import Validate


@dataclass
class Candidate:
    """A run whose export stages are done."""

    run: Run
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    local: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """The context in which validate runs."""
        folder = self.run.working("validate")
        folder.mkdir(exist_ok=True)
        records = {n: Record(facts, self.local.get(n, {})) for n, facts in self.facts.items()}
        return Context(self.run, folder, records)

    def validate(
        self, kind: str = "quick", strict: bool = False, **expect: Any
    ) -> tuple[Record | None, ValidationError | None]:
        """Validate; give the record, or the error."""
        config = ValidateConfig(kind=kind, **self.options)
        stage = Validate(config, ExpectConfig(**expect), strict, "cpu", "small")
        try:
            return stage.run(self.context), None
        except ValidationError as error:
            return None, error

    def report(self, kind: str = "quick", **expect: Any) -> dict[str, dict[str, Any]]:
        """Validate; give the report's checks by name, whatever came of it."""
        self.validate(kind, **expect)
        report = json.loads((self.run.working("validate") / "report.json").read_text())
        return {check["name"]: check for check in report["checks"]}

    def verdicts(self, kind: str = "quick", **expect: Any) -> dict[str, str]:
        """Validate; give the verdicts by name of check, without those that passed."""
        rows = self.report(kind, **expect)
        return {n: row["verdict"] for n, row in rows.items() if row["verdict"] != "pass"}

    def spoil(self, change: Callable[[dict[str, Any]], None], codec: bool = False) -> None:
        """Save one of the files again after ``change`` had its way with the dict."""
        path = self.run.export_compression.compression if codec else self.run.export_lm.state_dict
        package = torch.load(path, weights_only=True)
        change(package)
        torch.save(package, path)

    def reconfigure(self, change: Callable[[DictConfig], None], codec: bool = False) -> None:
        """Change the xp.cfg of one of the files."""

        def rewrite(package: dict[str, Any]) -> None:
            config = OmegaConf.create(package["xp.cfg"])
            assert isinstance(config, DictConfig)
            change(config)
            package["xp.cfg"] = OmegaConf.to_yaml(config)

        self.spoil(rewrite, codec)
