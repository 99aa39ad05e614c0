"""States of a run on two ranks, joined from their shards, against what torch makes of them."""

import gc
import re
import shutil
import tracemalloc
import zlib
from collections import deque
from pathlib import Path

import pytest
import torch

from pipeline.errors import FormatError, SourceError
from stages.common import saving
from stages.common.archive import Archive
from stages.common.checkpoint import Checkpoint
from stages.common.sharded import rank_files
from stages.common.state_choice import choose_state
from stages.common.states import states_in
from tests.archives import elements, saved
from tests.experiments import rewrite, write_lm_experiment
from tests.exports import source


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, "f5d9f5d9", fsdp=True)
    return folder


def joined_by_torch(path: Path, state: str) -> dict[str, torch.Tensor]:
    """Join the shards of two ranks as their definition says."""
    ranks = [source(path), source(path.with_name(f"{path.name}.1"))]
    whole = ranks[0]["fsdp_best_state"]["model"]
    held = [r["ema"]["state"]["model"] if state == "ema" else r["model"] for r in ranks]
    prefix = "_fsdp_wrapped_module." if state == "ema" else ""
    return {
        key: torch.cat([tensors[prefix + key] for tensors in held]).view(tensor.shape)
        for key, tensor in whole.items()
    }


@pytest.fixture
def sharded(tmp_path: Path, dora: Path) -> Path:
    """A copy of a run on two ranks, to be spoilt: rank 0's last checkpoint."""
    copy = tmp_path / "f5d9f5d9"
    shutil.copytree(dora / "xps/f5d9f5d9", copy)
    return copy / "checkpoint.th"


def refused_join(path: Path) -> str:
    with (
        Checkpoint.open(path) as opened,
        pytest.raises((SourceError, FormatError)) as refused,
    ):
        choose_state(opened, "last", None)
    assert len(str(refused.value).splitlines()) <= 3
    return str(refused.value)


@pytest.mark.parametrize("state", ["ema", "last"])
@pytest.mark.parametrize("name", ["checkpoint.th", "checkpoint_1.th"])
def test_shards_are_joined(tmp_path, dora, state, name):
    path = dora / "xps/f5d9f5d9" / name
    link = tmp_path / "collected.th"
    link.symlink_to(path)
    with Checkpoint.open(link) as opened:
        chosen = choose_state(opened, state, None)
        whole = opened.states["best"].tensors
        assert {k: t.shape for k, t in chosen.tensors.items()} == {
            k: t.shape for k, t in whole.items()
        }
        assert chosen.dtypes == {"float32": 36}
        expected = joined_by_torch(path, state)
        for key, tensor in chosen.tensors.items():
            read = b"".join(map(bytes, tensor.blocks()))
            assert read == elements(expected[key])
            assert tensor.crc() == zlib.crc32(read)
            assert len(read) == tensor.nbytes


@pytest.mark.parametrize("state", ["ema", "last"])
def test_the_digest_is_that_of_the_whole_tensors(tmp_path, dora, state):
    path = dora / "xps/f5d9f5d9/checkpoint.th"
    whole = saved(tmp_path / "whole.th", {**source(path), "model": joined_by_torch(path, state)})
    with Checkpoint.open(path) as opened, Archive.open(whole) as archive:
        expected = states_in(archive, archive.root, "training", sharded=True)["last"]
        assert opened.state(state).digest() == expected.digest()


def test_shards_that_are_whole_records_are_not_read_for_the_digest(sharded):
    one = sharded.with_name("checkpoint.th.1")
    with Checkpoint.open(sharded) as opened:
        honest = opened.state("ema").digest()
    with Archive.open(one) as archive:
        name, ref = max(
            archive.root["ema"]["state"]["model"].items(), key=lambda item: item[1].nbytes
        )
        at = archive.records[f"data/{ref.record}"].offset
    content = bytearray(one.read_bytes())
    content[at] ^= 4
    one.write_bytes(content)
    with Checkpoint.open(sharded) as opened:
        state = opened.state("ema")
        assert state.digest_known
        assert state.digest() == honest
        tensor = state.tensors[name.removeprefix("_fsdp_wrapped_module.")]
        with pytest.raises(
            FormatError, match=rf"record data/{ref.record} \(.*\) is not as it was saved"
        ):
            deque(tensor.blocks())


