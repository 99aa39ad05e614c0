"""The language model run in transformers: what it proves, and the faults that it finds."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch

from stages.common.archive import Archive
from stages.common.renaming import Part
from stages.common.settings import LM_NODES, Settings, Unusable
from stages.common.stored import StoredTensor
from stages.common.xp_yaml import config_in
from stages.validate.decoder import Decoder
from stages.validate.logits import Question, Shape, Trial
from stages.validate.weights import Weights
from tests.candidates import Candidate

RUNS = ("lm.runs", "lm.definition", "lm.logits")


def rows(candidate: Candidate) -> dict[str, dict[str, Any]]:
    found = candidate.report()
    return {name: found[name] for name in RUNS}


@pytest.fixture
def trial(candidate: Candidate):
    """The candidate's language model, ready to be run, with attention that pays attention."""

    def sharpen(package: dict[str, Any]) -> None:
        for name, tensor in package["best_state"].items():
            tensor *= 30 if "in_proj" in name else 1

    candidate.spoil(sharpen)
    with Archive.open(candidate.run.export_lm.state_dict) as archive:
        settings = Settings.of(config_in(archive.root["xp.cfg"]), LM_NODES)
        refs = archive.root["best_state"]
        weights = Weights({name: StoredTensor(archive, ref) for name, ref in refs.items()}, "cpu")
        shapes = {name: ref.shape for name, ref in refs.items()}
        yield Trial(Decoder.of(settings, shapes), Shape.of(settings, shapes), weights)


def test_an_unchanged_export_answers_exactly_as_its_source(candidate: Candidate):
    found = rows(candidate)
    assert {row["verdict"] for row in found.values()} == {"pass"}
    assert found["lm.logits"]["figures"]["largest"] == 0
    assert 0 < found["lm.definition"]["figures"]["relative"] < 1e-6
    assert found["lm.runs"]["figures"]["root_mean_square"] > 0


def test_one_changed_weight_changes_the_answer(candidate: Candidate):
    def nudge(package: dict[str, Any]) -> None:
        package["best_state"]["linears.0.weight"][3, 4] += 1e-3

    candidate.spoil(nudge)
    found = rows(candidate)
    assert found["lm.logits"]["verdict"] == "fail"
    assert 0 < found["lm.logits"]["figures"]["relative"] < 1e-2
    assert found["lm.definition"]["verdict"] == "pass"


def test_two_swapped_layers_change_the_answer_of_a_cast_as_well(candidate: Candidate):
    def swap(package: dict[str, Any]) -> None:
        state = {name: tensor.half() for name, tensor in package["best_state"].items()}
        for name in [name for name in state if name.startswith("transformer.layers.0.")]:
            other = name.replace("layers.0", "layers.1")
            state[name], state[other] = state[other] * 5, state[name] * 5
        package["best_state"] = state

    candidate.facts["export_lm"]["dtype"] = "float16"
    candidate.spoil(swap)
    assert rows(candidate)["lm.logits"]["verdict"] == "fail"


def test_a_cast_answers_nearly_as_its_source(candidate: Candidate):
    def cast(package: dict[str, Any]) -> None:
        state = package["best_state"]
        package["best_state"] = {name: tensor.half() for name, tensor in state.items()}

    candidate.facts["export_lm"]["dtype"] = "float16"
    candidate.spoil(cast)
    row = rows(candidate)["lm.logits"]
    assert row["verdict"] == "pass"
    assert 0 < row["figures"]["relative"] < 1e-3


def rearranged(trial: Trial, change) -> Trial:
    """Give the same trial with another mapping."""
    parts = {name: change(name, part) for name, part in trial.decoder.parts.items()}
    return Trial(replace(trial.decoder, parts=parts), trial.shape, trial.weights)


@pytest.mark.parametrize("letters", ["kqv", "vkq", "qvk", "kvq"])
def test_a_wrong_split_of_queries_keys_and_values_is_not_what_audiocraft_defines(
    trial: Trial, letters: str
):
    dim = trial.shape.dim

    def split(name: str, part: Part) -> Part:
        if part.rows is None:
            return part
        place = letters.index(name.rpartition("_proj")[0][-1])
        return replace(part, rows=slice(place * dim, (place + 1) * dim))

    assert trial.definition().verdict == "pass"
    wrong = rearranged(trial, split).definition()
    assert wrong.verdict == "fail"
    assert wrong.figures["relative"] > 1e-4


