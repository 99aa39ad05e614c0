"""The memory that an export and a push take: little, and the same whatever the size of the model.

The checkpoint is a quarter of a gigabyte, and its largest tensors are larger than the least bound:
whoever holds a tensor whole breaks it. The file that is pushed is larger than its bound as well.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import methods, process
from benchmarks.checkpoint import write_checkpoint
from benchmarks.push import run_to_push, write_release
from benchmarks.scales import Model
from tests.command import environment
from tests.experiments import write_encodec_experiment
from tests.text_encoders import write_t5

MEGA = 1_000_000
PUSHED = 100 * MEGA
MODEL = Model(dim=1536, heads=24, layers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a checkpoint; what large files are in it at the end are removed."""
    folder = tmp_path_factory.mktemp("memory")
    write_checkpoint(folder / methods.CHECKPOINT, MODEL, optimizer=False)
    assert (folder / methods.CHECKPOINT).stat().st_size > 250 * MEGA
    yield folder
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 32), ("float16", 64), ("bfloat16", 64)])
def test_an_export_takes_little_memory(folder, dtype, limit):
    peak = process.peak_above_imports(folder, *methods.export(dtype))

    assert 0 < peak < limit * MEGA


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_whole_command_takes_little_memory(folder, dtype):
    peak = process.peak_of(folder, process.python(*methods.release(dtype)))

    assert 0 < peak < 96 * MEGA


def test_a_model_for_transformers_takes_little_memory(folder):
    write_t5(folder / "t5")
    write_encodec_experiment(folder / "dora", n_q=MODEL.config.transformer_lm.n_q, bins=2048)
    command = [
        *methods.release("float32")[:-3], "until_stage=export_transformers",
        "outputs=both", "formats=[audiocraft,transformers]", "export.text_encoder=t5",
        "compression=trained", "compression.sig=//sig/98dabcc6", "compression.dora_dir=dora",
    ]  # fmt: skip

    peak = process.peak_of(folder, process.python(*command))

    (weights,) = folder.glob("both/*/*/export_transformers/model.safetensors")
    assert weights.stat().st_size > 250 * MEGA
    assert 0 < peak < 96 * MEGA


def test_the_whole_command_imports_no_torch(folder):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *methods.release("bfloat16")],
        cwd=folder, env=environment(), capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in imported and "torch" not in imported


@pytest.mark.parametrize("part_size", [5 << 20, 1 << 40], ids=["in parts", "whole"])
def test_a_push_takes_little_memory_and_reads_the_file_once(hub, tmp_path, part_size):
    run = run_to_push(tmp_path)
    write_release(run, PUSHED)
    hub.part_size = part_size
    push = ("push", str(run.root), hub.endpoint, hub.tokens["write"], "lab/sent")

    peak = process.peak_above_imports(tmp_path, *push)

    assert 0 < peak < 32 * MEGA
    (weights,) = hub.store.repo("lab/sent").large.folder.iterdir()
    assert weights.stat().st_size == PUSHED
    hub.store.remove(hub.store.repo("lab/sent"))
    read = process.timed(tmp_path, *push).result
    assert PUSHED <= read < 1.2 * PUSHED  # beside the file: modules, the card
