"""Which licenses the Hub knows, and which of them a descendant of a known model may carry.

The ids are those of the Hub's documentation (hub-docs, ``repositories-licenses.md``).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pipeline.stage import Problem

_IDS = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m
bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 intel-research isc lgpl lgpl-2.1
lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa
odbl odc-by ofl-1.1 open-mdw openrail openrail++ osl-3.0 other pddl postgresql unknown unlicense
wtfpl zlib
"""

KNOWN = frozenset(_IDS.split())
"""Every license id that the Hub shows as a license."""

NON_COMMERCIAL = frozenset(name for name in KNOWN if name.startswith("cc-by-nc-"))
"""Those that keep commercial use to the author."""

_PARENTS = {"facebook/": "cc-by-nc-4.0"}
"""The license of all published weights of an owner; AudioCraft's are all non-commercial."""


def parent_license(model: str) -> str | None:
    """Give the license that a published model is known to have, or ``None``."""
    return next((text for owner, text in _PARENTS.items() if model.startswith(owner)), None)


def default_license(parents: Sequence[str]) -> str | None:
    """Give the license that a release inherits when none is chosen."""
    return next((found for found in map(parent_license, parents) if found is not None), None)


def misspelt(license_id: str) -> Problem | None:
    """Tell when an id is not one that the Hub knows, with the nearest ones."""
    if license_id in KNOWN:
        return None
    near = difflib.get_close_matches(license_id.lower(), sorted(KNOWN), n=3, cutoff=0.5)
    return Problem(
        f"The Hub knows no license {license_id!r}.",
        f"Near: {', '.join(near)}." if near else "Its list is in the Hub's docs, under licenses.",
        f"Choose one: card.license={near[0] if near else 'cc-by-nc-4.0'}"
        " (a text of your own is `other`).",
    )


def laxer(license_id: str, parents: Sequence[str]) -> Problem | None:
    """Tell when a license gives away what the license of a parent keeps.

    ``other`` passes: its text is the releaser's, and nobody else can judge it.
    """
    for parent in parents:
        kept = parent_license(parent)
        if kept in NON_COMMERCIAL and license_id not in NON_COMMERCIAL | {"other"}:
            return Problem(
                f"The license {license_id} is laxer than {kept}, the license of {parent}.",
                "This release contains or descends from those weights.",
                f"Keep the parent's: card.license={kept}",
            )
    return None
