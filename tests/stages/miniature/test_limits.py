from copy import deepcopy

import pytest
from omegaconf import DictConfig, OmegaConf

from stages.miniature.limits import FIXED, demand_known
from tests.miniature import config_of


@pytest.fixture(scope="module", params=FIXED)
def shipped(request) -> DictConfig:
    return config_of(f"solver={request.param}")


def test_the_shipped_configs_are_within_the_limits(shipped):
    demand_known(shipped)


def test_every_limit_names_a_key_that_the_config_has(shipped):
    for key in FIXED[shipped.solver]:
        config = deepcopy(shipped)
        OmegaConf.update(config, key, "else")
        with pytest.raises(ValueError, match=key):
            demand_known(config)


def test_another_solver_is_refused(shipped):
    config = deepcopy(shipped)
    config.solver = "diffusion"
    with pytest.raises(ValueError, match="solver=diffusion"):
        demand_known(config)


def test_the_windows_of_spectra_are_as_long_as_they_are():
    with pytest.raises(ValueError, match="win_lengths"):
        demand_known(config_of("solver=compression", "mrstft.win_lengths=[256,512]"))


def test_delays_must_fit_the_codebooks():
    with pytest.raises(ValueError, match="one per codebook"):
        demand_known(config_of("transformer_lm.n_q=2"))
