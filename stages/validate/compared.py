"""The checks that hold a release against an earlier one: ``validate.baseline``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property, partial

from pipeline.layout import SAMPLES_LIST, ValidateFolder
from pipeline.stage import Context
from stages.common.checks import Outcome
from stages.common.history import epochs_in
from stages.common.metrics import EpochMetrics
from stages.common.settings import Unusable
from stages.validate import baseline
from stages.validate.models import Model, Row
from stages.validate.opened import OpenedFile, Unavailable
from stages.validate.request import Request


class Compared:
    """A release and its baseline, whose weights are opened when first asked for."""

    def __init__(
        self, request: Request, model: Model, codec: bool, ctx: Context, stack: ExitStack
    ) -> None:
        """Take the request, and the model of this release that the baseline has another of."""
        self.baseline = baseline.Baseline(request.config.baseline or "")
        self.request, self.model, self.codec = request, model, codec
        self._ctx, self._stack = ctx, stack

    def rows(self) -> Iterator[Row]:
        """Give the checks."""
        yield "baseline.name", partial(baseline.named, self.baseline, self.request.name)
        yield "baseline.config", self._config
        yield "baseline.tensors", self._tensors
        yield "baseline.metrics", self._metrics
        yield "baseline.samples", self._samples

    @cached_property
    def _file(self) -> OpenedFile:
        path = self.baseline.weights(self.codec)
        file = self._stack.enter_context(OpenedFile.open(path, "package"))
        if file.problem:
            raise Unusable(f"the baseline's {file.problem}")
        if file.pretrained is not None:
            raise Unusable("the baseline has a reference, and no weights")
        return file

    def _config(self) -> Outcome:
        after = self.model.file.config
        try:
            return baseline.config(self._file.config, after)
        except Unavailable as reason:
            raise Unusable(f"the baseline's {reason}") from reason

    def _tensors(self) -> Outcome:
        after = self.model.file.weights
        total = sum(tensor.nbytes for tensor in after.values())
        try:
            with self._ctx.progress.task("the baseline's weights", total) as task:
                return baseline.tensors(self._file.weights, after, task.advance)
        except Unavailable as reason:
            raise Unusable(f"the baseline's {reason}") from reason

    def _metrics(self) -> Outcome:
        path = self._ctx.run.collect.history
        history = epochs_in(json.loads(path.read_text("utf-8"))) if path.is_file() else []
        epoch = EpochMetrics.of(history, self._ctx.facts("collect").get("epoch"))
        most = self.request.config.max_regression
        try:
            before = self.baseline.metrics
        except Unusable as reason:
            return baseline.unknown(str(reason), most)
        return baseline.metrics(before, epoch.valid if epoch else {}, most)

    def _samples(self) -> Outcome:
        made = ValidateFolder(self._ctx.folder).samples / SAMPLES_LIST
        if not made.is_file():
            raise Unusable("this validation made no sounds: validate=full does")
        return baseline.samples(self.baseline.samples, json.loads(made.read_text("utf-8")))
