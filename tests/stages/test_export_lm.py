"""``state_dict.bin``: equal to torch's own work, safe to load, the same from anywhere."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from pipeline.errors import FormatError, OutputError, SourceError
from pipeline.files import file_digest
from pipeline.layout import STATE_DICT
from stages.common.checkpoint import Checkpoint
from stages.export_lm import ExportLM
from tests import exports
from tests.experiments import rewrite, write_encodec_experiment, write_exported, write_lm_experiment
from tests.exports import Bench, collected, config_of, export, load, request, same, source

small_disk = exports.small_disk
SIG, SHARDED = "1a2b3c4d", "e0a84302"


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, SIG)
    write_lm_experiment(folder, SHARDED, fsdp=True)
    write_lm_experiment(folder, "05f94543", conditioners=None)
    write_encodec_experiment(folder)
    return folder


def exported(root: Path, dora: Path, sig: str = SIG, **settings: object) -> Path:
    bench = collected(root, sig=sig, dora_dir=str(dora))
    bench.do(ExportLM(export(**settings)))
    return bench.run.export_lm.state_dict


def test_the_file_is_what_audiocraft_loads(tmp_path, dora):
    loaded = load(exported(tmp_path, dora))
    assert list(loaded) == ["best_state", "xp.cfg", "version", "exported"]
    assert (loaded["version"], loaded["exported"]) == ("1.3.0", True)
    assert type(loaded["best_state"]) is dict
    checkpoint = source(dora / "xps" / SIG / "checkpoint.th")
    assert same(loaded["best_state"], checkpoint["best_state"]["model"])
    assert not same(loaded["best_state"], checkpoint["model"])
    config = OmegaConf.create(loaded["xp.cfg"])
    assert config.transformer_lm == checkpoint["xp.cfg"].transformer_lm
    assert "${sample_rate}" in loaded["xp.cfg"]


def test_the_bytes_are_those_that_torch_writes(tmp_path, dora):
    path = exported(tmp_path, dora)
    with (tmp_path / "torch.bin").open("wb") as file:
        torch.save(load(path), file)

    def records(path):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {
                name: archive.read(name)
                for name in archive.namelist()
                if not name.endswith("serialization_id")
            }

    assert records(path) == records(tmp_path / "torch.bin")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_cast_is_equal_to_that_of_torch(tmp_path, dora, dtype):
    loaded = load(exported(tmp_path, dora, dtype=dtype))["best_state"]
    best = source(dora / "xps" / SIG / "checkpoint.th")["best_state"]["model"]
    assert same(loaded, {key: tensor.to(getattr(torch, dtype)) for key, tensor in best.items()})


def test_whole_numbers_are_not_cast(tmp_path, dora):
    folder = write_lm_experiment(tmp_path, SIG)
    best = source(folder / "checkpoint.th")["best_state"]
    best["model"] |= {"steps": torch.arange(5), "mask": torch.tensor([True, False])}
    rewrite(folder / "checkpoint.th", best_state=best)
    loaded = load(exported(tmp_path, tmp_path, dtype="float16"))["best_state"]
    assert loaded["steps"].dtype == torch.int64
    assert loaded["mask"].dtype == torch.bool
    assert loaded["out_norm.weight"].dtype == torch.float16


def test_the_full_state_of_a_sharded_run(tmp_path, dora):
    loaded = load(exported(tmp_path, dora, SHARDED))["best_state"]
    whole = source(dora / "xps" / SHARDED / "checkpoint.th")["fsdp_best_state"]["model"]
    assert same(loaded, whole)
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float16}
    assert all(tensor.numel() for tensor in loaded.values())


def test_an_unconditional_model_has_an_empty_dict_of_conditioners(tmp_path, dora):
    for sanitize in (True, False):
        path = exported(tmp_path / str(sanitize), dora, "05f94543", sanitize=sanitize)
        assert config_of(path).conditioners == {}


def test_an_exported_file_is_rewritten_in_todays_form(tmp_path, dora):
    checkpoint = dora / "xps" / SIG / "checkpoint.th"
    expected = file_digest(exported(tmp_path / "direct", dora))
    for form in ("new", "old"):
        path = write_exported(tmp_path / form / STATE_DICT, checkpoint, form)
        bench = collected(tmp_path / f"{form} run", "file", path=str(path))
        bench.do(ExportLM(export()))
        assert file_digest(bench.run.export_lm.state_dict) == expected


def test_the_same_bytes_from_any_folder(tmp_path, dora):
    first = exported(tmp_path / "a", dora)
    elsewhere = tmp_path / "another place"
    write_lm_experiment(elsewhere, SIG)
    second = exported(tmp_path / "b" / "ünder", elsewhere)
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


def test_the_record_names_the_settings_and_no_value(tmp_path, dora):
    bench = collected(tmp_path, sig=SIG, dora_dir=str(dora))
    overrides = {"dataset.segment_duration": 30}
    stage = ExportLM(export(dtype="float16", config_overrides=overrides))
    record = bench.do(stage)
    path = bench.run.export_lm.state_dict
    assert record.digests == {STATE_DICT: file_digest(path)}
    best = source(dora / "xps" / SIG / "checkpoint.th")["best_state"]["model"]
    parameters = sum(tensor.numel() for tensor in best.values())
    assert {**record.facts, "removed": sorted(record.facts["removed"])} == {
        "dtype": "float16",
        "layout": "two_file",
        "config_overrides": overrides,
        "removed": sorted(
            ["dora", "slurm", "wandb", "tensorboard", "logging", "datasource"]
            + ["execute_only", "execute_inplace"]
        ),
        "blanked": ["cache.path"],
        "parameters": parameters,
        "bytes": 2 * parameters,
    }
    assert record.local == {}
    assert config_of(path).dataset.segment_duration == 30


def test_nothing_private_is_published_unless_asked_for(tmp_path, dora):
    careful = exported(tmp_path / "a", dora)
    assert b"secret" not in careful.read_bytes()
    assert b"someone" not in careful.read_bytes()
    whole = exported(tmp_path / "b", dora, sanitize=False)
    assert config_of(whole).wandb.project == "secret-project"


class TestChecks:
    """What is found before any work."""

    def ready(self, tmp_path: Path, dora: Path) -> Bench:
        """Plan collect without running it."""
        from stages.collect import Collect

        bench = Bench.at(tmp_path)
        bench.plan(Collect(request("dora", sig=SIG, dora_dir=str(dora))))
        return bench

    def test_all_is_well(self, tmp_path, dora):
        bench = self.ready(tmp_path, dora)
        stage = ExportLM(export(dtype="float16", config_overrides={"dataset.num_workers": 2}))
        assert bench.check(stage) == []
        plan = bench.plan(stage)
        assert (plan.summary, plan.needed) == ("best state as float16", True)
        real = collected(tmp_path / "x", sig=SIG, dora_dir=str(dora))
        assert plan.size == real.do(stage).facts["bytes"]

    def test_settings_that_do_not_exist(self, tmp_path, dora):
        problems = self.ready(tmp_path, dora).check(ExportLM(export(dtype="float61", layout="x")))
        assert [problem.what.split(":")[0] for problem in problems] == [
            "export.dtype=float61",
            "export.layout=x",
        ]
        assert "export.dtype=float16" in problems[0].hint

    def test_an_override_that_does_not_fit(self, tmp_path, dora):
        stage = ExportLM(export(config_overrides={"dataset.segment_duratoin": 30}))
        [problem] = self.ready(tmp_path, dora).check(stage)
        assert "dataset.segment_duration" in problem.hint

    def test_a_codec_alone_has_no_language_model(self, tmp_path, dora):
        bench = collected(tmp_path, sig="98dabcc6", dora_dir=str(dora))
        stage = ExportLM(export(config_overrides={"x.y.z": 1}))
        assert bench.check(stage) == []
        assert not bench.plan(stage).needed

    def test_before_the_miniature_is_trained(self, tmp_path):
        from pipeline.stage import Plan

        bench = Bench.at(tmp_path)
        bench.plans["collect"] = Plan("", facts={"kind": "miniature", "miniature": True})
        stage = ExportLM(export(config_overrides={"dataset.segment_duration": 30}))
        assert bench.check(stage) == []
        assert bench.plan(stage).size is None


def test_the_key_has_all_that_shapes_the_bytes(tmp_path, dora):
    bench = collected(tmp_path, sig=SIG, dora_dir=str(dora))
    variants = [
        {},
        {"dtype": "float16"},
        {"sanitize": False},
        {"audiocraft_version": "1.4.0"},
        {"config_overrides": {"dataset.segment_duration": 30}},
        {"allow_nonfinite": True},
    ]
    stages = [ExportLM(export(**settings)) for settings in variants]
    keys = [stage.key(bench.context(stage)) for stage in stages]
    assert all(left != right for i, left in enumerate(keys) for right in keys[:i])


def test_a_checkpoint_that_changed_since_it_was_collected(tmp_path):
    folder = write_lm_experiment(tmp_path / "dora", SIG)
    bench = collected(tmp_path, sig=SIG, dora_dir=str(tmp_path / "dora"))
    model = source(folder / "checkpoint.th")["model"]
    rewrite(folder / "checkpoint.th", best_state={"model": dict(model)})
    with pytest.raises(SourceError, match="force=collect"):
        bench.do(ExportLM(export()))


@pytest.mark.parametrize("value", [7e4, -7e4])
def test_an_overflow_names_the_tensor_and_leaves_no_file(tmp_path, value):
    folder = write_lm_experiment(tmp_path / "dora", SIG)
    best = source(folder / "checkpoint.th")["best_state"]
    best["model"]["linears.2.weight"][1, 1] = value
    rewrite(folder / "checkpoint.th", best_state=best)
    bench = collected(tmp_path, sig=SIG, dora_dir=str(tmp_path / "dora"))
    with pytest.raises(FormatError, match="linears.2.weight") as caught:
        bench.do(ExportLM(export(dtype="float16")))
    assert len(str(caught.value).splitlines()) <= 3
    assert os.listdir(bench.run.export_lm.root) == []


@pytest.mark.parametrize("dtype", ["keep", "float16", "bfloat16"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_no_nan_is_published_unless_it_is_allowed(tmp_path, dtype, value):
    folder = write_lm_experiment(tmp_path / "dora", SIG)
    best = source(folder / "checkpoint.th")["best_state"]
    best["model"]["linears.2.weight"][1, 1] = value
    rewrite(folder / "checkpoint.th", best_state=best)
    bench = collected(tmp_path, sig=SIG, dora_dir=str(tmp_path / "dora"))
    fits = value == 3e38 and dtype != "float16"
    if not fits:
        with pytest.raises(FormatError, match="linears.2.weight(?s:.*)allow_nonfinite=true"):
            bench.do(ExportLM(export(dtype=dtype)))
        assert os.listdir(bench.run.export_lm.root) == []
        bench.run.export_lm.root.rmdir()
    record = bench.do(ExportLM(export(dtype=dtype, allow_nonfinite=True)))
    assert record.facts.get("nonfinite", []) == ([] if fits else ["linears.2.weight"])
    made = value == 3e38 and not fits
    assert record.facts.get("overflowed", []) == (["linears.2.weight"] if made else [])


def test_of_tied_tensors_with_nan_every_name_is_told(tmp_path):
    folder = write_lm_experiment(tmp_path / "dora", SIG)
    best = source(folder / "checkpoint.th")["best_state"]
    best["model"]["linears.2.weight"][1, 1] = float("nan")
    best["model"]["linears.3.weight"] = best["model"]["linears.2.weight"]
    rewrite(folder / "checkpoint.th", best_state=best)
    bench = collected(tmp_path, sig=SIG, dora_dir=str(tmp_path / "dora"))
    record = bench.do(ExportLM(export(dtype="float16", allow_nonfinite=True)))
    assert record.facts["nonfinite"] == ["linears.2.weight", "linears.3.weight"]
    assert "overflowed" not in record.facts


def test_the_last_state_of_a_sharded_run(tmp_path, dora):
    """Every rank's pieces, in order, are the tensors of an unsharded save."""
    bench = collected(tmp_path, sig=SHARDED, dora_dir=str(dora), state="last")
    record = bench.do(ExportLM(export()))
    made = torch.load(bench.run.export_lm.state_dict, weights_only=True)["best_state"]
    path = dora / "xps" / SHARDED / "checkpoint.th"
    ranks = [source(path)["model"], source(path.with_name("checkpoint.th.1"))["model"]]
    assert list(made) == list(ranks[0])
    for key, tensor in made.items():
        assert torch.equal(tensor.flatten(), torch.cat([rank[key] for rank in ranks]))
    assert record.facts["parameters"] == sum(tensor.numel() for tensor in made.values())
    with Checkpoint.open(bench.run.export_lm.state_dict) as exported:
        assert exported.states["best"].digest() == bench.records["collect"].facts["state_digest"]


