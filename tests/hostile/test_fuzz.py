"""Changed files give the value that they gave before, or our error: nothing else, whatever it is.

A hundred of each here; `make fuzz` goes on for as long as one likes (`tests.hostile.fuzz`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from stages.common.checkpoint import Checkpoint
from stages.common.xp_yaml import config_in
from tests.hostile.mutations import (
    CORPUS,
    MUTATIONS,
    Mutation,
    everything,
    harmless,
    mutated,
    read_described,
    read_pickle,
    repacked,
)

PLAIN = sorted(CORPUS.glob("plain-*.pkl"))
PICKLES = sorted(set(CORPUS.glob("*.pkl")) - set(PLAIN))
ARCHIVES = sorted(CORPUS.glob("*.th"))
CONFIG = "solver: musicgen\nlm_model: {dim: 16}\na: [1, 2.5, 'x', null]\nrate: ${sample_rate}\n"


@contextmanager
def file(raw: bytes = b"") -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.th"
        path.write_bytes(raw)
        yield path


@given(st.sampled_from(PLAIN), MUTATIONS)
def test_changed_plain_pickles_give_what_python_makes_of_them(
    seed: Path, mutations: list[Mutation]
) -> None:
    read_pickle(mutated(seed.read_bytes(), mutations))


@given(st.sampled_from(PICKLES), MUTATIONS)
def test_changed_pickles_give_a_value_or_our_error(seed: Path, mutations: list[Mutation]) -> None:
    read_described(mutated(seed.read_bytes(), mutations))


@given(st.sampled_from(ARCHIVES), MUTATIONS)
def test_changed_archives_give_the_same_value_or_our_error(
    seed: Path, mutations: list[Mutation]
) -> None:
    expected = everything(seed)
    with file(mutated(seed.read_bytes(), mutations)) as path, harmless():
        assert everything(path) == expected


@given(st.sampled_from(PICKLES), MUTATIONS)
def test_changed_pickles_in_a_sound_archive_are_a_checkpoint_or_our_error(
    seed: Path, mutations: list[Mutation]
) -> None:
    with file() as path:
        repacked(path, mutated(seed.read_bytes(), mutations))
        with harmless(), Checkpoint.open(path) as checkpoint:
            for state in checkpoint.states.values():
                state.digest()
            _ = (checkpoint.solver, checkpoint.epochs)


@given(MUTATIONS)
def test_changed_configs_are_a_config_or_our_error(mutations: list[Mutation]) -> None:
    text = mutated(CONFIG.encode(), mutations).decode(errors="replace")
    with harmless():
        config_in(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=12,
    )
)
def test_any_tree_is_a_config_or_our_error(tree: Any) -> None:
    with harmless():
        config_in(tree)


def test_the_seeds_are_what_they_should_be() -> None:
    for seed in ARCHIVES:
        Checkpoint.open(seed).close()
    for seed in PICKLES:
        with file() as path:
            Checkpoint.open(repacked(path, seed.read_bytes())).close()
    assert {path.stem.partition("-")[0] for path in PICKLES} == {path.stem for path in ARCHIVES}


def test_what_must_not_happen_is_noticed() -> None:
    def noticed(act: Any) -> bool:
        try:
            with harmless():
                act()
        except FormatError:
            return False
        except BaseException:
            return True
        return False

    assert noticed(lambda: open("/etc/hostname").close())
    assert noticed(lambda: bytearray(65 << 20))
    assert noticed(lambda: exec("1"))
    assert noticed(lambda: 1 // 0)
    assert not noticed(lambda: config_in("a: 1"))
