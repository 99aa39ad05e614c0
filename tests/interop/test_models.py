"""What else AudioCraft trains: each released, loaded, and held against AudioCraft's own export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.interop.experiments import Experiments
from tests.interop.peer import Peer, Source
from tests.interop.recipes import AUDIOGEN, AUTOCAST, TEXT, TWO_CHANNELS, UNCONDITIONAL, Recipe
from tests.interop.releases import Releases
from tests.interop.table import Table


@pytest.mark.parametrize(
    "recipe", [AUDIOGEN, TWO_CHANNELS, AUTOCAST], ids=lambda recipe: recipe.name
)
def test_it_says_what_audiocraft_s_own_export_says(
    peer: Peer, experiments: Experiments, table: Table, tmp_path: Path, recipe: Recipe
) -> None:
    assert recipe.codec is not None
    codec, trained = experiments.get(recipe.codec), experiments.get(recipe)
    table.add(recipe.name, "trained", trained.experiment.sig, trained.seconds)
    with table.timed(recipe.name, "released", "keep"):
        release = Releases(tmp_path / "outputs").make(trained, "push=none")
    theirs = tmp_path / "theirs"
    peer.export("lm", trained.checkpoint, theirs / "state_dict.bin")
    peer.export("encodec", codec.checkpoint, theirs / "compression_state_dict.bin")
    with table.timed(recipe.name, "loaded by folder", "equal to AudioCraft's export, bit for bit"):
        ours, reference = peer.load(
            tmp_path, Source.whole(release), Source.whole(theirs),
            model=recipe.model, text=recipe.text,
        )  # fmt: skip
    assert ours.same_as(reference)
    assert np.isfinite(ours.generated).all()
    assert ours.generated.shape == (1, recipe.channels, ours.rate)


def test_without_conditions_ours_loads_where_audiocraft_s_own_export_does_not(
    peer: Peer, experiments: Experiments, table: Table, tmp_path: Path
) -> None:
    """AudioCraft writes ``conditioners: null``, and its loader stumbles over that."""
    trained = experiments.get(UNCONDITIONAL)
    table.add("unconditional", "trained", trained.experiment.sig, trained.seconds)
    release = Releases(tmp_path / "outputs").make(trained, "push=none")
    theirs = peer.export("lm", trained.checkpoint, tmp_path / "theirs" / "state_dict.bin")
    with pytest.raises(RuntimeError, match="NoneType"):
        peer.load(tmp_path / "theirs", Source(str(theirs), str(release)), text=False)
    states = [
        torch.load(file, weights_only=False)["best_state"]
        for file in (release / "state_dict.bin", theirs)
    ]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(ours, states[1][name]) for name, ours in states[0].items())
    with table.timed("unconditional", "released, loaded by folder", "equal tensors, generates"):
        (said,) = peer.load(tmp_path / "said", Source.whole(release), text=False)
    assert np.isfinite(said.generated).all() and said.generated.shape == (1, 1, said.rate)


def test_our_train_stage_trains_what_dora_trains(
    peer: Peer, experiments: Experiments, table: Table, tmp_path: Path
) -> None:
    trained = experiments.get(TEXT)
    with table.timed("text", "trained by the train stage, released", trained.experiment.sig):
        release = Releases(tmp_path / "outputs").train(experiments, TEXT, "push=none")
    (said,) = peer.load(tmp_path / "said", Source.whole(release))
    assert np.isfinite(said.generated).all()
    told = json.loads((release / "release.json").read_text())
    assert told["source"]["signature"] == trained.experiment.sig