def test_another_rank_that_saved_since_it_was_collected(tmp_path, dora):
    copy = tmp_path / "copy"
    shutil.copytree(dora / "xps" / SHARDED, copy / "xps" / SHARDED)
    bench = collected(tmp_path, sig=SHARDED, dora_dir=str(copy), state="last")
    path = copy / "xps" / SHARDED / "checkpoint.th.1"
    rewrite(path, model={key: shard + 1 for key, shard in source(path)["model"].items()})
    with pytest.raises(SourceError, match="force=collect"):
        bench.do(ExportLM(export()))


def test_a_flipped_bit_is_found_while_copying(tmp_path):
    folder = write_lm_experiment(tmp_path / "dora", SIG)
    path = folder / "checkpoint.th"
    needle = source(path)["best_state"]["model"]["linears.0.weight"].numpy().tobytes()[:64]
    content = bytearray(path.read_bytes())
    content[content.index(needle) + 5] ^= 1
    path.write_bytes(content)
    bench = collected(tmp_path, sig=SIG, dora_dir=str(tmp_path / "dora"))
    with pytest.raises(FormatError) as caught:
        bench.do(ExportLM(export()))
    error = caught.value
    assert re.search(r"record data/\d+ \(linears\.0\.weight\) is not as", error.what), error.what
    assert error.where == str(path)
    assert os.listdir(bench.run.export_lm.root) == []


def test_a_full_disk_is_said_before_the_first_byte(small_disk, dora):
    bench = collected(small_disk, sig=SIG, dora_dir=str(dora))
    stage = ExportLM(export())
    [problem] = bench.check(stage)
    assert "disk is too full" in problem.what
    with pytest.raises(OutputError, match="disk is too full"):
        bench.do(stage)
    assert os.listdir(bench.run.export_lm.root) == []


def test_a_flipped_bit_in_another_ranks_file_is_said_of_that_file(tmp_path, dora):
    copy = tmp_path / "copy"
    shutil.copytree(dora / "xps" / SHARDED, copy / "xps" / SHARDED)
    path = copy / "xps" / SHARDED / "checkpoint.th.1"
    needle = source(path)["model"]["linears.3.weight"].numpy().tobytes()[:64]
    content = bytearray(path.read_bytes())
    content[content.index(needle) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"data/\d+ \(.+ is in it\)") as caught:
        collected(tmp_path, sig=SHARDED, dora_dir=str(copy), state="last")
    assert caught.value.where == str(path)
