import pytest

from tests.pipeline.browser import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser that the tests of a module share."""
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running
