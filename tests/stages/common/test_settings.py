"""Values of an xp.cfg, and what no builder could use."""

import pytest

from stages.common.settings import Settings, Unusable

PATH = "seanet.ratios"


def settings(value: object) -> Settings:
    return Settings({"seanet": {"ratios": value}}, {})


def test_what_is_not_there_has_its_default():
    assert Settings({}, {}).counts(PATH, [8, 5], most=9) == [8, 5]
    assert Settings({}, {}).number(PATH, 4, most=9) == 4


@pytest.mark.parametrize("value", [[], [1], [9, 2]])
def test_whole_numbers(value):
    assert settings(value).counts(PATH, [8], most=9) == value


@pytest.mark.parametrize("value", [None, 4, "42", [0], [10], [-1], [2.0], [True], ["2"], {"a": 2}])
def test_what_is_no_list_of_whole_numbers(value):
    with pytest.raises(Unusable, match=r"^seanet\.ratios is .*, not a list of whole numbers$"):
        settings(value).counts(PATH, [8], most=9)


@pytest.mark.parametrize("value", [0.5, 1, 9])
def test_a_number(value):
    assert settings(value).number(PATH, 4, most=9) == value


@pytest.mark.parametrize("value", [None, "wide", 0, -1, 9.5, float("nan"), float("inf"), [4]])
def test_what_is_no_number(value):
    with pytest.raises(Unusable, match=r"^seanet\.ratios is .*, not a number$"):
        settings(value).number(PATH, 4, most=9)


@pytest.mark.parametrize("used", [True, 1])
def test_two_channels_in_turn(used):
    assert Settings({"interleave_stereo_codebooks": {"use": used}}, {}).interleaved
    assert not Settings({"interleave_stereo_codebooks": {"use": None}}, {}).interleaved
    assert not Settings({}, {}).interleaved
