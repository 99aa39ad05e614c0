import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, ListConfig
from omegaconf.base import ContainerMetadata, Metadata
from omegaconf.nodes import AnyNode

from pipeline.errors import OutputError, TrainingError
from pipeline.layout import Outputs, TrainFolder
from pipeline.schema import CheckpointConfig
from pipeline.stage import Context, Record
from stages.miniature import checkpoint
from stages.miniature.codec import Codec
from stages.miniature.melodies import SCALE, Melodies
from stages.miniature.model import LanguageModel, Shape
from stages.train import Train
from stages.train.request import CODEC_BYTES, MINIATURE_BYTES
from tests import sound
from tests.miniature import CODEC, TINY, codec_beside
from tests.toy import write_toy
from tests.train_stage import context, start, train

PATIENCE = 60.0
"""Seconds to wait for another process before a test gives up."""


@dataclass
class Watcher:
    """A progress that remembers; doubles as its own task."""

    lines: list[str] = field(default_factory=list)
    epochs: int = 0
    total: int | None = None

    @contextmanager
    def task(
        self, label: str, total: int | None = None, unit: str = "bytes"
    ) -> Iterator["Watcher"]:
        assert unit == "epochs"
        self.total = total
        self.note(label)
        yield self

    def note(self, text: str) -> None:
        self.lines.append(text)

    def advance(self, amount: int) -> None:
        self.epochs += amount

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Place:
    """An outputs folder, and train stages that work in it."""

    root: Path
    progress: Watcher = field(default_factory=Watcher)

    @property
    def dora(self) -> Path:
        return Outputs(self.root).dora

    def context(self, name: str = "v") -> Context:
        return context(self.root, name, self.progress)

    def train(self, *overrides: str, package: str = "toy", name: str = "v") -> Record:
        return train(self.context(name), package, overrides)

    def experiment(self) -> Path:
        (only,) = (path for path in (self.dora / "xps").iterdir() if path.name != CODEC)
        return only

    def log(self) -> str:
        (only,) = self.dora.glob("*.log")
        return only.read_text()

    def plan(self, *overrides: str) -> str:
        config = CheckpointConfig(kind="train", package="toy", overrides=list(overrides))
        return Train(config).plan(self.context()).summary


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose working directory holds the package `toy`."""
    write_toy(tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return Place(tmp_path / "outputs")


@pytest.fixture
def go(tmp_path: Path) -> Iterator[Path]:
    """A file that trainings with ``wait_for=`` wait for; there at the latest when a test ends."""
    path = tmp_path / "go"
    yield path
    path.touch()


def eventually(happened: Callable[[], Any]) -> Any:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not (result := happened()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return result


def epochs_in(dora: Path) -> int:
    found = list(dora.glob("xps/*/history.json"))
    return len(json.loads(found[0].read_text())) if found else 0


def holder(dora: Path) -> int:
    (lock,) = dora.glob("*.lock")
    return int(json.loads(lock.read_text())["pid"])


class InBackground(threading.Thread):
    """A call in a thread, with what it gave or raised."""

    def __init__(self, call: Callable[[], Record]) -> None:
        super().__init__(daemon=True)
        self.call, self.record, self.error = call, Record(), None
        self.start()

    def run(self) -> None:
        try:
            self.record = self.call()
        except BaseException as error:
            self.error = error


# The embedded miniature, for real.


def test_the_default_gives_two_genuine_experiments_that_play_a_melody(tmp_path):
    genuine = Place(tmp_path)
    stage, ctx = Train(CheckpointConfig(kind="miniature")), genuine.context()
    assert stage.check(ctx) == []
    record = stage.run(ctx)
    left = TrainFolder(ctx.folder)
    lm, codec = (path.resolve().parent for path in (left.checkpoint, left.codec))
    assert record.facts == {"signature": lm.name, "package": "stages.miniature"}
    assert record.local == {"folder": str(lm), "dora_dir": str(genuine.dora)}
    assert {path.name for path in (genuine.dora / "xps").iterdir()} == {lm.name, codec.name}
    assert json.loads(left.xp.read_text()) == {
        "signature": lm.name, "folder": f"dora/xps/{lm.name}",
    }  # fmt: skip
    assert {path.name for path in lm.iterdir()} >= {
        ".argv.json", ".hydra", "history.json", "checkpoint.th", "checkpoint_1.th",
        "checkpoint_2.th", "checkpoint_3.th",
    }  # fmt: skip
    assert [path.name for path in codec.glob("*.th")] == ["checkpoint.th"]
    labels = [line for line in genuine.progress.lines if line.startswith("training")]
    assert labels == ["training the codec of stages.miniature", "training stages.miniature"]
    assert (genuine.progress.epochs, genuine.progress.total) == (6, 3)
    assert any(line.startswith("valid ce ") for line in genuine.progress.lines)
    for folder, expected in ((lm, MINIATURE_BYTES), (codec, CODEC_BYTES)):
        sizes = {path.stat().st_ino: path.stat().st_size for path in folder.glob("*.th")}
        assert 0.9 * expected < sum(sizes.values()) < expected
        check_no_path(folder, genuine.root)
    check_checkpoint(lm / "checkpoint.th", lm.name, codec.name)
    assert stage.plan(ctx).summary == f"experiment {lm.name} is complete"
    check_melody(lm / "checkpoint.th", Codec.load(codec / "checkpoint.th"))


def check_melody(path: Path, codec: Codec) -> None:
    """Listen to what a language model plays through its codec."""
    state = checkpoint.load(path)
    model = LanguageModel(Shape.of(state["xp.cfg"]), 0)
    model.load_state_dict(state["best_state"]["model"])
    (known,) = Melodies.of(state["xp.cfg"], codec.hop).batches("valid", 0, 1, 4)
    with torch.no_grad():
        codes = sound.sample(model, known.descriptions, 150, seed=1)
        disorder = codes[:, :, torch.randperm(150, generator=torch.Generator().manual_seed(1))]
        played, learnt, disordered = (
            codec.decode(tokens) for tokens in (codes, codec.encode(known.audio), disorder)
        )
    noise = torch.randn(played.shape, generator=torch.Generator().manual_seed(1))
    assert sound.tonality(noise) < 15
    assert sound.tonality(played) > 40
    assert abs(sound.tonality(played) - sound.tonality(learnt)) < 12
    # The notes are of the scale, and they last, as they would not in any other order.
    heard = sound.pitches(played, 16000).flatten()
    away = (heard[:, None] - torch.tensor(SCALE)).abs().amin(1)
    assert (away < 8).float().mean() > 0.9
    steady = [sound.steadiness(audio, 16000) for audio in (played, disordered)]
    assert steady[0] > 0.5 and steady[0] > steady[1] + 0.2


def check_checkpoint(path: Path, signature: str, codec: str) -> None:
    """Open a checkpoint the way the format's description says it can be opened."""
    allowed = [
        DictConfig, ListConfig, AnyNode, ContainerMetadata, Metadata, Any, dict, list, int,
        (lambda factory=None: {}, "collections.defaultdict"),
    ]  # fmt: skip
    with torch.serialization.safe_globals(allowed):
        state = torch.load(path, weights_only=True)
    config = state["xp.cfg"]
    assert state["xp.sig"] == signature
    assert config.solver == "musicgen"
    assert config.compression_model_checkpoint == f"//sig/{codec}"
    assert (config.dataset.segment_duration, config.sample_rate) == (20, 16000)
    assert [entry["valid"]["ce"] for entry in state["history"]] == sorted(
        (entry["valid"]["ce"] for entry in state["history"]), reverse=True
    )
    assert state["best_state"]["model"]["linears.3.weight"].shape == (256, 64)


