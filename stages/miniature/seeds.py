"""Random numbers that depend on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib

import torch


def generator(*purpose: str | int) -> torch.Generator:
    """Give a generator seeded by its purpose, such as ``generator(seed, "train", epoch)``.

    No state is carried from one epoch to the next, so a run that was killed and resumed draws what
    an uninterrupted one would have drawn. Python's own ``hash`` differs between processes; sha256
    does not.
    """
    text = "/".join(str(part) for part in purpose)
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return torch.Generator().manual_seed(seed >> 1)
