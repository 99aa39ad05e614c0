"""The environment that AudioCraft lives in: ``python -m tests.interop.environment`` builds it.

It lies in a folder that git ignores, and is built anew when the lists that it is made from change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1] / ".venv-interop"
LISTS = ("requirements.txt", "constraints.txt", "alone.txt", "sources.txt")
OFFICIAL, LATER = "audiocraft-1.3.0", "tts_webui_audiocraft-1.4.0a2"
COMMIT = "0" * 40


@dataclass(frozen=True)
class Environment:
    """A Python with all that AudioCraft needs.

    Attributes:
        root: the virtual environment; what the tests make with it lies there too.
    """

    root: Path = ROOT / "environment"

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.root / "bin" / "python"

    @property
    def sources(self) -> Path:
        """The unpacked releases of AudioCraft."""
        return self.root / "audiocraft"

    @property
    def desk(self) -> Path:
        """The working directory of all that runs here; the text encoder lies in it."""
        return self.root / "desk"

    @property
    def hub_cache(self) -> Path:
        """Where Hugging Face's libraries find the text encoder from any other directory."""
        return self.root / "hub"

    @property
    def trained(self) -> Path:
        """Where experiments are kept from one session to the next."""
        return self.root / "trained"

    @property
    def mark(self) -> Path:
        """Says from which lists the environment was built; written last."""
        return self.root / "built-from"

    def variables(self, version: str = OFFICIAL) -> dict[str, str]:
        """Give the variables of a process: no network, AudioCraft in ``version``."""
        foreign = ("AUDIOCRAFT_", "DORA_", "HF_", "HYDRA_", "PYTHON", "TORCH_", "USER")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        path = os.pathsep.join([str(self.python.parent), os.environ["PATH"]])
        chosen = {} if version == OFFICIAL else {"PYTHONPATH": str(self.sources / version)}
        # AudioCraft's config asks for USER, which a container may not have.
        fixed = {"USER": "tester", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": path}
        return {**kept, **chosen, **fixed, "HF_HUB_CACHE": str(self.hub_cache)}

    def run(self, *command: str | Path) -> None:
        """Run the interpreter to its end."""
        subprocess.run([self.python, *command], cwd=self.root, check=True)


def ready() -> Environment:
    """Give the environment, built if it is not; other processes wait meanwhile."""
    environment = Environment()
    ROOT.mkdir(exist_ok=True)
    with FileLock(ROOT / "lock"):
        if not environment.mark.is_file() or environment.mark.read_text() != _lists():
            environment.mark.unlink(missing_ok=True)  # first, so that no half of it counts as whole
            shutil.rmtree(environment.root, ignore_errors=True)
            _build(environment)
            environment.mark.write_text(_lists())
    return environment


def place_in_cache(cache: Path, name: str, folder: Path) -> None:
    """Let a Hub cache give a folder as the main branch of a repository."""
    cached = cache / f"models--{name.replace('/', '--')}"
    for part in ("refs", "snapshots"):
        (cached / part).mkdir(parents=True)
    (cached / "refs" / "main").write_text(COMMIT)
    (cached / "snapshots" / COMMIT).symlink_to(folder)


def _lists() -> str:
    # A virtual environment does not survive being moved.
    hasher = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for name in (*LISTS, "environment.py", "scripts/t5.py"):
        hasher.update((HERE / name).read_bytes())
    return hasher.hexdigest()


def _build(environment: Environment) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment.root], check=True)
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    install = (*pip, "install", "--no-compile")  # most of it is never imported
    requirements, constraints, alone, sources = (HERE / name for name in LISTS)
    environment.run(*install, "--constraint", constraints, "--requirement", requirements)
    environment.run(*install, "--no-deps", "--requirement", alone)
    packages = next(environment.root.glob("lib/python*/site-packages"))
    # They are built for another torch; without them torchaudio does all in Python.
    shutil.rmtree(packages / "torchaudio" / "lib")
    # The source alone has config/. Nothing of it is built, so that no build backend is asked for.
    downloads = environment.root / "downloads"
    hashed = ("--no-deps", "--require-hashes", "--requirement", sources)
    environment.run(*pip, "download", "--dest", downloads, *hashed)
    for archive in downloads.iterdir():
        _unpack(archive, environment.sources)
    places = (HERE / "stand_ins", environment.sources / OFFICIAL)
    (packages / "audiocraft.pth").write_text("".join(f"{place}\n" for place in places))
    ffmpeg = next((packages / "imageio_ffmpeg" / "binaries").glob("ffmpeg-*"))
    (environment.python.parent / "ffmpeg").symlink_to(ffmpeg)  # AudioCraft writes its wavs with it
    environment.desk.mkdir()
    encoder = environment.desk / "t5-base"
    environment.run(HERE / "scripts" / "t5.py", encoder)
    # Hydra sends a training elsewhere to work, where only the cache of the Hub gives the encoder.
    place_in_cache(environment.hub_cache, "t5-base", encoder)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a source archive or a wheel into a folder named after its release."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder / archive.name.partition("-py3")[0])
    else:
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")


if __name__ == "__main__":
    begun = time.monotonic()
    print(f"AudioCraft's environment: {ready().root} ({time.monotonic() - begun:.0f} s)")
