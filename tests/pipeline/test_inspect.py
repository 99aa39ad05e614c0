"""``python -m pipeline.inspect``: the command, as it is typed and as it is read."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipeline.inspect import main
from pipeline.layout import COMPRESSION, STATE_DICT
from stages.common.hub_model import SMALL
from tests.command import CODEC, LM, ROOT, environment, make_place, pipeline
from tests.experiments import write_exported, write_lm_experiment


def inspect(*arguments: str, cwd: Path, env=None) -> subprocess.CompletedProcess[str]:
    return pipeline(*arguments, cwd=cwd, env=env, module="pipeline.inspect")


@pytest.fixture
def ugly_place(ugly, monkeypatch):
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    return make_place(ugly)


def test_the_request_that_it_prints_makes_the_release_that_it_foretells(ugly_place):
    done = inspect(LM, "--dora-dir", str(ugly_place.dora), "--json", cwd=ugly_place.root)
    assert (done.returncode, done.stderr) == (0, "")
    prospect = json.loads(done.stdout)["prospect"]
    python, *request = shlex.split(prospect["command"])
    run = subprocess.run(
        [sys.executable, *request], cwd=ugly_place.root, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert python == "python" and run.returncode == 0, run.stdout + run.stderr
    for file in prospect["files"]:
        size = (ugly_place.release() / file["name"]).stat().st_size
        assert file["bytes"] < size < file["bytes"] + 50_000
    seen = inspect(str(ugly_place.run()), cwd=ugly_place.root)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "The release" not in seen.stdout and "A run of the pipeline" in seen.stdout
    assert "state_dict.bin" in seen.stdout and "as listed" in seen.stdout


def test_a_page_for_people(ugly_place, capsys):
    assert main([LM, "--dora-dir", str(ugly_place.dora)]) == 0
    out = capsys.readouterr().out
    for text in (
        f"//sig/{LM}: MusicGen, training checkpoint, ",
        str(ugly_place.dora / "xps" / LM / "checkpoint.th"),
        "description (t5-base, cross)",
        "2 epochs, the best is 1 (valid ce 4)",
        "weights of //sig/98dabcc6 (best state, epoch 2)",
        "python -m pipeline +release=musicgen_small checkpoint=dora",
    ):
        assert text in out
    assert "\x1b" not in out


def test_what_is_wrong_is_at_the_end_and_the_status_says_so(tmp_path, capsys):
    path = write_lm_experiment(tmp_path, fsdp=True) / "checkpoint.th.1"
    assert main([str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert " ".join(captured.out.split()).endswith(
        "problem The file holds one rank's share of an FSDP run; only rank 0's has the whole "
        f"model. → Give that of rank 0: {path.with_suffix('')}"
    )


def test_json_alone_is_on_the_output(tmp_path, capsys):
    (tmp_path / "bad:warning:.th").write_text("no checkpoint")
    assert main([str(tmp_path / "bad:warning:.th"), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["path"] == str(tmp_path / "bad:warning:.th")


def test_what_cannot_be_inspected_is_one_document_too(tmp_path, capsys):
    path = tmp_path / "no such.th"
    assert main([str(path), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    values = json.loads(captured.out)
    assert (values["format"], values["what"]) == (1, str(path))
    assert "no file" in values["error"]["what"] and values["error"]["where"] == str(path)
    assert list(values["error"]) == ["what", "where", "remedy"]


def test_lines_are_as_wide_as_they_are_asked_to_be(ugly_place, capsys, monkeypatch):
    def widest() -> int:
        main([LM, "--dora-dir", str(ugly_place.dora)])
        told = capsys.readouterr().out.split("hint")[1]
        return max(map(len, told.splitlines()))

    monkeypatch.delenv("COLUMNS", raising=False)
    assert widest() > 100
    monkeypatch.setenv("COLUMNS", "72")
    assert widest() <= 72


class TestTensors:
    """The list of tensors."""

    @pytest.fixture
    def checkpoint(self, tmp_path):
        return write_lm_experiment(tmp_path, epochs=1) / "checkpoint.th"

    def test_of_every_state(self, checkpoint, capsys):
        main([str(checkpoint), "--tensors"])
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if "tensors" in line] == [
            f"checkpoint.th, {state}: 36 tensors" for state in ("best", "ema", "last")
        ]
        assert len([line for line in lines if line.split()[:1] == ["emb.0.weight"]]) == 3

    def test_of_one_state(self, checkpoint, capsys):
        main([str(checkpoint), "--state", "ema"])
        lines = capsys.readouterr().out.splitlines()
        assert [line.split() for line in lines if line.startswith("emb.0")] == [
            ["emb.0.weight", "float32", "65x16", "4,160"]
        ]

    def test_of_a_released_file_in_json(self, checkpoint, tmp_path, capsys):
        path = write_exported(tmp_path / STATE_DICT, checkpoint)
        main([str(path), "--json", "--tensors"])
        (state,) = json.loads(capsys.readouterr().out)["models"][0]["states"]
        assert len(state["tensors"]) == 36
        main([str(path), "--json"])
        (state,) = json.loads(capsys.readouterr().out)["models"][0]["states"]
        assert state["tensors"] == []

    def test_a_state_that_is_not_there(self, checkpoint, capsys):
        assert main([str(checkpoint), "--state", "codec"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.splitlines() == [
            "error There is no codec state in it.",
            str(checkpoint),
            "There is best, ema, last.",
        ]


def test_an_error_has_three_lines(tmp_path, capsys):
    path = tmp_path / "no :warning: such.th"
    assert main([str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 2
    assert captured.err.splitlines()[1] == str(path)


@pytest.mark.parametrize(
    "arguments",
    [["~nosuchuser/c.th"], ["c.th", "--dora-dir", "~nosuchuser/c.th"]]
    + [["c.th", "--outputs", "~nosuchuser/c.th"]],
)
def test_the_home_of_nobody(arguments, capsys):
    assert main(arguments) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error There is no home folder ~nosuchuser: this machine knows no such user.",
        "~nosuchuser/c.th",
        "Write it in full, from the root: /.../c.th",
    ]


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "python -m pipeline.inspect //sig/9370b59c" in out and "exit status: 0 when" in out
    assert "2 when the command line" in out


def test_it_imports_nothing_heavy(tmp_path):
    folder = write_lm_experiment(tmp_path, codec="//pretrained/facebook/encodec_32khz")
    code = (
        "import sys; from pipeline.inspect import main; status = main(sys.argv[1:]);"
        "heavy = ('torch', 'dora', 'huggingface_hub', 'numpy', 'transformers', 'jinja2');"
        "print(status, [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr


class Hub(BaseHTTPRequestHandler):
    """A Hub with the files of a folder; the codec claims to be large."""

    protocol_version = "HTTP/1.1"
    folder: Path
    large = True
    asked: list[str]

    def answer(self) -> None:
        name = self.path.rpartition("/")[2].partition("?")[0]
        self.asked.append(f"{self.command} {name}")
        path = self.folder / name
        body = path.read_bytes() if path.is_file() else b""
        size = SMALL + 1 if name == COMPRESSION and self.large else len(body)
        self.send_response(200 if body else 404)
        if not body:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", "ab" * 20)
        self.send_header("ETag", f'"{len(body):040x}"')
        self.send_header("Content-Length", str(size if body else 0))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None: ...


@contextmanager
def hub(folder: Path, large: bool) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Here", (Hub,), {"folder": folder, "large": large, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()


def test_a_hub_that_cannot_be_reached_is_an_error_in_the_document(tmp_path):
    env = environment(
        HF_ENDPOINT="http://127.0.0.1:9", AUDIOCRAFT_CACHE_DIR=str(tmp_path), no_proxy="*"
    )
    done = inspect("me/model", "--json", cwd=tmp_path, env=env)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "The Hub cannot be reached" in json.loads(done.stdout)["error"]["what"]


@pytest.mark.parametrize("large", [True, False])
def test_of_a_repository_only_a_small_codec_is_downloaded(tmp_path, large):
    place = make_place(tmp_path)
    served = tmp_path / "served"
    write_exported(served / STATE_DICT, place.dora / "xps" / LM / "checkpoint.th")
    write_exported(served / COMPRESSION, place.dora / "xps" / CODEC / "checkpoint.th")
    with hub(served, large) as (url, asked):
        env = environment(
            HF_ENDPOINT=url,
            AUDIOCRAFT_CACHE_DIR=str(tmp_path / "cache"),
            HF_HUB_DISABLE_TELEMETRY="1",
            no_proxy="*",
        )
        done = inspect("me/model", cwd=tmp_path, env=env)
        again = inspect("me/model", "--json", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert asked.count(f"GET {STATE_DICT}") == 1
    assert asked.count(f"GET {COMPRESSION}") == (0 if large else 1)
    assert ("was not downloaded just for this" in done.stdout) == large
    assert "compression.source=me/model" in done.stdout
    assert len(json.loads(again.stdout)["models"]) == (1 if large else 2)
