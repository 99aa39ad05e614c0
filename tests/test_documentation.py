"""What the documents say to type works, and what they link to is there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.verify import main
from tests.command import ROOT, check_sums
from tests.releases import fabricate, package

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "outputs" / "README.md")
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_is_linked_is_there(document):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / document).read_text("utf-8"))
    for target in targets:
        if "://" not in target:
            assert (ROOT / document.parent / target).exists(), target


def test_the_first_page_leads_to_the_others():
    page = (ROOT / "README.md").read_text("utf-8")
    for path in ROOT.glob("docs/*.md"):
        assert f"(docs/{path.name})" in page


@pytest.fixture
def release(ugly: Path) -> Path:
    """A release, in a folder with an ugly name."""
    made = fabricate(ugly / "outputs")
    made.make(package())
    check_sums(made.run.release.root)
    return made.run.release.root


def section(title: str) -> list[str]:
    """Give the commands of a section of docs/signing.md, block by block; the last ones check."""
    text = (ROOT / "docs" / "signing.md").read_text("utf-8")
    (found,) = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.M)
    return re.findall(r"^```shell\n(.*?)^```$", found, re.DOTALL | re.MULTILINE)


def run(commands: str, release: Path) -> subprocess.CompletedProcess[str]:
    """Run commands as they stand, in a shell that stops at the first that fails."""
    place = release.parents[4]
    return subprocess.run(
        ["bash", "-euc", commands], cwd=place, capture_output=True, text=True,
        env={**os.environ, "RELEASE": str(release), "HOME": str(place)},
    )  # fmt: skip


def sign_and_check(title: str, release: Path, names: list[str]) -> None:
    """Run a section; the last of its blocks has to see every change."""
    *steps, check = section(title)
    assert len(steps) >= 2
    for commands in steps:
        done = run(commands, release)
        assert done.returncode == 0, commands + done.stdout + done.stderr
    assert run(check, release).returncode == 0
    for name in names:
        genuine, changed = (release / name).read_bytes(), bytearray((release / name).read_bytes())
        changed[len(changed) // 2] ^= 1
        (release / name).write_bytes(changed)
        assert run(check, release).returncode != 0, name
        (release / name).write_bytes(genuine)
    assert run(check, release).returncode == 0


def forge(release: Path) -> None:
    """Change the weights and the list, which any thief can."""
    (release / "state_dict.bin").write_bytes(b"other weights")
    sums = (release / "SHA256SUMS").read_text()
    sha256 = hashlib.sha256(b"other weights").hexdigest()
    sums = re.sub(r"\w{64}(?=  state_dict)", sha256, sums)
    (release / "SHA256SUMS").write_text(sums)


@pytest.mark.parametrize(
    ("program", "title"),
    [("ssh-keygen", "SHA256SUMS, with an SSH key"), ("openssl", "SHA256SUMS, with openssl")],
)
def test_a_list_is_signed_and_checked(program, title, release):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    sign_and_check(title, release, ["SHA256SUMS", "SHA256SUMS.sig", "state_dict.bin"])
    forge(release)
    assert run(section(title)[-1], release).returncode != 0


@pytest.mark.skipif("SIGNING" not in os.environ, reason="make signing: it downloads 170 MB")
def test_a_folder_is_signed_and_checked(release):
    title = "The folder, with OpenSSF model signing"
    sign_and_check(title, release, ["README.md", "model.sig", "state_dict.bin"])
    (release / "extra").touch()
    assert run(section(title)[-1], release).returncode != 0


def test_signatures_are_no_difference(release, capsys):
    for name in ("SHA256SUMS.sig", "model.sig"):
        (release / name).write_text("signature")
    # Its weights are no archives, which is another matter.
    main([str(release)])
    assert "nothing lists it" not in capsys.readouterr().out
