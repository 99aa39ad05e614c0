"""What the commands share: the form of their help, and how they end."""

import pytest

from pipeline.command import interruptible, parser


def interrupted():
    """Stand for a command during which somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def test_ctrl_c_is_a_line_and_the_exit_status_of_shells(capsys):
    assert interruptible(interrupted) == 130
    assert capsys.readouterr() == ("", "error Interrupted.\n")


def test_a_command_ends_with_the_status_that_it_gives():
    assert interruptible(lambda: 2) == 2


def test_help_is_the_docstring_without_its_marks_and_the_examples_as_they_stand(capsys):
    with pytest.raises(SystemExit):
        parser("weigh", "``weigh WHAT``: how heavy.\n\nAll of it.", "examples:\n  a  b").parse_args(
            ["--help"]
        )
    told = capsys.readouterr().out
    assert told.startswith("usage: python -m pipeline.weigh [-h]")
    assert "\nweigh WHAT: how heavy.\n\nAll of it.\n" in told and "\nexamples:\n  a  b\n" in told
