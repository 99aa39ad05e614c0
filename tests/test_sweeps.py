"""Sweeps as a user runs them: ``python -m pipeline -m ...``."""

import json
import os
import re
import subprocess
import time

import pytest

from tests.command import CODEC, LM, Place, command, environment, pipeline, tree
from tests.experiments import write_encodec_experiment, write_lm_experiment

QUICK = ("validate=off", "push=none")
OTHER = "2b3c4d5e"


@pytest.fixture
def place(tmp_path):
    """A folder with an experiment of four epochs; the best is the third."""
    write_encodec_experiment(tmp_path / "dora", CODEC)
    write_lm_experiment(tmp_path / "dora", LM, epochs=4, codec=f"//sig/{CODEC}")
    return Place(tmp_path)


def swept(place: Place, *arguments: str, fails: bool = False) -> str:
    """Run a sweep; give what it printed."""
    done = pipeline("-m", *place.request, *QUICK, *arguments, cwd=place.root)
    assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def variants(place: Place) -> list[str]:
    return [release.parent.name.rpartition("-")[0] for release in place.releases()]


def test_each_job_lands_where_the_same_single_run_does(place):
    swept(place, "checkpoint.epoch=1,3", "export.dtype=keep,float16")
    assert variants(place) == [
        f"{LM}-epoch1-float16", f"{LM}-epoch1-keep", f"{LM}-epoch3-float16", f"{LM}-epoch3-keep",
    ]  # fmt: skip
    alone = pipeline(*place.request, *QUICK, "checkpoint.epoch=3", cwd=place.root)
    assert "nothing has changed" in alone.stdout
    assert len(place.releases()) == 4


def test_a_second_sweep_does_nothing_and_needs_no_torch(place):
    request = ("-m", *place.request, "push=none", "checkpoint.epoch=1,2")
    assert pipeline(*request, cwd=place.root).returncode == 0
    before = {release: tree(release) for release in place.releases()}

    timed = environment(PYTHONPROFILEIMPORTTIME="1")
    again = pipeline(*request, cwd=place.root, env=timed)

    assert again.returncode == 0 and again.stdout.count("nothing has changed") == 2
    assert {release: tree(release) for release in place.releases()} == before
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in again.stderr.splitlines()
    }
    assert "hydra" in imported
    assert not imported & {"torch", "transformers", "huggingface_hub", "dora", "numpy"}


def test_rules_are_shown_before_anything_runs(place):
    printed = swept(place, "checkpoint.epoch=best:2", "plan_only=true")
    assert re.search(r"2 jobs.*checkpoint\.epoch=2 +3 .*checkpoint\.epoch=3 +2 ", printed, re.S)
    assert not place.releases()


def test_each_experiment_has_best_epochs_of_its_own(place):
    write_lm_experiment(place.dora, OTHER, epochs=2, codec=f"//sig/{CODEC}")
    swept(place, f"checkpoint.sig=//sig/{LM},//sig/{OTHER}", "checkpoint.epoch=best:1")
    assert variants(place) == [f"{LM}-epoch3-keep", f"{OTHER}-epoch1-keep"]


def test_all_experiments_that_fulfil_a_condition(place):
    write_lm_experiment(place.dora, OTHER, epochs=2, codec=f"//sig/{CODEC}")
    swept(place, "checkpoint.sig=all", 'checkpoint.where="valid.ce < 4 and epoch < 4"')
    assert variants(place) == [f"{LM}-epoch2-keep", f"{LM}-epoch3-keep"]


def test_the_same_job_twice_is_one(place):
    assert "1 job" in swept(place, "checkpoint.epoch=best:1,3", "until_stage=collect")


