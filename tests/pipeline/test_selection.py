import pytest

from pipeline.errors import ConfigError
from pipeline.selection import select

NAMES = ("train", "collect", "export_lm", "validate", "package", "push")


@pytest.mark.parametrize(
    ("stages", "from_stage", "until_stage", "chosen"),
    [
        (NAMES, None, None, NAMES),
        (NAMES, "validate", None, ("validate", "package", "push")),
        (NAMES, None, "collect", ("train", "collect")),
        (("push", "collect"), None, None, ("collect", "push")),
        (("collect", "export_lm", "push"), "export_lm", "validate", ("export_lm",)),
    ],
)
def test_ranges(stages, from_stage, until_stage, chosen):
    assert select(NAMES, stages, from_stage, until_stage, None).chosen == chosen


def test_force():
    assert select(NAMES, NAMES, None, "collect", "all").forced == {"train", "collect"}
    assert select(NAMES, NAMES, None, None, "push").forced == {"push"}
    assert not select(NAMES, NAMES, None, None, None).forced


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("exportlm",), None, None, None), "Did you mean export_lm"),
        ((NAMES, "colect", None, None), "from_stage=colect: there is no such stage"),
        ((NAMES, "push", "train", None), "No stage is left"),
        ((NAMES, None, "collect", "push"), "not among those to run"),
        ((NAMES, None, None, "al"), "force=al: there is no such stage"),
    ],
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ConfigError, match=message):
        select(NAMES, *arguments)
