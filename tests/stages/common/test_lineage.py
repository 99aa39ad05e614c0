"""What a run says of other models."""

import pytest

from stages.common.lineage import base_model, is_public, never_averaged


@pytest.mark.parametrize(
    ("continue_from", "name"),
    [
        ("//pretrained/facebook/musicgen-small", "facebook/musicgen-small"),
        ("facebook/musicgen-small", "facebook/musicgen-small"),
        ("//pretrained/musicgen-small", "musicgen-small"),
        ("//sig/9370b59c", None),
        ("/home/someone/checkpoint.th", None),
        ("//pretrained//home/someone/checkpoint.th", None),
        ("runs/best", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_the_model_that_a_run_went_on_from(continue_from, name):
    assert base_model(continue_from) == name


@pytest.mark.parametrize(
    ("codec", "public"),
    [
        ("//pretrained/facebook/encodec_32khz", True),
        ("//sig/98dabcc6", True),
        ("//pretrained//home/someone/codec.th", False),
        ("//pretrained/~/codec.th", False),
        ("/home/someone/codec.th", False),
        ("//server/share/codec.th", False),
    ],
)
def test_a_codecs_name_that_is_no_path(codec, public):
    assert is_public(codec) is public


@pytest.mark.parametrize(
    ("ema", "never"), [({"count": 0}, True), ({"count": 3.9}, False), ({}, False), (None, False)]
)
def test_averages_without_any_update(ema, never):
    assert never_averaged({"ema": ema}) is never
