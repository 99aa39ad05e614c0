"""AudioCraft's own export: ``export.py lm|encodec CHECKPOINT FILE``.

Its ``torch.load`` is from the time when that meant to trust the file, so whoever runs this sets
``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD``.
"""

from __future__ import annotations

import sys

from audiocraft.utils import export

EXPORTS = {"lm": export.export_lm, "encodec": export.export_encodec}

if __name__ == "__main__":
    kind, checkpoint, file = sys.argv[1:]
    EXPORTS[kind](checkpoint, file)
