"""Models of transformers from a folder, a Hub cache, or the Hub itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from pipeline.errors import FormatError, SourceError
from stages.export_transformers import pretrained
from stages.export_transformers.pretrained import Pretrained, find
from tests.command import environment
from tests.hub import Hub
from tests.hub_cache import write_cached

FETCH = """
from stages.export_transformers import pretrained
found = pretrained.fetch("lab/t5", ("spiece.model", "tokenizer.json"))
print(sorted(path.name for path in found.folder.iterdir()))
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made here"
    made.mkdir()
    config = {"model_type": "t5", "_name_or_path": str(made), "transformers_version": "9"}
    (made / "config.json").write_text(json.dumps(config))
    torch.save({"shared.weight": torch.ones(2, 3)}, made / "pytorch_model.bin")
    return made


def test_a_config_tells_nothing_of_where_it_was_saved(folder):
    assert Pretrained(folder).config == {"model_type": "t5"}


def test_weights_in_torchs_form_are_read_without_trust(folder):
    with Pretrained(folder).tensors() as tensors:
        assert list(tensors) == ["shared.weight"] and tensors["shared.weight"].shape == (2, 3)
    torch.save({"x": torch.nn.Linear(1, 1)}, folder / "pytorch_model.bin")
    with pytest.raises(FormatError), Pretrained(folder).tensors():
        pass


def test_weights_in_the_form_of_old_say_what_to_do(folder):
    torch.save({}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    with pytest.raises(FormatError, match="save_pretrained"), Pretrained(folder).tensors():
        pass


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_config_that_is_none_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(FormatError, match=r"config\.json"):
        _ = Pretrained(folder).config


def test_a_folder_without_weights_names_what_it_lacks(folder):
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(SourceError, match=r"model\.safetensors"):
        _ = Pretrained(folder).weights


@pytest.mark.parametrize("variable", ["AUDIOCRAFT_CACHE_DIR", "HF_HUB_CACHE"])
@pytest.mark.parametrize("name", ["t5-base", "google/flan-t5-base"])
def test_every_cache_is_looked_into(folder, tmp_path, monkeypatch, variable, name):
    assert find(name) is None
    cache = tmp_path / "a cache"
    write_cached(cache, name, *folder.iterdir())
    monkeypatch.setenv(variable, str(cache))
    found = find(name)
    assert found is not None and found.config == {"model_type": "t5"}


def test_a_cache_with_the_config_alone_has_no_model(folder, tmp_path, monkeypatch):
    write_cached(tmp_path / "cache", "lab/t5", folder / "config.json")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    assert find("lab/t5") is None


def test_other_weights_are_another_content(folder):
    before = Pretrained(folder).content(None)
    assert Pretrained(folder).content("by/name") == before
    torch.save({"shared.weight": torch.zeros(2, 3)}, folder / pretrained.WEIGHTS[1])
    assert Pretrained(folder).content(None) != before


def test_what_is_asked_for_by_its_id_is_downloaded_with_all_that_it_has(folder, hub: Hub, tmp_path):
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tf_model.h5").write_bytes(b"another framework's")
    hub.seed("lab/t5", {path.name: path.read_bytes() for path in folder.iterdir()})
    where = environment(**hub.environment(), HF_HOME=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-c", FETCH], env=where, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['config.json', 'pytorch_model.bin', 'tokenizer.json']"
