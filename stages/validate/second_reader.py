"""What picklescan, the scanner that the Hub itself runs, says of a file: the extra ``scan``.

A second opinion beside torch's and our own, by code that shares nothing with either. Strict: what
it does not know counts as dangerous, since its list of what is dangerous has been got around.
"""

from __future__ import annotations

import logging

from stages.common.checks import Outcome, failed, listed, passed, skipped, warned
from stages.common.tensors import ITEMSIZE
from stages.validate.opened import OpenedFile

_OF_RARE_DTYPES = frozenset(
    {
        "torch._utils._rebuild_tensor_v3",
        "torch.storage.UntypedStorage",
        *(f"torch.{dtype}" for dtype in ITEMSIZE),
    }
)
"""What torch names for dtypes that came after its storage classes; picklescan 1.0.5 knows none."""


def scanned(file: OpenedFile) -> Outcome:
    """Have picklescan look at a file, where it is installed."""
    try:
        from picklescan.scanner import SafetyLevel, scan_file_path
    except ImportError:
        return skipped("not run: picklescan is not installed (pip install picklescan)")
    if file.problem:
        return skipped(f"not run: {file.name} cannot be read")
    # It tells its findings on the terminal too.
    logging.getLogger("picklescan").setLevel(logging.CRITICAL + 1)
    found = scan_file_path(str(file.path), strict=True)
    flagged = {f"{g.module}.{g.name}" for g in found.globals if g.safety == SafetyLevel.Dangerous}
    if strange := sorted(flagged - _OF_RARE_DTYPES):
        return failed(f"picklescan flags {listed(strange)} in {file.name}.", file.remedy)
    if flagged:
        return warned(
            f"picklescan does not know {listed(sorted(flagged))}, which rare dtypes need",
            "the Hub may mark the file; export.dtype=float16 needs none of it",
        )
    if found.scan_err:
        return failed(f"picklescan cannot read all of {file.name}.", file.remedy)
    names = len(found.globals)
    return passed(f"picklescan knows all {names} names in it" if names else "there are no names")
