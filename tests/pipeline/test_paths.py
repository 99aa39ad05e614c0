"""Paths as people type them: of a home that is there, and of one that is not."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.paths import expanded
from pipeline.schema import CacheConfig, CardConfig, CheckpointConfig
from pipeline.stage import SILENT
from stages.collect import Collect
from stages.common import rollback
from stages.common.own_card import Wishes
from stages.common.verifier import Doubt, verified
from stages.export_compression import ExportCompression
from stages.export_transformers import pretrained
from stages.train import Train
from tests.exports import Bench, compression, export, request
from tests.releases import push

NOBODY = "~nosuchuser/c.th"


def test_the_home_of_somebody(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a b") == Path("/home/me/a b")


@pytest.mark.parametrize(
    "stage",
    [
        Collect(request("file", path=NOBODY)),
        Collect(request("auto", source=NOBODY)),
        Collect(request("dora", sig="1a2b3c4d", dora_dir=NOBODY)),
        ExportCompression(compression("trained", path=NOBODY), export()),
        ExportCompression(compression("trained", sig="1a2b3c4d", dora_dir=NOBODY), export()),
        ExportCompression(compression("bundle", source=NOBODY), export()),
        ExportCompression(compression("reference", pretrained=NOBODY), export()),
    ],
)
def test_no_option_takes_the_home_of_nobody(tmp_path, stage):
    (problem,) = Bench.at(tmp_path).check(stage)
    assert "no home folder ~nosuchuser" in problem.what and problem.where == NOBODY


@pytest.mark.parametrize(
    "stage",
    [
        Train(CheckpointConfig(kind="train", package="toy", python=NOBODY)),
        push(cache=CacheConfig(dir=NOBODY)),
    ],
)
def test_nor_does_one_that_is_looked_at_first(tmp_path, stage):
    with pytest.raises(ConfigError, match="no home folder"):  # of which the planner makes a problem
        Bench.at(tmp_path).check(stage)


def test_nor_does_the_card():
    with pytest.raises(ConfigError, match="no home folder"):
        Wishes.read(CardConfig(path=NOBODY))


@pytest.mark.parametrize("variable", ["AUDIOCRAFT_CACHE_DIR", "HF_HUB_CACHE", "HF_HOME"])
def test_nor_do_the_variables_of_caches(monkeypatch, variable):
    monkeypatch.setenv(variable, NOBODY)
    with pytest.raises(ConfigError, match="no home folder"):
        pretrained.find("lab/small")


@pytest.mark.parametrize("doubt", [Doubt(NOBODY), Doubt("lab/small", cache_dir=Path(NOBODY))])
def test_nor_does_verify(doubt):
    with pytest.raises(ConfigError, match="no home folder"):
        verified(doubt, SILENT)


def test_nor_does_rollback():
    with pytest.raises(ConfigError, match="no home folder"):
        rollback.plan(Path(NOBODY))