def test_of_a_rank_only_its_shards_stay_in_memory(sharded):
    """There can be a hundred ranks, each with moments of all parameters and the whole history."""
    one = sharded.with_name("checkpoint.th.1")
    moments = {at: {"exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)} for at in range(600)}
    history = [
        {"valid": {f"metric {at}": float(at + epoch) for at in range(2000)}} for epoch in (1, 2)
    ]
    rewrite(sharded, history=history)
    rewrite(one, history=history, optimizer={"state": moments})
    with Checkpoint.open(sharded) as opened:
        tracemalloc.start()
        chosen = choose_state(opened, "last", None)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak > 800_000
        assert held < 80_000
        assert opened.state("last") is chosen
        ema = opened.state("ema")
        assert chosen.digest() != ema.digest()


def test_an_epoch_was_judged_on_what_is_in_shards(dora):
    with Checkpoint.open(dora / "xps/f5d9f5d9/checkpoint_1.th") as opened:
        chosen = choose_state(opened, "auto", 1, "compression")
        assert (chosen.name, chosen.key) == ("ema", "ema")


def test_a_save_that_was_cut_off_while_it_was_renamed(sharded):
    one = sharded.with_name("checkpoint.th.1")
    before = sharded.with_name("checkpoint_1.th.1").read_bytes()
    new = one.rename(saving.unnamed(one))
    one.write_bytes(before)
    saving.token(sharded).touch()
    with Checkpoint.open(sharded) as opened:
        assert choose_state(opened, "last", None).parameters
    for path in (sharded, saving.unnamed(sharded)):
        assert rank_files(path) == (new,)
    saving.token(sharded).unlink()
    assert rank_files(sharded) == (one,)


def test_only_one_rank_is_there(sharded):
    sharded.with_name("checkpoint.th.1").unlink()
    assert re.search(
        r"last state in shards.* only rank 0's is here\.\n.*th\.1\n.*the best state",
        refused_join(sharded),
    )


def test_a_rank_between_two_others_is_missing(sharded):
    one = sharded.with_name("checkpoint.th.1")
    one.rename(sharded.with_name("checkpoint.th.2"))
    assert f"A rank's file is missing.\n{one}" in refused_join(sharded)


def test_a_rank_more_than_there_were(sharded):
    one = sharded.with_name("checkpoint.th.1")
    shutil.copy(one, sharded.with_name("checkpoint.th.2"))
    assert "The shards of 3 ranks hold" in refused_join(sharded)


def test_a_rank_that_has_not_saved_yet(sharded):
    shutil.copy(sharded.with_name("checkpoint_1.th.1"), sharded.with_name("checkpoint.th.1"))
    assert re.search(r"not of one save.* epoch 1 .* epoch 2 .*\n.*th\.1", refused_join(sharded))


def test_a_rank_of_another_run(sharded):
    rewrite(sharded.with_name("checkpoint.th.1"), xp_sig="0badbad0")
    assert "0badbad0" in refused_join(sharded)


def test_a_rank_with_other_parameters(sharded):
    one = sharded.with_name("checkpoint.th.1")
    model = source(one)["model"]
    model["new"] = model.pop("emb.0.weight")
    rewrite(one, model=model)
    told = "rank 1 are not those of this model: emb.0.weight is not there"
    assert refused_join(sharded).splitlines() == [f"The shards of {told}.", str(one)]


def test_a_rank_without_the_state(sharded):
    one = rewrite(sharded.with_name("checkpoint.th.1"), model={})
    assert f"Not every rank has the last state.\n{one}" in refused_join(sharded)


def test_a_rank_whose_file_is_no_checkpoint(sharded):
    one = sharded.with_name("checkpoint.th.1")
    whole = one.read_bytes()
    saved(one, [1])
    assert refused_join(sharded).endswith(f"where a dict is.\n{one}")
    one.write_bytes(whole)
    rewrite(one, model={"emb.0.weight": 1})
    assert refused_join(sharded) == f"emb.0.weight in model is no tensor.\n{one}"
    rewrite(one, model=[1])
    assert refused_join(sharded).endswith(f"where a dict is.\n{one}")


def test_shards_of_other_dtypes(sharded):
    one = sharded.with_name("checkpoint.th.1")
    model = source(one)["model"]
    rewrite(one, model={key: shard.half() for key, shard in model.items()})
    assert "do not fit together" in refused_join(sharded)


def test_a_buffer_is_whole_on_every_rank(sharded):
    for name in ("checkpoint.th", "checkpoint.th.1"):
        path = sharded.with_name(name)
        package = source(path)
        package["model"]["rope.frequencies"] = torch.arange(4.0)
        if name == "checkpoint.th":
            package["fsdp_best_state"]["model"]["rope.frequencies"] = torch.arange(4.0)
        rewrite(path, model=package["model"], fsdp_best_state=package["fsdp_best_state"])
    with Checkpoint.open(sharded) as opened:
        buffer = choose_state(opened, "last", None).tensors["rope.frequencies"]
        assert b"".join(map(bytes, buffer.blocks())) == elements(torch.arange(4.0))


def test_a_flipped_bit_in_a_shard_is_found(sharded):
    one = sharded.with_name("checkpoint.th.1")
    with Archive.open(one) as archive:
        ref = archive.root["model"]["emb.3.weight"]
        at = archive.records[f"data/{ref.record}"].offset
    raw = bytearray(one.read_bytes())
    raw[at] ^= 1
    one.write_bytes(raw)
    with Checkpoint.open(sharded) as opened, pytest.raises(FormatError, match=str(one)):
        choose_state(opened, "last", None).digest()
