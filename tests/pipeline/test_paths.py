"""Paths as people type them: of a home that is there, and of one that is not."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.paths import expanded
from pipeline.schema import CardConfig
from stages.collect import Collect
from stages.common.own_card import Wishes
from stages.export_compression import ExportCompression
from tests.exports import Bench, compression, export, request

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


def test_nor_does_the_card():
    with pytest.raises(ConfigError, match="no home folder"):
        Wishes.read(CardConfig(path=NOBODY))
