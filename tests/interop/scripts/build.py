"""A training checkpoint of a model that AudioCraft's builders made: ``build.py REQUEST``.

The request is a JSON text: ``config`` (AudioCraft's folder of that name), ``overrides`` (what
follows ``dora run``), ``signature``, and ``file``, where the checkpoint goes. It holds what a
solver saves after an epoch without EMA; the weights are those that a training begins with, but for
the codebooks of quantizers, which the first batch would have filled.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from audiocraft.models import builders
from audiocraft.solvers import builders as solvers
from hydra import compose, initialize_config_dir

EPOCH = {"train": {"ce": 5.5, "ppl": 245.0}, "valid": {"ce": 5.4, "ppl": 221.0}}


def filled(state: dict[str, torch.Tensor]) -> None:
    """Fill the codebooks, so that none is made up at the first question."""
    for name, tensor in state.items():
        if name.endswith("._codebook.inited"):
            tensor.fill_(1)
        elif name.endswith(("._codebook.embed", "._codebook.embed_avg")):
            tensor.normal_()


def main(config: str, overrides: list[str], signature: str, file: str) -> None:
    """Answer a request."""
    with initialize_config_dir(config, version_base="1.1"):
        cfg: Any = compose("config", overrides)
    if cfg.lm_model == "transformer_lm_magnet":  # as its solver does
        cfg.transformer_lm.segment_duration = cfg.dataset.segment_duration
        cfg.transformer_lm.span_len = cfg.masking.span_len
    torch.manual_seed(0)
    model = builders.get_lm_model(cfg)
    filled(model.state_dict())
    optimizer = solvers.get_optimizer(solvers.get_optim_parameter_groups(model), cfg.optim)
    schedule = solvers.get_lr_scheduler(optimizer, cfg.schedule, total_updates=4)
    best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    saved = {
        "history": [EPOCH], "xp.cfg": cfg, "xp.sig": signature, "best_state": {"model": best},
        "fsdp_best_state": {}, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "lr_scheduler": schedule and schedule.state_dict(), "ema": None,
    }  # fmt: skip
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    torch.save(saved, file)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
