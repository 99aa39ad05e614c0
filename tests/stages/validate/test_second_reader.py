"""picklescan as a check: what it finds, what it does not know, and that it need not be there."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from stages.validate.opened import OpenedFile
from stages.validate.second_reader import scanned
from tests.archives import packed
from tests.candidates import Candidate
from tests.command import environment

MISSING = "import sys; sys.modules['picklescan'] = None\n"


def of(path):
    with OpenedFile.open(path, "export_lm") as file:
        return scanned(file)


def test_both_files_are_looked_at(candidate: Candidate, capfd):
    pytest.importorskip("picklescan")
    rows = candidate.report()
    for name in ("lm.scan", "codec.scan"):
        assert rows[name]["verdict"] == "pass" and "picklescan knows all 3" in rows[name]["message"]
    assert "codec.scan" not in candidate.report("off")
    assert capfd.readouterr() == ("", "")


def test_a_reference_is_looked_at_too(referring: Candidate):
    pytest.importorskip("picklescan")
    row = referring.report()["codec.scan"]
    assert (row["verdict"], row["message"]) == ("pass", "there are no names")


def test_what_it_does_not_know_fails(tmp_path, capfd):
    pytest.importorskip("picklescan")
    # Our own reader takes a path for a text; here it is what a stranger would be.
    torch.save({"best_state": {}, "path": tmp_path}, tmp_path / "a.bin")
    outcome = of(tmp_path / "a.bin")
    assert outcome.verdict == "fail" and "pathlib" in outcome.message
    assert capfd.readouterr() == ("", "")


def test_a_dtype_that_it_does_not_know_is_a_warning(candidate: Candidate):
    pytest.importorskip("picklescan")

    def cast(package: dict[str, Any]) -> None:
        state = package["best_state"]
        state["out_norm.bias"] = state["out_norm.bias"].to(torch.float8_e4m3fn)

    candidate.spoil(cast)
    row = candidate.report()["lm.scan"]
    assert row["verdict"] == "warn" and "_rebuild_tensor_v3" in row["message"]


def test_a_file_that_is_no_checkpoint_is_for_other_checks(tmp_path):
    pytest.importorskip("picklescan")
    outcome = of(packed(tmp_path / "a.bin", b"cos\nsystem\n."))
    assert outcome.verdict == "skipped" and "cannot be read" in outcome.message


def test_where_it_is_not_installed_the_report_says_so(candidate: Candidate):
    code = MISSING + (
        "from pathlib import Path\n"
        "from stages.validate.opened import OpenedFile\n"
        "from stages.validate.second_reader import scanned\n"
        "with OpenedFile.open(Path(sys.argv[1]), 'export_lm') as file: print(scanned(file))"
    )
    path = str(candidate.run.export_lm.state_dict)
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, env=environment()
    )
    assert "verdict='skipped'" in done.stdout and "not run: picklescan" in done.stdout, done.stderr
