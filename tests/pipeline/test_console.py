"""What is printed where nobody watches: as wide as a page, or as one is asked for."""

import pytest

from pipeline.console import Terminal

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
