"""Which strings of a training config the world has no business reading.

A run's config holds where its files were, who ran it and sometimes how to log in. AudioCraft's own
references (``//pretrained/NAME``, ``//sig/SIG``, ``//reference/FILE``) look like paths and are not.
"""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"//(?:pretrained|sig|reference)/(?![/~])\S*")
_LOCAL_PATH = re.compile(
    r"""\s*(?:
        file:                        # file:///home/alice
        | ~[\w.-]*(?:[/\\]|\s*$)     # ~, ~/music, ~alice/music
        | [A-Za-z]:[\\/]             # C:\music, C:/music
        | \\\\ | //                  # \\server\share, //server/share
        | /[^/\s]                    # /home/alice
    )""",
    re.VERBOSE,
)
# Inside a longer string only what cannot be a fraction or a flag: two folders, or one's own.
_EMBEDDED_PATH = re.compile(r"""[\s=,;:'"(\[](?:~/|/[\w.~-]+/[\w.~-]|[A-Za-z]:\\|file://)""")
_ENVIRONMENT = re.compile(r"\$\{\s*(?:oc\.)?env\s*:")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:(?:\.[\w-]+)+|:)")
_CREDENTIALS = re.compile(
    r"""\w://[^/\s@]+@                     # https://alice:secret@host
    | [?&][\w-]*(?:token|key|secret|signature|password|credential)[\w-]*=""",
    re.VERBOSE | re.IGNORECASE,
)


def is_private(text: str) -> bool:
    """Tell whether a config string is a local path, an environment lookup, an e-mail or a login.

    A local path is an absolute one (``/``, ``~``, ``C:``, ``file:``, ``//server``), also in the
    middle of a longer string; AudioCraft's references are none.
    """
    if _REFERENCE.fullmatch(text):
        return bool(_ENVIRONMENT.search(text))
    patterns = (_EMBEDDED_PATH, _ENVIRONMENT, _ADDRESS, _CREDENTIALS)
    return bool(_LOCAL_PATH.match(text)) or any(pattern.search(text) for pattern in patterns)
