"""What transformers loads, held against the export that it was made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from pipeline.layout import Run
from pipeline.schema import ExportConfig
from pipeline.stage import Context, Record
from stages.export_transformers import ExportTransformers
from tests.candidates import Candidate
from tests.exports import compression
from tests.text_encoders import write_t5

NAME = "model.safetensors"
QUERIES = "decoder.model.decoder.layers.0.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture
def both(candidate: Candidate, t5: Path) -> Candidate:
    """A genuine pair of files, and what transformers loads, made of them."""
    export = ExportConfig(kind="audiocraft", text_encoder=str(t5))
    stage = ExportTransformers(["audiocraft", "transformers"], export, compression())
    folder = candidate.run.export_transformers.root
    folder.mkdir()
    records = {name: Record(facts) for name, facts in candidate.facts.items()}
    record = stage.run(Context(candidate.run, folder, records))
    candidate.facts["export_transformers"] = dict(record.facts)
    return candidate


def model(run: Run) -> Path:
    return run.export_transformers.root / NAME


def verdicts(candidate: Candidate) -> dict[str, tuple[str, str]]:
    rows = candidate.report()
    return {
        name.removeprefix("transformers."): (row["verdict"], row["message"])
        for name, row in rows.items()
        if name.startswith("transformers.")
    }


def test_what_was_made_of_the_export_is_the_export(both: Candidate):
    found = verdicts(both)
    assert found["files"][0] == "pass" and NAME in found["files"][1]
    assert found["weights"][0] == "pass" and "bit for bit" in found["weights"][1]


def test_nothing_is_said_where_nobody_asked_for_it(candidate: Candidate):
    assert verdicts(candidate) == {}


@pytest.mark.parametrize("length", [-100, 20, 0])
def test_a_truncated_file_is_found(both: Candidate, length: int):
    path = model(both.run)
    path.write_bytes(path.read_bytes()[:length])
    found = verdicts(both)
    assert found["files"][0] == "fail" and NAME in found["files"][1]
    assert found["weights"][0] == "skipped"


def test_one_changed_weight_is_found(both: Candidate):
    state = load_file(model(both.run))
    state[QUERIES][3, 5] += 1e-3
    save_file(state, model(both.run))
    found = verdicts(both)
    assert found["files"][0] == "pass"
    assert found["weights"] == ("fail", f"Not the exported weights in 1 of 44: {QUERIES}.")


def test_a_transposed_split_of_queries_and_values_is_found(both: Candidate):
    state, values = load_file(model(both.run)), QUERIES.replace("q_proj", "v_proj")
    state[QUERIES], state[values] = state[values], state[QUERIES]
    save_file(state, model(both.run))
    verdict, message = verdicts(both)["weights"]
    assert verdict == "fail" and "in 2 of" in message


def test_a_weight_that_is_not_there_is_found(both: Candidate):
    state = load_file(model(both.run))
    del state[QUERIES]
    save_file(state, model(both.run))
    assert verdicts(both)["weights"][0] == "fail"


def test_no_weights_at_all_are_found(both: Candidate):
    model(both.run).unlink()
    assert verdicts(both)["files"][0] == "fail"


def test_shards_and_their_index_belong_together(both: Candidate):
    path = model(both.run)
    state = load_file(path)
    halves = [dict(sorted(state.items())[side::2]) for side in (0, 1)]
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name, half in zip(names, halves, strict=True):
        save_file({key: value.contiguous() for key, value in half.items()}, path.with_name(name))
    path.unlink()
    places = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    index = path.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": places}))
    assert {verdict for verdict, _ in verdicts(both).values()} == {"pass"}
    index.write_text(json.dumps({"weight_map": {**places, QUERIES: names[0], "more": names[1]}}))
    assert verdicts(both)["files"][0] == "fail"
    index.unlink()
    assert verdicts(both)["files"][0] == "fail"
