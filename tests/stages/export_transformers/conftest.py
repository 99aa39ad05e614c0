"""A run up to export_transformers, and a T5 that all tests of this folder share."""

from __future__ import annotations

import pytest

from pipeline.schema import ExportConfig
from stages.export_compression import ExportCompression
from stages.export_lm import ExportLM
from stages.export_transformers import ExportTransformers
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.exports import Bench, collected, compression, export
from tests.text_encoders import write_t5

BOTH = ["audiocraft", "transformers"]


@pytest.fixture(scope="session")
def t5(tmp_path_factory):
    """The folder of a tiny T5."""
    return write_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(autouse=True)
def _no_cache(tmp_path, monkeypatch):
    """Keep what is in this machine's own Hub caches out of the tests."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    for name in ("HF_HUB_CACHE", "AUDIOCRAFT_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def ready(root, settings: ExportConfig | None = None, codec=None, **values) -> Bench:
    """Give a bench whose checkpoint is collected; ``values`` are of the language model."""
    write_lm_experiment(root / "dora", epochs=1, **values)
    write_encodec_experiment(root / "dora", epochs=1, **(codec or {}))
    return collected(root, sig="1a2b3c4d", dora_dir=str(root / "dora"))


def stage(t5, codec=None, kind="auto", pretrained=None, **values) -> ExportTransformers:
    """Give the stage, asked for."""
    encoder = None if t5 is None else str(t5)
    config = export(text_encoder=encoder, codec=codec, **values)
    return ExportTransformers(BOTH, config, compression(kind, pretrained=pretrained))


def made(bench: Bench, made_by: ExportTransformers) -> Bench:
    """Run the three exports."""
    assert bench.check(made_by) == []
    bench.do(ExportLM(made_by.export))
    bench.do(ExportCompression(made_by.compression, made_by.export))
    bench.do(made_by)
    return bench
