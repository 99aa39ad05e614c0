"""The stage as the engine calls it: reports, records, errors."""

import json
import re
from pathlib import Path

import pytest

from pipeline.layout import Outputs, Run
from pipeline.schema import (
    CheckpointConfig,
    CompressionConfig,
    ExpectConfig,
    ExportConfig,
    ValidateConfig,
)
from pipeline.stage import Context, Record
from stages.collect import Collect
from stages.export_compression import ExportCompression
from stages.export_lm import ExportLM
from stages.validate import Validate
from tests.candidates import Candidate
from tests.experiments import write_encodec_experiment, write_lm_experiment


def stage(kind: str = "quick", strict: bool = False, **expect: object) -> Validate:
    return Validate(ValidateConfig(kind=kind), ExpectConfig(**expect), strict)  # type: ignore[arg-type]


def short(candidate: Candidate) -> None:
    """Bring about the warning on segment_duration."""

    def shorten(config) -> None:
        config.dataset.segment_duration = 5

    candidate.reconfigure(shorten)


def test_a_genuine_pair_passes_every_check_that_applies(candidate: Candidate):
    verdicts = candidate.verdicts(solver="musicgen", config={"transformer_lm.dim": 16})
    assert verdicts == {"expect.codec": "skipped"}


def made(tmp_path: Path, dtype: str) -> Candidate:
    """Give what the stages before validate make of an experiment."""
    dora = tmp_path / "dora"
    write_lm_experiment(dora, epochs=1, codec="//sig/98dabcc6")
    write_encodec_experiment(dora, epochs=1)
    run = Run(tmp_path / "outputs" / "small" / "variant", Outputs(tmp_path / "outputs"))
    export = ExportConfig(kind="audiocraft", dtype=dtype)
    source = CheckpointConfig(kind="dora", sig="1a2b3c4d", dora_dir=str(dora))
    stages = (
        Collect(source),
        ExportLM(export),
        ExportCompression(CompressionConfig(kind="auto"), export),
    )
    records: dict[str, Record] = {}
    for earlier in stages:
        run.output(earlier.name).mkdir(parents=True)
        ctx = Context(run, run.output(earlier.name), dict(records))
        records[earlier.name] = earlier.run(ctx)
    facts = {name: dict(record.facts) for name, record in records.items()}
    return Candidate(run, facts, {name: dict(record.local) for name, record in records.items()})


@pytest.mark.parametrize(("dtype", "state"), [("keep", "pass"), ("float16", "skipped")])
def test_what_the_stages_before_leave_passes(tmp_path: Path, dtype: str, state: str):
    candidate = made(tmp_path, dtype)
    rows = candidate.report(solver="musicgen", config={"transformer_lm.dim": 16})
    assert {row["verdict"] for row in rows.values()} <= {"pass", "skipped"}
    assert rows["lm.state"]["verdict"] == state
    assert {rows[f"{model}.parity"]["verdict"] for model in ("lm", "codec")} == {"pass"}
    assert rows["codec.state"]["verdict"] == "pass"
    assert rows["lm.tensors"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("named", "verdict"),
    [
        ("//sig/98dabcc6", "pass"),
        ("//pretrained/facebook/encodec_32khz", "pass"),
        ("//pretrained/facebook/encodec_24khz", "fail"),
        ("//sig/00000000", "skipped"),
        (None, "skipped"),
        ("${nowhere}", "skipped"),
        ("${oc.env:CODEC_OF_THE_READER}", "skipped"),
        ("${oc.select:nowhere,//pretrained/facebook/encodec_24khz}", "skipped"),
    ],
)
def test_the_codec_in_training_tells_the_frame_rate(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, named: str | None, verdict: str
):
    monkeypatch.setenv("CODEC_OF_THE_READER", "//pretrained/facebook/encodec_32khz")

    def follow(config) -> None:
        config.compression_model_checkpoint = named

    candidate.reconfigure(follow)
    assert candidate.report()["agreement.frame_rate"]["verdict"] == verdict


def test_the_record_holds_verdict_and_checks_and_no_path(candidate: Candidate):
    record, _ = candidate.validate()
    assert record is not None
    assert record.facts == {"verdict": "pass", "warnings": []}
    assert record.warnings == ()
    text = json.dumps([record.facts, record.local])
    assert str(candidate.run.root) not in text
    assert {"name", "verdict", "message", "remedy"} == set(record.local["checks"][0])


def test_every_line_of_a_report_is_one_line_and_every_finding_has_a_remedy(candidate: Candidate):
    candidate.spoil(lambda package: package.update(version=None))
    candidate.run.export_compression.compression.unlink()
    short(candidate)
    for row in candidate.report().values():
        assert "\n" not in row["message"] + row["remedy"]
        assert bool(row["remedy"]) == (row["verdict"] in ("warn", "fail"))


