"""A training package that starts in no time: all that Dora asks of a program, without Dora.

It stands for any package, well-behaved or not: its overrides say how it trains and how it fails.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = """
import hashlib, json, os, pathlib, sys, time
from types import SimpleNamespace

print("a package may print while it is imported")
DEFAULTS = {"optim.epochs": "2", "pace": "0", "fail": "", "wait_for": ""}


class Program:
    def __init__(self):
        self.dora = SimpleNamespace(dir=pathlib.Path("elsewhere"))

    def get_xp(self, argv):
        settings = {**DEFAULTS, **dict(item.split("=", 1) for item in argv)}
        if settings["fail"] == "config":
            raise KeyError("no such key: optm")
        sig = hashlib.sha1(json.dumps(sorted(argv)).encode()).hexdigest()[:8]
        epochs = settings["optim.epochs"]
        cfg = SimpleNamespace(optim=SimpleNamespace(epochs=epochs))
        folder = self.dora.dir / "xps" / sig
        return SimpleNamespace(sig=sig, cfg=cfg, folder=folder, settings=settings)

    def __call__(self):
        xp = self.get_xp(sys.argv[1:])
        xp.folder.mkdir(parents=True, exist_ok=True)
        (xp.folder / ".argv.json").write_text(json.dumps(sys.argv[1:]))
        print("training in", os.getcwd(), flush=True)
        path = xp.folder / "history.json"
        history = json.loads(path.read_text()) if path.exists() else []
        while len(history) < int(xp.settings["optim.epochs"]):
            time.sleep(float(xp.settings["pace"]))
            history.append({"valid": {"ce": 5.0 - len(history)}})
            if xp.settings["fail"] != "checkpoint":
                (xp.folder / "checkpoint.th").write_text(f"epoch {len(history)}")
            (xp.folder / ".new").write_text(json.dumps(history))
            (xp.folder / ".new").rename(path)
            while xp.settings["wait_for"] and not pathlib.Path(xp.settings["wait_for"]).exists():
                time.sleep(0.02)
            if xp.settings["fail"] == "early":
                return
            if xp.settings["fail"] == "crash":
                raise RuntimeError("Model probably diverged.")
            if xp.settings["fail"] == "disk":
                raise OSError(28, "No space left on device")


main = Program()
"""


def write_toy(folder: Path, name: str = "toy") -> Path:
    """Write the package ``name`` below ``folder``; gives its own folder."""
    package = folder.joinpath(*name.split("."))
    package.mkdir(parents=True)
    for parent in (package, *package.parents):
        if parent == folder:
            break
        (parent / "__init__.py").touch()
    (package / "train.py").write_text(SOURCE)
    return package
