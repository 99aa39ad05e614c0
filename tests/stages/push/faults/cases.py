"""The faults, as data: one list, for the tests and for the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.hub import Hub
from tests.hub.accounts import FINE_GRAINED, WRITE, Token

REPO = "lab/small"
OFTEN = 50
"""More often than anybody asks."""
STALL = 600.0
"""Seconds; the process has been killed long before."""


class Ending(Enum):
    """What a push leaves behind; a case names the one that it must be."""

    CORRECT = "correct"  # one new commit with all digests, and the tag on it
    UNTAGGED = "correct, tag to come"  # the same, before the tag
    PREPARED = "made, empty"  # a new repository or branch, nothing of the release in it
    UNTOUCHED = "untouched"  # every name and commit as before
    BROKEN = "BROKEN"  # anything else


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong, and how it must end.

    Attributes:
        name: route and fault.
        ends: what the repository must be like after it.
        says: an expression in what is said: the error, or of a push that goes well, its notes.
        faults: by route, as `tests.hub.faults.Faults.add` takes them.
        succeeds: whether the push itself goes well.
        request: of `PushConfig`, beside what every push here asks for.
        there: whether the repository holds an earlier release.
        token: a name of the Hub's tokens, or a text that is none.
        part_size: bytes; larger files go in parts.
        xet: whether the client may try Xet.
        offline: whether the client is told that there is no network.
        prepare: done to the Hub before.
        mend: done to the Hub before the push is repeated.
        spoil: a file of the release that is changed on disk.
        repeatable: whether the same push goes well once the fault is gone.
    """

    name: str
    ends: Ending = Ending.CORRECT
    says: str = ""
    faults: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    succeeds: bool = True
    request: Mapping[str, Any] = field(default_factory=dict)
    there: bool = True
    token: str = "write"
    part_size: int = 5 << 20
    xet: bool = False
    offline: bool = False
    prepare: Callable[[Hub], object] = lambda _: None
    mend: Callable[[Hub], object] = lambda _: None
    spoil: str = ""
    repeatable: bool = True

    @property
    def killed(self) -> str:
        """The route whose fault the process does not survive, if it is that kind of case."""
        return next((route for route, what in self.faults if what.get("stall")), "")


REACHED: Mapping[str, Mapping[str, Any]] = {
    "create-repo": {"there": False},
    "branch": {"request": {"revision": "next"}},
    "settings": {"request": {"gated": "auto"}},
    "delete-tag": {"request": {"tag": "v1.0.0", "move_tag": True}},
    "lfs-upload-part": {"part_size": 5000},
    "lfs-complete": {"part_size": 5000},
}
"""What a push must be like to come by a route; any push of a new version comes by the others."""

READING = ("whoami", "info", "refs", "tree", "auth-check", "validate-yaml", "commits", "resolve")
SENDING = (
    "preupload", "lfs-batch", "lfs-upload", "lfs-upload-part", "lfs-complete", "lfs-verify",
)  # fmt: skip
CHANGING = ("create-repo", "settings", "branch", "commit", "delete-tag", "tag")
ROUTES = (*READING, *SENDING, *CHANGING)

AFTER_THE_COMMIT = {
    "delete-tag": (
        Ending.UNTAGGED,
        r"main is at \w+, verified; the tag v1.0.0 does not name it yet",
    ),
    "tag": (Ending.UNTAGGED, r"main is at \w+, verified; the tag v1.1.0 does not name it yet"),
    "resolve": (Ending.CORRECT, r"main is at \w+, verified; only the trial download"),
}
"""How a push ends that cannot come by these; others leave everything untouched."""

NEXT = "same command again"
AGAIN = "; again in [12] s"
ALL_THE_SAME = "the commit is there all the same"


def at(route: str, fault: str, **case: Any) -> Case:
    """Give the case of something that happens at a route."""
    fields = {"name": f"{route}: {fault}", **REACHED.get(route, {}), **case}
    return Case(**fields)


def passing() -> Iterator[Case]:
    """Faults that are over when the client, or we, ask again; of that a person is told."""
    limit = {"status": 429, "retry_after": 2}
    for route in ROUTES:
        # For the headers of a file, the client asks a second time without a word.
        silent = route == "resolve"
        for status in (500, 503):
            says = "" if silent else AGAIN
            yield at(route, str(status), faults=((route, {"status": status}),), says=says)
        says = "" if silent else "; again in [23] s"
        yield at(route, "429", faults=((route, limit),), says=says)
    with_a_body = (route for route in (*SENDING, *CHANGING) if route != "delete-tag")
    for route in with_a_body:
        yield at(route, "cut", faults=((route, {"cut_after": 10}),), says=AGAIN)
    for route in ROUTES:
        says = ALL_THE_SAME if route == "commit" else AGAIN
        yield at(route, "reply lost", faults=((route, {"lost_reply": True}),), says=says)


