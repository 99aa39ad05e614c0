"""Writes ``state_dict.bin``: the language model's weights and config, as AudioCraft loads them.

The weights stream from the collected checkpoint to the new file, a megabyte at a time, without
torch; only their order, type and surroundings change.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from omegaconf import DictConfig

from pipeline.errors import PipelineError
from pipeline.layout import STATE_DICT, ExportFolder
from pipeline.schema import ExportConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common import collected, exported, xp_config
from stages.common.archive import is_zip
from stages.common.checkpoint import Checkpoint
from stages.common.disk_space import demand_space

LAYOUTS = ("two_file", "all_in_one")


class ExportLM:
    """Makes the language model's file. A release of a codec alone has none."""

    name = "export_lm"
    version = 1
    inputs: Sequence[str] = ("collect",)
    always = False

    def __init__(self, config: ExportConfig) -> None:
        """Take how the files are to be written."""
        self.config = config

    def check(self, ctx: Context) -> list[Problem]:
        """Find a setting that does not exist, an override that does not fit, a full disk."""
        if collected.is_codec(ctx):
            return []
        problems = [
            *_choice("export.dtype", self.config.dtype, exported.DTYPES),
            *_choice("export.layout", self.config.layout, LAYOUTS),
        ]
        if problems:
            return problems
        try:
            if self.config.config_overrides and (config := _config(ctx)) is not None:
                self._check_overrides(config)
            if not ctx.run.export_lm.state_dict.exists():
                demand_space(ctx.run.root, self._size(ctx) or 0)
        except PipelineError as error:
            problems.append(Problem.of(error))
        return problems

    def plan(self, ctx: Context) -> Plan:
        """Tell which weights will be written, and how large they are."""
        if collected.is_codec(ctx):
            return Plan("a codec alone has no language model", needed=False)
        facts = ctx.facts("collect")
        source = f"{facts['state']} state" if "state" in facts else "the weights"
        kept = "" if self.config.dtype == "keep" else f" as {self.config.dtype}"
        return Plan(f"{source}{kept}", self._size(ctx), facts=self._settings())

    def key(self, ctx: Context) -> Facts:
        """Give the settings; which weights is in the record of collect."""
        return {
            **self._settings(),
            "sanitize": self.config.sanitize,
            "audiocraft_version": self.config.audiocraft_version,
            "allow_nonfinite": self.config.allow_nonfinite,
        }

    def run(self, ctx: Context) -> Record:
        """Write ``state_dict.bin`` into ``ctx.folder``.

        Raises:
            SourceError: when the checkpoint is no longer the one that was collected.
            FormatError: naming the tensors that are damaged, hold NaN or Inf, or do not fit the
                dtype.
            OutputError: when the disk is full.
        """
        with Checkpoint.open(collected.file_of(ctx)) as checkpoint:
            package = exported.Package.of_model(
                collected.state_of(ctx, checkpoint).tensors,
                checkpoint.config,
                self.config,
                dtype=self.config.dtype,
                overrides=self.config.config_overrides,
            )
            written = package.write(ExportFolder(ctx.folder).state_dict, ctx.progress)
            accepted = package.accepted(written)
        return Record(
            facts={
                **self._settings(),
                "removed": list(package.removed),
                "blanked": list(package.blanked),
                "parameters": package.parameters,
                "bytes": package.nbytes,
                **accepted,
            },
            digests={STATE_DICT: written.digest},
        )

    def _settings(self) -> dict[str, object]:
        return {
            "dtype": self.config.dtype,
            "layout": self.config.layout,
            "config_overrides": dict(self.config.config_overrides),
        }

    def _size(self, ctx: Context) -> int | None:
        """Estimate the file's size in bytes, where the source is known already."""
        facts = ctx.facts("collect")
        if "bytes" not in facts:
            return None
        return exported.cast_bytes(facts["parameters"], facts["bytes"], self.config.dtype)

    def _check_overrides(self, config: DictConfig) -> None:
        kept = xp_config.clean(config).config if self.config.sanitize else config
        xp_config.apply_overrides(xp_config.loadable(kept), self.config.config_overrides)


def _choice(key: str, value: str, allowed: Sequence[str]) -> list[Problem]:
    if value in allowed:
        return []
    near = get_close_matches(value, allowed, 1)
    hint = f"Did you mean {key}={near[0]}? " if near else ""
    return [Problem(f"{key}={value}: there is no such choice.", hint=f"{hint}{', '.join(allowed)}")]


def _config(ctx: Context) -> DictConfig | None:
    """Read xp.cfg where the source is on this machine already and needs no conversion."""
    path = collected.path_of(ctx)
    if path is None or not path.is_file() or not is_zip(path):
        return None
    with Checkpoint.open(path) as checkpoint:
        return checkpoint.config
