"""The page in headless Chromium, as a colleague sees it who was sent the file."""

import pytest

from pipeline import page
from pipeline.layout import ValidateFolder
from tests.pipeline.browser import CONTRAST, emulate, needs_chromium
from tests.pipeline.pages import STAGES, check, make_run, result, write, write_sound, write_training

pytestmark = needs_chromium


@pytest.fixture(params=["done", "failed"])
def shown(request, browser, tmp_path):
    """A page with all there can be, of a name and a text that find no place to break."""
    run = make_run(tmp_path)
    write_training(run, signature="0" * 90)
    checks = [check(f"lm.check_{n}") for n in range(9)] + [check("x" * 60, "warn", "y" * 200)]
    write(run.validate.report, {"checks": checks})
    failed = request.param == "failed"
    folder = run.failed("validate") if failed else run.validate.root
    if failed:
        run.validate.root.rename(folder)
    write_sound(ValidateFolder(folder).samples, "tone")
    run.overrides.write_text("+release=" + "z" * 200, encoding="utf-8")
    outcome = result("failed", "It broke: " + "w" * 300, "validate") if failed else result()
    page.write(run, outcome, STAGES)
    browser.get(run.page.as_uri())
    return browser


@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits(shown, width):
    emulate(shown, width, "light")
    shown.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert shown.execute_script("return innerWidth") == width
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_it_has_nothing_to_complain_about(shown):
    assert shown.get_log("browser") == []


def test_it_asks_no_network(shown):
    names = shown.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith("data:")] == []


def test_a_sound_plays_and_its_picture_is_drawn(shown):
    played = shown.execute_async_script(
        "const done = arguments[0], audio = document.querySelector('audio');"
        "audio.onended = () => done([audio.currentTime, audio.duration]);"
        "audio.play().catch(error => done(String(error)));"
    )
    assert played == [0.5, 0.5]
    assert shown.execute_script("return document.querySelector('img').naturalWidth") == 64


def test_light_and_dark_are_read_easily(shown):
    papers = set()
    for scheme in ("light", "dark"):
        emulate(shown, 1280, scheme)
        paper, contrast = shown.execute_script(CONTRAST)
        papers.add(paper)
        assert contrast >= 4.5  # WCAG 2.1, 1.4.3
    assert len(papers) == 2


def test_tables_have_headers_and_pictures_have_words(shown):
    lacking = shown.execute_script(
        "return [...document.querySelectorAll('table')].filter(t => !t.querySelector('thead th'))"
        ".concat([...document.querySelectorAll('img:not([alt]), svg:not([aria-label])')]).length"
    )
    assert lacking == 0
    assert len(shown.find_elements("css selector", "h1")) == 1
