import json
import re

import pytest

from pipeline import page
from pipeline.curves import curves_of
from pipeline.sounds import sounds_of
from tests.command import pipeline
from tests.pipeline.pages import STAGES, check, make_run, result, write, write_sound, write_training

HOSTILE = "<script>alert(1)</script>\"'&amp;{{ 7*7 }}"


def written(run, outcome):
    page.write(run, outcome, STAGES)
    return run.page.read_text(encoding="utf-8")


def test_a_release_leaves_its_page(place):
    done = pipeline(*place.request, cwd=place.root)
    assert done.returncode == 0, done.stderr
    run = place.run()
    text = (run / "report.html").read_text(encoding="utf-8")
    head, _, rest = text.partition("</header>")
    assert "Released" in head and "27 checks" not in head.partition("<body>")[0]
    manifest = json.loads((run / "release/release.json").read_text())
    assert manifest["source"]["state_digest"] in rest
    for name, stamp in manifest["files"].items():
        assert name in rest and stamp["sha256"] in rest
    for name in ("README.md", "SHA256SUMS", "1a2b3c4d", "polyline", "local/musicgen_small"):
        assert name in rest
    report = json.loads((run / "validate/report.json").read_text())
    assert all(f"<code>{entry['name']}</code>" in rest for entry in report["checks"])
    receipt = json.loads((run / "push/receipt.json").read_text())
    assert receipt["targets"][0]["commit"] in rest
    assert "was not written" not in (run / "run.log").read_text()


def test_a_run_that_fails_has_its_failure_on_top_and_nothing_of_an_earlier_one(place):
    done = pipeline(*place.request, cwd=place.root)
    assert done.returncode == 0, done.stderr
    run = place.run()
    assert "Published" in (run / "report.html").read_text()
    done = pipeline(*place.request, "expect.solver=audiogen", "strict=true", cwd=place.root)
    assert done.returncode != 0
    text = (run / "report.html").read_text(encoding="utf-8")
    head = text.partition("<body>")[2].partition("</header>")[0]
    reason = json.loads((run / "run.json").read_text())["reason"]
    assert "Failed" in head and reason.splitlines()[0].split("'")[0] in head
    assert "expect.solver" in text and "What to do:" in text
    assert "Published" not in text and "SHA256SUMS" not in text


def test_everything_is_escaped(tmp_path):
    run = make_run(tmp_path)
    write_training(run, metric=HOSTILE, signature=HOSTILE, base_model=HOSTILE, state=HOSTILE)
    write(run.validate.report, {"checks": [check(HOSTILE, HOSTILE, HOSTILE)]})
    target = {"target": HOSTILE, "repo_id": HOSTILE, "commit": HOSTILE, "refs": [HOSTILE]}
    write(run.push.receipt, {"targets": [target | {"load_with": {HOSTILE: HOSTILE}}]})
    write_sound(run.validate.samples, "tone")
    listed = {"file": "tone.wav", "title": HOSTILE, "prompt": HOSTILE, "seed": HOSTILE}
    write(run.validate.samples / "samples.json", {"samples": [listed]})
    run.overrides.write_text(f"+x={HOSTILE}\n", encoding="utf-8")
    for outcome in (result(), result("failed", HOSTILE)):
        text = written(run, outcome)
        assert "<script" not in text and "49" not in re.sub(r"base64,[^\"]*", "", text)
        assert text.count("&lt;script&gt;") > 15


def test_a_hostile_name_of_a_release_is_escaped(tmp_path):
    text = written(make_run(tmp_path, '<b onload="x">'), result())
    assert "<b onload" not in text and "&lt;b onload" in text


def test_records_that_are_spoilt_leave_their_part_out(tmp_path):
    run = make_run(tmp_path)
    for path in (run.collect.source, run.collect.history, run.validate.report, run.push.receipt):
        for content in ("[1, 2", "[1, 2]", '{"checks": 3, "targets": [4]}', '"text"'):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            assert "<h1>musicgen_small" in written(run, result())


def test_the_same_run_gives_the_same_page(tmp_path):
    run = make_run(tmp_path)
    write_training(run)
    write_sound(run.validate.samples, "tone")
    assert written(run, result()) == written(run, result())


