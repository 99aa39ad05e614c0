"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.files import free_bytes


def machine(folder: Path) -> dict[str, Any]:
    """Describe this machine without naming it; ``folder`` is on the disk that is measured."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "disk_free_bytes": free_bytes(folder),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "coreutils": _first_line("sha256sum", "--version"),
        **{name: _version(name) for name in ("torch", "numpy", "isal", "zlib-ng", "numkong")},
    }


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _file_system(folder: Path) -> str:
    """Give the type of the file system that a folder is on."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    here = folder.resolve()
    above = [(len(place), kind) for _, place, kind, *_ in mounts if here.is_relative_to(place)]
    return max(above)[1] if above else ""


def _first_line(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
