"""One model all the way: trained by AudioCraft, released by us, loaded by AudioCraft.

This is the case that every change is checked with; ``make interop`` runs the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.interop.experiments import Experiments
from tests.interop.peer import Peer, Source
from tests.interop.recipes import TEXT
from tests.interop.releases import Releases
from tests.interop.table import Table


def test_a_released_model_says_what_audiocraft_s_own_export_says(
    peer: Peer, experiments: Experiments, table: Table, tmp_path: Path
) -> None:
    codec, trained = experiments.get(TEXT.codec), experiments.get(TEXT)
    for made in (codec, trained):
        table.add(made.recipe.name, "trained", made.experiment.sig, made.seconds)
    with table.timed("text", "released", "keep"):
        release = Releases(tmp_path / "outputs").make(trained, "push=none")
    theirs = tmp_path / "theirs"
    peer.export("lm", trained.checkpoint, theirs / "state_dict.bin")
    peer.export("encodec", codec.checkpoint, theirs / "compression_state_dict.bin")
    with table.timed("text", "loaded by folder", "equal to AudioCraft's export, bit for bit"):
        ours, reference = peer.load(tmp_path, Source.whole(release), Source.whole(theirs))
    assert ours.same_as(reference)
    assert np.isfinite(ours.logits[ours.mask]).all()
    assert ours.generated.shape == (1, 1, ours.rate)
    assert np.isfinite(ours.generated).all()
