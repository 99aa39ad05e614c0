"""The page in headless Chromium, as a colleague sees it who was sent the file."""

import shutil

import pytest

from pipeline import page
from pipeline.layout import ValidateFolder
from tests.pipeline.pages import STAGES, check, make_run, result, write, write_sound, write_training

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no Chromium here: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for switch in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
        "--mute-audio", "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    running.set_script_timeout(60)
    yield running
    running.quit()


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


def emulate(browser, width, scheme):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


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


_CONTRAST = """
const light = text => {
  const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(v => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const paper = getComputedStyle(document.body).backgroundColor;
return [paper, Math.min(...[...document.querySelectorAll('body *:not(svg *)')].map(node => {
  const [a, b] = [light(getComputedStyle(node).color), light(paper)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }))];
"""


def test_light_and_dark_are_read_easily(shown):
    papers = set()
    for scheme in ("light", "dark"):
        emulate(shown, 1280, scheme)
        paper, contrast = shown.execute_script(_CONTRAST)
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
