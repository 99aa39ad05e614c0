"""The whole way, as a user goes it: from an experiment to a release that loads."""

import json
import re
import subprocess
import sys

import pytest
import torch
import yaml

from tests.command import (
    CODEC,
    LM,
    ROOT,
    Place,
    check_sums,
    environment,
    make_place,
    pipeline,
    quoted,
    tree,
)
from tests.experiments import write_lm_experiment
from tests.text_encoders import write_t5


def released(place: Place, *arguments: str) -> dict[str, bytes]:
    done = pipeline(*place.request, *arguments, cwd=place.root)
    assert done.returncode == 0, done.stdout + done.stderr
    check_sums(place.release())
    return tree(place.release())


def test_an_experiment_becomes_a_release(place):
    files = released(place)
    assert sorted(files) == [
        "README.md", "SHA256SUMS", "compression_state_dict.bin", "release.json", "state_dict.bin",
    ]  # fmt: skip
    lm = torch.load(place.release() / "state_dict.bin", weights_only=True)
    source = torch.load(place.dora / "xps" / LM / "checkpoint.th", weights_only=False)
    best = source["best_state"]["model"]
    assert list(lm) == ["best_state", "xp.cfg", "version", "exported"]
    assert {k: v.tolist() for k, v in lm["best_state"].items()} == {
        k: v.tolist() for k, v in best.items()
    }
    assert yaml.safe_load(lm["xp.cfg"])["transformer_lm"]["dim"] == 16
    codec = torch.load(place.release() / "compression_state_dict.bin", weights_only=True)
    assert "best_state" in codec and codec["exported"] is True
    manifest = json.loads(files["release.json"])
    assert manifest["source"]["signature"] == LM


def test_nothing_of_this_place_is_released(place):
    for name, content in released(place).items():
        assert str(place.root).encode() not in content, name


def test_a_second_run_does_nothing_and_says_so(place):
    first = released(place)
    done = pipeline(*place.request, cwd=place.root)
    assert "nothing has changed" in done.stdout
    assert tree(place.release()) == first
    assert done.stdout.count("up to date") >= 5


