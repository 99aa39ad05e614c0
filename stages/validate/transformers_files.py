"""The checks of what transformers loads: whole files, and in them the weights that were exported.

The codec and the T5 in them are copies from elsewhere; what is in their place is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property

from pipeline.amounts import many
from pipeline.errors import FormatError
from pipeline.stage import Context
from stages.common.checks import Outcome, failed, listed, passed
from stages.common.elements import side_by_side
from stages.common.expressible import Conditions
from stages.common.musicgen_names import conditioning_parts, decoder_parts
from stages.common.renaming import Part
from stages.common.settings import Unusable
from stages.common.stored import Tensor
from stages.common.tensor_file import TensorFile
from stages.validate.models import Model, Row

_REMEDY = "force=export_transformers writes the files anew"
_INDEX = "model.safetensors.index.json"


class TransformersFiles:
    """The files that export_transformers left, and the language model that they were made from."""

    def __init__(self, ctx: Context, lm: Model, stack: ExitStack) -> None:
        """Take the run, the exported model, and what closes the files that are opened."""
        self._root, self._progress = ctx.run.export_transformers.root, ctx.progress
        self._lm, self._stack = lm, stack

    def rows(self) -> Iterator[Row]:
        """Give the checks."""
        yield "transformers.files", self._files
        yield "transformers.weights", self._weights

    def _files(self) -> Outcome:
        """Open every file, and see that the index names what is in them."""
        try:
            opened = self._opened
        except Unusable as reason:
            return failed(f"{reason}", _REMEDY)
        placed = {name: path for path, file in opened.items() for name in file.tensors}
        if not placed:
            return failed("export_transformers left no weights.", _REMEDY)
        if len(opened) > 1 and placed != self._index():
            return failed(f"{_INDEX} does not say what is in the files.", _REMEDY)
        return passed(f"{many(len(placed), 'tensor')} in {', '.join(opened)}")

    def _weights(self) -> Outcome:
        """Compare the language model in them with the exported one, bit for bit."""
        found = {name: t for file in self._opened.values() for name, t in file.tensors.items()}
        parts, wrong = self._parts(), []
        total = sum(found[name].nbytes for name in parts if name in found)
        with self._progress.task("what transformers loads, and the export", total) as task:
            for name, part in parts.items():
                if name not in found or not _same(self._source(part), found[name], task.advance):
                    wrong.append(name)
        if wrong:
            return failed(
                f"Not the exported weights in {len(wrong)} of {len(parts)}: {listed(wrong)}.",
                _REMEDY,
            )
        return passed(f"{len(parts)} tensors are those of {self._lm.file.name}, bit for bit")

    @cached_property
    def _opened(self) -> Mapping[str, TensorFile]:
        opened = {}
        for path in sorted(self._root.glob("*.safetensors")):
            try:
                opened[path.name] = self._stack.enter_context(TensorFile.open(path))
            except FormatError as error:
                raise Unusable(f"{path.name} cannot be read: {error.what}") from error
        return opened

    def _index(self) -> object:
        try:
            return json.loads((self._root / _INDEX).read_bytes())["weight_map"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _parts(self) -> Mapping[str, Part]:
        shapes, conditions = self._lm.file.shapes, Conditions.of(self._lm.settings)
        decoder = decoder_parts(shapes)
        projections = conditioning_parts(shapes, str(conditions.text), conditions.chroma)
        return {f"decoder.{name}": part for name, part in decoder.items()} | projections

    def _source(self, part: Part) -> Tensor:
        tensor = self._lm.file.weights[part.name]
        return tensor if part.rows is None else tensor.rows(part.rows)


def _same(exported: Tensor, found: Tensor, advance: Callable[[int], None]) -> bool:
    """Tell whether two tensors are the same, to the last bit."""
    import numpy as np

    if (exported.dtype, exported.shape) != (found.dtype, found.shape):
        return False
    same = True
    try:
        for left, right in side_by_side(exported, found):
            same &= np.array_equal(np.frombuffer(left, "u1"), np.frombuffer(right, "u1"))
            advance(len(right))
    except FormatError as error:
        raise Unusable(f"a tensor cannot be read: {error.what}") from error
    exported.forget()
    found.forget()
    return same
