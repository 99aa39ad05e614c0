import resource
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from stages.miniature import checkpoint
from stages.miniature.language import LanguageSolver
from tests.miniature import CODEC, TINY, codec_beside, config_of

EPOCHS = 3
SIG = "1a2b3c4d"
WORSENING = ("optim.lr=100.0", "schedule.cosine.warmup=12", "optim.ema.decay=0.0")


def train(folder: Path, *overrides: str, epochs: int = EPOCHS) -> list[int]:
    """Train in this process; gives the number of epochs at each commit of the history."""
    commits: list[int] = []
    config = config_of(*TINY, f"optim.epochs={epochs}", *overrides)
    LanguageSolver(config, folder, SIG, lambda history: commits.append(len(history))).run()
    return commits


@pytest.fixture(scope="module")
def xps(tmp_path_factory) -> Path:
    """A folder of experiments that has the codec."""
    folder = tmp_path_factory.mktemp("xps")
    codec_beside(folder / SIG)
    return folder


@pytest.fixture
def fresh(xps, tmp_path) -> Path:
    """An empty experiment, with the codec beside it."""
    (tmp_path / CODEC).symlink_to(xps / CODEC)
    (tmp_path / SIG).mkdir()
    return tmp_path / SIG


@pytest.fixture(scope="module")
def whole(xps) -> Path:
    folder = xps / SIG
    folder.mkdir()
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


def test_every_epoch_draws_its_own_batches_and_is_judged_on_the_same(fresh):
    still = ("optim.lr=0", "conditioners.description.t5.word_dropout=0")
    train(fresh, *still, "classifier_free_guidance.training_dropout=0", epochs=2)
    first, second = checkpoint.load(fresh / "checkpoint.th")["history"]
    assert first["train"]["ce"] != second["train"]["ce"]
    assert first["valid"]["ce"] == pytest.approx(second["valid"]["ce"])


def test_the_config_in_a_checkpoint_is_unresolved(whole):
    config = checkpoint.load(whole / "checkpoint.th")["xp.cfg"]
    assert config.solver == "musicgen"
    raw = dict(config._content["dora"].items_ex(resolve=False))
    assert str(raw["dir"]) == "${oc.env:AUDIOCRAFT_DORA_DIR,outputs/dora}"


@pytest.fixture(scope="module")
def worsening(xps) -> Path:
    """A run whose learning rate rises until every epoch is worse than the one before."""
    folder = xps / "worsening"
    folder.mkdir()
    train(folder, *WORSENING)
    return folder


def test_the_best_state_is_the_average_of_the_best_epoch(worsening):
    state = checkpoint.load(worsening / "checkpoint.th")
    values = [entry["valid"]["ce"] for entry in state["history"]]
    assert values[0] == min(values)  # how it goes on differs between processors
    judged = checkpoint.load(worsening / "checkpoint_1.th")["ema"]["state"]["model"]
    best = state["best_state"]["model"]
    assert all(torch.equal(best[name], judged[name]) for name in judged)


def test_the_best_state_survives_a_kill(worsening, fresh):
    shutil.copy(worsening / "checkpoint_1.th", fresh / "checkpoint.th")
    train(fresh, *WORSENING)
    assert (fresh / "checkpoint.th").read_bytes() == (worsening / "checkpoint.th").read_bytes()


@pytest.mark.parametrize("killed", ["in a write", "before the link", "between two names"])
def test_a_kill_at_any_step_of_saving_changes_no_byte(killed, whole, fresh):
    last, second, temporary = (
        fresh / name for name in ("checkpoint.th", "checkpoint_2.th", ".checkpoint.th.tmp")
    )
    shutil.copy(whole / "checkpoint_1.th", fresh)
    last.hardlink_to(fresh / "checkpoint_1.th")
    if killed == "in a write":
        temporary.write_bytes((whole / "checkpoint_2.th").read_bytes()[:1000])
    else:
        shutil.copy(whole / "checkpoint_2.th", second)
    if killed == "between two names":
        temporary.hardlink_to(second)
    assert train(fresh) == [1, 2, 3]
    assert same(fresh, whole)


def test_a_history_file_that_fell_behind_is_committed_again(whole, fresh):
    shutil.copytree(whole, fresh, dirs_exist_ok=True)
    assert train(fresh) == [3]
    assert same(fresh, whole)


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


def test_epochs_are_kept_as_often_as_asked(fresh):
    train(fresh, "checkpoint.save_every=2")
    assert names(fresh) == ["checkpoint.th", "checkpoint_2.th"]
    assert len(checkpoint.load(fresh / "checkpoint.th")["history"]) == 3


def test_equal_strings_become_one_object():
    text = "".join(["c", "e"])
    state = checkpoint.interned([{"ce": OrderedDict(a=text)}, "".join(["c", "e"])])
    assert state[0]["ce"]["a"] is state[1] is next(iter(state[0]))


def test_a_codec_of_other_codebooks_is_refused(fresh):
    with pytest.raises(ValueError, match="4 codebooks of 16"):
        train(fresh, "transformer_lm.card=64")


def test_a_codec_that_is_not_an_experiment_is_refused(fresh):
    with pytest.raises(ValueError, match="//sig/SIG"):
        train(fresh, "compression_model_checkpoint=//pretrained/facebook/encodec_32khz")


def test_nothing_in_a_checkpoint_can_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / "sprung",)

    path = tmp_path / "checkpoint.th"
    torch.save({"history": Trap()}, path)
    with pytest.raises(Exception, match="weights_only|Weights only"):
        checkpoint.load(path)
    assert not (tmp_path / "sprung").exists()


def test_training_takes_the_threads_of_its_config_not_of_its_surroundings(fresh):
    # The number of threads decides in which order floats are added.
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        train(fresh, epochs=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