def test_all_checks_run_before_the_stage_fails(candidate: Candidate):
    candidate.spoil(lambda package: package["best_state"].pop("out_norm.bias"))
    candidate.reconfigure(lambda config: config.pop("conditioners"))
    candidate.spoil(lambda package: package.pop("version"), codec=True)
    _, error = candidate.validate()
    assert error is not None
    lines = str(error).splitlines()
    assert len(lines) == 3
    assert re.match(r"\d+ checks failed: lm\.\w+: ", lines[0])
    assert lines[1] == str(candidate.run.root / "validate.failed" / "report.json")
    failed = {name for name, verdict in candidate.verdicts().items() if verdict == "fail"}
    assert {"lm.builders", "lm.tensors", "codec.fields"} <= failed


def test_a_single_failure_is_told_with_its_remedy(candidate: Candidate):
    candidate.spoil(lambda package: package.pop("version"), codec=True)
    _, error = candidate.validate()
    assert error is not None
    assert error.what.startswith("1 check failed: codec.fields: compression_state_dict.bin lacks")
    assert error.hint == "force=export_compression writes the file anew"


def test_a_warning_is_told_with_its_cure(candidate: Candidate):
    short(candidate)
    record, _ = candidate.validate()
    assert record is not None
    assert record.facts == {"verdict": "warn", "warnings": ["traps.segment_duration"]}
    assert "export.config_overrides={dataset.segment_duration: 30}" in record.warnings[0]


def test_strict_makes_a_warning_a_failure(candidate: Candidate):
    short(candidate)
    record, error = candidate.validate(strict=True)
    assert record is None
    assert error is not None
    assert "traps.segment_duration" in error.what


def test_expectations_that_are_not_met_name_both_values(candidate: Candidate):
    record, _ = candidate.validate(
        solver="audiogen", codec="facebook/encodec_32khz", config={"transformer_lm.dim": 1024}
    )
    assert record is not None
    assert record.facts["warnings"] == ["expect.solver", "expect.config", "expect.codec"]
    assert "facebook/encodec_32khz" in record.warnings[2]
    assert "//sig/98dabcc6" in record.warnings[2]


def test_a_miniature_is_only_held_against_its_solver(candidate: Candidate):
    candidate.facts["collect"]["miniature"] = True
    record, _ = candidate.validate(
        solver="musicgen", codec="facebook/encodec_32khz", config={"transformer_lm.dim": 1024}
    )
    assert record is not None
    assert record.facts["verdict"] == "pass"


def test_a_codec_alone_is_a_release(codec_alone: Candidate):
    verdicts = codec_alone.verdicts(solver="compression", config={"rvq.bins": 64})
    assert verdicts == {}


def test_a_reference_is_judged_by_the_table(referring: Candidate):
    rows = referring.report(codec="facebook/encodec_32khz")
    assert rows["codec.reference"]["verdict"] == "pass"
    assert rows["expect.codec"]["verdict"] == "pass"
    # The small model has 64 codes, the published codec 2048.
    assert rows["agreement.cardinality"]["verdict"] == "fail"
    assert "codec.tensors" not in rows


def test_validate_off_keeps_layout_and_checksums(candidate: Candidate):
    candidate.spoil(lambda package: package.pop("version"))
    assert set(candidate.report("off")) == {"layout", "lm.records", "codec.records"}
    record, _ = candidate.validate("off")
    assert record is not None


def test_the_report_does_not_depend_on_the_folder(candidate: Candidate, tmp_path: Path):
    candidate.validate()
    first = (candidate.run.working("validate") / "report.json").read_bytes()
    assert str(tmp_path).encode() not in first
    candidate.run.root.rename(candidate.run.root.with_name("moved"))
    moved = Candidate(
        type(candidate.run)(candidate.run.root.with_name("moved"), candidate.run.outputs),
        candidate.facts,
        candidate.local,
    )
    moved.validate()
    assert (moved.run.working("validate") / "report.json").read_bytes() == first


def test_an_unknown_kind_is_a_problem_with_the_near_name(candidate: Candidate):
    assert stage().check(candidate.context) == []
    (problem,) = stage("quik").check(candidate.context)
    assert "validate=quick" in problem.hint


def test_the_key_tells_what_is_checked_and_the_plan_says_so(candidate: Candidate):
    ctx: Context = candidate.context
    keys = [
        stage().key(ctx),
        stage("off").key(ctx),
        stage(strict=True).key(ctx),
        stage(solver="musicgen").key(ctx),
    ]
    assert len({json.dumps(key, sort_keys=True) for key in keys}) == 4
    assert "failures" in stage(strict=True).plan(ctx).summary


def test_the_plan_estimates_the_time_where_the_size_is_known(candidate: Candidate):
    def planned(kind: str = "quick", **values: object) -> str:
        config = ValidateConfig(kind=kind, **values)  # type: ignore[arg-type]
        return Validate(config, ExpectConfig(), False).plan(candidate.context).summary

    assert "about" not in planned()
    candidate.facts["collect"] |= {"bytes": 7_200_000_000, "parameters": 1_800_000_000}
    assert planned("off").endswith(", about 14 s")
    assert re.search(r", about 1\d\d s|, about 2 min$", planned())
    minutes = [
        int(planned("full", **values).split()[-2])
        for values in ({"seconds": 60.0}, {"seconds": 120.0}, {"seconds": 60.0, "seeds": [0, 1]})
    ]
    assert minutes[0] < minutes[2] < minutes[1]
