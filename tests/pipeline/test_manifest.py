import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from pipeline.files import file_digest
from pipeline.manifest import FileDigest, canonical, digest, format_sums, parse_sums, pretty

names = st.from_regex(r"[A-Za-z0-9._-]+", fullmatch=True)
sha = st.text("0123456789abcdef", min_size=64, max_size=64)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
)  # fmt: skip


@given(values)
def test_canonical_json_reads_back_and_hashes_the_same(value):
    text = canonical(value)
    assert json.loads(text) == value == json.loads(pretty(value))
    assert digest(value) == hashlib.sha256(text).hexdigest()


@given(st.dictionaries(names, st.integers(), min_size=2))
def test_the_order_of_keys_does_not_count(value):
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_nan_is_no_json():
    with pytest.raises(ValueError, match="JSON"):
        canonical({"ce": float("nan")})


@given(st.dictionaries(names, st.builds(FileDigest, st.integers(0), sha)))
def test_sums_round_trip(digests):
    assert parse_sums(format_sums(digests)) == {n: d.sha256 for n, d in sorted(digests.items())}


@pytest.mark.parametrize("text", ["abc  file\n", "0" * 64 + " file\n", "0" * 64 + "  \n"])
def test_a_line_that_is_no_sum_is_refused(text):
    with pytest.raises(FormatError, match="Line 1"):
        parse_sums(text)


def test_coreutils_accepts_the_sums(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(b"a" * 3_000_000)
    (tmp_path / "SHA256SUMS").write_text(format_sums({"a.bin": file_digest(tmp_path / "a.bin")}))
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
