"""The loading order, each of the four for real."""

import huggingface_hub.constants
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs
from stages.common.sources import Place, demand_file, downloads_in, find, resolve
from tests.hub_cache import write_cached
from tests.servers import https_server

NAME = "state_dict.bin"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that is also the working directory, with a release in it."""
    (tmp_path / "my release").mkdir()
    (tmp_path / "my release" / NAME).write_bytes(b"of the folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own cache"))
    return tmp_path


@pytest.fixture
def hub(shelf, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(shelf / "cache"))
    source = shelf / "published" / NAME
    source.parent.mkdir()
    source.write_bytes(b"of the Hub")
    write_cached(shelf / "cache", "me/small", source)
    return shelf / "cache"


@pytest.fixture
def server(shelf, monkeypatch):
    (shelf / "served").mkdir()
    (shelf / "served" / "model.bin").write_bytes(b"of the server")
    with https_server(shelf / "served", shelf) as served:
        monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
        yield served


def test_1_an_existing_file(shelf):
    path = shelf / "my release" / NAME
    assert resolve(str(path), file_name="another name") == path
    assert find(str(path), file_name=NAME) == Place("file", str(path), path)


def test_2_an_existing_folder_and_the_fixed_name(shelf):
    assert resolve("my release", file_name=NAME).read_bytes() == b"of the folder"


def test_3_an_address_without_any_name_appended(shelf, server):
    url = f"{server.url}/model.bin"
    assert find(url, file_name=NAME) == Place("url", url, None)
    path = resolve(url, file_name=NAME)
    assert path.read_bytes() == b"of the server"
    assert path.is_relative_to(shelf / "own cache")
    assert find(url, file_name=NAME) == Place("url", url, path)
    folder = downloads_in(Outputs(shelf / "outputs"))
    assert resolve(url, file_name=NAME, folder=folder).is_relative_to(shelf / "outputs")
    assert server.asked == ["/model.bin"] * 2


def test_4_a_hub_id_and_the_fixed_name(shelf, hub):
    path = resolve("me/small", file_name=NAME)
    assert path.read_bytes() == b"of the Hub"
    assert find("me/small", file_name=NAME) == Place("hub", "me/small", path)
    assert find("me/large", file_name=NAME) == Place("hub", "me/large", None)


def test_what_exists_comes_before_what_looks_like_a_hub_id(shelf, hub):
    (shelf / "me" / "small").mkdir(parents=True)
    (shelf / "me" / "small" / NAME).write_bytes(b"of the folder")
    assert resolve("me/small", file_name=NAME).read_bytes() == b"of the folder"
    (shelf / "me" / "small" / NAME).unlink()
    with pytest.raises(SourceError, match="has no state_dict"):
        resolve("me/small", file_name=NAME)


def test_home_is_understood(shelf, monkeypatch):
    monkeypatch.setenv("HOME", str(shelf))
    assert resolve("~/my release", file_name=NAME).is_file()


def test_http_is_refused(shelf):
    with pytest.raises(ConfigError, match=r"Only https(?s:.*)Try https://x\.org/a\.bin"):
        resolve("http://x.org/a.bin", file_name=NAME)


def test_a_folder_without_the_file_names_what_it_has(shelf):
    with pytest.raises(SourceError, match=f"There is {NAME}: name the file"):
        find("my release", file_name="compression_state_dict.bin")
    (shelf / "empty").mkdir()
    with pytest.raises(SourceError) as error:
        find("empty", file_name=NAME)
    assert error.value.hint == ""


@pytest.mark.parametrize("what", ["", "nothing", "my release/state_dit.bin", "./me/small", "a/b/c"])
def test_what_leads_nowhere(shelf, what):
    with pytest.raises(SourceError) as error:
        find(what, file_name=NAME)
    assert repr(what) in error.value.what
    assert len(str(error.value).splitlines()) <= 3


def test_a_misspelt_file_gets_its_near_names(shelf):
    with pytest.raises(SourceError, match="Did you mean my release/state_dict.bin"):
        find("my release/state_dit.bin", file_name=NAME)
    with pytest.raises(SourceError, match="The path ends at"):
        find("no such/folder/at all/x.bin", file_name=NAME)


def test_a_file_is_demanded(shelf):
    path = shelf / "my release" / NAME
    assert demand_file(path, NAME) == path
    with pytest.raises(SourceError, match=f"Did you mean {path}"):
        demand_file(path.parent, NAME)
    with pytest.raises(SourceError, match="Give the file in it"):
        demand_file(shelf, NAME)
    with pytest.raises(SourceError, match=f"Did you mean {path}"):
        demand_file(path.with_name("state_dict.bim"), NAME)
