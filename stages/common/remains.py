"""What an archive that lost its end still tells: its pickle stands at the beginning.

Torch writes ``data.pkl`` first and the directory last, so a file that was cut off, or is still
being written, says what it was going to be. Nothing of it is released: its records are not known.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pipeline.errors import FormatError
from stages.common.archive import MAX_SMALL, Archive, storage_of
from stages.common.directory import ArchiveRecord, first_record, up_to_its_end
from stages.common.inert import Refused, Storage
from stages.common.plain import plain
from stages.common.unpickler import unpickle


class Remains(Archive):
    """The beginning of an archive: what its pickle says, without a record behind it."""

    def _directory(self) -> Mapping[str, ArchiveRecord]:
        self._start = first_record(self._file, "data.pkl")
        return {}

    @cached_property
    def root(self) -> Any:
        """The object that was to be saved, as `Archive.root`; its tensors cannot be read.

        Raises:
            FormatError: when not even the pickle is whole.
        """
        # What follows would be paid for too, out of what a large pickle needs for itself.
        content = up_to_its_end(os.pread(self._file, MAX_SMALL, self._start))
        try:
            return plain(unpickle(content, self._storage))
        except Refused as refused:
            raise FormatError(f"Its pickle holds {refused}.", str(self.path)) from None

    def _storage(self, reference: Any) -> Storage:
        """Take a storage at its word."""
        return storage_of(reference)
