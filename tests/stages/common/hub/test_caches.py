"""Which snapshot a Hub cache serves."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.hub.caches import commit_of, folder_name, snapshot
from tests.command import ROOT
from tests.hub_cache import write_cached


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "state_dict.bin"
    path.write_bytes(b"weights")
    return path


def test_a_name_and_a_commit_lead_to_the_same_snapshot(ugly, weights):
    commit = write_cached(ugly, "lab/small", weights)
    found = ugly / "models--lab--small" / "snapshots" / commit
    assert snapshot("lab/small", cache_dir=ugly) == found
    assert snapshot("lab/small", commit, ugly) == found
    assert folder_name("t5-base") == "models--t5-base"


@pytest.mark.parametrize("revision", ["v2", "f" * 40, "x" * 300, "a/b", "a\0b", "..", ""])
def test_what_a_cache_does_not_have_is_nothing(ugly, weights, revision):
    write_cached(ugly, "lab/small", weights)
    assert snapshot("lab/small", revision, ugly) is None
    assert snapshot("lab/other", revision, ugly) is None


@pytest.mark.parametrize("content", [b"", b"../..", b"\xff\0", b"F" * 40])
def test_a_name_that_leads_to_no_commit_leads_nowhere(ugly, weights, content):
    write_cached(ugly, "lab/small", weights)
    (ugly / "models--lab--small" / "refs" / "main").write_bytes(content)
    assert snapshot("lab/small", cache_dir=ugly) is None


def test_a_file_outside_of_a_cache_has_no_commit(weights):
    assert commit_of(weights) is None
    assert commit_of(Path("snapshots/main/state_dict.bin")) is None


def test_the_client_is_not_needed_to_look_into_a_folder(ugly):
    code = (
        "import sys; from pathlib import Path; from stages.common.hub import snapshot;"
        f"snapshot('lab/small', cache_dir=Path({str(ugly)!r}));"
        "assert 'huggingface_hub' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
