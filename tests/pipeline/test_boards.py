import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import boards, lock
from pipeline.layout import ReleaseRuns
from tests.command import ROOT, environment
from tests.pipeline.pages import write
from tests.pipeline.released import RELEASE, history, make_sweep, make_variant, publish

HOSTILE = "<script>alert(1)</script>\"'&amp;{{ 7*7 }}|`*_[x](y)"
FILES = ("board.json", "board.md", "board.html")


def drawn(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def table(folder: Path) -> list[list[str]]:
    lines = (folder / "board.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_every_variant_is_on_it_and_the_best_is_marked(tmp_path):
    publish(make_sweep(tmp_path)[0])
    board = boards.draw(tmp_path / RELEASE)
    assert board.best and board.best.name == "1a2b3c4d-epoch3-float16-000003"
    told = json.loads((tmp_path / RELEASE / "board.json").read_text())
    assert (told["format"], told["release"], told["metric"]) == (1, RELEASE, "valid.ce")
    assert told["best"] == board.best.name
    assert [v["name"] for v in told["variants"] if v["best"]] == [board.best.name]
    assert len(told["variants"]) == 10
    first = told["variants"][0]
    assert first["published"] == [
        {"target": "hub", "repo_id": "me/small", "tag": "v1.0.0", "pull_request": None}
    ]
    assert first["report"] == f"{first['name']}/report.html"
    assert (tmp_path / RELEASE / first["samples"][0]["path"]).is_file()
    assert [point["value"] for point in told["history"]["1a2b3c4d"]] == [2.2, 2.1, 2.0, 2.1, 2.2]
    header, _, *rows = table(tmp_path / RELEASE)
    assert len(rows) == 10 and [r[0] for r in rows if r[0].startswith("★")] == [
        f"★ {board.best.name}"
    ]
    assert rows[0][header.index("valid.ce")] == "2.2"
    page = (tmp_path / RELEASE / "board.html").read_text()
    assert page.count('<span class="badge">best</span>') == 1
    assert all(variant["name"] in page for variant in told["variants"])


def test_the_greatest_may_be_the_best_and_of_another_metric(tmp_path):
    make_variant(tmp_path, "a", training=history(text_consistency=0.2))
    make_variant(tmp_path, "b", training=history(text_consistency=0.4))
    metric = "evaluate.text_consistency"
    assert boards.draw(tmp_path / RELEASE, metric, "max").best.name == "b"
    assert boards.draw(tmp_path / RELEASE, metric, "min").best.name == "a"
    assert (
        "greatest evaluate.text_consistency, 0.4"
        not in (tmp_path / RELEASE / "board.md").read_text()
    )
    assert "CLAP" in (tmp_path / RELEASE / "board.md").read_text()


def test_only_what_is_validated_is_the_best(tmp_path):
    make_variant(tmp_path, "failed", training=history(best=5), validation="fail")
    make_variant(tmp_path, "sound", training=history(best=3))
    assert boards.draw(tmp_path / RELEASE).best.name == "sound"


def test_the_same_variants_give_the_same_bytes_elsewhere_later_and_in_another_order(tmp_path):
    for run in make_sweep(tmp_path / "a"):
        publish(run, commit="c" * 40, previous=None, changed=True)
    boards.draw(tmp_path / "a" / RELEASE)
    for run in reversed(ReleaseRuns(tmp_path / "a" / RELEASE).runs):
        other = tmp_path / "b c" / RELEASE / run.root.name
        shutil.copytree(run.root, other)
        told = json.loads((other / "run.json").read_text())
        told |= {"host": "another", "started": "2030-01-01T00:00:00Z", "seconds": 99.0}
        write(other / "run.json", told)
        receipt = json.loads((other / "push/receipt.json").read_text())
        receipt["targets"][0] |= {"commit": "d" * 40, "previous": "e" * 40, "changed": False}
        write(other / "push/receipt.json", receipt)
    boards.draw(tmp_path / "b c" / RELEASE)
    assert drawn(tmp_path / "a" / RELEASE) == drawn(tmp_path / "b c" / RELEASE)
    assert str(tmp_path).encode() not in b"".join(drawn(tmp_path / "a" / RELEASE).values())


def test_one_that_is_broken_is_a_row_that_says_so(tmp_path):
    run = make_variant(tmp_path, "spoilt")
    make_variant(tmp_path, "sound")
    run.collect.history.write_text("[1,", encoding="utf-8")
    board = boards.draw(tmp_path / RELEASE)
    assert board.best.name == "sound"
    assert "1 broken" in board.tally
    fault = "collect/history.json cannot be read"
    assert f"spoilt is broken: {fault}" in (tmp_path / RELEASE / "board.md").read_text()
    assert fault in (tmp_path / RELEASE / "board.html").read_text()
    assert json.loads((tmp_path / RELEASE / "board.json").read_text())["variants"][1]["faults"]


def test_a_failed_one_says_why(tmp_path):
    make_variant(tmp_path, verdict="failed", failed="push", reason="The tag is taken.\nsomewhere")
    boards.draw(tmp_path / RELEASE)
    assert "failed: The tag is taken.\n" in (tmp_path / RELEASE / "board.md").read_text()


def test_everything_is_escaped(tmp_path):
    training = history(**{HOSTILE: 1.0})
    training[-1]["valid"][HOSTILE] = 2.0
    run = make_variant(
        tmp_path, '<b onload="x">&', training=training, sounds={"tone": HOSTILE},
        signature=HOSTILE, state=HOSTILE, dtypes={HOSTILE: 1}, state_digest=HOSTILE,
    )  # fmt: skip
    publish(run, target=HOSTILE, repo_id=HOSTILE, tag=HOSTILE)
    make_variant(tmp_path, "failed", verdict="failed", failed="push", reason=HOSTILE, state="ema")
    boards.draw(tmp_path / RELEASE, f"valid.{HOSTILE}")
    page = (tmp_path / RELEASE / "board.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1 and "<b onload" not in page
    assert page.count("&lt;script&gt;") > 10 and "7*7 }}" in page
    text = (tmp_path / RELEASE / "board.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)[<>`*\[\]&]", text)
    assert len({len(row) for row in table(tmp_path / RELEASE)}) == 1


def test_the_page_runs_no_other_script_than_its_own(tmp_path):
    make_variant(tmp_path)
    boards.draw(tmp_path / RELEASE)
    page = (tmp_path / RELEASE / "board.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and re.search(r"script-src 'sha256-[\w+/=]{44}';", policy[1])
    assert "default-src 'none'" in policy[1] and "http" not in policy[1]


def test_what_all_have_alike_is_said_once(tmp_path):
    make_sweep(tmp_path)
    board = boards.draw(tmp_path / RELEASE)
    assert ("dtype", "float16") in board.shared and ("state", "best") in board.shared
    titles = [column.title for column in board.columns]
    assert "dtype" not in titles and "signature" in titles and "epoch" in titles
    (tmp_path / "one").mkdir()
    make_variant(tmp_path / "one")
    assert boards.draw(tmp_path / "one" / RELEASE).shared == ()


def test_codebooks_and_training_have_no_column(tmp_path):
    make_variant(tmp_path)
    titles = [column.title for column in boards.draw(tmp_path / RELEASE).columns]
    assert "evaluate.fad" in titles and "valid.ppl" in titles
    assert not [t for t in titles if t.startswith("train.") or "_q1" in t]


def test_a_folder_without_variants_is_left_as_it_is(tmp_path):
    assert boards.draw(tmp_path / RELEASE).variants == ()
    assert not (tmp_path / RELEASE).exists()


def test_variants_that_are_removed_leave_the_board(tmp_path):
    run = make_variant(tmp_path)
    boards.draw(tmp_path / RELEASE)
    shutil.rmtree(run.root)
    board = boards.draw(tmp_path / RELEASE)
    assert (board.variants, board.best, board.chart) == ((), None, None)
    assert "0 variants." in (tmp_path / RELEASE / "board.md").read_text()
    assert run.root.name not in (tmp_path / RELEASE / "board.html").read_text()


def test_what_a_killed_drawing_left_is_removed(tmp_path):
    make_variant(tmp_path)
    (tmp_path / RELEASE / ".board.json.123.tmp").write_text("{")
    boards.draw(tmp_path / RELEASE)
    assert sorted(path.name for path in (tmp_path / RELEASE).glob("*board*")) == sorted(FILES)


def test_who_comes_later_waits_and_draws_what_is_there_by_then(tmp_path):
    make_variant(tmp_path, "first")
    runs = ReleaseRuns(tmp_path / RELEASE)
    runs.locks.mkdir()
    code = (
        "import sys, pathlib; from pipeline import boards;"
        "print('begin', flush=True); boards.draw(pathlib.Path(sys.argv[1]))"
    )
    with lock.hold(runs.lock, 0, print):
        late = subprocess.Popen(
            [sys.executable, "-c", code, str(runs.root)], stdout=subprocess.PIPE,
            env=environment(), text=True,
        )  # fmt: skip
        assert late.stdout and late.stdout.readline() == "begin\n"
        make_variant(tmp_path, "second")
        assert not runs.board_json.exists()
    assert late.wait(60) == 0
    late.stdout.close()
    told = json.loads(runs.board_json.read_text())
    assert [variant["name"] for variant in told["variants"]] == ["first", "second"]


def test_jobs_that_draw_at_once_leave_the_board_of_all(tmp_path):
    for position in range(4):
        make_variant(tmp_path / "made", f"v{position}")
    (tmp_path / RELEASE).mkdir()
    code = (
        "import sys, shutil, pathlib; from pipeline import boards;"
        "made, folder = map(pathlib.Path, sys.argv[1:]);"
        "shutil.copytree(made, folder / made.name); boards.draw(folder)"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(made), str(tmp_path / RELEASE)], env=environment()
        )
        for made in sorted((tmp_path / "made" / RELEASE).iterdir())
    ]
    assert [job.wait(60) for job in jobs] == [0] * 4
    told = json.loads((tmp_path / RELEASE / "board.json").read_text())
    assert [variant["name"] for variant in told["variants"]] == ["v0", "v1", "v2", "v3"]


def test_a_name_that_is_no_text_is_on_it(tmp_path):
    make_variant(tmp_path, os.fsdecode(b"caf\xe9"))
    boards.draw(tmp_path / RELEASE)
    assert json.loads((tmp_path / RELEASE / "board.json").read_bytes())["variants"]


@pytest.mark.parametrize("module", ["boards", "board", "variants"])
def test_nothing_heavy_is_imported(module, tmp_path):
    make_variant(tmp_path)
    code = (
        f"import sys, pathlib, pipeline.{module};"
        "from pipeline import boards; boards.draw(pathlib.Path(sys.argv[1]));"
        "heavy = ('torch', 'dora', 'huggingface_hub', 'numpy', 'transformers', 'stages');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / RELEASE)], capture_output=True, text=True,
        cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr
