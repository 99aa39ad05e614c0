import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ChecksError, ConfigError, OutputError, ValidationError
from pipeline.layout import STAGE_JSON
from pipeline.manifest import FileDigest
from pipeline.planning import changes
from pipeline.record import FileStamp, StageRecord, read_record
from pipeline.stage import SILENT, Context, Problem, Record
from tests.pipeline.toys import Listener, Toy, engine_of, execute, run_in


def line() -> list[Toy]:
    """Four stages, each reading the one before."""
    return [
        Toy("collect"),
        Toy("export_lm", ["collect"]),
        Toy("package", ["export_lm"]),
        Toy("push", ["package"], always=True),
    ]


def test_every_stage_leaves_its_files_and_its_record(tmp_path):
    run = run_in(tmp_path)
    verdicts = execute(run, line())
    assert set(verdicts.values()) == {"done"}
    assert (run.root / "export_lm" / "export_lm.txt").read_text() == "tt"
    assert (run.release.root / "package.txt").read_text() == "ttt"
    assert sorted(os.listdir(run.release.root)) == ["package.txt"]
    assert os.listdir(run.stage("package")) == [STAGE_JSON]
    assert not [name for name in os.listdir(run.root) if name.endswith((".tmp", ".old"))]


def test_a_second_run_does_nothing_but_push(tmp_path):
    run, again = run_in(tmp_path), line()
    execute(run, line())
    verdicts = execute(run, again)
    assert verdicts == {
        "collect": "up to date", "export_lm": "up to date", "package": "up to date", "push": "done",
    }  # fmt: skip
    assert [stage.ran for stage in again] == [[], [], [], ["push"]]


