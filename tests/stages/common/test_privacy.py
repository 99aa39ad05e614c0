"""What counts as private in a training config, and what must not."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.privacy import is_private

PRIVATE = {
    "absolute": "/datasets/train",
    "absolute with a space before": " /datasets/train",
    "home": "~/music",
    "home alone": "~",
    "another's home": "~alice/music",
    "windows": r"C:\Users\alice\music",
    "windows with slashes": "D:/music",
    "share": r"\\server\share",
    "posix share": "//server/share",
    "file address": "file:///home/alice/x.th",
    "in a command": "python3 /home/alice/metric.py --fast",
    "in an option": "--manifest=/data/egs/train",
    "in a list": "base,/data/egs/train",
    "home in a command": "source ~/env/bin/activate",
    "quoted": "'/home/alice/metric.py'",
    "reference to a path": "//pretrained//home/alice/codec.bin",
    "reference to a home": "//reference/~/x.ckpt",
    "environment": "/checkpoint/${oc.env:USER}/outputs",
    "environment alone": "${oc.env:WANDB_API_KEY}",
    "environment with a default": "${ oc.env:HOME,x}",
    "old environment": "${env:USER}",
    "nested environment": "${oc.decode:${oc.env:N}}",
    "environment in a reference": "//sig/${oc.env:SIG}",
    "address": "alice@example.com",
    "address in a sentence": "ask alice.b+c@mail.example.org first",
    "ssh": "git@github.com:org/repo.git",
    "host without a dot": "alice@devbox:music",
    "login": "https://alice:secret@example.com/x",
    "user": "s3://key@bucket/x",
    "signed": "https://example.com/x.th?X-Amz-Signature=abc",
    "token": "https://example.com/x.th?a=1&access_token=abc",
}
PUBLIC = {
    "empty": "",
    "word": "transformer_lm",
    "slash": "/",
    "fraction": "1/2",
    "both": "and/or",
    "relative": "samples/wav",
    "relative up": "../samples",
    "interpolation": "${sample_rate}",
    "about": "~5 dB",
    "pretrained": "//pretrained/facebook/encodec_32khz",
    "debug": "//pretrained/debug_compression_model",
    "signature": "//sig/98dabcc6",
    "reference": "//reference/clap/music_audioset_epoch_15_esc_90.14.pt",
    "hub": "facebook/musicgen-small",
    "address of a page": "https://example.com/models/x.th?download=true",
    "time": "12:30",
    "model name": "t5-base",
    "at": "keep @ 32 kHz",
    "ratio": "4:/5",
    "environment without a call": "oc.env",
}


@pytest.mark.parametrize("text", PRIVATE.values(), ids=PRIVATE)
def test_private(text):
    assert is_private(text)


@pytest.mark.parametrize("text", PUBLIC.values(), ids=PUBLIC)
def test_public(text):
    assert not is_private(text)


NAMES = st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=8)


@settings(deadline=None)
@given(st.sampled_from(["/", "~/", "file:///", "C:\\", "--x=/home/"]), st.lists(NAMES, min_size=1))
def test_every_absolute_path_is_private(root, parts):
    assert is_private(root + "/".join(parts))


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_no_relative_path_is_private(parts):
    assert not is_private("/".join(parts))
