"""The program that Dora runs: ``dora -P stages.miniature run``.

``solver=compression`` trains a codec; ``compression_model_checkpoint=//sig/SIG`` trains a language
model on that codec.
"""

from __future__ import annotations

from dora.hydra import hydra_main
from dora.xp import get_xp
from omegaconf import DictConfig

from stages.miniature.compression import CompressionSolver
from stages.miniature.language import LanguageSolver

SOLVERS = {"compression": CompressionSolver, "musicgen": LanguageSolver}


def train(cfg: DictConfig) -> None:
    """Train the experiment that Dora has entered."""
    xp = get_xp()
    SOLVERS[cfg.solver](cfg, xp.folder, xp.sig, xp.link.update_history).run()


main = hydra_main(config_path="config", config_name="config", version_base="1.3")(train)

if __name__ == "__main__":
    main()
