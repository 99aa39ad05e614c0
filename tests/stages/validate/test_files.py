"""What can be wrong with a file, and the check that must see it."""

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.candidates import Candidate


def flip(path: Path, record: str) -> None:
    """Flip one bit in a record, and leave its checksum."""
    with zipfile.ZipFile(path) as file:
        info = next(i for i in file.infolist() if i.filename.endswith(record))
    content = bytearray(path.read_bytes())
    lengths = struct.unpack_from("<HH", content, info.header_offset + 26)
    content[info.header_offset + 30 + sum(lengths)] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_in_the_weights_is_seen(candidate: Candidate):
    flip(candidate.run.export_lm.state_dict, "/data/3")
    rows = candidate.report()
    assert rows["lm.records"]["verdict"] == "fail"
    assert rows["lm.loads"]["verdict"] == "pass"  # torch does not look
    assert candidate.verdicts("off") == {"lm.records": "fail"}


def test_a_flipped_bit_beside_the_weights_is_seen(candidate: Candidate):
    flip(candidate.run.export_compression.compression, "/version")
    assert "fail" in candidate.verdicts("off").values()


def test_one_weight_changed_after_export_is_seen_although_the_checksums_fit(candidate: Candidate):
    def nudge(package: dict[str, Any]) -> None:
        package["best_state"]["out_norm.bias"][0] += 1e-3

    candidate.spoil(nudge)
    assert candidate.verdicts()["lm.state"] == "fail"
    candidate.facts["export_lm"]["dtype"] = "float32"
    assert candidate.verdicts()["lm.state"] == "skipped"
    del candidate.facts["collect"]["state_digest"]
    assert candidate.verdicts()["lm.state"] == "skipped"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_no_number_escapes(candidate: Candidate, value: float, dtype: torch.dtype):
    def cast(package: dict[str, Any]) -> None:
        state = package["best_state"]
        package["best_state"] = {name: tensor.to(dtype) for name, tensor in state.items()}
        package["best_state"]["emb.2.weight"][-1, -1] = value

    candidate.facts["export_lm"]["dtype"] = str(dtype).removeprefix("torch.")
    candidate.spoil(cast)
    row = candidate.report()["lm.finite"]
    assert row["verdict"] == "fail"
    assert row["message"] == "NaN or Inf in 1 tensor: emb.2.weight."


def test_what_the_export_accepted_is_a_warning(candidate: Candidate):
    def spoil(package: dict[str, Any]) -> None:
        package["best_state"]["emb.2.weight"][-1, -1] = float("nan")

    candidate.spoil(spoil)
    candidate.facts["export_lm"]["nonfinite"] = ["emb.1.weight"]
    assert candidate.verdicts()["lm.finite"] == "fail"
    candidate.facts["export_lm"]["nonfinite"] = ["emb.2.weight"]
    row = candidate.report()["lm.finite"]
    assert row["verdict"] == "warn"
    assert row["message"].startswith("NaN or Inf in 1 tensor: emb.2.weight; ")
    assert "checkpoint.state=ema" in row["remedy"] and "dtype" not in row["remedy"]


