import json
import math

import pytest

from pipeline.layout import Outputs, Run
from pipeline.variants import Variant, best_of, variants_of
from tests.command import pipeline
from tests.pipeline.pages import result, write
from tests.pipeline.released import RELEASE, history, make_variant, publish

SPOILT = (
    "", "[1, 2", "null", "3", '"text"', "[]", "{}", "[[1], 2, null]", "[" * 9999,
    '{"signature": [1], "epoch": "x", "dtypes": 3, "state_digest": [1], "files": [1], "checks": {},'
    ' "stages": 4, "verdict": [], "targets": 5, "settings": [], "source": 6, "samples": 7}',
    '{"epoch": -1, "files": {"a": 1, "/etc/passwd": {"size": 1}, "../x": {}, "\\u0000": {}},'
    ' "targets": [1, {"commit": 1, "files": 2}], "checks": [{"name": 1, "figures": 2}, 3]}',
    '{"files": {"' + "x" * 999 + '": {"size": 1e999}}, "epoch": 1e999, "verdict": "\\ud800"}',
    '[{"valid": {"ce": 1' + "0" * 400 + ', "\\ud800": 1, "x": NaN}}]',
)  # fmt: skip


def scored(*values: object, epochs: list[int | None] | None = None) -> list[Variant]:
    """Variants of a metric each, named a, b, c."""
    training = [{"valid": {"ce": value}} for value in values]
    run = Run(None, Outputs(None))  # type: ignore[arg-type]
    return [
        Variant(
            chr(ord("a") + n), "done", run,
            epoch=n + 1 if epochs is None else epochs[n],
            history=training if epochs is None else [{"valid": {"ce": value}}] * 9,
        )
        for n, value in enumerate(values)
    ]  # fmt: skip


def name(variant: Variant | None) -> str | None:
    return variant and variant.name


def test_the_least_or_the_greatest_is_the_best():
    variants = scored(2.0, 1.0, 3)
    assert name(best_of(variants, "valid.ce")) == "b"
    assert name(best_of(variants, "valid.ce", "max")) == "c"


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, "NaN", "1", True, [0], 10**400, -(10**400)]
)
def test_what_is_no_finite_number_never_wins(value, mode):
    for values in ((value, 5.0), (5.0, value)):
        best = best_of(scored(*values), "valid.ce", mode)
        assert best and best.metric("valid.ce") == 5.0
    assert best_of(scored(value), "valid.ce", mode) is None


@pytest.mark.parametrize("mode", ["min", "max"])
def test_of_equals_the_earliest_epoch_is_the_best_then_the_name(mode):
    variants = scored(1, 1, 1, 1, epochs=[None, 3, 2, 2])
    assert all(name(best_of(v, "valid.ce", mode)) == "c" for v in (variants, variants[::-1]))


def test_a_metric_that_nobody_has_has_no_best():
    assert best_of(scored(1.0), "valid.fad") is None
    assert best_of(scored(1.0), "ce") is None
    assert best_of([], "valid.ce") is None


def test_a_variant_is_read_whole(tmp_path):
    run = make_variant(tmp_path, sounds={"text1-seed0": "a slow waltz"})
    publish(run, pull_request=None)
    (variant,) = variants_of(tmp_path / RELEASE)
    assert (variant.verdict, variant.reason, variant.faults) == ("done", "", ())
    assert (variant.signature, variant.epoch, variant.state) == ("1a2b3c4d", 5, "best")
    assert (variant.dtype, variant.codec) == ("float16", "facebook/encodec_32khz")
    assert variant.size == run.release.state_dict.stat().st_size
    assert len(variant.state_digest) == len(variant.digest) == 64
    assert variant.validated and variant.released
    assert variant.checks == {"pass": 3, "skipped": 1}
    assert variant.figures == {"codec.sound.snr_db": 12.0}
    assert variant.metrics["valid.ce"] == 2.0 and variant.metrics["evaluate.fad"] == 3.0
    assert "train.duration" not in variant.metrics
    assert [str(place) for place in variant.published] == ["hub me/small v1.0.0"]
    (sample,) = variant.samples
    assert (tmp_path / RELEASE / sample.path).is_file()
    assert (sample.prompt, sample.seed, sample.seconds) == ("a slow waltz", 0, 0.25)


def test_real_runs_are_read(place):
    for overrides in ([], ["export.dtype=float16"]):
        done = pipeline(*place.request, *overrides, cwd=place.root)
        assert done.returncode == 0, done.stderr
    float16, keep = sorted(variants_of(place.outputs / RELEASE), key=lambda v: v.dtype)
    manifest = json.loads(keep.run.release.manifest.read_text())
    assert keep.faults == float16.faults == ()
    assert (float16.dtype, keep.dtype) == ("float16", "float32")
    assert keep.size == sum(entry["size"] for entry in manifest["files"].values())
    assert keep.state_digest == manifest["source"]["state_digest"] == float16.state_digest
    assert keep.digest != float16.digest
    assert keep.codec == manifest["settings"]["export_compression"]["signature"]
    assert keep.validated and sum(keep.checks.values()) > 20 and keep.metric("valid.ce")
    assert [str(where) for where in keep.published] == ["cache local/musicgen_small"]
    assert keep.report and keep.report.name == "report.html"


def test_they_are_ordered_by_experiment_and_epoch(tmp_path):
    for epoch in (10, 9):
        for signature in ("5e6f7a8b", "1a2b3c4d"):
            make_variant(tmp_path, f"{signature}-epoch{epoch}", epoch=epoch, signature=signature)
    make_variant(tmp_path, "0-no-signature", signature=None)
    make_variant(tmp_path, "1a2b3c4d-best", epoch=None)
    assert [variant.name for variant in variants_of(tmp_path / RELEASE)] == [
        "1a2b3c4d-epoch9", "1a2b3c4d-epoch10", "1a2b3c4d-best",
        "5e6f7a8b-epoch9", "5e6f7a8b-epoch10", "0-no-signature",
    ]  # fmt: skip