def test_a_second_run_needs_no_torch(place):
    released(place)
    code = (
        "import sys; from pipeline.app import main; sys.argv[1:] = sys.argv[1:]\n"
        "assert main() == 0; assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *place.request, "push=none"], cwd=place.root,
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_another_epoch_gives_other_weights(place):
    released(place, "checkpoint.epoch=1")
    released_2 = pipeline(*place.request, "checkpoint.epoch=2", cwd=place.root)
    assert released_2.returncode == 0
    digests = {
        json.loads((r / "release.json").read_text())["source"]["state_digest"]
        for r in place.releases()
    }
    assert len(digests) == 2


def test_another_dtype_reuses_the_codec(place):
    released(place)
    done = pipeline(*place.request, "export.dtype=float16", cwd=place.root)
    assert done.returncode == 0, done.stderr
    assert re.search(r"export_compression reused", done.stdout)
    half, full = (r / "compression_state_dict.bin" for r in place.releases())
    assert half.samefile(full)


def test_the_plan_alone_leaves_nothing(place):
    done = pipeline(*place.request, "plan_only=true", cwd=place.root)
    assert done.returncode == 0
    for stage in ("collect", "export_lm", "export_compression", "validate", "package", "push"):
        assert stage in done.stdout
    assert not place.releases()
    assert not [p for p in place.outputs.rglob("*") if p.is_file()]


def test_one_file_unpacks_into_the_two(place):
    two = released(place)
    done = pipeline(*place.request, "export.layout=all_in_one", "push=none", cwd=place.root)
    assert done.returncode == 0, done.stderr
    (one,) = place.outputs.glob("*/*/release/all_in_one.pt")
    done = pipeline(str(one), "unpacked", cwd=place.root, module="pipeline.unpack")
    assert done.returncode == 0, done.stderr
    unpacked = tree(place.root / "unpacked")
    assert unpacked == {name: two[name] for name in unpacked} and len(unpacked) == 2


def test_what_was_pushed_is_a_source_by_its_hub_id_with_no_network(place):
    first = released(place)
    offline = environment(AUDIOCRAFT_CACHE_DIR=str(place.outputs / "hub"), HF_HUB_OFFLINE="1")
    done = pipeline(
        "+release=musicgen_small", "checkpoint=hub", "checkpoint.repo_id=local/musicgen_small",
        "compression=bundle", "compression.source=local/musicgen_small", "outputs=again",
        "push=none", cwd=place.root, env=offline,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = Place(place.root / "again")
    (release,) = again.root.glob("*/*/release")
    assert tree(release)["state_dict.bin"] == first["state_dict.bin"]


def test_a_codec_alone_is_released(place):
    done = pipeline(
        "+release=encodec_32khz", "checkpoint=dora", f"checkpoint.sig=//sig/{CODEC}",
        f"checkpoint.dora_dir={quoted(place.dora)}", f"outputs={quoted(place.outputs)}",
        cwd=place.root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "state_dict.bin" not in tree(place.release())
    check_sums(place.release())


def test_both_worlds_load_one_release_by_its_hub_id(place, tmp_path):
    encoder = write_t5(tmp_path / "t5 base")
    request = ["formats=[audiocraft,transformers]", f"export.text_encoder={quoted(encoder)}"]
    files = released(place, *request)
    assert {"state_dict.bin", "model.safetensors", "tokenizer.json"} < set(files)
    for name, content in files.items():
        assert str(tmp_path).encode() not in content, name

    done = pipeline(*place.request, *request, cwd=place.root)
    assert "up to date" in done.stdout and tree(place.release()) == files

    loads = (
        "import sys, torch; from transformers import AutoProcessor, AutoModelForTextToWaveform;"
        "name = 'local/musicgen_small'; processor = AutoProcessor.from_pretrained(name);"
        "model = AutoModelForTextToWaveform.from_pretrained(name);"
        "inputs = processor(text=['abc'], padding=True, return_tensors='pt');"
        "print(tuple(model.generate(**inputs, max_new_tokens=9).shape))"
    )
    cache = {"HF_HUB_CACHE": str(place.outputs / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", loads], env={**environment(), **cache}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith("(1, 1, "), done.stdout + done.stderr


def test_an_fsdp_run_is_released(place):
    write_lm_experiment(place.dora, "5eed5eed", codec=f"//sig/{CODEC}", fsdp=True)
    released(place, "checkpoint.sig=//sig/5eed5eed")


def test_a_run_of_short_segments_is_released_with_warnings_and_the_cure(place):
    write_lm_experiment(
        place.dora, "05f94543", codec="//pretrained/debug_compression_model", conditioners=None,
        segment_duration=1,
    )  # fmt: skip
    wide = environment(COLUMNS="200")
    done = pipeline(*place.request, "checkpoint.sig=//sig/05f94543", cwd=place.root, env=wide)
    assert done.returncode == 0, done.stdout + done.stderr
    cure = "export.config_overrides={dataset.segment_duration: 30}"
    assert cure in done.stdout
    done = pipeline(*place.request, "checkpoint.sig=//sig/05f94543", cure, cwd=place.root)
    assert done.returncode == 0 and "segment_duration: 30" not in done.stdout
    strict = pipeline(
        *place.request, "checkpoint.sig=//sig/05f94543", "strict=true", "version=2.0.0",
        cwd=place.root,
    )  # fmt: skip
    assert strict.returncode == 1


def test_ugly_folders_are_fine(ugly):
    place = make_place(ugly)
    released(place)


@pytest.mark.parametrize(
    "change",
    [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"},
    ],
)
def test_the_same_bytes_from_another_place(place, tmp_path_factory, change):
    expected = released(place)
    other = make_place(tmp_path_factory.mktemp("elsewhere") / "deeper down")
    for name in ("xps",):  # the same experiment, byte for byte
        subprocess.run(["rm", "-r", str(other.dora / name)], check=True)
        subprocess.run(["cp", "-r", str(place.dora / name), str(other.dora / name)], check=True)
    script = "umask 077; exec " + '"$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "pipeline", *other.request],
        cwd=ROOT, env=environment(**change), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = tree(other.release())
    assert result["SHA256SUMS"] == expected["SHA256SUMS"]
    assert result["README.md"] == expected["README.md"]
    assert result == expected
