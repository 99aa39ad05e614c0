import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import ConfigError, SourceError
from pipeline.explain import explain, refuse_extra_keys, schema_keys
from tests.pipeline.compose import composed, task


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["checkpoint.epohc=3"], "'checkpoint.epohc'.\nDid you mean checkpoint.epoch?"),
        (["exprt.dtype=float16"], "There is no key 'exprt.dtype'."),
        (["checkpoint=dor"], "'dor' in the group 'checkpoint'.\nDid you mean checkpoint=dora?"),
        (["+release=musicgensmall"], "Did you mean +release=musicgen_small?"),
        (["release=musicgen_small"], "Choose a release with a plus sign"),
        (["musicgen_small"], "Write KEY=VALUE; to choose a release: +release=NAME"),
        (["outputs=/a path'"], "Cannot read the override"),
        (["+release=encodec_32khz"], "This release needs a checkpoint, and none was given."),
        (["compression.epoch=last"], "compression.epoch: Value 'last'"),
        (["plan_only=perhaps"], "plan_only: Value 'perhaps'"),
    ],
)  # fmt: skip
def test_hydras_errors_in_our_words(overrides, message):
    with pytest.raises((HydraException, OmegaConfBaseException)) as caught:
        composed(*overrides)
    text = str(explain(caught.value))
    assert text.startswith(message) or message in text
    assert len(text.splitlines()) <= 3
    assert "+checkpoint" not in text


@pytest.mark.parametrize(
    "override", ["+checkpoint.foo=1", "+nothing=1", "+push.cache.foo=1", "+card.foo=[1]"]
)
def test_a_plus_does_not_get_past_the_schema(override):
    cfg = task(composed("+release=musicgen_small", override))
    with pytest.raises(ConfigError, match="There is no key"):
        refuse_extra_keys(cfg)


def test_free_keys_stay_free():
    cfg = composed("+release=musicgen_small", "export.config_overrides={dataset.x: 30}")
    refuse_extra_keys(task(cfg))


def test_our_own_errors_stay_as_they_are():
    error = SourceError("nothing there")
    assert explain(error) is error


def test_the_schema_lists_nested_keys():
    keys = set(schema_keys())
    assert {"checkpoint.sig", "push.cache.dir", "export.dtype", "name"} <= keys
