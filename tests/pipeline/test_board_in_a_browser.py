"""The board in headless Chromium: it sorts, it plays, it hides who plays, and says nothing else."""

import pytest

from pipeline import boards
from tests.pipeline.browser import CONTRAST, emulate, needs_chromium
from tests.pipeline.released import RELEASE, history, make_sweep, make_variant

pytestmark = needs_chromium

NAMES = "return [...document.querySelectorAll('.board tbody th')].map(t => t.dataset.value)"
HEARD = (
    "return [...document.querySelectorAll('.audition thead th')].slice(1).map(t => t.textContent)"
)
SOURCES = (
    "return [...document.querySelectorAll('.audition tbody tr')].map(r =>"
    " [...r.querySelectorAll('audio')].map(a => a.getAttribute('src')))"
)


@pytest.fixture
def sweep(tmp_path):
    """A sweep with all that can be on a board, texts included that find no place to break."""
    make_sweep(tmp_path)
    make_variant(
        tmp_path, "0" * 60, signature="0" * 8, verdict="failed", failed="collect",
        reason="w" * 300, training=history(epochs=40), release=RELEASE,
    )  # fmt: skip
    return tmp_path / RELEASE


@pytest.fixture
def shown(browser, sweep):
    boards.draw(sweep)
    browser.get((sweep / "board.html").as_uri())
    return browser


def click(browser, selector):
    browser.execute_script(f"document.querySelector({selector!r}).click()")


def test_it_has_nothing_to_complain_about_and_asks_no_network(shown):
    assert shown.get_log("browser") == []
    names = shown.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith("data:")] == []


@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits(shown, width):
    emulate(shown, width, "light")
    assert shown.execute_script("return innerWidth") == width
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_light_and_dark_are_read_easily(shown):
    papers = set()
    for scheme in ("light", "dark"):
        emulate(shown, 1280, scheme)
        paper, contrast = shown.execute_script(CONTRAST)
        papers.add(paper)
        assert contrast >= 4.5  # WCAG 2.1, 1.4.3
    assert len(papers) == 2


def sort(browser, title):
    browser.execute_script(
        "[...document.querySelectorAll('.board thead button')]"
        ".find(b => b.textContent === arguments[0]).click()",
        title,
    )
    return browser.execute_script(NAMES)


def test_a_column_sorts_by_number_and_back_with_what_is_missing_last(shown):
    before = shown.execute_script(NAMES)
    upward, downward = sort(shown, "valid.ce"), sort(shown, "valid.ce")
    assert upward[0] == "1a2b3c4d-epoch3-float16-000003"
    assert downward[0] == "5e6f7a8b-epoch1-float16-100001"
    assert upward[-1] == downward[-1] == "0" * 60
    assert sorted(upward) == sorted(downward) == sorted(before)
    title = "return document.querySelectorAll('th[aria-sort]').length"
    assert shown.execute_script(title) == 1
    epochs = [name.partition("epoch")[2][:1] for name in sort(shown, "epoch")[:-1]]
    assert epochs == sorted(epochs)
    assert sort(shown, "variant")[0] == "0" * 60
    assert sort(shown, "variant")[-1] == "0" * 60


def test_numbers_are_sorted_as_numbers(browser, tmp_path):
    values = {"a": 2.1, "b": 2.05, "c": 10, "d": 1e-05, "e": -1, "f": 1e300}
    for name, value in values.items():
        make_variant(tmp_path, name, epoch=1, training=[{"valid": {"ce": value}}])
    boards.draw(tmp_path / RELEASE)
    browser.get((tmp_path / RELEASE / "board.html").as_uri())
    assert sort(browser, "valid.ce") == list("edbacf")
    assert sort(browser, "valid.ce") == list("fcabde")