def test_a_codec_that_is_gone_is_trained_again_and_the_language_model_is_not(tmp_path):
    # Small: the request with the experiments that it leads to, not what is in them.
    place = Place(tmp_path / "outputs")
    stage = Train(CheckpointConfig(kind="miniature"))
    assert stage.plan(place.context()).summary == (
        "train the codec of stages.miniature, 3 epochs; train stages.miniature, 3 epochs"
    )
    assert stage.plan(place.context()).size == MINIATURE_BYTES + CODEC_BYTES
    begin(place, "c0dec000", stage.request.codec.overrides, 3)
    assert stage.plan(place.context()).summary == "train stages.miniature, 3 epochs"
    assert stage.plan(place.context()).size == MINIATURE_BYTES
    begin(place, "1a2b3c4d", stage.request.on("c0dec000").overrides, 1)
    assert stage.plan(place.context()).summary == "resume 1a2b3c4d at epoch 2"
    begin(place, "1a2b3c4d", stage.request.on("c0dec000").overrides, 3)
    assert stage.plan(place.context()).summary == "experiment 1a2b3c4d is complete"
    (place.dora / "xps/c0dec000/checkpoint.th").unlink()
    assert stage.plan(place.context()).summary == ("train the codec of stages.miniature, 3 epochs")


