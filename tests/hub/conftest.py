from collections.abc import Iterator

import pytest
from huggingface_hub import HfApi, close_session, constants

from tests.hub import Hub


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client as `Hub.environment` would have it, in this process; no connection is kept."""
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
