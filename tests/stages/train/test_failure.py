import pytest

from stages.train.failure import TAIL, last_words

HYDRA = """Error executing job with overrides: ['a=1']
Traceback (most recent call last):
  File "train.py", line 1, in main
    raise RuntimeError("diverged")
RuntimeError: diverged

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HYDRA, "RuntimeError: diverged"),
        ("x\n\n\x1b[1m\x1b[31mFATAL:\x1b[0m no module\n\n", "FATAL: no module"),
        ("hydra.errors.MissingConfigException: no such\nfull_key: x\n",
         "hydra.errors.MissingConfigException: no such"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("", "exit status 1"),
        ("b\xff\n", "b\N{REPLACEMENT CHARACTER}"),
    ],
)  # fmt: skip
def test_the_line_that_says_why(text, words, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(text.encode("latin-1", "ignore"))
    assert last_words(log, 0, 1) == words


def test_an_earlier_process_is_not_quoted(tmp_path):
    log = tmp_path / "log"
    log.write_text("ValueError: of an earlier run\nended\n")
    assert last_words(log, len("ValueError: of an earlier run\n"), 1) == "ended"


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_text("ValueError: early\n" + "x\n" * TAIL)
    assert last_words(log, 0, 1) == "x"


def test_an_endless_line_is_cut(tmp_path):
    log = tmp_path / "log"
    log.write_text("y" * 1000)
    assert last_words(log, 0, 1) == "y" * 200


def test_a_signal_has_a_name(tmp_path):
    assert last_words(tmp_path / "none", 0, -9) == "ended by SIGKILL (out of memory?)"
    assert last_words(tmp_path / "none", 0, -15) == "ended by SIGTERM"
