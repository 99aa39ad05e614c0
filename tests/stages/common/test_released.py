"""Which experiments have been released, by what runs leave."""

import json

import pytest

from pipeline.layout import Outputs, Run
from stages.common.released import released_in


@pytest.fixture
def outputs(tmp_path):
    return Outputs(tmp_path / "outputs")


def run(outputs, name, signature="1a2b3c4d", released=True):
    made = Run(outputs.root / name, outputs)
    made.collect.root.mkdir(parents=True)
    made.collect.source.write_text(json.dumps({"kind": "dora", "signature": signature}))
    if released:
        made.release.root.mkdir()
        made.release.manifest.touch()
    return made


def test_releases_by_signature_in_order(outputs):
    for name in ("small/b-2", "small/a-1", "large/c"):
        run(outputs, name)
    run(outputs, "codec/d", "98dabcc6")
    run(outputs, "small/of-a-url", None)
    assert released_in(outputs) == {
        "1a2b3c4d": ("large/c", "small/a-1", "small/b-2"),
        "98dabcc6": ("codec/d",),
    }


def test_a_run_without_a_release_or_a_record_of_its_source_does_not_count(outputs):
    run(outputs, "small/unfinished", released=False)
    run(outputs, "small/damaged").collect.source.write_text("[" * 100_000)
    run(outputs, "small/other").collect.source.write_text('["signature"]')
    run(outputs, "small/gone").collect.source.unlink()
    (outputs.root / "board.json").touch()
    (outputs.root / "small" / "board.html").touch()
    assert released_in(outputs) == {}


def test_the_folders_of_experiments_and_of_the_hub_are_no_releases(outputs):
    for folder in (outputs.dora, outputs.hub):
        run(outputs, folder.name + "/xps")
    assert released_in(outputs) == {}


def test_no_folder_no_releases(outputs):
    assert released_in(outputs) == {}
    outputs.root.touch()
    assert released_in(outputs) == {}