def test_what_is_no_variant_is_none(tmp_path):
    release = tmp_path / RELEASE
    assert variants_of(release) == ()
    (release / ".locks").mkdir(parents=True)
    (release / "empty").mkdir()
    (release / "board.json").write_text("{}")
    assert variants_of(release) == ()


def test_a_run_that_failed_has_nothing_of_an_earlier_one(tmp_path):
    run = make_variant(tmp_path, sounds={"tone": "x"})
    publish(run)
    where = f"{tmp_path / 'x' / 'y.th'} is damaged, see https://a.b/c/d\nmore"
    write(run.result, result("failed", where, "export_lm"))
    variant = Variant.of(run)
    assert (variant.verdict, variant.reason) == ("failed", "x/y.th is damaged, see https://a.b/c/d")
    assert variant.epoch == 5 and variant.metric("valid.ce") == 2.0
    assert not variant.validated and not variant.released and variant.faults == ()
    assert (variant.samples, variant.published, variant.checks) == ((), (), {})


def test_a_reason_names_no_folder_of_the_machine(tmp_path):
    run = make_variant(tmp_path, verdict="failed", failed="collect", reason="No /home/a/b/c.th.")
    assert Variant.of(run).reason == "No c.th."


def test_a_failed_validation_is_told_from_what_it_left(tmp_path):
    run = make_variant(tmp_path, verdict="failed", failed="validate", validation="fail")
    run.validate.root.rename(run.failed("validate"))
    variant = Variant.of(run)
    assert variant.validation == "fail" and variant.checks["fail"] == 1
    assert not variant.validated


def test_a_push_that_failed_leaves_a_validated_release(tmp_path):
    variant = Variant.of(make_variant(tmp_path, verdict="failed", failed="push"))
    assert variant.validated and variant.released


def test_a_run_that_was_killed_is_unfinished(tmp_path):
    run = make_variant(tmp_path)
    run.result.unlink()
    run.record("package").unlink()
    variant = Variant.of(run)
    assert (variant.verdict, variant.released, variant.faults) == ("unfinished", False, ())


@pytest.mark.parametrize("validation", ["warn", "pass", "fail", "", "odd"])
def test_only_what_every_check_let_pass_is_validated(tmp_path, validation):
    variant = Variant.of(make_variant(tmp_path, validation=validation))
    assert variant.validated == (validation in ("warn", "pass"))


def test_what_was_published_before_it_changed_is_not_this_release(tmp_path):
    run = make_variant(tmp_path)
    publish(run)
    run.release.sums.write_text("other\n")
    assert Variant.of(run).published == ()


def test_a_dry_run_publishes_nothing(tmp_path):
    run = make_variant(tmp_path)
    publish(run, target="dry_run", commit=None)
    assert Variant.of(run).published == ()


def test_missing_and_changed_files_of_a_release_are_faults(tmp_path):
    run = make_variant(tmp_path)
    run.release.state_dict.write_bytes(b"short")
    assert Variant.of(run).faults == (
        "release/state_dict.bin has another size than release.json says",
    )
    run.release.state_dict.unlink()
    run.release.sums.unlink()
    variant = Variant.of(run)
    assert variant.faults == (
        "release/SHA256SUMS is missing", "release/state_dict.bin is missing",
    )  # fmt: skip
    assert not variant.validated


def test_a_release_of_other_weights_than_were_collected_is_a_fault(tmp_path):
    run = make_variant(tmp_path)
    source = json.loads(run.collect.source.read_text())
    write(run.collect.source, source | {"state_digest": "f" * 64})
    assert Variant.of(run).faults == ("release/ and collect/ are of different weights",)


@pytest.mark.parametrize("name", ["../run.json", "/etc/hostname", "a/../../run.json"])
def test_a_release_that_lists_files_elsewhere_is_broken(tmp_path, name):
    run = make_variant(tmp_path)
    manifest = json.loads(run.release.manifest.read_text())
    write(run.release.manifest, manifest | {"files": {name: {"size": 1}}})
    assert Variant.of(run).faults == (f"release.json names {name}, which is elsewhere",)


@pytest.mark.parametrize("content", SPOILT, ids=range(len(SPOILT)))
def test_whatever_is_in_its_files_a_variant_is_read_and_the_file_named(tmp_path, content):
    for position, spoil in enumerate(
        ("result", "collect.source", "collect.history", "validate.report", "release.manifest",
         "push.receipt", "samples")
    ):  # fmt: skip
        run = make_variant(tmp_path, f"v{position}", training=history(), sounds={"tone": "x"})
        path = run.validate.samples / "samples.json"
        if spoil != "samples":
            path = run.result.parent.joinpath(_path(run, spoil))
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        variant = Variant.of(run)
        json.dumps([variant.faults, variant.name, variant.reason, dict(variant.metrics)])
        for text in (*variant.faults, variant.reason, *variant.metrics):
            text.encode()
        if content in ("", "[1, 2", "null") and spoil != "samples":
            told = f"{path.relative_to(run.root).as_posix()} cannot be read"
            assert told in variant.faults and not variant.validated


def _path(run, spoil):
    at = run
    for part in spoil.split("."):
        at = getattr(at, part)
    return at


def test_a_folder_that_the_disk_refuses_is_a_broken_variant(tmp_path):
    run = make_variant(tmp_path)
    run.release.sums.unlink()
    run.release.sums.symlink_to(run.release.sums.name)  # to itself
    variant = Variant.of(run)
    assert variant.faults and not variant.validated
