from copy import deepcopy

import pytest
from omegaconf import DictConfig, OmegaConf

from stages.miniature.limits import FIXED, demand_known
from tests.miniature import config_of


@pytest.fixture(scope="module")
def shipped() -> DictConfig:
    return config_of()


def test_the_shipped_config_is_within_the_limits(shipped):
    demand_known(shipped)


@pytest.mark.parametrize("key", FIXED)
def test_every_limit_names_a_key_that_the_config_has(key, shipped):
    config = deepcopy(shipped)
    OmegaConf.update(config, key, "else")
    with pytest.raises(ValueError, match=key):
        demand_known(config)


def test_delays_must_fit_the_codebooks():
    with pytest.raises(ValueError, match="one per codebook"):
        demand_known(config_of("transformer_lm.n_q=2"))