def lasting() -> Iterator[Case]:
    """Faults that outlast everybody's patience."""
    for route in ROUTES:
        ends, says = AFTER_THE_COMMIT.get(route, (Ending.UNTOUCHED, "The Hub failed"))
        says += f"(.*\n)+.*{NEXT}"
        faults = ((route, {"status": 503, "times": OFTEN}),)
        yield at(route, "503 for long", faults=faults, ends=ends, succeeds=False, says=says)
    last = {"status": 503, "times": OFTEN}
    moved = {"request": {"tag": "v1.0.0", "move_tag": True}, "succeeds": False}
    for status in (400, 409):
        says = r"(?s)verified; the tag v1.1.0 does not name it yet(?!.*Nothing was published)"
        faults = (("tag", {"status": status, "times": OFTEN}),)
        yield at("tag", str(status), faults=faults, ends=Ending.UNTAGGED, succeeds=False, says=says)
    says = r"verified; the tag v1.0.0 does not name it yet"
    yield Case("tag: 503 for long, move_tag=true", Ending.UNTAGGED, says, (("tag", last),), **moved)
    yield Case(
        "commit: reply lost, then commits: 503 for long", Ending.UNTAGGED,
        "The Hub failed. Whether the commit has arrived is not known",
        (("commit", {"lost_reply": True, "meanwhile": _nobody_answers}),), succeeds=False,
    )  # fmt: skip


def _nobody_answers(hub: Hub) -> None:
    hub.faults.add("commits", status=503, times=OFTEN)


def kills() -> Iterator[Case]:
    """SIGKILL while a request is on its way, before it has any effect or after all of it."""
    before, after = {"cut_after": 0, "stall": STALL}, {"stall": STALL}
    moments = (
        ("create-repo", before, Ending.UNTOUCHED),
        ("create-repo", after, Ending.PREPARED),
        ("branch", before, Ending.UNTOUCHED),
        ("branch", after, Ending.PREPARED),
        ("preupload", after, Ending.UNTOUCHED),
        ("lfs-upload", {"cut_after": 1000, "stall": STALL}, Ending.UNTOUCHED),
        ("lfs-upload", after, Ending.UNTOUCHED),
        ("lfs-upload-part", after, Ending.UNTOUCHED),
        ("commit", before, Ending.UNTOUCHED),
        ("commit", after, Ending.UNTAGGED),
        ("tag", before, Ending.UNTAGGED),
        ("delete-tag", after, Ending.UNTAGGED),
        ("tag", after, Ending.CORRECT),
        ("resolve", after, Ending.CORRECT),
    )
    for route, what, ends in moments:
        when = {0: "before", 1000: "during"}.get(int(what.get("cut_after", -1)), "after")
        yield at(route, f"killed {when}", faults=((route, what),), ends=ends, succeeds=False)


def proposals() -> Iterator[Case]:
    """Faults of a push that proposes a change instead of making it."""
    faults = (
        ("reply lost", ALL_THE_SAME, {"lost_reply": True}),
        ("429", AGAIN, {"status": 429, "retry_after": 2}),
    )
    for name, says, what in faults:
        yield Case(
            f"commit: {name}, pr=true", says=says, faults=(("commit", what),), request={"pr": True}
        )
    yield Case(
        "commit: 503, pr=true", Ending.UNTOUCHED, NEXT, (("commit", {"status": 503}),), False,
        request={"pr": True},
    )  # fmt: skip


def somebody_commits(hub: Hub) -> None:
    hub.seed(REPO, {"notes.md": b"mine"}, author="eve")


def _ignore_weights(hub: Hub) -> None:
    hub.seed(REPO, {".gitignore": b"# large\n*.bin\n"}, author="eve")


def _ignore_nothing(hub: Hub) -> None:
    hub.seed(REPO, {".gitignore": b""}, author="eve")


def _belongs_to_eve(hub: Hub, **settings: Any) -> None:
    hub.seed("eve/small", {"README.md": b"# Eve's\n"}, author="eve")
    hub.store.repo("eve/small").change_settings(**settings)


def _scoped(hub: Hub) -> None:
    hub.accounts.add(Token("scoped", "ada", FINE_GRAINED, ("ada/other",)))


def _no_room(hub: Hub) -> None:
    hub.quotas["lab"] = hub.store.used("lab") + 1000


def _joined_lab(hub: Hub) -> None:
    hub.accounts.add(Token("outsider", "eve", WRITE), "lab")


REFUSED = {"ends": Ending.UNTOUCHED, "succeeds": False}
THEIRS = {"request": {"repo_id": "eve/small"}, "repeatable": False, **REFUSED}