def test_an_overflow_that_the_export_accepted_is_cured_by_another_dtype(candidate: Candidate):
    def spoil(package: dict[str, Any]) -> None:
        state = package["best_state"]
        package["best_state"] = {name: tensor.half() for name, tensor in state.items()}
        package["best_state"]["emb.2.weight"][-1, -1] = float("inf")

    candidate.spoil(spoil)
    accepted = {"nonfinite": ["emb.2.weight"], "overflowed": ["emb.2.weight"]}
    candidate.facts["export_lm"] |= {"dtype": "float16", **accepted}
    row = candidate.report()["lm.finite"]
    assert row["verdict"] == "warn"
    assert row["message"].startswith("Inf by the cast to float16 in 1 tensor: emb.2.weight; ")
    assert "export.dtype=bfloat16" in row["remedy"] and "state" not in row["remedy"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_largest_and_smallest_numbers_are_numbers(candidate: Candidate, dtype: torch.dtype):
    def cast(package: dict[str, Any]) -> None:
        state = package["best_state"]
        package["best_state"] = {name: tensor.to(dtype) for name, tensor in state.items()}
        limits = torch.finfo(dtype)
        numbers = [limits.max, limits.min, limits.tiny, limits.tiny / 2, -0.0]
        row = torch.tensor(numbers, dtype=torch.float64).to(dtype)
        package["best_state"]["out_norm.bias"][:5] = row

    candidate.facts["export_lm"]["dtype"] = str(dtype).removeprefix("torch.")
    candidate.spoil(cast)
    assert candidate.verdicts().get("lm.finite") is None


def test_a_truncated_file_is_seen_and_what_depends_on_it_skipped(candidate: Candidate):
    path = candidate.run.export_lm.state_dict
    os.truncate(path, path.stat().st_size // 2)
    rows = candidate.report()
    assert rows["lm.loads"]["verdict"] == "fail"
    assert rows["lm.tensors"]["verdict"] == "skipped"
    assert rows["codec.tensors"]["verdict"] == "pass"
    assert "fail" in candidate.verdicts("off").values()


class Payload:
    """A pickle that would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def test_code_in_a_pickle_is_refused_and_does_not_run(candidate: Candidate, tmp_path: Path):
    marker = tmp_path / "it ran"
    candidate.spoil(lambda package: package.update(extra=Payload(marker)))
    row = candidate.report()["lm.loads"]
    assert row["verdict"] == "fail"
    assert "system" in row["message"]
    assert not marker.exists()


def test_missing_and_unexpected_files_are_seen(candidate: Candidate):
    (candidate.run.export_lm.root / "stage.json").write_text("{}")
    assert candidate.report()["layout"]["verdict"] == "pass"
    (candidate.run.export_lm.root / "optimizer.bin").write_text("")
    candidate.run.export_compression.compression.unlink()
    row = candidate.report()["layout"]
    assert row["verdict"] == "fail"
    assert "export_lm left optimizer.bin" in row["message"]
    assert "export_compression left no compression_state_dict.bin" in row["message"]


@pytest.mark.parametrize("key", ["best_state", "xp.cfg", "version", "exported"])
def test_each_missing_key_is_named(candidate: Candidate, key: str):
    candidate.spoil(lambda package: package.pop(key))
    row = candidate.report()["lm.fields"]
    assert row["verdict"] == "fail"
    assert key in row["message"]


@pytest.mark.parametrize("change", [{"exported": 1}, {"version": None}, {"best_state": {}}])
def test_keys_with_other_values_fail(candidate: Candidate, change: dict[str, Any]):
    candidate.spoil(lambda package: package.update(change))
    assert candidate.verdicts()["lm.fields"] == "fail"


def test_something_among_the_weights_that_is_no_tensor_fails(candidate: Candidate):
    candidate.spoil(lambda package: package["best_state"].update(note="hello"))
    assert candidate.verdicts()["lm.fields"] == "fail"


def test_a_weight_without_a_name_fails(candidate: Candidate):
    candidate.spoil(lambda package: package["best_state"].update({7: torch.zeros(3)}))
    assert candidate.verdicts()["lm.loads"] == "fail"


def test_more_than_a_release_needs_is_worth_a_warning(candidate: Candidate):
    candidate.spoil(lambda package: package.update(optimizer={"lr": 0.1}))
    row = candidate.report()["lm.fields"]
    assert row["verdict"] == "warn"
    assert "optimizer" in row["message"]


@pytest.mark.parametrize("text", ["just words", "- a\n- b", "a: [", "a: 1\na: 2", ""])
def test_an_xp_cfg_that_is_no_yaml_with_keys_fails(candidate: Candidate, text: str):
    candidate.spoil(lambda package: package.update({"xp.cfg": text}))
    verdicts = candidate.verdicts()
    assert verdicts["lm.config"] == "fail"
    assert verdicts["lm.builders"] == verdicts["agreement.codebooks"] == "skipped"


@pytest.mark.parametrize("kind", ["quick", "off"])
def test_a_file_that_holds_no_dict_fails(candidate: Candidate, kind: str):
    torch.save([torch.zeros(3)], candidate.run.export_lm.state_dict)
    assert "fail" in candidate.verdicts(kind).values()


@pytest.mark.parametrize("kind", ["quick", "off"])
@pytest.mark.parametrize("state", [None, "weights", [torch.zeros(3)]])
def test_weights_that_are_no_dict_fail(candidate: Candidate, kind: str, state: Any):
    candidate.spoil(lambda package: package.update(best_state=state))
    assert "fail" in candidate.verdicts(kind).values()


def test_a_tensor_of_another_shape_fails(candidate: Candidate):
    candidate.spoil(lambda package: package["best_state"].update({"out_norm.bias": torch.zeros(3)}))
    row = candidate.report()["lm.tensors"]
    assert row["verdict"] == "fail"
    assert "out_norm.bias is [3], not [16]" in row["message"]


def test_attention_spelt_for_another_setting_fails_with_the_override(candidate: Candidate):
    def custom(config) -> None:
        config.transformer_lm.custom = True

    candidate.reconfigure(custom)
    row = candidate.report()["lm.tensors"]
    assert row["verdict"] == "fail"
    assert "transformer_lm.custom: false" in row["remedy"]


def _magnet(config) -> None:
    config.solver, config.lm_model = "magnet", "transformer_lm_magnet"
    config.masking = {"span_len": 3}


def test_a_magnet_s_tensors_are_compared_although_nothing_here_runs_it(candidate: Candidate):
    candidate.reconfigure(_magnet)
    rows = candidate.report()
    assert rows["lm.tensors"]["verdict"] == "pass"
    assert rows["lm.runs"]["verdict"] == "skipped"
    candidate.spoil(lambda package: package["best_state"].update({"mask": torch.zeros(3)}))
    assert candidate.report()["lm.tensors"]["verdict"] == "fail"


def test_a_model_without_a_key_model_is_skipped_with_the_reason(candidate: Candidate):
    def stranger(config) -> None:
        config.solver, config.lm_model = "musicgen", "transformer_lm_magnet"

    candidate.reconfigure(stranger)
    row = candidate.report()["lm.tensors"]
    assert row["verdict"] == "skipped"
    assert "no key model for solver musicgen with transformer_lm_magnet" in row["message"]


def test_a_codec_without_a_key_model_is_skipped_with_the_reason(candidate: Candidate):
    def other(config) -> None:
        config.compression_model = "dac"

    candidate.reconfigure(other, codec=True)
    rows = candidate.report()
    assert rows["codec.tensors"]["message"] == "no key model for dac"
    assert rows["agreement.codebooks"]["verdict"] == "skipped"


def test_weights_of_another_dtype_than_asked_for_fail(candidate: Candidate):
    candidate.facts["export_lm"]["dtype"] = "float16"
    assert candidate.verdicts()["lm.dtypes"] == "fail"


def test_weights_that_are_no_floats_fail(candidate: Candidate):
    whole = torch.zeros(16, dtype=torch.int64)
    candidate.spoil(lambda package: package["best_state"].update({"out_norm.bias": whole}))
    assert candidate.verdicts()["lm.dtypes"] == "fail"


def test_the_counter_of_a_batch_norm_is_a_whole_number(candidate: Candidate):
    counter = {"norm.num_batches_tracked": torch.tensor(7)}
    candidate.spoil(lambda package: package["best_state"].update(counter))
    rows = candidate.report()
    assert rows["lm.dtypes"]["verdict"] == "pass"
    assert rows["lm.tensors"]["verdict"] == "fail"  # this model has no batch norm


def test_mixed_dtypes_are_worth_a_warning(candidate: Candidate):
    half = torch.zeros(16, dtype=torch.float16)
    candidate.spoil(lambda package: package["best_state"].update({"out_norm.bias": half}))
    assert candidate.verdicts()["lm.dtypes"] == "warn"


def test_a_reference_to_a_path_fails_and_to_a_stranger_cannot_be_compared(referring: Candidate):
    referring.spoil(lambda package: package.update(pretrained="/home/codec.bin"), codec=True)
    assert referring.verdicts()["codec.reference"] == "fail"
    referring.spoil(lambda package: package.update(pretrained="someone/codec"), codec=True)
    rows = referring.report()
    assert rows["codec.reference"]["verdict"] == "pass"
    assert rows["agreement.cardinality"]["verdict"] == "skipped"
    assert "someone/codec" in rows["agreement.cardinality"]["message"]


def test_a_codec_of_another_cardinality_fails(candidate: Candidate):
    def larger(config) -> None:
        config.transformer_lm.card = 128

    candidate.reconfigure(larger)
    row = candidate.report()["agreement.cardinality"]
    assert row["verdict"] == "fail"
    assert "128" in row["message"]
    assert "64" in row["message"]
