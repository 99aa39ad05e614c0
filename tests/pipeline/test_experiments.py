"""``python -m pipeline.experiments``: the command, as it is typed and as it is read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pipeline.experiments import main
from tests.command import CODEC, LM, ROOT, environment, make_place, pipeline
from tests.experiments import write_lm_experiment


@pytest.fixture
def ugly_place(ugly, monkeypatch):
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    return make_place(ugly)


def signatures(capsys):
    return [one["signature"] for one in json.loads(capsys.readouterr().out)["experiments"]]


def test_a_line_each_with_what_was_released_from_it(ugly_place):
    made = pipeline(*ugly_place.request, "validate=off", cwd=ugly_place.root)
    assert made.returncode == 0, made.stdout + made.stderr
    env = environment(AUDIOCRAFT_DORA_DIR=str(ugly_place.dora))
    done = pipeline(cwd=ugly_place.root, env=env, module="pipeline.experiments")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (line for line in done.stdout.splitlines() if line.startswith("//sig/"))
    assert first.startswith(f"//sig/{LM}  musicgen  ")
    assert first.endswith(f"  //sig/{CODEC}  musicgen_small/{ugly_place.run().name}")
    assert second.startswith(f"//sig/{CODEC}  compression  ") and second.endswith("-")


def test_what_is_released_is_looked_for_where_runs_write(ugly_place, capsys):
    made = ugly_place.root / "elsewhere" / "small" / "variant"
    for name, text in (
        ("collect/source.json", json.dumps({"signature": LM})),
        ("release/release.json", ""),
    ):
        (made / name).parent.mkdir(parents=True)
        (made / name).write_text(text)
    asked = [str(ugly_place.dora), "--where", "released", "--json"]
    assert main(asked) == 0
    assert signatures(capsys) == []
    assert main([*asked, "--outputs", str(ugly_place.root / "elsewhere")]) == 0
    assert signatures(capsys) == [LM]


@pytest.mark.parametrize(
    "key", [["--sort", "-epochs"], ["--sort=-epochs"], ["--sort", "-valid.ce"]]
)
def test_sorted_from_the_greatest(tmp_path, capsys, key):
    for signature, epochs in (("11111111", 1), ("22222222", 4), ("33333333", 2)):
        write_lm_experiment(tmp_path, signature, epochs=epochs, save_every=False)
    assert main([*key, str(tmp_path), "--json"]) == 0
    found = signatures(capsys)
    expected = ["22222222", "33333333", "11111111"]
    assert found == (expected if "-epochs" in key[-1] else ["11111111", "33333333", "22222222"])


def test_a_condition_that_makes_no_sense(ugly_place, capsys):
    assert main([str(ugly_place.dora), "--where", "epochs = 3"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error --where is no condition: it takes two signs, ==.\n")
    assert main([str(ugly_place.dora), "--sort", "-valid.cee", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["error"]["remedy"].startswith("Did you mean valid.ce")


def test_no_folder_says_what_to_type(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "python -m pipeline.experiments /path/to/dora" in capsys.readouterr().err
    assert main(["nowhere", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["where"] == str(tmp_path / "nowhere")


def test_the_help_names_every_value(tmp_path, capsys):
    write_lm_experiment(tmp_path, save_every=False)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and "exit status: 0; 1 when" in told
    assert main([str(tmp_path), "--sort", "xyz"]) == 2
    names = capsys.readouterr().err.partition("Known: ")[2].split(", ")[:-1]
    assert len(names) > 5 and all(name in told for name in names)


def test_it_imports_nothing_heavy(ugly_place):
    code = (
        "import sys; from pipeline.experiments import main;"
        "status = main([sys.argv[1], '--where', 'valid.ce < 9', '--sort', '-epochs']);"
        "heavy = ('torch', 'dora', 'huggingface_hub', 'numpy', 'transformers', 'jinja2');"
        "print(status, [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ugly_place.dora)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
