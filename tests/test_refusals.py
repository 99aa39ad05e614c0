"""What a user gets wrong ends with exit 1, at most three lines, no traceback, and no release."""

import json
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.command import CODEC, LM, Place, command, environment, make_place, pipeline, tree
from tests.experiments import write_encodec_experiment, write_lm_experiment


def refused(place: Place, *arguments: str, **changes: str) -> str:
    """Run a request that must fail; give what it said on the error stream."""
    done = pipeline(*place.request, *arguments, cwd=place.root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert 1 <= len(done.stderr.splitlines()) <= 3, done.stderr
    assert not place.releases()
    return done.stderr


def test_an_unknown_signature_names_those_that_are_there(place):
    message = refused(place, "checkpoint.sig=//sig/1a2b3c4e")
    assert "1a2b3c4e" in message and LM in message


@pytest.mark.parametrize("sig", ["1234e567", "1e500000"])
def test_a_signature_that_hydra_reads_as_a_number(place, sig):
    assert "checkpoint.sig=//sig/" in refused(place, f"checkpoint.sig={sig}")


def test_a_missing_epoch_names_those_that_are_there(place):
    assert "1" in refused(place, "checkpoint.epoch=7")


def test_a_truncated_checkpoint(place):
    checkpoint = place.dora / "xps" / LM / "checkpoint.th"
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    assert "checkpoint.th" in refused(place)


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.proof}'",)


def test_a_pickle_that_wants_to_run_something(place):
    proof = place.root / "proof"
    checkpoint = place.dora / "xps" / LM / "checkpoint.th"
    torch.save({"model": {}, "best_state": Malicious(proof)}, checkpoint)
    message = refused(place)
    assert "posix.system" in message
    assert not proof.exists()
    with open(checkpoint.with_suffix(".pkl"), "wb") as file:
        pickle.dump(Malicious(proof), file)
    refused(place, "checkpoint=file", f"checkpoint.path='{checkpoint.with_suffix('.pkl')}'")
    assert not proof.exists()


def test_the_file_of_another_rank_names_that_of_rank_0(place):
    folder = write_lm_experiment(place.dora, "5eed5eed", codec=f"//sig/{CODEC}", fsdp=True)
    message = refused(place, "checkpoint=file", f"checkpoint.path='{folder}/checkpoint.th.1'")
    assert f"{folder}/checkpoint.th" in message.replace("checkpoint.th.1", "")


def flip_a_bit(archive: Path, key: str = "data/") -> None:
    """Flip one bit in the largest record of the weights."""
    with zipfile.ZipFile(archive) as opened:
        largest = max(
            (e for e in opened.infolist() if key in e.filename), key=lambda e: e.file_size
        )
    content = bytearray(archive.read_bytes())
    name_length = int.from_bytes(
        content[largest.header_offset + 26 : largest.header_offset + 28], "little"
    )
    extra = int.from_bytes(
        content[largest.header_offset + 28 : largest.header_offset + 30], "little"
    )
    content[largest.header_offset + 30 + name_length + extra + 5] ^= 1
    archive.write_bytes(content)


def test_a_flipped_bit_in_the_weights(place):
    for checkpoint in (place.dora / "xps" / LM).glob("checkpoint*.th"):
        state = torch.load(checkpoint, weights_only=False)
        state.update(optimizer={}, ema=None, model=state["best_state"]["model"])
        torch.save(state, checkpoint)
        flip_a_bit(checkpoint)
    assert "damaged" in refused(place)


def test_a_codec_of_another_cardinality(place):
    write_encodec_experiment(place.dora, "c0dec000", bins=32)
    message = refused(place, "compression=trained", "compression.sig=//sig/c0dec000")
    assert "32" in message and "64" in message


def test_a_mistyped_key(place):
    assert "checkpoint.epoch" in refused(place, "checkpoint.epohc=1")


