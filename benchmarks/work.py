"""``python -m benchmarks.work NAME ARGUMENTS``: one method, in the process that is measured.

Each function imports what its work needs and gives the work; files are relative to the working
directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.memory import anonymous
from benchmarks.process import python

Work = Callable[[], Any]


def export(source: str, target: str, dtype: str) -> Work:
    """Export as the stage does: verified, hashed and synced. Gives the sha256."""
    from pipeline.schema import ExportConfig
    from pipeline.stage import SILENT
    from stages.common.checkpoint import Checkpoint
    from stages.common.exported import Package
    from stages.common.state_choice import choose_state

    for name in ("numpy", "isal.isal_zlib", "zlib_ng.zlib_ng", "numkong"):
        with suppress(ImportError):  # all but numpy may be absent
            import_module(name)

    def work() -> str:
        with Checkpoint.open(Path(source)) as checkpoint:
            package = Package.of_model(
                choose_state(checkpoint, "best", None).tensors,
                checkpoint.config,
                ExportConfig(kind="audiocraft"),
                dtype=dtype,
            )
            return package.write(Path(target), SILENT).digest.sha256

    return work


def audiocraft(source: str, target: str) -> Work:
    """Export as AudioCraft's own functions do, then hash. Gives the sha256."""
    import torch
    from omegaconf import OmegaConf

    def work() -> str:
        package = torch.load(source, map_location="cpu", weights_only=False)
        exported = {
            "best_state": package["best_state"]["model"],
            "xp.cfg": OmegaConf.to_yaml(package["xp.cfg"]),
            "version": "1.3.0",
            "exported": True,
        }
        torch.save(exported, target)
        return _hashed(target)

    return work


def copy(source: str, target: str, then: str) -> Work:
    """Copy with ``cp``, then ``sha256sum``, ``hashlib``, ``sync`` or ``nothing``."""

    def work() -> str | None:
        subprocess.run(["cp", source, target], check=True)
        if then == "sha256sum":
            done = subprocess.run(["sha256sum", target], check=True, capture_output=True, text=True)
            return done.stdout.split()[0]
        if then == "sync":
            subprocess.run(["sync", "--data", target], check=True)
        return _hashed(target) if then == "hashlib" else None

    return work


def transfer(source: str, target: str) -> Work:
    """Read a float32 export and write half of its bytes, synced: a cast that computes nothing.

    It reads and writes as the export does, so that what is over is the export's own.
    """
    from pipeline import files
    from stages.common.ahead import ahead
    from stages.common.read_file import ReadFile

    import_module("numpy")  # which the buffers are made with
    stride = 16 << 20

    def work() -> None:
        with ReadFile.open(Path(source)) as read, files.new_file(Path(target), 0) as file:
            for at, block in ahead(read.stretch(0, Path(source).stat().st_size)):
                file.write(block[: len(block) // 2])
                if at and at % stride == 0:
                    read.drop(at - stride, stride)
                    files.begin_to_sync(file, (at - stride) // 2, stride // 2)

    return work


def module(*arguments: str) -> Work:
    """Run a module as a command."""

    def work() -> None:
        subprocess.run(python(*arguments), check=True, stdout=subprocess.DEVNULL)

    return work


def rates(source: str, target: str) -> Work:
    """Measure the steps of an export alone. Gives gigabytes per second by name."""
    from benchmarks.rates import measure

    return lambda: measure(Path(source), Path(target))


def profile(source: str, target: str, dtype: str) -> Work:
    """Export, and look where its threads are. Gives rows."""
    from benchmarks.profile import sampled

    inner = export(source, target, dtype)
    return lambda: sampled(inner)


def push(root: str, endpoint: str, token: str, repo_id: str) -> Work:
    """Push a release as the stage does. Gives the bytes read from files."""
    _log_in(endpoint, token)
    from huggingface_hub import HfApi  # noqa: F401 - the client's own, as in the other two

    from pipeline.layout import Outputs, Run
    from pipeline.schema import HubConfig, PushConfig
    from pipeline.stage import Context
    from stages.push import Push

    run = Run(Path(root), Outputs(Path.cwd()))
    config = PushConfig(repo_id=repo_id, tag="v1.0.0", hub=HubConfig())

    def work() -> int:
        before, stage = _bytes_read(), Push("sent", "1.0.0", config)
        context = Context(run, run.working(stage.name))
        context.folder.mkdir(exist_ok=True)
        if problems := stage.check(context):
            raise SystemExit("\n".join(map(str, problems)))
        stage.run(context)
        return _bytes_read() - before

    return work


def client(root: str, endpoint: str, token: str, repo_id: str) -> Work:
    """Commit the same files with huggingface_hub alone. Gives the bytes read from files."""
    _log_in(endpoint, token)
    from huggingface_hub import CommitOperationAdd, HfApi

    from pipeline.layout import Outputs, Run

    release = Run(Path(root), Outputs(Path.cwd())).release

    def work() -> int:
        before, api = _bytes_read(), HfApi()
        api.create_repo(repo_id)
        additions = [CommitOperationAdd(path.name, path) for path in release.root.iterdir()]
        api.create_commit(repo_id, additions, commit_message="Release sent 1.0.0")
        return _bytes_read() - before

    return work


def put(root: str, endpoint: str, token: str, repo_id: str) -> Work:
    """Send the weights alone to where the client would. Gives the bytes read from files."""
    _log_in(endpoint, token)
    from huggingface_hub import HfApi
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    from pipeline.layout import Outputs, Run
    from pipeline.manifest import parse_sums

    release = Run(Path(root), Outputs(Path.cwd())).release
    ((name, sha256),) = parse_sums(release.sums.read_text("utf-8")).items()

    def work() -> int:
        before = _bytes_read()
        HfApi().create_repo(repo_id)
        with (release.root / name).open("rb") as file:
            address = f"{endpoint}/storage/{repo_id}/{sha256}"
            get_session().put(address, content=file).raise_for_status()
        return _bytes_read() - before

    return work


WORK: Mapping[str, Callable[..., Work]] = {
    each.__name__: each
    for each in (export, audiocraft, copy, transfer, module, rates, profile, push, client, put)
}


def main() -> None:
    """Do what the command line names, telling when it begins and when it is done."""
    name, *arguments = sys.argv[1:]
    work = WORK[name](*arguments)
    _tell({"anonymous": anonymous()})
    began = time.perf_counter()
    result = work()
    _tell({"seconds": time.perf_counter() - began, "result": result})


def _log_in(endpoint: str, token: str) -> None:
    """Turn huggingface_hub to a Hub; it looks when it is imported."""
    os.environ |= {
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "no_proxy": "*",
    }


def _bytes_read() -> int:
    """Give what this process has read from files so far; what comes from sockets is not counted."""
    return int(Path("/proc/self/io").read_text().split()[1])


def _hashed(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
