"""Whose Hub an address is."""

import pytest
from huggingface_hub import constants

from stages.common.hub.endpoint import is_own, own_endpoint, own_token, repository_url

OWN = "https://hub.example.org"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", OWN)


@pytest.mark.parametrize("endpoint", [None, OWN])
def test_the_users_own_hub_gets_their_token(endpoint: str | None) -> None:
    assert own_endpoint() == OWN
    assert is_own(endpoint) and own_token(endpoint) is None
    assert repository_url("lab/small", endpoint) == f"{OWN}/lab/small"


@pytest.mark.parametrize(
    "endpoint", ["https://huggingface.co", f"{OWN}.elsewhere.net", "http://hub.example.org"]
)
def test_no_other_one_does(endpoint: str) -> None:
    assert not is_own(endpoint) and own_token(endpoint) is False
    assert repository_url("lab/small", f"{endpoint}/") == f"{endpoint}/lab/small"