def test_a_plus_does_not_get_past_the_schema(place):
    assert "no key 'checkpoint.foo'" in refused(place, "+checkpoint.foo=1")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a tmpfs (root ignores the modes of files, but not those of a mount)."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)])
    if done.returncode != 0:
        pytest.skip("this machine allows no mounts")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_read_only_output_folder(place):
    with mounted(place.outputs, "ro,size=1m"):
        assert "read-only" in refused(place)


@pytest.mark.parametrize("size", ["4k", "60k", "160k"])
def test_a_full_disk(place, size):
    with mounted(place.outputs, f"size={size}"):
        message = refused(place)
        assert "space" in message or "full" in message


@pytest.mark.parametrize("kilobytes", [2, 100])
def test_a_limit_on_the_size_of_files(place, kilobytes):
    # What coverage writes at the end would be too large as well.
    unmeasured = {k: v for k, v in environment().items() if not k.startswith("COV")}
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-", *command(*place.request)],
        cwd=place.root, env=unmeasured, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and not place.releases()
    what, _, hint = done.stderr.splitlines()
    assert "a file would be larger" in what and "ulimit -f unlimited" in hint


@pytest.mark.parametrize("multirun", [[], ["-m"]])
def test_an_output_folder_where_none_can_be(place, multirun):
    message = refused(place, "outputs=/proc/nothing", *multirun)
    assert "Cannot write the output: No such file" in message and "/proc/nothing" in message


def test_a_run_that_nobody_reads_any_more_is_not_done(place):
    request = command(*place.request, "validate=off", "push=none")
    with subprocess.Popen(
        request, cwd=place.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        while b"[1/8]" not in running.stdout.readline():
            assert running.poll() is None
        running.stdout.close()
        running.stderr.read()
    (result,) = place.outputs.glob("musicgen_small/*/run.json")
    released = (result.parent / "release").is_dir()
    assert json.loads(result.read_text())["verdict"] == ("done" if released else "interrupted")
    assert not released and running.returncode != 0


def test_a_second_failure_does_not_harm_the_first_release(place):
    assert pipeline(*place.request, cwd=place.root).returncode == 0
    before = place.release() / "release.json"
    kept = before.read_bytes()
    done = pipeline(*place.request, "checkpoint.epoch=9", cwd=place.root)
    assert done.returncode == 1
    assert before.read_bytes() == kept


def test_all_that_is_wrong_is_said_at_once(place):
    done = pipeline(*place.request, "checkpoint.epoch=7", "push=hub", cwd=place.root)
    assert done.returncode == 1
    assert (
        "2 problems" in done.stderr and "epoch 7" in done.stderr and "no Hub token" in done.stderr
    )


def test_an_output_path_that_is_a_file(place):
    place.outputs.write_text("I am a file")
    refused(place)


def test_no_release_chosen_lists_them(tmp_path):
    done = pipeline(cwd=tmp_path)
    assert done.returncode == 1 and "+release=musicgen_small" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_release_that_needs_a_checkpoint_says_how_to_give_one(tmp_path):
    done = pipeline("+release=musicgen_melody", cwd=tmp_path)
    assert done.returncode == 1 and "checkpoint=dora checkpoint.sig=" in done.stderr


def test_two_releases_merged_into_one_are_refused(tmp_path):
    done = pipeline(
        "+release=[musicgen_small,musicgen_melody]", "checkpoint=miniature", cwd=tmp_path
    )
    assert done.returncode == 1 and "-m +release=a,b" in done.stderr


def test_no_experiments_at_all(tmp_path):
    place = make_place(tmp_path)
    shutil.rmtree(place.dora / "xps")
    assert "dora" in refused(place)


def test_outputs_in_the_home_of_nobody(tmp_path):
    place = make_place(tmp_path)
    before = tree(tmp_path)
    done = pipeline(*place.request[:-1], 'outputs="~nosuchuser/x"', cwd=tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 3, done.stderr
    assert "no home folder ~nosuchuser" in done.stderr
    assert tree(tmp_path) == before and not (tmp_path / "~nosuchuser").exists()
