"""Small genuine experiments: Dora folders and checkpoints with AudioCraft's keys, types and shapes.

Seeded, so the same arguments give the same weights. The best epoch of a language model is the one
before its last, so that best and last differ; that of a codec is its last, as in AudioCraft.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from omegaconf import DictConfig, OmegaConf

from tests.xp_configs import ENCODEC, LM, UNCONDITIONAL, compose
from tests.xp_shapes import Shapes, encodec_shapes, lm_shapes

Tensors = dict[str, torch.Tensor]
_CARDS = {"//pretrained/facebook/encodec_32khz": 2048, "//pretrained/debug_compression_model": 400}


def write_lm_experiment(
    dora_dir: Path,
    sig: str = "1a2b3c4d",
    *,
    epochs: int = 2,
    codec: str = "//sig/98dabcc6",
    conditioners: str | None = "text",
    custom: bool = False,
    fsdp: bool = False,
    segment_duration: float = 20,
    n_q: int = 4,
    card: int | None = None,
    dim: int = 16,
    layers: int = 2,
    ema: bool = True,
    save_every: bool = True,
    config_overrides: Mapping[str, Any] | None = None,
) -> Path:
    """Write a MusicGen run; ``card`` follows the codec (64 for an own one). Gives its folder."""
    values: dict[str, Any] = {
        **({} if conditioners else UNCONDITIONAL),
        "compression_model_checkpoint": codec,
        "dataset.segment_duration": segment_duration,
        "optim.epochs": epochs,
        "optim.ema.use": ema,
        "fsdp.use": fsdp,
        "transformer_lm.custom": custom,
        "transformer_lm.n_q": n_q,
        "transformer_lm.card": card or _CARDS.get(codec, 64),
        "transformer_lm.dim": dim,
        "transformer_lm.num_layers": layers,
        "codebooks_pattern.delay.delays": list(range(n_q)),
    }
    config = compose(LM, values | dict(config_overrides or {}))
    names = ("ce", "ppl", *(f"ce_q{level + 1}" for level in range(n_q)))
    best = max(1, epochs - 1)
    losses = [5.0 - epoch if epoch <= best else 9.0 for epoch in range(1, epochs + 1)]
    folder = _write_folder(dora_dir, sig, config, [f"solver={config.solver}"])
    _write_epochs(folder, config, lm_shapes(config), _history(losses, names), best, save_every)
    return folder


def write_encodec_experiment(
    dora_dir: Path,
    sig: str = "98dabcc6",
    *,
    n_q: int = 4,
    bins: int = 64,
    sample_rate: int = 32000,
    channels: int = 1,
    epochs: int = 2,
    ema: bool = True,
    save_every: bool = True,
    config_overrides: Mapping[str, Any] | None = None,
) -> Path:
    """Write an EnCodec run at 50 Hz (for 32 kHz). Gives its folder."""
    values: dict[str, Any] = {
        "rvq.n_q": n_q,
        "rvq.bins": bins,
        "sample_rate": sample_rate,
        "channels": channels,
        "optim.epochs": epochs,
        "optim.ema.use": ema,
    }
    config = compose(ENCODEC, values | dict(config_overrides or {}))
    history = _history([1.4 - 0.1 * epoch for epoch in range(epochs)], ("msspec", "sisnr", "l1"))
    folder = _write_folder(dora_dir, sig, config, ["solver=compression/encodec_musicgen_32khz"])
    _write_epochs(folder, config, encodec_shapes(config), history, epochs, save_every)
    return folder


def write_exported(
    path: Path, checkpoint: Path, form: Literal["new", "old", "legacy"] = "new"
) -> Path:
    """Write what AudioCraft exports from a checkpoint.

    ``old`` is how it once was: ``xp.cfg`` a DictConfig, no ``exported`` key. ``legacy`` is the same
    in torch's format from before zip files.
    """
    package = torch.load(checkpoint, weights_only=False, map_location="cpu")
    best = (package["fsdp_best_state"] or package["best_state"])["model"]
    exported: dict[str, Any] = {"best_state": best, "xp.cfg": package["xp.cfg"]}
    if form == "new":
        exported["xp.cfg"] = OmegaConf.to_yaml(package["xp.cfg"])
        exported |= {"version": "1.3.0", "exported": True}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(exported, path, _use_new_zipfile_serialization=form != "legacy")
    return path


def write_reference(path: Path, pretrained: str = "facebook/encodec_32khz") -> Path:
    """Write a compression model that is only the name of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"pretrained": pretrained, "exported": True, "version": "1.3.0"}, path)
    return path


def rewrite(checkpoint: Path, **changes: Any) -> Path:
    """Save a checkpoint again with top-level keys changed (``xp_cfg`` stands for ``xp.cfg``)."""
    package = torch.load(checkpoint, weights_only=False, map_location="cpu")
    for name, value in changes.items():
        key = name.replace("xp_", "xp.") if name.startswith("xp_") else name
        if value is ...:
            package.pop(key)
        else:
            package[key] = value
    _save(package, checkpoint)
    return checkpoint


def _history(losses: list[float], names: tuple[str, ...]) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = []
    for loss in losses:
        valid = {name: loss + 0.25 * index for index, name in enumerate(names)}
        train = {"lr": 1e-4, **{name: value + 0.5 for name, value in valid.items()}}
        history.append({"train": {**train, "duration": 1.5}, "valid": {**valid, "duration": 0.5}})
    history[-1] |= {"evaluate": {"duration": 0.25}, "generate": {"rtf": 4.0, "duration": 0.25}}
    return history


