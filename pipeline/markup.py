"""Pages from templates: all that is put into one is escaped, and none asks a network.

A page may say in its head which scripts it has, by their digest, so that no other is ever run.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.amounts import amount

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent


def render(template: str, script: str = "", **values: object) -> str:
    """Give a page as HTML: the same text for the same values.

    Args:
        template: the name of its file.
        script: that of a script, which the template puts into the page.
        values: what the template names.
    """
    if not script:
        return _environment().get_template(template).render(values)
    import markupsafe

    code = (TEMPLATES / script).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(values, script=markupsafe.Markup(code), script_digest=digest)
    )


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )
    environment.filters["amount"] = amount
    environment.filters["link"] = link
    return environment


def link(path: PurePosixPath) -> str:
    """Give a relative path as an address, whatever bytes are in it."""
    return f"./{quote(os.fsencode(path))}"
