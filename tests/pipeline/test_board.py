import json
import os
import subprocess

import pytest

from pipeline.board import main
from tests.command import command, environment
from tests.pipeline.released import RELEASE, make_sweep, make_variant


@pytest.fixture
def told(capsys):
    """Run the command; give its exit status, output and errors."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def test_it_prints_the_table_and_draws_the_files(tmp_path, told):
    make_sweep(tmp_path)
    status, out, err = told(tmp_path / RELEASE)
    assert (status, err) == (0, "")
    assert "10 variants: 10 validated" in out and "least valid.ce, 2" in out
    (best,) = [line for line in out.splitlines() if line.startswith("★")]
    assert "1a2b3c4d-epoch3-float16-000003" in best
    for name in ("board.json", "board.md", "board.html"):
        assert (tmp_path / RELEASE / name).is_file()


def test_json_is_the_file(tmp_path, told):
    make_variant(tmp_path)
    status, out, _ = told(tmp_path / RELEASE, "--json")
    assert status == 0
    assert json.loads(out) == json.loads((tmp_path / RELEASE / "board.json").read_text())


def test_another_metric_and_mode(tmp_path, told):
    make_variant(tmp_path)
    status, out, _ = told(tmp_path / RELEASE, "--metric", "evaluate.kld", "--mode", "max")
    assert status == 0 and "greatest evaluate.kld, 1.5" in out


def test_blind_hides_the_names_on_the_page_and_a_seed_changes_the_order(tmp_path, told):
    make_sweep(tmp_path)
    page = tmp_path / RELEASE / "board.html"
    pages = []
    for seed in ("0", "1", "0"):
        assert told(tmp_path / RELEASE, "--blind", "--seed", seed)[0] == 0
        pages.append(page.read_text())
        assert 'class="audition blind"' in pages[-1]
    assert pages[0] == pages[2] != pages[1]


def test_why_one_failed_and_what_is_broken_is_told(tmp_path, told):
    make_variant(tmp_path, "a", verdict="failed", failed="export_lm", reason="It broke.")
    make_variant(tmp_path, "b").release.state_dict.unlink()
    status, out, _ = told(tmp_path / RELEASE)
    assert status == 0
    assert "problem  a failed: It broke." in out
    assert "problem  b is broken: release/state_dict.bin is missing" in out


def test_a_metric_that_nobody_has_is_refused_with_the_near_name(tmp_path, told):
    make_variant(tmp_path)
    status, out, err = told(tmp_path / RELEASE, "--metric", "valid.cee")
    assert (status, out) == (1, "")
    assert "valid.cee: no variant has it" in err and "Did you mean valid.ce?" in err
    assert not (tmp_path / RELEASE / "board.json").exists()
    status, out, err = told(tmp_path / RELEASE, "--metric", "qqq", "--json")
    assert status == 1 and json.loads(out)["error"]["what"] in err
    assert "There are: evaluate.fad" in err


def test_a_release_of_failures_alone_has_a_board(tmp_path, told):
    make_variant(tmp_path, verdict="failed", failed="collect", reason="There is no checkpoint.")
    status, out, _ = told(tmp_path / RELEASE)
    assert status == 0 and "1 failed" in out


def test_a_folder_that_is_none_is_refused_with_what_to_type(tmp_path, told, monkeypatch):
    monkeypatch.chdir("/usr/lib")  # so far away, paths are told in full
    run = make_variant(tmp_path)
    for folder, hint in {
        tmp_path / "musicgen_smal": "Did you mean",
        tmp_path: f"Give one of its releases: {tmp_path / RELEASE}",
        run.root: f"give its release: {tmp_path / RELEASE}",
        run.root / ".." / "..": f"Give one of its releases: {tmp_path / RELEASE}",
        run.release.root: "makes one",
        run.result: "Give outputs/NAME",
    }.items():
        status, out, err = told(folder)
        assert (status, out) == (1, "") and hint in err and len(err.splitlines()) <= 3
    assert not (tmp_path / ".locks").exists()


def test_a_bare_name_is_refused_in_words(tmp_path, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = told("nowhere")
    assert (status, err.splitlines()[:2]) == (1, ["error There is no such folder.", "nowhere"])


@pytest.fixture
def read_only(tmp_path):
    """The folder of a release, mounted read-only; whoever may not mount skips the test."""
    make_variant(tmp_path)
    folder = str(tmp_path / RELEASE)
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield tmp_path / RELEASE
    subprocess.run(["umount", folder], check=True)


def test_a_folder_that_cannot_be_written_is_told(read_only, told):
    status, _, err = told(read_only)
    assert status == 1 and "Cannot write the output: the disk is read-only." in err


def test_run_as_a_command_from_the_folder_itself(tmp_path):
    make_variant(tmp_path)
    done = subprocess.run(
        command(".", module="pipeline.board"), cwd=tmp_path / RELEASE, capture_output=True,
        text=True, env=environment(COLUMNS="80"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{RELEASE}, 1 variant: 1 validated{os.linesep}board.html")