def test_a_job_that_fails_takes_no_other_along(place):
    cut = place.dora / "xps" / LM / "checkpoint_2.th"
    whole = cut.read_bytes()
    os.truncate(cut, len(whole) // 2)
    printed = swept(place, "checkpoint.epoch=1,2,3", fails=True)
    assert variants(place) == [f"{LM}-epoch1-keep", f"{LM}-epoch3-keep"]
    assert "1 of 3 jobs failed" in printed and str(cut) in printed
    cut.write_bytes(whole)
    assert "1 of" not in swept(place, "checkpoint.epoch=1,2,3")
    assert len(variants(place)) == 3


def test_every_failure_is_told_and_has_a_row_on_the_board(place):
    printed = swept(place, "checkpoint.epoch=7,8,1", fails=True)
    assert "2 of 3 jobs failed" in printed
    assert "epoch 7" in printed and "epoch 8" in printed
    board = json.loads((place.outputs / "musicgen_small" / "board.json").read_text())
    assert [v["verdict"] for v in board["variants"]].count("failed") == 2
    assert any("no checkpoint of epoch 7" in v["reason"] for v in board["variants"])
    assert not (place.outputs / ".sweeps").exists()


def test_a_job_that_exits_takes_no_other_along(place):
    printed = swept(
        place,
        "checkpoint.epoch=1,2",
        "stage.validate._target_=tests.failing_stages.Exits",
        fails=True,
    )
    assert "2 of 2 jobs failed" in printed and "SystemExit" in printed


def test_a_sweep_that_succeeds_leaves_nothing_of_its_own(place):
    swept(place, "checkpoint.epoch=1,2")
    assert sorted(path.name for path in place.outputs.iterdir()) == ["musicgen_small"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["checkpoint.epoch=best"], "names no epochs"),
        (["checkpoint.epoch=best:2", "checkpoint=miniature"], "no experiment with a history"),
        (['checkpoint.where="valid.ec < 3"'], "Did you mean valid.ce"),
        (["checkpoint.sig=all", "checkpoint.dora_dir=null"], "checkpoint.dora_dir is missing"),
        (["checkpoint.epoch=best:1", "select.metric=valid.nothing"], "metric valid.nothing"),
        (["checkpoint.epohc=1,2"], "Did you mean checkpoint.epoch?"),
        (["checkpoint.epoch=1,2", "outputs=/proc/none"], "Cannot write the output"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(place, arguments, message):
    printed = swept(place, *arguments, fails=True)
    assert message in printed
    assert len(printed.splitlines()) <= 3
    assert not place.outputs.exists() or not list(place.outputs.iterdir())


def test_the_same_signature_however_it_is_written_is_one_variant(place):
    swept(place, f"checkpoint.sig={LM},//sig/{LM},{LM}/")
    assert len(place.releases()) == 1


@pytest.mark.parametrize("launcher", ["joblib", "basic"])
def test_sigterm_ends_a_sweep_and_all_its_workers(place, launcher):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    asked = command("-m", *place.request, "checkpoint.epoch=all", "push=none")
    with subprocess.Popen(
        [*asked, f"hydra/launcher={launcher}"], cwd=place.root, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as running:  # fmt: skip
        while not list(place.outputs.glob("*/*/export_lm")):
            time.sleep(0.02)
            assert running.poll() is None
        running.terminate()
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and "Interrupted" in errors
    end = time.monotonic() + 30
    while alive := of_session(running.pid):
        time.sleep(0.1)
        assert time.monotonic() < end, alive


def of_session(leader: int) -> list[str]:
    """Give the processes of a session."""
    asked = ["ps", "--no-headers", "-o", "pid,args", "--sid", str(leader)]
    return subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("argument", ["checkpoint.epoch=1,2", "export.dtype=keep,float16"])
def test_several_values_without_m_are_told_to_be_a_sweep(place, argument):
    done = pipeline(*place.request, argument, cwd=place.root)
    assert done.returncode == 1 and "python -m pipeline -m" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    "argument", ["checkpoint.epoch=best:3", "checkpoint.sig=all", 'checkpoint.where="epoch > 1"']
)
def test_a_single_run_takes_no_rule(place, argument):
    done = pipeline(*place.request, argument, cwd=place.root)
    assert done.returncode == 1 and "python -m pipeline -m" in done.stderr
    assert not place.releases()


def refs(place: Place) -> dict[str, str]:
    """Give the refs of the local Hub cache."""
    folder = place.outputs / "hub" / "models--local--musicgen_small" / "refs"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def test_of_a_sweep_no_variant_is_main(place):
    printed = swept(place, "checkpoint.epoch=1,2", "push=[cache]")
    assert len(refs(place)) == 2 and "main" not in refs(place)
    assert "loads it by this id with" not in printed


def test_only_the_best_is_pushed(place):
    printed = swept(
        place, "checkpoint.epoch=1,2,3", "push=[cache]", "validate=quick", "select=best"
    )
    assert len(refs(place)) == 3 and {"main", "v1.0.0"} <= set(refs(place))
    assert re.search(rf"the best .*{LM}-epoch3-keep.* valid\.ce 2", printed)
    board = json.loads((place.outputs / "musicgen_small" / "board.json").read_text())
    assert board["best"].startswith(f"{LM}-epoch3-keep")
    published = [v["name"] for v in board["variants"] if v["published"]]
    assert published == [board["best"]]


def test_only_the_best_goes_to_the_hub_and_only_when_all_have_ended(place, hub):
    done = pipeline(
        "-m", *place.request, "checkpoint.epoch=1,2,3", "select=best", "push=hub",
        "push.repo_id=lab/swept", cwd=place.root, env=environment(**hub.environment("write")),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    repo = hub.store.repo("lab/swept")
    published = json.loads(repo.content(repo.find("v1.0.0").files["release.json"]).read_text())
    assert published["source"]["epoch"] == 3
    assert sum("/commit/" in request.path for request in hub.requests) == 1
    assert done.stdout.index("the best") < done.stdout.index("hub: lab/swept")


def test_nothing_is_pushed_when_a_job_failed_unless_that_is_allowed(place):
    request = ("checkpoint.epoch=1,7", "push=[cache]", "validate=quick", "select=best")
    assert "nothing is pushed" in swept(place, *request, fails=True)
    assert not refs(place)
    swept(place, *request, "select.allow_failed=true", fails=True)
    assert {"main", "v1.0.0"} <= set(refs(place))


def test_the_best_is_pushed_of_what_an_earlier_sweep_has_packaged(place):
    request = ("checkpoint.epoch=1,2,3", "push=[cache]", "validate=quick", "select=best")
    printed = swept(place, *request, "until_stage=package")
    assert "the best" not in printed and not refs(place)
    printed = swept(place, *request, "stages=[push]")
    assert f"the best musicgen_small/{LM}-epoch3-keep" in printed
    assert {"main", "v1.0.0"} <= set(refs(place))


def test_whatever_stages_a_sweep_is_of_its_best_is_only_pushed(place):
    request = ("checkpoint.epoch=1,2", "push=[cache]", "validate=quick", "select=best")
    swept(place, *request, "force=export_lm", "from_stage=collect")
    assert {"main", "v1.0.0"} <= set(refs(place))


def test_what_keeps_the_best_from_being_pushed_is_told_before_any_job_runs(place):
    request = ("checkpoint.epoch=1,2", "push=hub", "push.repo_id=lab/x", "validate=quick")
    printed = swept(place, *request, "select=best", fails=True)
    assert "There is no Hub token" in printed
    assert not place.releases()


def test_of_several_releases_each_has_its_best_though_one_cannot_be_pushed(place):
    request = (
        "checkpoint.epoch=1", "push=[cache]", "validate=quick", "select=best",
        "+release=musicgen_small,musicgen_medium", "until_stage=package",
    )  # fmt: skip
    rest = [argument for argument in place.request if not argument.startswith("+release")]
    first = pipeline("-m", *rest, *request, cwd=place.root)
    assert first.returncode == 0, first.stdout + first.stderr
    (place.outputs / "hub").mkdir()
    (place.outputs / "hub" / "models--local--musicgen_medium").write_text("in the way")
    (place.outputs / "hub" / "models--local--musicgen_small").mkdir()

    done = pipeline("-m", *rest, *request[:-1], cwd=place.root)

    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "models--local--musicgen_medium" in done.stderr and "1 release not pushed" in done.stderr
    assert {"main", "v1.0.0"} <= set(refs(place))


def test_a_board_that_cannot_be_drawn_hides_nothing(place):
    board = place.outputs / "musicgen_small" / "board.json"
    board.mkdir(parents=True)
    printed = swept(place, "checkpoint.epoch=1,7", fails=True)
    assert "1 of 2 jobs failed. The others are complete." in printed
    assert "The board was not drawn" in printed


def test_of_a_plan_a_failed_job_leaves_nothing(place):
    printed = swept(place, "checkpoint.epoch=1,7", "plan_only=true", fails=True)
    assert "1 of 2 jobs failed.\n" in printed and "nothing was made" in printed
    assert not (place.outputs / "musicgen_small").exists()


def test_a_condition_leaves_out_some_of_the_epochs_that_were_named(place):
    swept(place, "checkpoint.epoch=1,2,3", 'checkpoint.where="valid.ce < 4"')
    assert variants(place) == [f"{LM}-epoch2-keep", f"{LM}-epoch3-keep"]


def test_a_rule_may_stand_in_a_release_file(place):
    (place.root / "config" / "release").mkdir(parents=True)
    (place.root / "config" / "release" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [/release/musicgen_small, _self_]\n"
        "checkpoint:\n  epoch: best:2\n  where: epoch < 4\n"
    )
    rest = [argument for argument in place.request if not argument.startswith("+release")]
    done = pipeline("-m", "--config-dir", "config", "+release=mine", *rest, *QUICK, cwd=place.root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert variants(place) == [f"{LM}-epoch2-keep", f"{LM}-epoch3-keep"]


def test_what_was_not_validated_is_not_the_best(place):
    printed = swept(place, "checkpoint.epoch=1,2", "push=[cache]", "select=best", fails=True)
    assert "validate=off validates none" in printed
    assert not place.releases()


def test_the_board_has_every_variant_after_every_job(place):
    swept(place, "checkpoint.epoch=1,2")
    board = place.outputs / "musicgen_small" / "board.json"
    assert len(json.loads(board.read_text())["variants"]) == 2
    pipeline(*place.request, *QUICK, "checkpoint.epoch=3", cwd=place.root)
    assert len(json.loads(board.read_text())["variants"]) == 3