REFUSALS = (
    Case(
        "commit: somebody else was faster", faults=(("commit", {"meanwhile": somebody_commits}),),
        says=r"by eve\.\nLook at it: http\S+/lab/small/commit/[0-9a-f]{40}\nNothing was publ",
        **REFUSED,
    ),
    Case("no token", token="", says="no Hub token.*\n.*\nLog in", **REFUSED),
    Case("401: a token of nobody", token="hf_nobody", says="not accept the token", **REFUSED),
    Case("a token that may only read", token="read", says="may only read", **REFUSED),
    Case(
        "a token that may only read, new repository", token="read", says="may only read",
        there=False, **REFUSED,
    ),
    Case(
        "a token of somebody else", token="outsider", says="'lab' is not yours",
        mend=_joined_lab, **REFUSED,
    ),
    Case(
        "a fine-grained token of another repository", token="scoped", prepare=_scoped,
        says="fine-grained token sees no lab/small, and may not make rep", **REFUSED,
    ),
    Case(
        "a fine-grained token that may not make one", token="fine-grained", there=False,
        says="fine-grained token sees no lab/small, and may not make rep", **REFUSED,
    ),
    Case(
        "name taken: somebody's public one", prepare=_belongs_to_eve,
        says="eve/small belongs to somebody else, and ada may not wri.*\n.*\n.*push.pr=true",
        **THEIRS,
    ),
    Case(
        "name taken: somebody's private one",
        prepare=lambda hub: _belongs_to_eve(hub, private=True),
        says="'eve' is not yours.*\n.*ada, and may use: ada, lab\n.*push.repo_id=ada/small",
        **THEIRS,
    ),
    Case(
        "gated: a proposal to somebody's",
        prepare=lambda hub: _belongs_to_eve(hub, gated="manual"),
        says="eve/small is gated.*\n.*\nAsk for access",
        **{**THEIRS, "request": {"repo_id": "eve/small", "pr": True}},
    ),
    Case(
        "gated: one's own",
        prepare=lambda hub: hub.store.repo(REPO).change_settings(gated="auto"),
    ),
    Case(
        "403: no room", prepare=_no_room, mend=lambda hub: hub.quotas.clear(),
        says="lab has no room.*\n.*Storage limit.*\n.*/settings/billing", **REFUSED,
    ),
    Case(
        "lfs-upload: 403, the address has expired", says="4 of 5 files",
        faults=(("lfs-upload", {"status": 403, "message": "Request has expired"}),),
    ),
    Case(
        "lfs-upload: 403 for long", succeeds=False, ends=Ending.UNTOUCHED, says="may not do this",
        faults=(("lfs-upload", {"status": 403, "times": OFTEN}),),
    ),
    Case(
        "commit: 403", faults=(("commit", {"status": 403, "message": "Forbidden."}),),
        says="may not do this in lab/small", **REFUSED,
    ),
    Case(
        "create-repo: 403", there=False, says="may not do this in lab/small",
        faults=(
            ("create-repo", {
                "status": 403,
                "message": "You don't have the rights to create a model under the namespace lab",
            }),
        ), **REFUSED,
    ),
    Case(
        "commit: 400", faults=(("commit", {"status": 400, "message": "Bad words."}),),
        says="The Hub refused. Nothing was published.*\n.*Bad words.*\nMend what", **REFUSED,
    ),
    Case(
        "a .gitignore that hides *.bin", prepare=_ignore_weights, mend=_ignore_nothing,
        says=r"\.gitignore.*state_dict.bin", **REFUSED,
    ),
    Case(
        "commit: 429 for an hour", faults=(("commit", {"status": 429, "retry_after": 3600}),),
        says="slow down.*\n.*\n.*again in 60 minutes", **REFUSED,
    ),
    Case("HF_HUB_OFFLINE=1", offline=True, says="HF_HUB_OFFLINE is set", **REFUSED),
    Case(
        "an address where nobody is", request={"endpoint": "http://127.0.0.1:9"},
        says="cannot be reached.*\n.*\n.*push.endpoint", **REFUSED,
    ),
    Case("a Hub without Xet", xet=True, says="sending by Git LFS"),
    Case(
        "a weight changed after packaging", spoil="state_dict.bin",
        says="state_dict.bin is not what", repeatable=False, **REFUSED,
    ),
    Case(
        "a weight changed after packaging, in parts", spoil="state_dict.bin", part_size=5000,
        says="state_dict.bin is not what", repeatable=False, **REFUSED,
    ),
    Case(
        "a weight changed after packaging, with hf_xet", spoil="state_dict.bin", xet=True,
        says="state_dict.bin is not what", repeatable=False, **REFUSED,
    ),
    Case(
        "a text changed after packaging", spoil="release.json", says="release.json is not what",
        repeatable=False, **REFUSED,
    ),
)  # fmt: skip

CASES = (*passing(), *lasting(), *kills(), *proposals(), *REFUSALS)

QUICK = frozenset(
    {
        "refs: 503", "create-repo: reply lost", "preupload: 429", "lfs-batch: 500",
        "lfs-upload: cut", "lfs-upload-part: cut", "lfs-complete: reply lost", "commit: 503",
        "commit: 429", "commit: reply lost", "branch: reply lost", "tag: reply lost",
        "tag: 503 for long", "branch: killed after", "lfs-upload: killed after",
        "commit: killed before", "commit: killed after", "commit: reply lost, pr=true",
        "commit: 503, pr=true", *(case.name for case in REFUSALS),
    }
)  # fmt: skip
"""Those that every test run takes."""
