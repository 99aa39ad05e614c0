from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.resolvers import join, run_dir, sweep_subdir
from pipeline.variant import INCOMPLETE, missing, slug, variant_name
from tests.pipeline.compose import composed

DORA = ("+release=musicgen_small", "checkpoint=dora", "checkpoint.sig=//sig/9370b59c",
        "checkpoint.dora_dir=/data/dora")  # fmt: skip


def variant(*overrides: str, cwd: str = "/clone") -> str:
    return variant_name(composed(*overrides), Path(cwd))


@given(st.text())
def test_a_slug_is_one_safe_path_part(text):
    result = slug(text)
    assert result not in ("", ".", "..")
    assert set(result) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ((), "miniature-best-keep"),
        (DORA[1:], "9370b59c-best-keep"),
        ((*DORA[1:], "checkpoint.epoch=3"), "9370b59c-epoch3-keep"),
        ((*DORA[1:], "checkpoint.epoch=3", "checkpoint.state=ema", "export.dtype=float16"),
         "9370b59c-epoch3-ema-float16"),
        (("checkpoint=file", "checkpoint.path=/x/night run/checkpoint.th"),
         "night-run-checkpoint-best-keep"),
        (("checkpoint=file", "checkpoint.path=mine.th"), "mine-best-keep"),
        (("checkpoint=url", "checkpoint.url='https://host/a/model.bin?x=1'"), "model-best-keep"),
        (("checkpoint=hub", "checkpoint.repo_id=org/name"), "name-best-keep"),
        (("checkpoint=auto", "checkpoint.source=//sig/9370b59c"), "9370b59c-best-keep"),
        (("checkpoint=train", "checkpoint.package=my.audio"), "audio-best-keep"),
    ],
)  # fmt: skip
def test_the_label_says_where_the_weights_come_from(overrides, label):
    assert variant("+release=musicgen_small", *overrides).rpartition("-")[0] == label


@pytest.mark.parametrize(
    "override",
    [
        "outputs=/elsewhere", "push=none", "push.tag=v9", "validate=off", "strict=true",
        "stages=[collect]", "until_stage=collect", "force=all", "lock_timeout=1", "plan_only=true",
        "expect.codec=dac_44khz", "checkpoint.url=https://unused.example", "compression.source=no",
        "export.allow_nonfinite=true", "validate=full", "validate.seconds=2", "device=cuda",
        "validate.prompts=[a flute]", "validate.baseline=/earlier", "validate.max_regression=0.1",
    ],
)  # fmt: skip
def test_what_cannot_change_the_bytes_changes_no_folder(override):
    assert variant(*DORA, override) == variant(*DORA)


@pytest.mark.parametrize(
    "override",
    [
        "version=2.0.0", "checkpoint.epoch=1", "checkpoint.state=last", "checkpoint.dora_dir=/d",
        "export.dtype=float16", "export.layout=all_in_one", "export.sanitize=false",
        "export.config_overrides={dataset.segment_duration: 30}", "compression.epoch=2",
        "compression=reference compression.pretrained=dac_44khz", "card.license=mit",
        "package.samples=true",
    ],
)  # fmt: skip
def test_what_can_change_the_bytes_changes_the_folder(override):
    words = [override] if "{" in override else override.split()
    assert variant(*DORA, *words) != variant(*DORA)


BOTH = "formats=[audiocraft,transformers]"


def test_the_default_format_leaves_no_trace():
    assert variant(*DORA, "formats=[audiocraft]") == variant(*DORA)
    assert variant(*DORA, "export.codec=/c", "export.text_encoder=/t") == variant(*DORA)


def test_another_format_is_another_folder_whatever_the_order():
    both = variant(*DORA, BOTH)
    assert both != variant(*DORA)
    assert variant(*DORA, "formats=[transformers,audiocraft]") == both
    for key in ("codec", "text_encoder"):
        assert variant(*DORA, BOTH, f"export.{key}=/x") != both


def test_a_relative_path_counts_from_the_working_directory():
    relative = ("+release=musicgen_small", "checkpoint=file", "checkpoint.path=x/mine.th")
    absolute = (*relative[:2], "checkpoint.path=/clone/x/mine.th")
    assert variant(*relative) == variant(*absolute) != variant(*relative, cwd="/other")


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        ((), ["name", "version"]),
        (("+release=musicgen_small", "checkpoint=dora"), ["checkpoint.sig", "checkpoint.dora_dir"]),
        (("+release=musicgen_small", "checkpoint=file"), ["checkpoint.path"]),
        (("+release=musicgen_small", "compression=bundle"), ["compression.source"]),
        (("+release=musicgen_small",), []),
    ],
)
def test_what_is_missing_is_named(overrides, keys, monkeypatch):
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    cfg = composed(*overrides)
    assert missing(cfg) == keys
    assert (variant_name(cfg, Path("/")) == INCOMPLETE) == bool(keys)


def test_single_run_and_sweep_share_the_folder():
    cfg = composed(*DORA)
    assert run_dir(_root_=cfg) == f"/clone/outputs/{sweep_subdir(_root_=cfg)}"
    assert sweep_subdir(_root_=cfg).startswith("musicgen_small/9370b59c-best-keep-")


def test_a_resolver_never_raises():
    assert sweep_subdir(_root_=composed()) == f"_incomplete/{INCOMPLETE}"
    broken = composed("+release=musicgen_small", "name=${nothing}")
    assert INCOMPLETE in sweep_subdir(_root_=broken)


def test_an_absolute_path_stands_alone():
    assert join("/base", "x") == "/base/x"
    assert join("/base", "/x") == "/x"
