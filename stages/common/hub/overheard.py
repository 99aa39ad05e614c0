"""What the client says while it works: it logs to the terminal, where one module of ours prints.

Its retries come as two warnings, the first with the whole address of an upload, which is signed and
nobody else's business.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TROUBLE = re.compile(r"HTTP Error (\d+) thrown while|'(.*)' thrown while")
_PAUSE = re.compile(r"^(?:Retrying in|Rate limited. Waiting) ([\d.]+)s")
_LINE = 200


class _Listener(logging.Handler):
    """Passes on what a person should know, a retry in one line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say, self._trouble = say, dict[int | None, str]()

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if trouble := _TROUBLE.match(text):
            self._trouble[record.thread] = (trouble[1] or trouble[2]).rstrip(".")
        elif pause := _PAUSE.match(text):
            reason = self._trouble.pop(record.thread, "no answer")
            self._say(f"{reason}; again in {float(pause[1]):.0f} s")
        else:
            self._say(text[:_LINE])


@contextmanager
def overheard(say: Callable[[str], None]) -> Iterator[None]:
    """Tell ``say`` what the client warns of, while the block runs.

    Whoever asked the client for more than warnings (``HF_DEBUG``) gets what it prints.
    """
    logger = logging.getLogger("huggingface_hub")
    if logger.level < logging.WARNING:
        yield
        return
    before = logger.handlers[:]
    logger.handlers[:] = [_Listener(say)]
    try:
        yield
    finally:
        logger.handlers[:] = before
