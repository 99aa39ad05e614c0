"""Requests to paste: what the shell and Hydra make of them is what was meant."""

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stages.common.request_line import hydra_value, request_line

ROOT = Path(__file__).resolve().parents[3]
AWKWARD = ["1e5", "null", "NaN", "0x1", "1234e567", "true", "a: b", "~/x", "1:2", "${x}", "\\"]


def read(override: str) -> object:
    parsed = OverridesParser.create().parse_override(override)
    return OmegaConf.create({"key": parsed.value()}).key


@given(
    st.sampled_from(AWKWARD)
    | st.text("a1/ \\\"'${}[](),=:é.~#%*@?|-_+&<>\t", min_size=1, max_size=12).filter(
        lambda text: text != "???"  # OmegaConf's own sign for what is missing, however quoted
    )
)
def test_hydra_reads_every_text_as_it_is(text):
    assert read(f"key={hydra_value(text)}") == text


@pytest.mark.parametrize("text", ["//sig/1234e567", "/home/me/checkpoint.th", "facebook/musicgen"])
def test_what_needs_no_quotes_has_none(text):
    assert hydra_value(text) == text


def test_the_shell_gives_the_overrides_back():
    ugly = 'it\'s a "día" ünï [1] $HOME {x}'
    line = request_line("name", {"checkpoint.path": ugly, "checkpoint.epoch": 3})
    assert "\n" not in line
    *command, path, epoch = shlex.split(line)
    assert command == ["python", "-m", "pipeline", "+release=name"]
    assert (read(path), read(epoch)) == (ugly, 3)