def test_checks_that_need_nobody_are_folded_and_others_come_first(tmp_path):
    run = make_run(tmp_path)
    write(run.validate.report, {"checks": [check("a"), check("b", "skipped")]})
    text = written(run, result())
    assert text.index("<details>") < text.index("<code>a</code>")
    write(run.validate.report, {"checks": [check("a"), check("b", "warn", "type this")]})
    text = written(run, result())
    assert text.index("<code>b</code>") < text.index("type this") < text.index("<details>")
    assert text.index("<details>") < text.index("<code>a</code>")
    assert "2 checks: 1 warn, 1 pass" in text


def test_the_command_repeats_the_run_in_a_shell(tmp_path):
    run = make_run(tmp_path)
    run.overrides.write_text("+release=musicgen_small\npush=[cache,hub]\n", encoding="utf-8")
    text = written(run, result())
    assert "python -m pipeline +release=musicgen_small &#39;push=[cache,hub]&#39;" in text


def test_a_run_without_a_release_does_not_say_released(tmp_path):
    assert '<span class="word">Done</span>' in written(make_run(tmp_path), result())


def test_an_interrupted_run_says_so(tmp_path):
    text = written(make_run(tmp_path), result("interrupted", "interrupted", "export_lm"))
    assert '<span class="word">Interrupted</span>' in text


def test_a_dry_run_is_not_published(tmp_path):
    run = make_run(tmp_path)
    write(run.push.receipt, {"targets": [{"target": "dry_run", "repo_id": "a/b"}]})
    assert "Published" not in written(run, result())


def test_a_curve_is_scaled_and_marked():
    history = [{"valid": {"ce": 4.0}}, {"valid": {"ce": float("nan")}}, {"valid": {"ce": 2.0}}]
    (curve,) = curves_of(history, 3)
    (line,) = curve.lines
    assert (line.points, line.at_release, curve.mark) == ("0,0 320,120", "2", 320.0)
    assert (curve.low, curve.high, curve.epochs) == ("2", "4", 3)


@pytest.mark.parametrize("value", ["NaN", None, True, float("inf"), [1], 10**400])
def test_what_is_no_finite_number_has_no_curve(value):
    assert curves_of([{"train": {"ce": value}}], 1) == ()


def test_one_epoch_and_a_flat_line_have_a_curve():
    assert curves_of([{"train": {"ce": 1}}], 1)[0].lines[0].dots == ((160.0, 60.0),)
    assert curves_of([{"train": {"ce": 1}}] * 2, 9)[0].mark is None


def test_the_loss_comes_first_and_codebooks_are_details():
    curves = curves_of([{"train": {"acc": 1, "ce_q1": 2, "ce": 3, "duration": 9}}], 1)
    assert [(curve.metric, curve.detail) for curve in curves] == [
        ("ce", False), ("acc", False), ("ce_q1", True),
    ]  # fmt: skip


def test_sounds_are_inside_the_page_until_they_are_large(tmp_path):
    run = make_run(tmp_path)
    write_sound(run.validate.samples, "a tone")
    (inside,) = sounds_of(run.validate.samples, run.page)
    assert inside.source.startswith("data:audio/wav;base64,")
    ((alternative, picture),) = inside.pictures
    assert picture.startswith("data:image/png;base64,")
    assert alternative == "Mel spectrogram of a tone"
    (beside,) = sounds_of(run.validate.samples, run.page, limit=100)
    assert beside.source == "validate/samples/a%20tone.wav"


def test_a_list_of_sounds_reaches_no_other_file(tmp_path):
    run = make_run(tmp_path)
    write_sound(run.root, "secret")
    write_sound(run.validate.samples, "tone")
    (run.validate.samples / "link.wav").symlink_to(run.root / "secret.wav")
    names = ["../../secret.wav", str(run.root / "secret.wav"), "link.wav", "absent.wav", 3, None]
    listed = [{"file": name} for name in names]
    listed += [{"file": "tone.wav", "pictures": ["../../secret-mel.png", "tone-mel.png"]}]
    write(run.validate.samples / "samples.json", {"samples": listed})
    (sound,) = sounds_of(run.validate.samples, run.page)
    assert sound.title == "tone" and len(sound.pictures) == 1


def test_no_folder_of_sounds_is_no_sound(tmp_path):
    assert sounds_of(tmp_path / "none", tmp_path / "report.html") == ()
