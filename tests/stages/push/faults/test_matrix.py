"""Each case leaves a correct repository or an untouched one, and the next push completes it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub import Hub
from tests.stages.push.faults.cases import CASES, QUICK, Case, Ending
from tests.stages.push.faults.conftest import EVERY
from tests.stages.push.faults.scene import Scene

# The client hands over bodies in a way that its HTTP library has come to warn about.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CHOSEN = [case for case in CASES if EVERY or case.name in QUICK]
CHANGES = {"create-repo", "branch", "preupload", "lfs-upload", "commit", "tag", "delete-tag"}


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_a_fault(
    hub: Hub,
    tmp_path: Path,
    log_in: Callable[[Case], None],
    request: pytest.FixtureRequest,
    case: Case,
) -> None:
    log_in(Case("nothing"))
    scene = Scene(case, hub, tmp_path)
    log_in(case)
    met = scene.be_killed() if case.killed else scene.attempt()
    first = scene.ending()
    told = {"fault": case.name, "number": CASES.index(case)}
    told |= {"ending": first.value, "said": met.first_line}
    request.node.user_properties += told.items()  # record_property does not go with JUnit's xunit2
    print(met.error, *met.notes, sep="\n")

    assert first is case.ends
    assert (met.error is None) == case.succeeds
    said = "\n".join(met.notes) if met.error is None else met.error
    assert re.search(case.says, said), said
    assert case.killed or met.error is None or 1 <= len(met.error.splitlines()) <= 3
    assert hub.faults.pending == [] or not case.succeeds
    scene.demand_patience()

    hub.faults.clear()
    case.mend(hub)
    log_in(Case("nothing"))
    if case.repeatable:
        answered = len(hub.requests)
        again = scene.repeated()
        assert again.error is None, again.error
        assert scene.ending() is Ending.CORRECT
        scene.demand_nothing_twice()
        asked = {each.route for each in hub.requests[answered:]}
        assert first is not Ending.CORRECT or not asked & CHANGES
