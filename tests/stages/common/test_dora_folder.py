"""Where experiments are, as Dora itself has it."""

from pathlib import Path

from dora.conf import DoraConfig

from stages.common.dora_folder import DoraFolder


def test_the_folder_above_that_of_the_experiments():
    assert DoraFolder.around(Path("/a/dora/xps")) == DoraFolder(Path("/a/dora"))
    assert DoraFolder.around(Path("/a/dora")) is None
    assert DoraFolder(Path("/a/dora")).xps == Path("/a/dora/xps")
    assert DoraFolder(Path("/a/dora")).grids == Path("/a/dora/grids")


def test_it_is_where_dora_puts_them(tmp_path):
    assert DoraFolder(tmp_path).xps == tmp_path / DoraConfig().xps
    assert DoraFolder(tmp_path).grids == tmp_path / DoraConfig()._grids