def test_a_mapping_that_takes_one_norm_for_another_is_not_what_audiocraft_defines(trial: Trial):
    def exchange(name: str, part: Part) -> Part:
        return Part(part.name.replace("norm1", "norm2")) if "norm1" in part.name else part

    assert rearranged(trial, exchange).definition().verdict == "fail"


@pytest.mark.parametrize("name", ["model.decoder.layer_norm.bias", "lm_heads.3.weight"])
def test_every_place_must_have_its_weight_and_every_weight_its_place(trial: Trial, name: str):
    parts = dict(trial.decoder.parts)
    part = parts.pop(name)
    for wrong in (parts, {**parts, name: part, "lm_heads.9.weight": part}):
        with pytest.raises(Unusable, match=r"differ in (model|lm_heads)"):
            replace(trial.decoder, parts=wrong).streamed(trial.weights)
    del trial.weights.tensors[part.name]  # type: ignore[attr-defined]
    with pytest.raises(Unusable, match=f"no weights {part.name}"):
        trial.decoder.streamed(trial.weights)


def test_layers_are_let_go_of_once_they_were_run(trial: Trial):
    model = trial.decoder.streamed(trial.weights)
    layers = model.model.decoder.layers
    answer = trial.question.ask(model)
    assert {weight.device.type for weight in layers.parameters()} == {"meta"}
    assert torch.equal(answer, trial.question.ask(model))
    assert torch.equal(answer, trial.question.ask(trial.decoder.whole(trial.weights)))


class Watched(Weights):
    """Weights that know which of the tensors they gave are still in memory."""

    def _read(self, name: str) -> torch.Tensor:
        memory = super()._read(name).numpy().copy()  # goes when the last part of it goes
        self.given = [*getattr(self, "given", []), (name, weakref.ref(memory))]
        return torch.from_numpy(memory)

    @property
    def alive(self) -> set[str]:
        gc.collect()
        return {name for name, memory in self.given if memory() is not None}


def test_nothing_of_a_layer_stays_in_memory(trial: Trial):
    weights = Watched(trial.weights.tensors, "cpu")
    model = trial.decoder.streamed(weights)
    trial.question.ask(model)
    alive = {name for name in weights.alive if name.startswith("transformer.layers.")}
    assert len(alive) <= 1  # the one that was read last


def test_the_question_is_the_same_everywhere(trial: Trial):
    first, second = (Question.of(trial.shape, "cpu") for _ in range(2))
    assert torch.equal(first.codes, second.codes)
    assert first.codes.max() == trial.shape.cardinality  # the special token is among them
    assert torch.equal(first.condition, second.condition)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformer_lm.positional_embedding", "rope"),
        ("codebooks_pattern.modeling", "parallel"),
        ("transformer_lm.activation", "relu"),
        ("fuser.sum", ["description"]),
    ],
)
def test_what_transformers_cannot_express_is_said(candidate: Candidate, key: str, value: Any):
    from omegaconf import OmegaConf

    candidate.reconfigure(lambda config: OmegaConf.update(config, key, value))
    if key.endswith("embedding"):
        frequencies = torch.ones(4)

        def turn(package: dict[str, Any]) -> None:
            for at in ("transformer", *(f"transformer.layers.{i}.self_attn" for i in (0, 1))):
                package["best_state"][f"{at}.rope.frequencies"] = frequencies

        candidate.spoil(turn)
    for row in rows(candidate).values():
        assert row["verdict"] == "skipped"
        assert key in row["message"]


def test_tensors_that_are_not_those_of_the_config_are_not_run(candidate: Candidate):
    candidate.spoil(lambda package: package["best_state"].pop("out_norm.bias"))
    for row in rows(candidate).values():
        assert row["verdict"] == "skipped"
        assert "not those of its xp.cfg" in row["message"]


def test_an_answer_that_is_no_number_fails_unless_it_was_accepted(candidate: Candidate):
    def spoil(package: dict[str, Any]) -> None:
        package["best_state"]["out_norm.bias"][:] = float("nan")

    candidate.spoil(spoil)
    found = rows(candidate)
    assert found["lm.runs"]["verdict"] == "fail"
    assert found["lm.definition"]["verdict"] == found["lm.logits"]["verdict"] == "skipped"
    candidate.facts["export_lm"]["nonfinite"] = ["out_norm.bias"]
    assert rows(candidate)["lm.runs"]["verdict"] == "warn"


def test_a_source_that_is_gone_leaves_the_export_to_be_run(candidate: Candidate):
    candidate.run.collect.checkpoint.unlink()
    found = rows(candidate)
    assert found["lm.logits"]["verdict"] == "skipped"
    assert found["lm.runs"]["verdict"] == found["lm.definition"]["verdict"] == "pass"