def begin(place: Place, signature: str, overrides: tuple[str, ...], epochs: int) -> None:
    """Leave what a training leaves, as far as a plan looks at it."""
    folder = place.dora / "xps" / signature
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".argv.json").write_text(json.dumps(overrides))
    (folder / "history.json").write_text(json.dumps([{}] * epochs))
    (folder / "checkpoint.th").touch()
    holder = {"pid": 1, "host": "here", "package": "stages.miniature"}
    (place.dora / f"{signature}.lock").write_text(json.dumps(holder))


def check_no_path(folder: Path, root: Path) -> None:
    """Nothing that later stages read names the folder it was trained in."""
    for path in (*folder.glob("*.th"), folder / "history.json", folder / ".hydra/config.yaml"):
        assert str(root).encode() not in path.read_bytes()


def test_bytes_depend_neither_on_the_place_nor_on_a_kill(tmp_path, ugly):
    overrides = (*TINY, "optim.epochs=3", "optim.updates_per_epoch=16")
    settings = {
        "PYTHONHASHSEED": "42", "TZ": "Asia/Tokyo", "LC_ALL": "C", "OMP_NUM_THREADS": "2",
        "SLURM_PROCID": "3", "SLURM_NTASKS": "4", "WORLD_SIZE": "4", "RANK": "3",
    }  # fmt: skip
    whole, killed = Place(ugly), Place(tmp_path / "outputs")
    for place in (whole, killed):
        codec_beside(place.dora / "xps/any")
    undisturbed = start(whole.root, "stages.miniature", overrides, settings, umask=0o077)
    first = InBackground(lambda: killed.train(*overrides, package="stages.miniature"))
    eventually(lambda: epochs_in(killed.dora) or not first.is_alive())
    training = holder(killed.dora)
    assert training != os.getpid()
    os.kill(training, signal.SIGKILL)
    first.join()
    assert "SIGKILL" in str(first.error)
    assert epochs_in(killed.dora) < 3
    killed.train(*overrides, package="stages.miniature")
    assert "resuming after epoch" in killed.log()
    assert undisturbed.wait() == 0

    names = ["checkpoint.th", *(f"checkpoint_{n}.th" for n in (1, 2, 3)), "history.json"]
    for name in (*names, ".hydra/config.yaml", ".argv.json"):
        ours, theirs = whole.experiment() / name, killed.experiment() / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert not [path for path in killed.experiment().iterdir() if path.name.endswith(".tmp")]


# Any package, in a stand-in that starts fast.


def test_another_package_is_trained_where_the_pipeline_wants_it(place):
    record = place.train("optim.epochs=2")
    assert record.local["dora_dir"] == str(place.dora)
    assert place.experiment().name == record.facts["signature"]
    assert f"training in {Path.cwd()}" in place.log()
    assert not Path("elsewhere").exists()


def test_a_complete_experiment_is_left_alone(place):
    place.train()
    before = place.log()
    record = place.train(name="w")
    assert place.log() == before
    assert place.progress.lines[-1] == f"experiment {record.facts['signature']} is complete"


def test_an_experiment_without_its_checkpoint_is_not_complete(place):
    place.train("optim.epochs=1")
    (place.experiment() / "checkpoint.th").unlink()
    (place.experiment() / "history.json").unlink()
    place.train("optim.epochs=1", name="w")
    assert (place.experiment() / "checkpoint.th").exists()


def test_two_stages_at_once_train_once(place, go):
    other = Place(place.root)
    overrides = (f"wait_for={go}",)
    first = InBackground(lambda: place.train(*overrides, name="a"))
    eventually(lambda: epochs_in(place.dora))
    second = InBackground(lambda: other.train(*overrides, name="b"))
    waiting = eventually(lambda: [line for line in other.progress.lines if "waiting" in line])
    assert waiting[0].startswith(f"process {holder(place.dora)} ")
    go.touch()
    first.join()
    second.join()
    assert (first.error, second.error) == (None, None)
    assert first.record.facts == second.record.facts
    assert place.log().count("training in") == 1


