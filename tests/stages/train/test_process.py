from pathlib import Path

from stages.train.process import Program
from stages.train.request import Request


def test_a_job_s_ranks_are_not_taken_for_the_training_s(monkeypatch, tmp_path):
    for name in ("SLURM_PROCID", "SUBMITIT_EXECUTOR", "MASTER_PORT", "HYDRA_FULL_ERROR"):
        monkeypatch.setenv(name, "1")
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("KEPT", "yes")
    environment = Program(Request("toy", (), Path.cwd()), tmp_path).environment
    assert not {"SLURM_PROCID", "SUBMITIT_EXECUTOR", "MASTER_PORT"} & environment.keys()
    assert "HYDRA_FULL_ERROR" not in environment
    ranks = [environment[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")]
    assert ranks == ["0", "0", "1"]
    assert environment["KEPT"] == "yes"
    assert environment["AUDIOCRAFT_DORA_DIR"] == str(tmp_path)
