"""Pages as lines: aligned, whole off a terminal, and never what a terminal would obey."""

from pipeline.sheet import Fields, Grid, Lines, Remark, Title
from pipeline.typesetting import printable, typeset

GRID = Grid(("file", "size", ""), (("a.bin", "1.54 MB", "as listed"), ("long name", "9 kB", "")))


def plain(*parts, width=None):
    return [line.plain for line in typeset(parts, width)]


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    assert plain(GRID) == [
        "file          size",
        "a.bin      1.54 MB  as listed",
        "long name     9 kB",
    ]


def test_wide_characters_take_two_columns():
    (_, first, second) = plain(Grid(("n", "m"), (("ab", "x"), ("音", "y"))))
    assert (first, second) == ("ab  x", "音  y")


def test_a_narrow_terminal_goes_without_the_columns_that_are_wanted_least():
    wide = Grid(
        ("name", "size", "codec", "base"),
        (("first", "1/20", "a codec", "base"), ("second", "10/20", "other", "-")),
        note="The end.",
        less_wanted=("size", "codec", "base", "no such column"),
    )
    whole = plain(wide)
    assert whole[1] == "first    1/20  a codec  base"
    assert plain(wide, width=len(whole[1])) == whole
    assert plain(wide, width=len(whole[1]) - 1) == [
        "name     size  codec",
        "first    1/20  a codec",
        "second  10/20  other",
        "No room here for: base.",
        "The end.",
    ]
    # What is wanted more stays, and what then still fits comes back.
    assert plain(wide, width=20)[0::3] == ["name     size  base", "No room here for: codec."]
    assert plain(wide, width=8)[:3] == ["name", "first", "second"]
    assert plain(wide, width=8)[3] == "No room here for: size, codec, base."


def test_a_grid_without_rows_has_its_header_and_note():
    assert plain(Grid(("epoch", "file"), (), "Checkpoints", "There are none.")) == [
        "Checkpoints",
        "epoch  file",
        "There are none.",
    ]


def test_fields_without_text_are_left_out_and_long_ones_broken_between_words():
    fields = Fields((("codec", "one two three four five six"), ("empty", ""), ("b", "x")))
    assert plain(fields) == ["codec  one two three four five six", "b      x"]
    assert plain(fields, width=27) == [
        "codec  one two three four",
        "       five six",
        "b      x",
    ]


def test_a_word_that_is_too_long_stays_whole():
    path = "/a/very/long/path/that-has-dashes/and/does-not-fit.th"
    remark = Remark("problem", "It is gone.", path, "look elsewhere")
    lines = ["problem  It is gone.", f"         {path}", "         → look elsewhere"]
    assert plain(remark, width=30) == lines


def test_remarks_stand_together_and_all_else_apart():
    remarks = Remark("problem", "a"), Remark("hint", "b")
    assert plain(Title("t", "p"), GRID, *remarks)[2::4] == ["", ""]
    assert plain(*remarks) == ["problem  a", "hint     b"]


def test_commands_are_never_broken():
    line = "python -m pipeline " + "x=y " * 40
    assert plain(Lines((line,), "To make it"), width=40) == ["To make it", f"  {line}"]


def test_markup_and_what_a_terminal_obeys_are_shown():
    evil = "[red]\x1b[2J\r\u202e[/]\\"
    shown = "[red]\\x1b[2J\\r\\u202e[/]\\"
    assert printable(evil) == shown
    for part in (
        Title(evil, evil),
        Fields(((evil, evil),), evil),
        Grid((evil,), ((evil,),), evil, evil),
        Remark("hint", evil, evil, evil),
        Lines((evil,), evil),
    ):
        for width in (None, 60):
            text = "\n".join(plain(part, width=width))
            assert text.count(shown) >= 2
            assert text.replace("\n", "").isprintable()