def test_a_training_outlives_the_run_that_started_it_and_the_next_waits(place, go):
    overrides = [f"wait_for={go}"]
    driver = start(place.root, "toy", overrides)
    eventually(lambda: epochs_in(place.dora))
    assert holder(place.dora) != driver.pid
    driver.kill()
    driver.wait()
    second = InBackground(lambda: place.train(*overrides))
    eventually(lambda: [line for line in place.progress.lines if "waiting" in line])
    go.touch()
    second.join()
    assert second.error is None
    assert place.log().count("training in") == 1


def test_an_interruption_ends_the_training_and_leaves_it_resumable(place, go):
    class Impatient(Watcher):
        def advance(self, amount: int) -> None:
            raise KeyboardInterrupt

    place.progress = Impatient()
    overrides = (f"wait_for={go}", "optim.epochs=3")
    with pytest.raises(KeyboardInterrupt):
        place.train(*overrides)
    with pytest.raises(ProcessLookupError):
        os.kill(holder(place.dora), 0)
    assert place.plan(*overrides) == f"resume {place.experiment().name} at epoch 2"


def test_a_crash_is_quoted_and_can_be_resumed(place):
    with pytest.raises(TrainingError) as caught:
        place.train("fail=crash", "optim.epochs=3")
    what, where, hint = str(caught.value).splitlines()
    assert what == "Training toy failed: RuntimeError: Model probably diverged."
    assert where.endswith(".log")
    assert hint == "Once that is cured, the same command will go on after epoch 1."
    with pytest.raises(TrainingError, match="go on after epoch 2"):
        place.train("fail=crash", "optim.epochs=3")


def test_a_config_that_the_package_refuses_is_quoted(place):
    with pytest.raises(TrainingError) as caught:
        place.train("fail=config")
    what, where, _ = str(caught.value).splitlines()
    assert what == "toy cannot be trained: KeyError: 'no such key: optm'"
    assert Path(where.removeprefix("The whole output is in ")).read_text().count("KeyError")


@pytest.mark.parametrize(
    ("failure", "words"), [("checkpoint", "without a checkpoint"), ("early", "after epoch 1 of 3")]
)
def test_a_training_that_ends_well_but_leaves_too_little_is_an_error(place, failure, words):
    with pytest.raises(TrainingError, match=words):
        place.train(f"fail={failure}", "optim.epochs=3")


def test_a_full_disk_is_called_by_its_name(place):
    with pytest.raises(OutputError, match="the disk is full"):
        place.train("fail=disk")


def test_two_packages_with_one_signature_do_not_share_an_experiment(place):
    place.train()
    write_toy(Path.cwd(), "other")
    with pytest.raises(TrainingError, match="toy both call"):
        place.train(package="other")


def test_a_package_without_a_number_of_epochs_is_asked_again(place):
    source = Path("toy/train.py")
    source.write_text(source.read_text().replace("SimpleNamespace(epochs=epochs)", "None"))
    place.train()
    place.train(name="w")
    assert place.log().count("training in") == 2


def test_something_that_is_no_dora_program_is_refused(place):
    Path("toy/train.py").write_text("def main(): pass\n")
    with pytest.raises(TrainingError, match="toy.train.main is not a Dora program"):
        place.train()


def test_a_checkpoint_from_elsewhere_needs_no_training(place):
    stage = Train(CheckpointConfig(kind="file", path="x"))
    ctx = place.context()
    assert stage.check(ctx) == []
    assert not stage.plan(ctx).needed
    assert stage.key(ctx) == {}


def test_what_is_wrong_is_found_before_any_work(place):
    config = CheckpointConfig(kind="train", package="toyy", overrides=["dora.dir=x", "oops"])
    problems = Train(config).check(place.context())
    assert [problem.where.partition(",")[0] for problem in problems] == [
        "checkpoint.package",
        "checkpoint.overrides: dora.dir=x",
        "checkpoint.overrides: oops",
    ]
    assert problems[0].hint == "Did you mean toy?"


def test_the_key_changes_with_package_and_overrides_alone(place):
    def key(**values: Any) -> Any:
        return Train(CheckpointConfig(kind="train", **values)).key(place.context())

    first = key(package="toy", overrides=["a=1"])
    place.train("a=1")
    assert first == key(package="toy", overrides=["a=1"])
    assert first != key(package="toy", overrides=["a=2"])
    assert first != key(package="other", overrides=["a=1"])
