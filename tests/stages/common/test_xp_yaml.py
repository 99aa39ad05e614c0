"""Configs as checkpoints hold them."""

import pytest
from omegaconf import OmegaConf

from pipeline.errors import FormatError
from stages.common.xp_yaml import MAX_LENGTH, config_in
from tests.xp_configs import LM, compose


def test_a_tree_and_its_yaml_are_the_same_config_unresolved():
    config = compose(LM, {})
    text = OmegaConf.to_yaml(config)
    tree = OmegaConf.to_container(config, resolve=False)
    assert config_in(text) == config_in(tree) == config
    assert "${sample_rate}" in OmegaConf.to_yaml(config_in(tree))


def test_missing_values_stay_missing():
    assert OmegaConf.is_missing(config_in({"a": "???"}), "a")


BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "[a, b]",
        "a: [",
        "a: ${",
        {"a": object()},
        {"a": "${oc.env:"},
        BOMB,
        "a: " + "[" * 5000,
        "a: " + "[" * 5000 + "]" * 5000,
        "!!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "# " + "x" * MAX_LENGTH,
    ],
)
def test_what_is_no_config(value):
    with pytest.raises(FormatError, match=r"Its xp\.cfg"):
        config_in(value)


def test_deep_nesting_is_seen_before_it_costs_anything():
    with pytest.raises(FormatError, match="nested"):
        config_in("a: " + "[" * 100 + "]" * 100)
