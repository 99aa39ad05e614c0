from collections.abc import Callable, Iterator

import pytest
from huggingface_hub import HfApi, close_session, constants

from tests.hub import Hub


@pytest.fixture
def turn_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Turns the client of this process to an endpoint, as ``HF_ENDPOINT`` would at its import.

    `HfApi` takes one too, but older clients go by the constant when they read an answer.
    """
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)

    def turn(endpoint: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + template)

    return turn


@pytest.fixture(autouse=True)
def client(
    hub: Hub, turn_to: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The client as `Hub.environment` would have it, in this process; no connection is kept."""
    turn_to(hub.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("no_proxy", "*")
    close_session()
    yield
    close_session()


@pytest.fixture
def api(hub: Hub) -> HfApi:
    """A client of ada, who writes to `lab`."""
    return HfApi(hub.endpoint, hub.tokens["write"])


@pytest.fixture
def stranger(hub: Hub) -> HfApi:
    """A client of eve, who is not in `lab`."""
    return HfApi(hub.endpoint, hub.tokens["outsider"])


@pytest.fixture
def nobody(hub: Hub) -> HfApi:
    """A client who is not logged in."""
    return HfApi(hub.endpoint, token=False)