def test_a_sound_plays_and_silences_the_one_before(shown):
    first = shown.execute_async_script(
        "const done = arguments[0], [one, two] = document.querySelectorAll('audio');"
        "one.loop = true;"
        "one.onplaying = () => two.play();"
        "one.onpause = () => done([one.paused, two.paused]);"
        "one.play().catch(error => done(String(error)));"
    )
    assert first == [True, False]
    played = shown.execute_async_script(
        "const done = arguments[0], audio = document.querySelectorAll('audio')[2];"
        "audio.onended = () => done(audio.duration);"
        "audio.play().catch(error => done(String(error)));"
    )
    assert played == 0.25


def test_the_blind_order_moves_every_row_alike_hides_the_names_and_gives_them_back(shown):
    names, sources = shown.execute_script(HEARD), shown.execute_script(SOURCES)
    click(shown, ".blinder")
    letters, moved = shown.execute_script(HEARD), shown.execute_script(SOURCES)
    assert letters == list("ABCDEFGHIJ")
    assert moved != sources
    hidden = [source.split("/")[1] for source in moved[0]]
    assert all([s.split("/")[1] for s in row] == hidden for row in moved)
    section = "return document.querySelector('.audition').innerText"
    assert not any(name in shown.execute_script(section) for name in names)
    click(shown, ".reveal summary")
    told = shown.execute_script("return document.querySelector('.reveal').innerText").split("\n")
    assert told[1:] == [text for pair in zip(letters, hidden, strict=True) for text in pair]
    click(shown, ".blinder")
    assert shown.execute_script(HEARD) == names
    assert shown.execute_script(SOURCES) == sources
    assert not shown.execute_script("return document.querySelector('.reveal').checkVisibility()")


def test_a_page_drawn_blind_begins_with_the_same_order(browser, sweep):
    boards.draw(sweep)
    browser.get((sweep / "board.html").as_uri())
    click(browser, ".blinder")
    pressed = browser.execute_script(SOURCES)
    boards.draw(sweep, blind=True)
    browser.get((sweep / "board.html").as_uri())
    assert browser.execute_script(HEARD)[0] == "A"
    assert browser.execute_script(SOURCES) == pressed
    click(browser, ".blinder")
    assert browser.execute_script(HEARD)[0].startswith("1a2b3c4d-epoch1")
    assert browser.get_log("browser") == []


def test_without_a_script_it_says_the_same(browser, sweep):
    boards.draw(sweep, blind=True)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((sweep / "board.html").as_uri())
        text = browser.find_element("tag name", "body").text
        assert "Listen blind" not in text and "Show the names" not in text
        assert "Which is which" in text and "best" in text
        browser.find_element("css selector", ".reveal summary").click()
        assert browser.find_element("css selector", ".reveal dd").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_tables_have_headers_and_pictures_have_words(shown):
    lacking = shown.execute_script(
        "return [...document.querySelectorAll('table')].filter(t => !t.querySelector('thead th'))"
        ".concat([...document.querySelectorAll('svg:not([aria-label])')]).length"
    )
    assert lacking == 0
    assert len(shown.find_elements("css selector", "h1")) == 1
    assert shown.execute_script(
        "return new Set([...document.querySelectorAll('[id]')].map("
        "n => n.id)).size === document.querySelectorAll('[id]').length"
    )


def test_a_name_with_all_that_breaks_an_address_plays_and_leads_to_its_page(browser, ugly):
    make_variant(ugly, '50% of #1 ? ünï & "it\'s"', sounds={"a b#c": "x"})
    boards.draw(ugly / RELEASE)
    browser.get((ugly / RELEASE / "board.html").as_uri())
    played = browser.execute_async_script(
        "const done = arguments[0], audio = document.querySelector('audio');"
        "audio.onended = () => done(audio.duration);"
        "audio.play().catch(error => done(String(error)));"
    )
    assert played == 0.25
    browser.get(browser.execute_script("return document.querySelector('.board a').href"))
    assert browser.find_element("tag name", "body").text == "a page"
