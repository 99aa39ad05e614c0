"""xp.cfg made fit to publish: what goes, what stays, and what is put in."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError
from stages.common.privacy import is_private
from stages.common.xp_config import REMOVED, apply_overrides, clean, loadable, to_yaml
from tests.xp_configs import ENCODEC, LM, UNCONDITIONAL, compose

READ_BY_THE_BUILDERS = (
    *("lm_model", "transformer_lm", "codebooks_pattern", "conditioners", "fuser", "solver"),
    *("classifier_free_guidance", "attribute_dropout", "interleave_stereo_codebooks"),
    *("compression_model_checkpoint", "compression_model_n_q", "dataset", "sample_rate"),
    *("channels", "device", "dtype"),
)
READ_FROM_A_CODEC = ("compression_model", "encodec", "seanet", "rvq", "sample_rate", "channels")


def plain(config: DictConfig) -> dict[str, Any]:
    found = OmegaConf.to_container(config, resolve=False)
    assert isinstance(found, dict)
    return found


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for held in value.values() for text in strings(held)]
    if isinstance(value, list):
        return [text for held in value for text in strings(held)]
    return [value] if isinstance(value, str) else []


def cleaned(text: str) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    result = clean(OmegaConf.create(text))
    return plain(result.config), result.removed, result.blanked


@pytest.mark.parametrize(
    ("kind", "kept"), [(LM, READ_BY_THE_BUILDERS), (ENCODEC, READ_FROM_A_CODEC)]
)
def test_what_the_builders_read_stays_as_it_was(kind, kept):
    before = compose(kind, {})
    after = plain(clean(before).config)
    assert {key: after[key] for key in kept} == {key: plain(before)[key] for key in kept}


def test_nodes_about_the_machine_go():
    result = clean(compose(LM, {"execute_best": True}))
    assert set(result.removed) == {
        *("dora", "slurm", "wandb", "tensorboard", "logging", "datasource"),
        *("execute_only", "execute_inplace", "execute_best"),
    }
    assert not set(plain(result.config)) & set(result.removed)
    assert "secret" not in to_yaml(result.config)
    assert "someone" not in to_yaml(result.config)


def test_only_at_the_top_level():
    found, removed, _ = cleaned("{metrics: {logging: 1, dora: {dir: 2}}, loggings: 3}")
    assert (found, removed) == ({"metrics": {"logging": 1, "dora": {"dir": 2}}, "loggings": 3}, ())


def test_private_strings_become_null_also_in_lists():
    found, _, blanked = cleaned(
        "{cache: {path: /scratch/me}, l: [ok, a@b.org, {x: ['~/k', fine]}], n: 3, "
        "t: '//sig/12345678'}"
    )
    assert found == {
        "cache": {"path": None},
        "l": ["ok", None, {"x": [None, "fine"]}],
        "n": 3,
        "t": "//sig/12345678",
    }
    assert blanked == ("cache.path", "l[1]", "l[2].x[0]")


def test_a_codec_given_by_its_path_is_blanked():
    config = compose(LM, {"compression_model_checkpoint": "/checkpoint/me/xps/1/checkpoint.th"})
    result = clean(config)
    assert result.config.compression_model_checkpoint is None
    assert "compression_model_checkpoint" in result.blanked


def test_the_config_given_is_left_alone():
    config = compose(LM, {"conditioners": None})
    before = to_yaml(config)
    clean(config)
    loadable(config)
    apply_overrides(config, {"dataset.segment_duration": 30})
    assert to_yaml(config) == before


class TestReferencesToRemovedNodes:
    """An interpolation that points at a node that went must not be left behind."""

    def test_a_value_takes_the_place_of_its_reference(self):
        found, _, blanked = cleaned(
            "{datasource: {max_channels: 2}, channels: '${datasource.max_channels}'}"
        )
        assert (found, blanked) == ({"channels": 2}, ())

    def test_within_a_text(self):
        found, _, _ = cleaned("{logging: {level: INFO}, s: 3, l: 'at ${logging.level} ${s}'}")
        assert found["l"] == "at INFO ${s}"

    def test_relative_ones_too(self):
        found, _, _ = cleaned("{logging: {level: 3}, a: {b: '${..logging.level}'}}")
        assert found == {"a": {"b": 3}}

    def test_in_a_list(self):
        found, _, _ = cleaned("{logging: {level: 3}, a: {b: ['${...logging.level}']}}")
        assert found == {"a": {"b": [3]}}

    def test_in_a_chain_that_ends_at_a_kept_node(self):
        found, _, _ = cleaned(
            "{rate: 5, logging: {a: '${.b}', b: '${..rate}'}, x: {y: '${logging.a}'}}"
        )
        assert found["x"]["y"] == "${rate}"
        assert OmegaConf.create(found).x.y == 5

    def test_a_private_value_is_blanked_without_asking_the_environment(self, monkeypatch):
        monkeypatch.setenv("USER", "alice")
        found, _, blanked = cleaned(
            "{dora: {dir: '/c/${oc.env:USER}', tag: '${oc.env:USER}'}, a: '${dora.dir}/x', "
            "b: 'by ${dora.tag}', c: '${a}'}"
        )
        assert found == {"a": None, "b": None, "c": "${a}"}
        assert blanked == ("a", "b")

    def test_a_path_that_only_appears_when_put_together(self):
        found, _, _ = cleaned("{dora: {dir: home/me}, a: '/${dora.dir}'}")
        assert found == {"a": None}

    @pytest.mark.parametrize(
        "text",
        [
            "${dora}",
            "${dora.gone}",
            "${dora.missing}",
            "${dora.itself}",
            "${dora[dir]}",
            "${oc.select:dora.dir,3}",
            "${oc.dict.keys:dora}",
            "${dora.${which}}",
            "${oc.select:${which},dora.dir}",
        ],
    )
    def test_what_has_no_one_value_is_blanked(self, text):
        source = {
            "dora": {"dir": "x", "missing": "???", "itself": "${dora.itself}"},
            "which": "dir",
            "a": text,
        }
        result = clean(OmegaConf.create(source))
        assert plain(result.config) == {"which": "dir", "a": None}
        assert result.blanked == ("a",)

    def test_one_that_was_gone_before(self):
        assert cleaned("{a: '${dora.dir}', b: '${execute_only}'}") == (
            {"a": None, "b": None},
            (),
            ("a", "b"),
        )

    def test_others_are_left_as_they_are(self):
        text = "{seed: 1, metrics: {logging: 3}, a: '${seed} logging', b: '${metrics.logging}'}"
        found, _, blanked = cleaned(text)
        assert (found["a"], found["b"], blanked) == ("${seed} logging", "${metrics.logging}", ())

    def test_the_published_config_resolves(self):
        config = compose(ENCODEC, {"channels": "${datasource.max_channels}"})
        published = OmegaConf.create(to_yaml(clean(config).config))
        OmegaConf.resolve(published)
        assert published.encodec.channels == 2


TEXTS = st.one_of(
    st.text("abc/~@.:${}= \\'", max_size=12).filter(lambda text: "${" not in text),
    st.sampled_from(
        ["/home/me", "${oc.env:USER}", "a@b.org", "${dora.dir}", "${x}", "//sig/12345678", "t5"]
    ),
)
NODES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "path", "logging"]), inner, max_size=3),
    ),
    max_leaves=8,
)
FEW = settings(max_examples=40, deadline=None)
CONFIGS = st.dictionaries(
    st.sampled_from(["dora", "slurm", "execute_x", "x", "y", "dataset", "conditioners"]), NODES
)


@FEW
@given(CONFIGS)
def test_nothing_private_is_ever_left(source):
    result = clean(OmegaConf.create(source))
    after = plain(result.config)
    assert not [text for text in strings(after) if is_private(text)]
    assert not [text for text in strings(after) if "${dora" in text]
    assert not set(after) & {"dora", "slurm", "execute_x"}


@FEW
@given(CONFIGS)
def test_cleaning_twice_changes_nothing_more(source):
    once = clean(OmegaConf.create(source))
    twice = clean(once.config)
    assert (plain(twice.config), twice.removed, twice.blanked) == (plain(once.config), (), ())


@FEW
@given(CONFIGS)
def test_the_yaml_reads_back_equal(source):
    config = clean(OmegaConf.create(source)).config
    assert plain(OmegaConf.create(to_yaml(config) or "{}")) == plain(config)


@FEW
@given(CONFIGS)
def test_the_names_recorded_hold_no_value(source):
    result = clean(OmegaConf.create(source))
    assert not is_private(json.dumps([*result.removed, *result.blanked]))


def test_no_conditioners_become_an_empty_dict():
    config = compose(LM, UNCONDITIONAL)
    assert plain(loadable(config))["conditioners"] == {}
    assert plain(loadable(compose(LM, {}))) == plain(compose(LM, {}))
    assert "conditioners" not in loadable(compose(ENCODEC, {}))


class TestOverrides:
    """``export.config_overrides``."""

    def test_a_key_is_set(self):
        config = apply_overrides(compose(LM, {}), {"dataset.segment_duration": 30})
        assert config.dataset.segment_duration == 30

    def test_a_key_that_old_configs_lack_may_be_new(self):
        config = apply_overrides(OmegaConf.create("{lm: {dim: 3}}"), {"lm.num_heads": 2, "top": 1})
        assert plain(config) == {"lm": {"dim": 3, "num_heads": 2}, "top": 1}

    def test_nested_dicts_are_merged_and_an_empty_one_replaces(self):
        config = OmegaConf.create("{a: {b: 1, c: 2}, d: {e: 3}}")
        changed = apply_overrides(config, {"a": {"b": 5}, "d": {}})
        assert plain(changed) == {"a": {"b": 5, "c": 2}, "d": {}}

    def test_values_that_hydra_wraps_are_taken(self):
        value = OmegaConf.create([0, 1])
        config = apply_overrides(compose(LM, {}), {"codebooks_pattern.delay.delays": value})
        assert plain(config)["codebooks_pattern"]["delay"]["delays"] == [0, 1]

    @pytest.mark.parametrize(
        ("key", "named"),
        [
            ("dataset.segment_duraton", "dataset.segment_duration"),
            ("datset.segment_duration", "dataset.segment_duration"),
            ("sample_rat", "Did you mean"),
            ("sample_rate.x", "sample_rate"),
            ("nothing.like.it", "dotted keys"),
            ("dora.dir", "export.sanitize=false"),
            ("dataset.", "dataset"),
        ],
    )
    def test_a_key_that_is_not_there_is_named_with_what_it_may_mean(self, key, named):
        config = clean(compose(LM, {})).config
        with pytest.raises(ConfigError) as caught:
            apply_overrides(config, {key: 1})
        assert key in str(caught.value)
        assert named in str(caught.value).replace(key, "")
        assert len(str(caught.value).splitlines()) <= 3

    @pytest.mark.parametrize("kind", [LM, ENCODEC])
    def test_no_key_of_audiocraft_passes_for_another_one_misspelt(self, kind):
        def nodes(node: Any) -> list[dict[str, Any]]:
            if not isinstance(node, dict):
                return []
            return [node, *(inner for held in node.values() for inner in nodes(held))]

        for node in nodes(plain(compose(kind, {}))):
            for key in node:
                without = {name: None for name in node if name != key}
                assert key in apply_overrides(OmegaConf.create(without), {key: 1})


def test_the_removed_patterns_are_those_of_the_documentation():
    assert (
        *("dora", "slurm", "wandb", "tensorboard", "logging", "datasource"),
        "execute_*",
    ) == REMOVED
