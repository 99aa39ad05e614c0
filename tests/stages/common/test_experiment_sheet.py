"""Experiments as a page and as JSON."""

import json
import os
import time

import pytest

from pipeline.amounts import amount, count
from pipeline.layout import Outputs
from pipeline.sheet import Grid, Remark, Title
from pipeline.typesetting import typeset
from stages.common.experiment_list import list_experiments
from stages.common.experiment_sheet import SHOWN, document, sheet
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.stages.common.test_released import run


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a dora")
    write_lm_experiment(folder, "11111111", codec="//pretrained/facebook/encodec_32khz")
    write_lm_experiment(folder, "22222222", fsdp=True, save_every=False)
    write_encodec_experiment(folder, "98dabcc6", epochs=1, save_every=False)
    return folder


@pytest.fixture
def outputs(tmp_path):
    return Outputs(tmp_path / "outputs")


def lines(found, width=None):
    return [line.plain for line in typeset(sheet(found), width)]


def test_a_line_each(dora, outputs):
    run(outputs, "small/11111111-best-0123abcd", "11111111")
    top, place, _, header, *rows, note = lines(list_experiments(dora, outputs))
    assert (top, place) == ("3 experiments", str(dora))
    columns = ["signature", "solver", "size", "epochs", "best", "ce", "at", "files", "disk"]
    assert header.split() == [*columns, "progress", "codec", "released", "as"]
    one, _, codec = list_experiments(dora, outputs).experiments
    assert rows[0].split() == [
        *("//sig/11111111", "musicgen", count(one.size), "2/2", "4", "1", "2"),
        *amount(one.disk).split(),
        *("complete", "facebook/encodec_32khz", "small/11111111-best-0123abcd"),
    ]
    assert "complete, FSDP  //sig/98dabcc6" in rows[1] and rows[1].endswith("-")
    assert rows[2].split()[:6] == [
        "//sig/98dabcc6",
        "compression",
        count(codec.size),
        "1/1",
        "-",
        "1",
    ]
    assert note.startswith("More of one: python -m pipeline.inspect //sig/11111111 --dora-dir '")


def test_a_narrow_terminal_goes_without_what_is_wanted_least(dora, outputs):
    run(outputs, "small/11111111-best-0123abcd", "11111111")
    found = list_experiments(dora, outputs)
    for width, hidden in (
        (200, None),
        (130, "codec"),
        (80, "size, released as, codec"),
        (75, "files, size, released as, codec"),
    ):
        told = lines(found, width)
        assert max(map(len, told[3:7])) <= width
        assert hidden is None or told[7] == f"No room here for: {hidden}."
        assert [line for line in told if "No room" in line] == ([told[7]] if hidden else [])


def test_columns_in_which_nothing_stands_are_left_out(dora, outputs):
    found = list_experiments(dora, outputs, where='solver == "compression"')
    (grid,) = (part for part in sheet(found) if isinstance(part, Grid))
    assert grid.header == (
        *("signature", "solver", "size", "epochs", "at", "files", "disk", "progress"),
    )


def test_how_many_of_how_many(dora, outputs):
    titles = [
        next(part for part in sheet(list_experiments(dora, outputs, where)) if part)
        for where in (None, "fsdp", "epochs > 100")
    ]
    assert titles == [Title(f"{told}3 experiments", str(dora)) for told in ("", "1 of ", "0 of ")]
    assert len(sheet(list_experiments(dora, outputs, "epochs > 100"))) == 1


def test_what_is_damaged_is_told_below_as_far_as_it_may_be(tmp_path, outputs):
    for number in range(SHOWN + 2):
        (tmp_path / "xps" / f"{number:08x}").mkdir(parents=True)
        (tmp_path / "xps" / f"{number:08x}" / "history.json").write_text("[")
    *_, first, last = (
        part for part in sheet(list_experiments(tmp_path, outputs)) if isinstance(part, Remark)
    )
    assert first.what.startswith(f"//sig/{SHOWN - 1:08x}: The experiment's history cannot be read.")
    assert last.what == "2 more are damaged; --json tells of each."


def test_the_document_has_every_value(dora, outputs):
    run(outputs, "small/11111111-best-0123abcd", "11111111")
    found = json.loads(json.dumps(document(list_experiments(dora, outputs)), allow_nan=False))
    assert (found["format"], found["dora_dir"], found["total"]) == (1, str(dora), 3)
    first = found["experiments"][0]
    values = [first[key] for key in ("signature", "epochs", "planned", "progress")]
    assert values == ["11111111", 2, 2, "complete"]
    assert first["released"] == ["small/11111111-best-0123abcd"]
    assert first["best"] == {"epoch": 1, "metric": "ce", "value": 4.0}
    assert first["metrics"]["valid.ce"] == 4.0
    assert [file["epoch"] for file in first["checkpoints"]] == [1, None]


def test_a_running_one_has_how_many_epochs_are_planned(tmp_path, outputs):
    folder = write_lm_experiment(tmp_path, "33333333", epochs=2)
    path = folder / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 500"))
    assert "  2/500  " in lines(list_experiments(tmp_path, outputs))[4]
    assert "running" in lines(list_experiments(tmp_path, outputs))[4]
    for file in folder.iterdir():
        os.utime(file, (time.time() - 3600,) * 2)
    assert "interrupted" in lines(list_experiments(tmp_path, outputs))[4]
