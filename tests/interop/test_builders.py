"""What AudioCraft builds, untrained: released from a training checkpoint, loaded, compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.interop.environment import LATER, OFFICIAL
from tests.interop.experiments import Experiments
from tests.interop.peer import Peer, Source
from tests.interop.recipes import MAGNET, MELODY, STYLE, Recipe
from tests.interop.releases import Releases
from tests.interop.table import Table

SIGNATURE = "0b51cde2"


@pytest.mark.parametrize("recipe", [MAGNET, MELODY, STYLE], ids=lambda recipe: recipe.name)
def test_a_built_model_says_what_audiocraft_s_own_export_says(
    peer: Peer, experiments: Experiments, table: Table, tmp_path: Path, recipe: Recipe
) -> None:
    assert recipe.codec is not None
    peer, codec = replace(peer, version=recipe.version), experiments.get(recipe.codec)
    with table.timed(recipe.name, f"built by {recipe.version}", "a training checkpoint"):
        overrides = experiments.overrides(recipe)
        checkpoint = peer.build(SIGNATURE, overrides, tmp_path / "built" / "checkpoint.th")
    with table.timed(recipe.name, "released", "keep; its tensors are those of its config"):
        release = Releases(tmp_path / "outputs").make_of_file(
            recipe, checkpoint, codec, "push=none"
        )
    checks = json.loads((release.parent / "validate" / "report.json").read_text())["checks"]
    verdicts = {check["name"]: check["verdict"] for check in checks}
    assert verdicts["lm.tensors"] == verdicts["lm.parity"] == verdicts["lm.builders"] == "pass"
    theirs = tmp_path / "theirs"
    peer.export("lm", checkpoint, theirs / "state_dict.bin")
    peer.export("encodec", codec.checkpoint, theirs / "compression_state_dict.bin")
    with table.timed(recipe.name, "loaded by folder", "equal to AudioCraft's export, bit for bit"):
        ours, reference = peer.load(
            tmp_path / "said", Source.whole(release), Source.whole(theirs),
            model=recipe.model, melody=recipe.melody,
        )  # fmt: skip
    assert ours.same_as(reference)
    assert np.isfinite(ours.logits[ours.mask]).all() and np.isfinite(ours.generated).all()
    *shape, samples = ours.generated.shape
    # MAGNeT makes whole spans of three frames.
    assert shape == [1, recipe.channels] and 0 <= ours.rate - samples < 3 * ours.rate / 50


def test_jasco_is_in_no_version(peer: Peer, table: Table) -> None:
    """Its key model and its release file are all that can be had; once it is there, build it."""
    look = "from audiocraft import models; print(hasattr(models, 'JASCO'))"
    for version in (OFFICIAL, LATER):
        assert replace(peer, version=version).run("-c", look).split()[-1] == "False"
    table.add("jasco", "neither built nor loaded", "no package has its code")