def _write_folder(dora_dir: Path, sig: str, config: DictConfig, argv: list[str]) -> Path:
    folder = dora_dir / "xps" / sig
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".argv.json").write_text(json.dumps(argv))
    (folder / ".hydra" / "config.yaml").write_text(OmegaConf.to_yaml(config))
    (folder / ".hydra" / "overrides.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(argv)))
    hydra = OmegaConf.create({"hydra": {"run": {"dir": str(folder)}, "job": {"name": "train"}}})
    (folder / ".hydra" / "hydra.yaml").write_text(OmegaConf.to_yaml(hydra))
    return folder


def _write_epochs(
    folder: Path,
    config: DictConfig,
    shapes: Shapes,
    history: list[dict[str, Any]],
    best: int,
    save_every: bool,
) -> None:
    """Write ``checkpoint_<EPOCH>.th`` for all but the last epoch, then ``checkpoint.th``."""
    ranks = 2 if config.fsdp.use else 1
    for epoch in range(1, len(history) + 1):
        final = epoch == len(history)
        if not final and not save_every:
            continue
        best_so_far = min(epoch, best) if config.solver != "compression" else epoch
        base = _package(folder.name, config, shapes, history[:epoch], best_so_far)
        for rank in range(ranks):
            name = "checkpoint.th" if final else f"checkpoint_{epoch}.th"
            package = _shard(base, rank, ranks) if config.fsdp.use else base
            _save(package, folder / (f"{name}.{rank}" if rank else name))
    (folder / "history.json").write_text(json.dumps(history, indent=2))


def _package(
    sig: str, config: DictConfig, shapes: Shapes, history: list[dict[str, Any]], best: int
) -> dict[str, Any]:
    epoch, lm = len(history), config.solver != "compression"
    averaged = "ema" if config.optim.ema.use else "model"
    model = OrderedDict(_weights(shapes, f"{sig} model {epoch}"))
    model._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    package: dict[str, Any] = {
        "history": history,
        "xp.cfg": config,
        "xp.sig": sig,
        "best_state": {"model": _weights(shapes, f"{sig} {averaged} {best}")},
        "fsdp_best_state": {},
        "model": model,
        "optimizer": _optimizer(model),
    }
    if lm:
        package["lr_scheduler"] = {"warmup_steps": 1, "base_lrs": [1e-4], "last_epoch": 2 * epoch}
    package["ema"] = None
    if config.optim.ema.use:
        state: defaultdict[str, Tensors] = defaultdict(dict)
        state["model"] = _weights(shapes, f"{sig} ema {epoch}")
        package["ema"] = {"state": state, "count": 3.940399}
    if not lm:
        window = torch.hann_window(16)
        package["adv_losses"] = OrderedDict(
            {
                "msstftd.optimizer": _optimizer({"window": window}),
                "msstftd.adversary.discriminators.0.spec_transform.window": window,
            }
        )
    return package


def _weights(shapes: Shapes, seed: str) -> Tensors:
    generator = torch.Generator().manual_seed(int.from_bytes(seed.encode(), "big") % (1 << 62))
    return {key: torch.randn(shape, generator=generator) * 0.02 for key, shape in shapes.items()}


def _optimizer(weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    state = {
        index: {
            "step": torch.tensor(2.0),
            "exp_avg": torch.zeros_like(weight),
            "exp_avg_sq": torch.zeros_like(weight),
        }
        for index, weight in enumerate(weights.values())
    }
    group = {"lr": 1e-4, "betas": (0.9, 0.95), "eps": 1e-8, "foreach": None}
    return {"state": state, "param_groups": [{**group, "params": list(state)}]}


def _shard(package: dict[str, Any], rank: int, ranks: int) -> dict[str, Any]:
    """Give what one FSDP rank saves: 1-D slices of a flat buffer; on rank 0 the full best too."""
    best = {key: tensor.half() for key, tensor in package["best_state"]["model"].items()}
    shards = dict(_slices(package["model"], rank, ranks))
    sharded = {
        **package,
        "best_state": {"model": dict(_slices(best, rank, ranks))},
        "fsdp_best_state": {"model": best if rank == 0 else {}},
        "model": shards,
        "optimizer": _optimizer(shards),
        "scaler": {},
    }
    if package["ema"] is not None:
        slices = _slices(package["ema"]["state"]["model"], rank, ranks)
        state: defaultdict[str, Tensors] = defaultdict(dict)
        # The averages are copies; what is trained are views of FSDP's flat buffer.
        state["model"] = {f"_fsdp_wrapped_module.{key}": tensor.clone() for key, tensor in slices}
        sharded["ema"] = {"state": state, "count": package["ema"]["count"]}
    return sharded


def _slices(
    tensors: Mapping[str, torch.Tensor], rank: int, ranks: int
) -> Iterator[tuple[str, torch.Tensor]]:
    total = sum(tensor.numel() for tensor in tensors.values())
    begin, end = total * rank // ranks, total * (rank + 1) // ranks
    flat = torch.cat([tensor.flatten() for tensor in tensors.values()])[begin:end].clone()
    start = 0
    for key, tensor in tensors.items():
        low, high = (min(max(at, begin), end) - begin for at in (start, start + tensor.numel()))
        yield key, flat[low:high]
        start += tensor.numel()


def _save(package: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # to a file object, as flashy does: the root is then "archive/"
        torch.save(package, file)
