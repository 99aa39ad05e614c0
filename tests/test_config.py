"""Every config file composes, and every release resolves."""

import pytest
from omegaconf import OmegaConf

from pipeline import request, schema, variant
from pipeline.job import stages_of
from pipeline.request import resolved
from tests.pipeline.compose import composed, task

RELEASES = sorted(path.stem for path in (request.CONFIG / "release").glob("*.yaml"))
OPTIONS = sorted(
    (path.parent.name, path.stem)
    for path in request.CONFIG.glob("*/*.yaml")
    if path.parent.name not in ("release", "hydra", "stage")
)
GIVEN = {
    "checkpoint": ["checkpoint=file", "checkpoint.path=checkpoint.th"],
    "compression": ["compression.pretrained=facebook/encodec_32khz", "compression.source=x"],
}


def test_the_releases_of_the_first_version_are_there():
    first = {
        *(f"musicgen_{kind}" for kind in ("small", "medium", "large", "melody", "style")),
        "musicgen_stereo_small", "audiogen_medium", "magnet_small", "jasco_chords_drums",
        "encodec_32khz",
    }  # fmt: skip
    assert first <= set(RELEASES)


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_composes_and_resolves(name):
    cfg = task(composed(f"+release={name}", *GIVEN["checkpoint"]))
    plain = resolved(cfg)
    assert plain["name"] == name and plain["push"]["repo_id"] == f"local/{name}"
    assert plain["card"]["license"] and plain["expect"]["solver"]
    assert not variant.missing(cfg)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_an_option_composes(group, option):
    cfg = composed("+release=musicgen_small", f"{group}={option}")
    if group in schema.KEYS_OF_KIND:
        assert cfg[group].kind == option
        assert option in schema.KEYS_OF_KIND[group]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_knob_of_an_option_is_commented(group, option):
    lines = (request.CONFIG / group / f"{option}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")


def test_stages_are_built_in_order_with_their_own_config():
    cfg = task(composed("+release=musicgen_small"))
    stages = stages_of(cfg)
    assert [stage.name for stage in stages] == list(cfg.stages) == list(cfg.stage)
    seen: set[str] = set()
    for stage in stages:
        assert set(stage.inputs) <= seen
        seen.add(stage.name)


def test_push_targets_come_as_a_list():
    cfg = composed("+release=musicgen_small", "push=[cache,dry_run]")
    assert cfg.push.cache is not None and cfg.push.dry_run is not None and cfg.push.hub is None
    assert composed("+release=musicgen_small", "push=none").push.cache is None


def test_nothing_secret_has_a_key():
    assert not [k for k in OmegaConf.structured(schema.PipelineConfig) if "token" in str(k)]
