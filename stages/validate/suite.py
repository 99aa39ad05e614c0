"""All the checks of a release, in order; each runs whatever the ones before it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import FormatError
from pipeline.schema import ExpectConfig
from pipeline.stage import Context, Facts
from stages.common import agreement, codecs, traps
from stages.common.checks import FAIL, Check, Outcome, Report, failed, passed, skipped
from stages.common.requirements import requirements
from stages.common.settings import CODEC_NODES, LM_NODES, Settings, Unusable
from stages.common.unfit import Accepted
from stages.common.xp_yaml import without_calls
from stages.validate import expectations, file_checks, model_checks
from stages.validate.compared import Compared
from stages.validate.models import Model, Row
from stages.validate.opened import OpenedFile, Unavailable
from stages.validate.origin import Origin
from stages.validate.recital import Recital
from stages.validate.request import Request
from stages.validate.second_reader import scanned
from stages.validate.threads import fitting
from stages.validate.transformers_files import TransformersFiles
from stages.validate.trials import Trials

_CODEC = "compression_model_checkpoint"

Comparison = Callable[[Settings, codecs.Codec], Outcome]


@dataclass(frozen=True)
class Suite:
    """The checks of one release.

    Attributes:
        lm: the language model; ``None`` for a release of a codec alone.
        codec: the codec, or a reference to one.
        source: facts of collect.
        export: facts of export_lm.
        compression: facts of export_compression.
        expect: what the release claims to be.
    """

    lm: Model | None
    codec: Model
    source: Facts
    export: Facts
    compression: Facts
    expect: ExpectConfig

    @classmethod
    def run(cls, ctx: Context, request: Request) -> Report:
        """Open the files that the export stages left, and run every check on them."""
        export = [ctx.facts(name) for name in ("collect", "export_lm", "export_compression")]
        alone = export[0].get("family") == "compression"
        paths = {} if alone else {"export_lm": ctx.run.export_lm.state_dict}
        paths["export_compression"] = ctx.run.export_compression.compression
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(OpenedFile.open(path, name))
                for name, path in paths.items()
            }
            nodes = {"export_lm": LM_NODES, "export_compression": CODEC_NODES}
            models = {
                name: Model(file, nodes[name], Origin(ctx, name, stack), ctx.progress)
                for name, file in files.items()
            }
            codec, lm = models["export_compression"], models.get("export_lm")
            suite = cls(lm, codec, export[0], export[1], export[2], request.expect)
            rows: list[Row] = [("layout", partial(file_checks.layout, paths))]
            if request.kind == "off":
                return _judged([*rows, *suite.quick()])
            rows += suite.thorough()
            if lm is not None and "export_transformers" in ctx.records:
                rows += TransformersFiles(ctx, lm, stack).rows()
            trials = None if lm is None else Trials(lm, export[1], request.device)
            rows += trials.rows() if trials else ()
            if request.kind == "full":
                rows += Recital(request, trials, codec, suite._codec, ctx).rows()
            if request.config.baseline:
                compared = Compared(request, lm or codec, alone, ctx, stack)
                rows += compared.rows()
            with fitting(sum(path.stat().st_size for path in paths.values() if path.is_file())):
                return _judged(rows)

    def quick(self) -> Iterator[Row]:
        """Give the checks that `validate=off` keeps: is every byte the one that was written?"""
        for name, model in self._models():
            yield f"{name}.records", partial(_records, model)

    def thorough(self) -> Iterator[Row]:
        """Give the checks beside the layout."""
        for name, model in self._models():
            yield from self._file(name, model)
        if (lm := self.lm) is not None:
            yield from self._agreement(lm)
            yield "traps.segment_duration", lambda: traps.segment_duration(lm.settings)
            yield "traps.text", lambda: traps.text(lm.settings)
        yield from self._expectations(self.lm or self.codec)

    def _models(self) -> Iterator[tuple[str, Model]]:
        if self.lm is not None:
            yield "lm", self.lm
        yield "codec", self.codec

    def _file(self, name: str, model: Model) -> Iterator[Row]:
        file = model.file
        yield f"{name}.loads", partial(file_checks.loads, file)
        yield f"{name}.scan", partial(scanned, file)
        yield f"{name}.records", partial(_records, model)
        yield f"{name}.fields", partial(file_checks.fields, file)
        if file.problem == "" and "pretrained" in _package(file):
            yield f"{name}.reference", partial(_reference, file)
            return
        digest, asked = self._provenance(name)
        yield f"{name}.config", partial(file_checks.config, file)
        yield f"{name}.builders", lambda: requirements(file.config, model.settings)
        yield f"{name}.tensors", lambda: model_checks.tensors(file, model.settings)
        yield f"{name}.dtypes", partial(model_checks.dtypes, file, asked)
        accepted = Accepted.of(self.export if name == "lm" else self.compression)
        yield f"{name}.finite", lambda: file_checks.finite(file, model.scan, accepted)
        yield f"{name}.state", partial(file_checks.state, file, digest, asked == "keep")
        yield f"{name}.parity", partial(model.parity, asked)

    def _provenance(self, name: str) -> tuple[str | None, str]:
        """Give the digest of the chosen weights, and the dtype that was asked for."""
        if name == "lm":
            return self.source.get("state_digest"), self.export.get("dtype", "keep")
        # A codec keeps its dtype whatever was asked for.
        return self.compression.get("state_digest"), "keep"

    def _agreement(self, lm: Model) -> Iterator[Row]:
        comparisons: dict[str, Comparison] = {
            "codebooks": agreement.codebooks,
            "cardinality": agreement.cardinality,
            "sample_rate": agreement.sample_rate,
            "channels": agreement.channels,
            "frame_rate": partial(agreement.frame_rate, trained=self._trained(lm)),
        }
        for name, compare in comparisons.items():
            yield f"agreement.{name}", partial(self._compare, compare, lm)
        yield "agreement.trained", partial(self._in_training, lm)
        yield "agreement.delays", lambda: agreement.delays(lm.settings)

    def _compare(self, compare: Comparison, lm: Model) -> Outcome:
        return compare(lm.settings, self._codec())

    def _in_training(self, lm: Model) -> Outcome:
        try:
            named = OmegaConf.select(without_calls(lm.file.config), _CODEC)
        except OmegaConfBaseException:
            named = None
        own = self.codec.file.pretrained or self.compression.get("pretrained")
        signature = self.compression.get("signature")
        return agreement.trained(named if isinstance(named, str) else None, signature, own)

    def _trained(self, lm: Model) -> float | None:
        """Give the frame rate, in Hz, of the codec in training, where it is known."""
        try:
            named = str(OmegaConf.select(without_calls(lm.file.config), _CODEC))
            if named == f"//sig/{self.compression.get('signature')}":
                return self._codec().frame_rate
        except (Unavailable, Unusable, OmegaConfBaseException):
            return None
        known = codecs.KNOWN.get(named.removeprefix(codecs.REFERENCE_PREFIX))
        return known.frame_rate if known else None

    def _codec(self) -> codecs.Codec:
        """Give the codec's figures: from the table for a known name, else from its own config."""
        name = self.codec.file.pretrained
        if name is not None:
            if name not in codecs.KNOWN:
                raise Unusable(f"{name} is not a codec that is known here")
            return codecs.KNOWN[name]
        try:
            return replace(codecs.codec_of(self.codec.file.config), name="the codec")
        except FormatError as error:
            raise Unusable(error.what) from error

    def _expectations(self, model: Model) -> Iterator[Row]:
        claimed, miniature = self.expect, bool(self.source.get("miniature"))
        yield (
            "expect.solver",
            lambda: expectations.solver(claimed.solver, model.settings.get("solver")),
        )
        yield (
            "expect.config",
            lambda: expectations.config(claimed.config, model.file.config, miniature),
        )
        if self.lm is not None:
            yield (
                "expect.codec",
                lambda: expectations.codec(claimed.codec, self._codec_name(), miniature),
            )

    def _codec_name(self) -> str:
        name = self.codec.file.pretrained or self.compression.get("pretrained")
        signature = self.compression.get("signature")
        return str(name or (f"//sig/{signature}" if signature else "weights of its own"))


def _package(file: OpenedFile) -> Mapping[str, Any]:
    try:
        return file.package
    except Unavailable:
        return {}


def _records(model: Model) -> Outcome:
    return file_checks.records(model.file, lambda: model.scan)


def _reference(file: OpenedFile) -> Outcome:
    name = file.pretrained or ""
    if not codecs.is_reference(name):
        return failed(
            f"{name!r} is neither a known codec nor org/name.",
            "compression=reference compression.pretrained=facebook/encodec_32khz",
        )
    return passed(f"{name}, to be had from its own repository")


def _judged(rows: Iterable[Row]) -> Report:
    """Run the checks. What could not be looked at has failed, unless a failure explains it."""
    checks, blind = [], set()
    for name, look in rows:
        try:
            outcome = look()
        except Unusable as reason:
            outcome = skipped(str(reason))
        except Unavailable as reason:
            outcome = skipped(str(reason))
            blind.add(name)
        checks.append(Check.of(name, outcome))
    report = Report(tuple(checks))
    if report.verdict == FAIL or not blind:
        return report
    remedy = "force=all writes all files anew"
    return Report(
        tuple(
            replace(check, verdict=FAIL, remedy=remedy) if check.name in blind else check
            for check in checks
        )
    )
