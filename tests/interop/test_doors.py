"""One release, loaded by AudioCraft in every way that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub import Hub, serve
from tests.interop.experiments import Experiments
from tests.interop.peer import Peer, Said, Source
from tests.interop.recipes import TEXT
from tests.interop.releases import Releases
from tests.interop.table import Table
from tests.servers import https_server

NAME = "lab/small"
FLOAT16 = 5e-3
"""Of the largest logit: weights have 11 bits, and errors add up over the layers."""


@dataclass(frozen=True)
class Published:
    """A release, published to a Hub and to a cache.

    Attributes:
        folder: the release.
        cache: the Hub cache that it is in, as `NAME`.
        hub: the Hub that it is on, as `NAME`.
        said: what it says when it is loaded by its folder.
    """

    folder: Path
    cache: Path
    hub: Hub
    said: Said


@pytest.fixture(scope="module")
def published(
    peer: Peer, experiments: Experiments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """The text-conditioned model, published by the commands that a user types."""
    place = tmp_path_factory.mktemp("doors")
    with serve(place / "hub") as hub:
        folder = Releases(place / "outputs").make(
            experiments.get(TEXT), "push=[cache,hub]", f"push.repo_id={NAME}",
            variables=hub.environment("write"),
        )  # fmt: skip
        (said,) = peer.load(place / "said", Source.whole(folder))
        yield Published(folder, place / "outputs" / "hub", hub, said)


def _load(peer: Peer, folder: Path, source: Source, variables: Mapping[str, str]) -> Said:
    """Load with no cache of its own but a fresh one."""
    fresh = {"AUDIOCRAFT_CACHE_DIR": str(folder / "cache"), "TORCH_HOME": str(folder / "torch")}
    (said,) = peer.load(folder / "said", source, variables={**fresh, **variables})
    return said


def test_by_hub_id_over_http(
    peer: Peer, published: Published, tmp_path: Path, table: Table
) -> None:
    variables = {**published.hub.environment("read"), "HF_HUB_OFFLINE": "0"}
    published.hub.requests.clear()
    with table.timed("text", "loaded by Hub id, over HTTP", "the same, bit for bit"):
        said = _load(peer, tmp_path, Source.whole(NAME), variables)
    assert said.same_as(published.said)
    assert sum(request.route == "lfs-download" for request in published.hub.requests) == 2
    assert said.generated.shape == (1, 1, said.rate)


def test_by_hub_id_from_the_cache_offline(
    peer: Peer, published: Published, tmp_path: Path, table: Table
) -> None:
    variables = {"AUDIOCRAFT_CACHE_DIR": str(published.cache), "HF_HUB_OFFLINE": "1"}
    with table.timed("text", "loaded by Hub id, from the cache", "the same, bit for bit"):
        said = _load(peer, tmp_path, Source.whole(NAME), variables)
    assert said.same_as(published.said)


def test_by_the_addresses_of_its_files(
    peer: Peer, published: Published, tmp_path: Path, table: Table
) -> None:
    with https_server(published.folder, tmp_path) as served:
        addresses = (f"{served.url}/{n}" for n in ("state_dict.bin", "compression_state_dict.bin"))
        with table.timed("text", "loaded by https://, two files", "the same, bit for bit"):
            source = Source(*addresses)
            said = _load(peer, tmp_path, source, {"SSL_CERT_FILE": str(served.ca)})
    assert said.same_as(published.said)


def test_by_the_address_of_its_one_file(
    peer: Peer, experiments: Experiments, published: Published, tmp_path: Path, table: Table
) -> None:
    cache = peer.publish_codec(tmp_path / "hub", "lab/encodec")
    folder = Releases(tmp_path / "outputs").make(
        experiments.get(TEXT), "export.layout=all_in_one", "push=none",
        "compression=reference", "compression.pretrained=lab/encodec",
    )  # fmt: skip
    with https_server(folder, tmp_path) as served:
        source = Source.whole(f"{served.url}/all_in_one.pt")
        variables = {"SSL_CERT_FILE": str(served.ca), "HF_HUB_CACHE": str(cache)}
        with table.timed("text", "loaded by https://, all_in_one.pt", "the same logits"):
            said = _load(peer, tmp_path, source, variables)
    assert said.logits.tobytes() == published.said.logits.tobytes()
    assert said.generated.shape == (1, 1, said.rate)


def test_cast_to_float16(
    peer: Peer, experiments: Experiments, published: Published, tmp_path: Path, table: Table
) -> None:
    folder = Releases(tmp_path / "outputs").make(
        experiments.get(TEXT), "export.dtype=float16", "push=none"
    )
    said = _load(peer, tmp_path, Source.whole(folder), {})
    distance = said.distance(published.said)
    table.add("text", "released and loaded, float16", f"logits within {distance:.1e}")
    assert 0 < distance < FLOAT16
