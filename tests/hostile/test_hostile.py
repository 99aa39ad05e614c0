"""Every hostile file that we could think of, through every public door.

Always: an error of one to three lines that names the record or the structure and the file; nothing
run; no more than 64 MB taken; no output left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.archives import packed
from tests.command import LM, ROOT, Place, command, environment, make_place, pipeline, quoted
from tests.hostile.archives import ARCHIVES
from tests.hostile.packages import PACKAGES
from tests.hostile.pickles import PICKLES

MOST = 64 << 10
"""Kilobytes that reading a file may take."""

KINDS = {
    "pickles": {name: says for name, (_, says) in PICKLES.items()},
    "archives": {name: says for name, (_, says) in ARCHIVES.items()},
    "packages": {name: says for name, (_, says) in PACKAGES.items()},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("hostile"))


def make(family: str, name: str, path: Path, place: Place) -> Path:
    """Write one hostile file."""
    if family == "pickles":
        packed(path, PICKLES[name][0](f"touch '{place.root}/mark'"), {"data/0": bytes(16)})
    elif family == "archives":
        honest = place.dora / "xps" / LM / "checkpoint.th"
        path.write_bytes(ARCHIVES[name][0](honest.read_bytes()))
    else:
        with path.open("wb") as file:
            torch.save(PACKAGES[name][0], file)
    return path


def read(family: str, place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read all files of a family in a process, and give what happened to each."""
    folder = place.root / family
    folder.mkdir()
    names = list(KINDS[family])
    paths = [make(family, name, folder / f"{at}.th", place) for at, name in enumerate(names)]
    honest = place.dora / "xps" / LM / "checkpoint.th"
    done = subprocess.run(
        command(str(honest), *map(str, paths), module="tests.hostile.doors"),
        capture_output=True, text=True, cwd=ROOT, env=environment(),
    )  # fmt: skip
    assert not done.returncode and not done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in seen] == [path.name for path in paths]
    assert sorted(folder.iterdir()) == sorted(paths)
    return zip(names, seen, strict=True)


@pytest.mark.parametrize("family", KINDS)
def test_hostile_files_are_refused_by_name_and_cost_nothing(family: str, place: Place) -> None:
    wrong = []
    for name, seen in read(family, place):
        errors = [error for error in seen["errors"] if error]
        named = any(re.search(KINDS[family][name], error) for error in errors)
        plain = all(
            line.isprintable() and len(line) < 1200
            for error in errors
            for line in error.splitlines()
        )
        short = all(len(error.splitlines()) <= 3 and seen["file"] in error for error in errors)
        if not (named and plain and short and seen["kilobytes"] < MOST) or seen["events"]:
            wrong.append((name, seen))
    assert not wrong
    assert not (place.root / "mark").exists()


def watched(place: Place, *arguments: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run the command; give its result and its peak in kilobytes, having checked what it did."""
    watch = place.root / "watch"
    folders = [str(ROOT / "tests" / "hostile" / "watch"), str(ROOT)]
    env = environment(PYTHONPATH=os.pathsep.join(folders), WATCH=str(watch))
    done = pipeline(*arguments, cwd=place.root, env=env)
    peak, *events = watch.read_text().splitlines()
    assert events == []
    return done, int(peak)


def request(place: Place, path: Path) -> list[str]:
    return [
        "+release=musicgen_small", "checkpoint=file", f"checkpoint.path={quoted(path)}",
        f"outputs={quoted(place.outputs)}", "until_stage=export_lm",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def usual(place: Place) -> int:
    """What the command takes for an honest file, in kilobytes."""
    honest = place.dora / "xps" / LM / "checkpoint.th"
    done, peak = watched(place, *request(place, honest), "plan_only=true")
    assert done.returncode == 0, done.stderr
    return peak


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("pickles", "os.system"),
        ("pickles", "sets"),
        ("pickles", "long wide texts"),
        ("pickles", "a storage that steers the terminal"),
        ("archives", "a crowd around a flood"),
        ("archives", "a bit of the pickle"),
        ("archives", "a name that steers the terminal"),
        ("packages", "aliases of aliases"),
        ("packages", "texts that double"),
        ("packages", "texts that double, in a DictConfig"),
        ("packages", "weights that steer the terminal"),
    ],
)
def test_the_command_refuses_them(family: str, name: str, place: Place, usual: int) -> None:
    path = make(family, name, place.root / f"{family} {name}.th", place)

    done, peak = watched(place, *request(place, path))

    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 3 and all(line.isprintable() for line in lines), done.stderr
    assert re.search(KINDS[family][name], done.stderr) and path.name in done.stderr
    assert peak < usual + MOST
    assert not (place.root / "mark").exists()
    assert not [*place.outputs.rglob("state_dict.bin"), *place.outputs.rglob("*.tmp")]


def test_a_flipped_bit_of_the_weights_leaves_no_output(place: Place) -> None:
    path = place.root / "flipped.th"
    package = {"best_state": {"emb.weight": torch.arange(9000.0)[::2]}, "xp.cfg": "lm_model: x\n"}
    with path.open("wb") as file:
        torch.save({**package, "exported": True}, file)
    path.write_bytes(ARCHIVES["a bit of the data"][0](path.read_bytes()))

    done, _ = watched(place, *request(place, path))

    assert (
        done.returncode == 1
        and "record data/0 (emb.weight is in it) is not as it was saved" in done.stderr
    )
    assert not [*place.outputs.rglob("state_dict.bin"), *place.outputs.rglob("*.tmp")]


def test_the_mark_is_left_where_the_pickles_are_run(tmp_path: Path) -> None:
    """The other tests would prove nothing if it never were."""
    for name in ("os.system", "os.system as INST", "os.system as OBJ", "eval", "exec"):
        mark = tmp_path / "mark"
        content = PICKLES[name][0](f"touch '{mark}'")
        code = f"import pickle; pickle.loads({content!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert mark.exists(), name
        mark.unlink()
