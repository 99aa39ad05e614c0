import resource
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from stages.miniature import checkpoint
from stages.miniature.solver import Solver
from tests.miniature import TINY, config_of

EPOCHS = 3
WORSENING = ("optim.lr=3.0", "schedule.cosine.warmup=12", "optim.ema.decay=0.0")


def train(folder: Path, *overrides: str, epochs: int = EPOCHS) -> list[int]:
    """Train in this process; gives the number of epochs at each commit of the history."""
    folder.mkdir(parents=True, exist_ok=True)
    commits: list[int] = []
    config = config_of(*TINY, f"optim.epochs={epochs}", *overrides)
    Solver(config, folder, "1a2b3c4d", lambda history: commits.append(len(history))).run()
    return commits


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert train(folder) == [1, 2, 3]
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(folder: Path, whole: Path) -> bool:
    return names(folder) == names(whole) and all(
        (folder / name).read_bytes() == (whole / name).read_bytes() for name in names(whole)
    )


def test_an_experiment_keeps_every_epoch_and_nothing_half_done(whole):
    assert names(whole) == [
        "checkpoint.th", "checkpoint_1.th", "checkpoint_2.th", "checkpoint_3.th",
    ]  # fmt: skip
    assert (whole / "checkpoint.th").samefile(whole / "checkpoint_3.th")


def test_a_checkpoint_has_every_key_of_a_real_one(whole):
    state = checkpoint.load(whole / "checkpoint.th")
    assert list(state) == [
        "history", "xp.cfg", "xp.sig", "best_state", "fsdp_best_state", "model", "optimizer",
        "lr_scheduler", "ema",
    ]  # fmt: skip
    assert state["xp.sig"] == "1a2b3c4d"
    assert state["fsdp_best_state"] == {}
    assert isinstance(state["model"], OrderedDict)
    assert {tensor.dtype for tensor in state["model"].values()} == {torch.float32}
    stored = [state["model"], state["best_state"]["model"], state["ema"]["state"]["model"]]
    assert len({tuple(tensors) for tensors in stored}) == 1
    assert set(state["optimizer"]["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert len(state["history"]) == EPOCHS


def test_the_history_has_metrics_and_no_durations(whole):
    history = checkpoint.load(whole / "checkpoint.th")["history"]
    split = ["ce", "ppl", *(f"{m}_q{k}" for k in range(1, 5) for m in ("ce", "ppl"))]
    for entry in history:
        assert list(entry) == ["train", "valid"]
        assert list(entry["valid"]) == split
        assert list(entry["train"]) == ["lr", "grad_norm", *split]
    assert history[-1]["valid"]["ce"] < history[0]["valid"]["ce"]


def test_the_config_in_a_checkpoint_is_unresolved(whole):
    config = checkpoint.load(whole / "checkpoint.th")["xp.cfg"]
    assert config.solver == "musicgen"
    raw = dict(config._content["dora"].items_ex(resolve=False))
    assert str(raw["dir"]) == "${oc.env:AUDIOCRAFT_DORA_DIR,outputs/dora}"


@pytest.fixture(scope="module")
def worsening(tmp_path_factory) -> Path:
    """A run whose learning rate rises until every epoch is worse than the one before."""
    folder = tmp_path_factory.mktemp("worsening")
    train(folder, *WORSENING)
    return folder


def test_the_best_state_is_the_average_of_the_best_epoch(worsening):
    state = checkpoint.load(worsening / "checkpoint.th")
    values = [entry["valid"]["ce"] for entry in state["history"]]
    assert values[0] == min(values)  # how it goes on differs between processors
    judged = checkpoint.load(worsening / "checkpoint_1.th")["ema"]["state"]["model"]
    best = state["best_state"]["model"]
    assert all(torch.equal(best[name], judged[name]) for name in judged)


def test_the_best_state_survives_a_kill(worsening, tmp_path):
    shutil.copy(worsening / "checkpoint_1.th", tmp_path / "checkpoint.th")
    train(tmp_path, *WORSENING)
    assert (tmp_path / "checkpoint.th").read_bytes() == (worsening / "checkpoint.th").read_bytes()


@pytest.mark.parametrize("killed", ["in a write", "before the link", "between two names"])
def test_a_kill_at_any_step_of_saving_changes_no_byte(killed, whole, tmp_path):
    last, second, temporary = (
        tmp_path / name for name in ("checkpoint.th", "checkpoint_2.th", ".checkpoint.th.tmp")
    )
    shutil.copy(whole / "checkpoint_1.th", tmp_path)
    last.hardlink_to(tmp_path / "checkpoint_1.th")
    if killed == "in a write":
        temporary.write_bytes((whole / "checkpoint_2.th").read_bytes()[:1000])
    else:
        shutil.copy(whole / "checkpoint_2.th", second)
    if killed == "between two names":
        temporary.hardlink_to(second)
    assert train(tmp_path) == [1, 2, 3]
    assert same(tmp_path, whole)


def test_a_history_file_that_fell_behind_is_committed_again(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    assert train(tmp_path) == [3]
    assert same(tmp_path, whole)


def test_a_write_that_the_disk_refuses_leaves_the_last_checkpoint_alone(whole, tmp_path):
    shutil.copy(whole / "checkpoint.th", tmp_path)
    state = {"xp.cfg": config_of(), "model": {"weight": torch.zeros(1000)}}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            checkpoint.save(state, tmp_path, 4, keep=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["checkpoint.th"]
    assert (tmp_path / "checkpoint.th").read_bytes() == (whole / "checkpoint.th").read_bytes()


def test_epochs_are_kept_as_often_as_asked(tmp_path):
    train(tmp_path, "checkpoint.save_every=2")
    assert names(tmp_path) == ["checkpoint.th", "checkpoint_2.th"]
    assert len(checkpoint.load(tmp_path / "checkpoint.th")["history"]) == 3


def test_equal_strings_become_one_object():
    text = "".join(["c", "e"])
    state = checkpoint.interned([{"ce": OrderedDict(a=text)}, "".join(["c", "e"])])
    assert state[0]["ce"]["a"] is state[1] is next(iter(state[0]))


def test_nothing_in_a_checkpoint_can_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / "sprung",)

    path = tmp_path / "checkpoint.th"
    torch.save({"history": Trap()}, path)
    with pytest.raises(Exception, match="weights_only|Weights only"):
        checkpoint.load(path)
    assert not (tmp_path / "sprung").exists()


def test_training_takes_the_threads_of_its_config_not_of_its_surroundings(tmp_path):
    # The number of threads decides in which order floats are added.
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        train(tmp_path, epochs=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
