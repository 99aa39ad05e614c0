"""Hostile checkpoints, each by its name: archives of torch itself, whose content is the trap."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import OmegaConf

STEERING = "\x1b[2J\x1b[31mred\r\n\n\n\n"
"""Clears a terminal, and fills it."""

LARGE, UNREADABLE = "larger than that of any run", "cannot be read"
_WEIGHTS = {"emb.weight": torch.ones(2, 2)}
_CONFIG = "solver: musicgen\nlm_model: transformer_lm\n"
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def growing(first: str, row: str, times: int) -> str:
    """Give YAML in which every row refers to the one before, ``@`` in the pattern for a row."""
    rows = "".join(f"a{n}: {row.replace('@', f'a{n - 1}')}\n" for n in range(1, times + 1))
    return f"{_CONFIG}a0: {first}\n{rows}conditioners: ${{a{times}}}\n"


_DOUBLING = growing("x" * 100_000, "${@}${@}", 11)
_RELATIVE = growing("{x: xxxxxxxx, y: xxxxxxxx}", "{x: '${..@.x}${..@.y}', y: '${..@[x]}'}", 20)
_NAMED = "".join(f"n{n}: a{n}\n" for n in range(12)) + _DOUBLING.replace("{a", "{${n").replace(
    "}", "}}"
)


def exported(config: Any, **more: Any) -> dict[str, Any]:
    """What AudioCraft exports, with another config."""
    return {"best_state": _WEIGHTS, "xp.cfg": config, "version": "1", "exported": True, **more}


PACKAGES: dict[str, tuple[Any, str]] = {
    "aliases of aliases": (exported(_BOMB), "repeats itself"),
    "deep YAML": (exported("a: " + "[" * 50_000), "nested"),
    "long YAML": (exported("a: '" + "x" * 1_000_000 + "'"), "too long"),
    "many values": (exported("a: [" + "1," * 60_000 + "]"), LARGE),
    "many empty collections": (exported("a: [" + "{}," * 40_000 + "]"), LARGE),
    "many values in a tree": (exported({"a": list(range(100_000))}), LARGE),
    "many shared values": (exported({"a": [[1] * 1000] * 1000}), LARGE),
    "many interpolations": (exported("a: '" + "${b}" * 20_000 + "'"), LARGE),
    "texts that double": (exported(_DOUBLING), LARGE),
    "texts that double, in a tree": (
        exported(OmegaConf.to_container(OmegaConf.create(_DOUBLING))), LARGE,
    ),
    "texts that double, in a DictConfig": (exported(OmegaConf.create(_DOUBLING)), LARGE),
    "texts that grow in nodes": (exported(_RELATIVE), LARGE),
    "texts that double by names that are made": (exported(_NAMED), LARGE),
    "lists that double": (exported(growing("[x]", "['${@}', '${@}']", 14)), LARGE),
    "nodes that double": (exported(growing("x", "{x: '${@}', y: '${@}'}", 14)), LARGE),
    "nothing, doubled": (exported(growing("''", "${@}${@}", 14)), LARGE),
    "a chain of references": (exported(growing("x", "${@}", 1000)), LARGE),
    "deep interpolations": (exported("a: '" + "${" * 4000 + "}" * 4000 + "'"), UNREADABLE),
    "a number of base 60 and a fraction": (exported("a: 1" + ":1" * 3000 + ".5"), UNREADABLE),
    "a tag that runs": (exported(f"{_CONFIG}a: !!python/object/apply:os.system [ls]"), "be read"),
    "an integer of nothing": (exported(f"{_CONFIG}a: !!int ''"), UNREADABLE),
    "a boolean of nothing": (exported(f"{_CONFIG}a: !!bool maybe"), UNREADABLE),
    "a time of nothing": (exported(f"{_CONFIG}a: !!timestamp never"), UNREADABLE),
    "a path of numbers": (
        exported(f"{_CONFIG}a: !!python/object/apply:pathlib.PosixPath [1]"), UNREADABLE,
    ),
    "a tag that steers the terminal": (exported(f"{_CONFIG}a: !<%1b[2J> 1"), UNREADABLE),
    "a solver that steers the terminal": (exported({"solver": STEERING}), r"\\x1b"),
    "weights that steer the terminal": (
        {"best_state": {STEERING: 1}, "xp.cfg": _CONFIG, "exported": True}, r"\\x1b",
    ),
    "keys that steer the terminal": ({STEERING: 1}, r"\\x1b"),
    "a huge key": ({"best_state": {"k" * 1_000_000: 1}, "xp.cfg": _CONFIG}, "kkk"),
    "a config of bytes": (exported(b"solver: x"), "is a bytes"),
    "a config of tensors": (exported({"solver": torch.ones(2)}), "holds a TensorRef"),
    "a history that is a bomb": (
        exported(_CONFIG, history=[{"valid": dict.fromkeys(range(900), 1.0)}] * 1000), "more than",
    ),
}  # fmt: skip
"""By name: what torch saves, and a pattern that the refusal has."""
