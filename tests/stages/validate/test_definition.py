"""AudioCraft's definition of the decoder against the miniature, which AudioCraft itself loads."""

from pathlib import Path

import pytest
import torch

from stages.common.archive import Archive
from stages.common.settings import Unusable
from stages.common.stored import StoredTensor
from stages.miniature.model import LanguageModel, Shape
from stages.validate.definition import Definition
from stages.validate.weights import Weights
from tests.archives import saved

SHAPE = Shape(4, 32, 24, 3, 2, 96, 768)


def test_it_gives_what_the_miniature_gives(tmp_path: Path):
    model = LanguageModel(SHAPE, seed=7)
    texts = ["a flute", "drums and bass"]
    codes = torch.randint(0, 33, (2, 4, 9), generator=torch.Generator().manual_seed(1))
    path = saved(tmp_path / "model.pt", model.state_dict())
    with Archive.open(path) as archive, torch.no_grad():
        stored = {name: StoredTensor(archive, ref) for name, ref in archive.root.items()}
        definition = Definition(Weights(stored, "cpu"), 4, 3, 2, custom=True)
        found = definition.logits(codes, model.condition_provider(texts))
        wanted = model(codes, texts)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert wanted.abs().mean() > 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_are_read_as_float32_whatever_they_are(tmp_path: Path, dtype: torch.dtype):
    values = torch.randn(600, 700).to(dtype)  # more than one block
    path = saved(tmp_path / "weights.pt", {"a": values, "n": torch.arange(3)})
    with Archive.open(path) as archive:
        weights = Weights({n: StoredTensor(archive, r) for n, r in archive.root.items()}, "cpu")
        assert torch.equal(weights("a"), values.float())
        assert weights("a").data_ptr() == weights("a").data_ptr()
        for name in ("n", "b"):
            with pytest.raises(Unusable, match=f"no weights {name}"):
                weights(name)
