"""What is printed where nobody watches: as wide as a page, or as one is asked for."""

import pytest

from pipeline.console import Terminal, shown
from pipeline.engine import Outcome
from pipeline.record import StageRecord
from pipeline.stage import Record
from tests.releases import fabricate, package

CHECK = {"name": "lm.loads", "verdict": "warn", "message": "word " * 60, "remedy": "look " * 60}


@pytest.mark.parametrize(
    ("columns", "least", "most"), [(None, 110, 120), ("80", 70, 80), ("200", 190, 200)]
)
def test_a_table_keeps_to_the_width(monkeypatch, capsys, columns, least, most):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    Terminal().checks([CHECK])
    widest = max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines())
    assert least < widest <= most


@pytest.mark.parametrize("columns", ["0", "", "wide", "-5"])
def test_a_width_that_is_none_is_not_heeded(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    Terminal().checks([CHECK])
    assert 110 < max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= 120


class TestLoadLine:
    """How the release is loaded, at the end of a run."""

    @pytest.fixture
    def packaged(self, tmp_path):
        made = fabricate(tmp_path / "outputs")
        record = made.make(package())
        return made.run, Outcome("package", "done", 0, StageRecord("package", "", {}, record, {}))

    @pytest.mark.parametrize("commits", [None, {}, {"cache": "ab" * 20}])
    def test_it_is_by_id_only_where_something_was_published(self, packaged, capsys, commits):
        run, outcome = packaged
        facts = {"repo_id": "local/musicgen_small", "commits": commits}
        told = StageRecord("push", "", {}, Record(facts), {}) if commits is not None else None
        pushed = Outcome("push", "not needed" if told is None else "done", record=told)
        Terminal().result(run, [outcome, pushed])
        line = capsys.readouterr().out.splitlines()[-1]
        place = "local/musicgen_small" if commits else shown(run.release.root)
        assert line.startswith(f'  AudioCraft loads it: MusicGen.get_pretrained("{place}")')
        assert ("or with this folder" in line) is bool(commits)
