"""``python -m pipeline.unpack all_in_one.pt [FOLDER]``: the two files of a one-file release.

AudioCraft loads a folder, or a Hub id, that holds ``state_dict.bin`` and
``compression_state_dict.bin``; one whose codec's weights are inside ``all_in_one.pt`` it cannot.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import command
from pipeline.errors import OutputError, PipelineError, SourceError
from pipeline.layout import ALL_IN_ONE, ExportFolder
from pipeline.manifest import FileDigest


def unpack(source: Path, folder: Path | None = None) -> dict[Path, FileDigest]:
    """Write the two files that ``source`` was made of.

    Args:
        source: an ``all_in_one.pt``, or the release folder that holds it.
        folder: where to write, made when missing; by default where the source is.

    Returns:
        The digests of the two files by path.

    Raises:
        SourceError: when the source is not there.
        FormatError: when it is not such a file.
        OutputError: when one of the two exists already, or cannot be written.
    """
    from stages.common import one_file

    path = source / ALL_IN_ONE if source.is_dir() else source
    if not path.is_file():
        raise SourceError(
            "There is no such file.",
            str(path),
            f"Give the file: python -m pipeline.unpack {ALL_IN_ONE}",
        )
    again = f"python -m pipeline.unpack {shlex.quote(str(source))} FOLDER"
    target = ExportFolder(path.parent if folder is None else folder)
    for file in (target.state_dict, target.compression):
        if file.exists():
            raise OutputError(
                "The file is there already, and stays as it is.",
                str(file),
                f"Choose an empty folder: {again}",
            )
    try:
        target.root.mkdir(parents=True, exist_ok=True)
        digests = one_file.split(path, target.root)
    except OSError as error:
        raise OutputError(
            f"Cannot write the files: {error.strerror or error}.",
            str(target.root),
            f"Choose another folder: {again}",
        ) from error
    return {target.root / name: digest for name, digest in digests.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal

    parser = command.parser("unpack", __doc__)
    parser.add_argument("source", type=Path, help="all_in_one.pt, or the folder that holds it")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="where to write; by default beside the source"
    )
    asked = parser.parse_args(arguments)
    terminal = Terminal()
    try:
        written = unpack(asked.source, asked.folder)
    except PipelineError as error:
        terminal.error(str(error))
        return 1
    for path, digest in written.items():
        terminal.say(f"{digest.sha256}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(command.interruptible(main))
