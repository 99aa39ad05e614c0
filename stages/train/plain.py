"""A plain name for a folder whose own name Dora cannot take."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import TrainingError

PLAIN = re.compile(r"[A-Za-z0-9_./+ -]*")


@contextmanager
def plain_name(folder: Path) -> Iterator[Path]:
    """Give a path to ``folder`` that survives as an unquoted Hydra override.

    Dora hands ``hydra.run.dir=<folder>`` to Hydra as it is, and quotes, accents and brackets mean
    something else there. A symlink, while the block runs, changes neither signature nor bytes.
    """
    if PLAIN.fullmatch(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dora-") as place:
        if not PLAIN.fullmatch(place):
            raise TrainingError(
                "Dora cannot write to a folder with such a name, nor to the temporary one.",
                f"{folder}, {place}",
                "Choose a plain name: outputs=/path/to/folder, or set TMPDIR.",
            )
        link = Path(place, "dora")
        link.symlink_to(folder)
        yield link
