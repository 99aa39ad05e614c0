"""OmegaConf's nodes, read without OmegaConf: what ``to_container(resolve=False)`` gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, OmegaConf

from pipeline.errors import FormatError
from stages.common.archive import Archive
from tests.archives import saved

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.sampled_from(["${a.b}", "${oc.env:HOME}", "???", "", "text", "a: b", "ümlaut"])
)
CONTENTS = st.dictionaries(
    st.text("abc_.", min_size=1, max_size=4) | st.integers(0, 5),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def read(path: Path) -> Any:
    with Archive.open(path) as archive:
        return archive.root


@given(CONTENTS, st.integers(1, 5))
def test_any_config_comes_back_plain(tmp_path_factory, content, protocol) -> None:
    config = OmegaConf.create(content)
    OmegaConf.set_struct(config, True)
    path = saved(tmp_path_factory.mktemp("any") / "x", {"xp.cfg": config}, pickle_protocol=protocol)

    back = read(path)["xp.cfg"]

    assert back == OmegaConf.to_container(config, resolve=False)
    assert _types(back) == _types(OmegaConf.to_container(config, resolve=False))


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)


def test_typed_nodes_and_generic_types_come_back(tmp_path: Path) -> None:
    config = OmegaConf.create(
        {
            "typed": DictConfig({"a": 1, "b": None}, key_type=str, element_type=int | None),
            "lists": DictConfig({"a": [1, 2]}, element_type=list[int]),
            "texts": ListConfig(["a", "${b}"], element_type=str),
            "floats": ListConfig([1.5], element_type=float),
            "flags": ListConfig([True, False], element_type=bool),
            "paths": ListConfig([Path("/a/b"), Path("c")], element_type=Path),
            "raw": ListConfig([b"\xff"], element_type=bytes),
            "either": DictConfig({"a": 1, "b": "x"}, element_type=int | str),
            "none": DictConfig(None),
            "later": DictConfig("???"),
            "elsewhere": ListConfig("${texts}"),
        }
    )

    assert read(saved(tmp_path / "x", config)) == {
        "typed": {"a": 1, "b": None},
        "lists": {"a": [1, 2]},
        "texts": ["a", "${b}"],
        "floats": [1.5],
        "flags": [True, False],
        "paths": ["/a/b", "c"],
        "raw": [b"\xff"],
        "either": {"a": 1, "b": "x"},
        "none": None,
        "later": "???",
        "elsewhere": "${texts}",
    }


def test_a_part_of_a_config_does_not_bring_its_parent(tmp_path: Path) -> None:
    config = OmegaConf.create({"optim": {"betas": [0.9, 0.95]}, "other": 1})

    assert read(saved(tmp_path / "x", {"betas": config.optim.betas})) == {"betas": [0.9, 0.95]}


@dataclass
class Structured:
    size: int = 3
    names: list[str] = field(default_factory=list)


def test_a_class_of_the_training_code_is_refused_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", OmegaConf.structured(Structured))

    with pytest.raises(FormatError, match=r"test_plain.*\.Structured"):
        read(path)