def test_a_changed_stage_is_run_again_and_so_are_those_that_read_it(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    changed = line()
    changed[1].text = "other"
    verdicts = execute(run, changed)
    assert list(verdicts.values()) == ["up to date", "done", "done", "done"]
    assert (run.release.root / "package.txt").read_text() == "tot"


def test_the_same_result_stops_the_change_from_spreading(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    changed = line()
    changed[0].text = "tother"  # another key, the same first letter
    assert list(execute(run, changed).values()) == ["done", "up to date", "up to date", "done"]


def test_a_new_version_of_a_stage_is_run_again(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    changed = line()
    changed[0].version = 2
    assert execute(run, changed)["collect"] == "done"


@pytest.mark.parametrize("damage", ["remove", "change", "spoil the record", "remove the record"])
def test_what_was_damaged_is_made_again(tmp_path, damage):
    run = run_in(tmp_path)
    execute(run, line())
    victim, record = run.stage("export_lm") / "export_lm.txt", run.record("export_lm")
    if damage == "remove":
        victim.unlink()
    elif damage == "change":
        victim.write_text("xx")
    elif damage == "spoil the record":
        record.write_text(record.read_text()[:-20])
    else:
        record.unlink()
    assert execute(run, line())["export_lm"] == "done"
    assert victim.read_text() == "tt"


def test_a_touched_file_is_read_and_found_the_same(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    os.utime(run.stage("collect") / "collect.txt", (1, 1))
    assert execute(run, line())["collect"] == "up to date"


def test_force_redoes_one_or_all(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    assert execute(run, line(), force="export_lm")["export_lm"] == "done"
    assert set(execute(run, line(), force="all").values()) == {"done"}


def test_a_sibling_with_the_same_key_is_linked_not_redone(tmp_path):
    first, second = run_in(tmp_path, "first"), run_in(tmp_path, "second")
    execute(first, line())
    other = line()
    other[2].text = "another card"
    verdicts = execute(second, other)
    assert list(verdicts.values()) == ["reused", "reused", "done", "done"]
    assert (second.stage("export_lm") / "export_lm.txt").samefile(
        first.stage("export_lm") / "export_lm.txt"
    )
    shutil.rmtree(first.root)
    assert list(execute(second, other).values())[:3] == ["up to date"] * 3


def test_a_damaged_sibling_is_not_reused(tmp_path):
    first, second = run_in(tmp_path, "first"), run_in(tmp_path, "second")
    execute(first, line())
    (first.stage("collect") / "collect.txt").write_text("x")
    assert execute(second, line())["collect"] == "done"
    third = run_in(tmp_path, "third")
    assert execute(third, line())["collect"] == "reused"  # of the second, after the first
    made = [run.stage("collect") / "collect.txt" for run in (second, third)]
    assert made[0].samefile(made[1])


def test_all_problems_are_reported_before_any_work(tmp_path):
    stages = line()
    stages[0].problems = [Problem("No checkpoint.", "here", "give one")]
    stages[2].problems = [Problem("No license.")]
    with pytest.raises(ChecksError) as caught:
        execute(run_in(tmp_path), stages)
    assert "No checkpoint.\n  here\n  give one\n- No license." in str(caught.value)
    assert not any(stage.ran for stage in stages)


def test_one_problem_reads_like_an_error():
    problem = Problem("No checkpoint.", "here", "give one")
    assert str(ChecksError([problem])) == "No checkpoint.\nhere\ngive one"


def test_a_failed_stage_leaves_what_it_wrote_beside_and_the_next_run_completes(tmp_path):
    run, stages = run_in(tmp_path), line()

    def fail(ctx: Context) -> None:
        (ctx.folder / "report.json").write_text("{}")
        raise ValidationError("2 checks failed.")

    stages[1].work = fail
    with pytest.raises(ValidationError, match="2 checks failed"):
        execute(run, stages)
    assert (run.failed("export_lm") / "report.json").exists()
    assert not run.record("export_lm").exists() and not run.working("export_lm").exists()
    assert list(execute(run, line()).values())[:2] == ["up to date", "done"]
    assert not run.failed("export_lm").exists()


def test_a_failure_without_files_leaves_no_folder(tmp_path):
    run, stages = run_in(tmp_path), line()

    def fail(ctx: Context) -> None:
        raise OSError(28, "No space left on device")

    stages[0].work = fail
    with pytest.raises(OutputError, match="disk is full"):
        execute(run, stages)
    assert os.listdir(run.root) == []


def test_interruption_leaves_nothing_half_written(tmp_path):
    run, stages = run_in(tmp_path), line()

    def interrupt(ctx: Context) -> None:
        (ctx.folder / "half").touch()
        raise KeyboardInterrupt

    stages[1].work = interrupt
    with pytest.raises(KeyboardInterrupt):
        execute(run, stages)
    assert os.listdir(run.root) == ["collect"]


def test_starting_in_the_middle_takes_what_is_there(tmp_path):
    run = run_in(tmp_path)
    execute(run, line(), until_stage="export_lm")
    assert execute(run, line(), from_stage="package") == {"package": "done", "push": "done"}


def test_starting_in_the_middle_of_nothing_is_refused(tmp_path):
    with pytest.raises(ChecksError, match="package needs what export_lm leaves"):
        execute(run_in(tmp_path), line(), from_stage="package")


def test_an_earlier_stage_that_is_not_needed_does_not_block_the_middle(tmp_path):
    stages = [Toy("train", needed=False), Toy("collect", ["train"])]
    stages[1].inputs = []
    stages.append(Toy("export_lm", ["collect"]))
    run = run_in(tmp_path)
    assert execute(run, stages) == {
        "train": "not needed", "collect": "done", "export_lm": "done",
    }  # fmt: skip
    assert execute(run, stages, from_stage="collect")["collect"] == "up to date"


def test_the_plan_says_why(tmp_path):
    run = run_in(tmp_path)
    execute(run, line())
    changed = line()
    changed[1].text = "other"
    engine = engine_of(run, changed)
    engine.plan(SILENT)
    listener = engine.audience
    assert isinstance(listener, Listener)
    assert [step.reason for step in listener.plans[0]] == [
        "", "text changed", "export_lm may change", "looks at the target every time",
    ]  # fmt: skip


def test_a_changed_version_is_named_as_such():
    assert changes({"version": 1}, {"version": 2}) == "the stage itself changed"


def test_nothing_of_this_machine_enters_what_later_stages_depend_on(tmp_path):
    records = []
    for place in ("one", "two"):
        run = run_in(tmp_path / place)
        execute(run, line())
        records.append(read_record(run.record("package")))
    first, second = records
    assert first is not None and second is not None
    assert first.digest == second.digest and first.key == second.key
    assert first.record.local != second.record.local


facts = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()))
shas = st.text("0123456789abcdef", min_size=1)
stamps = st.builds(FileStamp, st.integers(0), shas, st.integers(), st.integers())
warnings = st.lists(st.text()).map(tuple)
told = st.builds(Record, facts, facts, st.just({}), warnings)
by_name = st.dictionaries(st.text(), stamps)


@given(st.builds(StageRecord, st.text(), st.text(), facts, told, by_name))
def test_a_record_reads_back_as_it_was(record):
    back = StageRecord.from_json(record.to_json())
    known = {n: FileDigest(s.size, s.sha256) for n, s in record.files.items()}
    assert back.record.digests == known
    assert json.loads(back.to_json()) == json.loads(record.to_json())
    assert back.digest == record.digest


def test_a_later_format_is_not_taken_for_ours(tmp_path):
    path = tmp_path / STAGE_JSON
    path.write_text(StageRecord("a", "k", {}, Record(), {}).to_json().replace(": 1", ": 2", 1))
    assert read_record(path) is None


def test_an_unknown_range_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError):
        execute(run_in(tmp_path), line(), from_stage="nothing")
