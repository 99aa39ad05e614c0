"""What would keep the Hub from taking a release, asked before anything heavy is done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import PushError
from pipeline.schema import PushConfig
from pipeline.stage import Problem
from stages.common.hub.account import FINE_GRAINED, READ, Account
from stages.common.hub.endpoint import own_endpoint
from stages.common.hub.names import MAIN
from stages.common.hub.repository import Refs, Repository, State

GATES: dict[str, str | bool] = {"auto": "auto", "manual": "manual", "off": False}
"""What the Hub calls what ``push.gated`` says."""


@dataclass(frozen=True)
class Survey:
    """How things stand on the Hub before a push.

    Attributes:
        state: of the repository; ``None`` when it is yet to be made.
        refs: its branches and tags; ``None`` likewise.
    """

    state: State | None
    refs: Refs | None


def unusable(config: PushConfig) -> list[Problem]:
    """Find what is wrong with the request by itself; nothing is asked."""
    found = []
    if config.pr and config.revision != MAIN:
        found.append(
            Problem(
                "A pull request goes to main: push.pr=true and another push.revision do not fit.",
                f"push.revision={config.revision}",
                "Take one of them out.",
            )
        )
    if config.gated is not None and config.gated not in GATES:
        what = f"push.gated is none of {', '.join(GATES)}: {config.gated!r}."
        found.append(Problem(what, hint="For example: push.gated=auto"))
    if config.gated is not None and config.pr:
        found.append(
            Problem(
                "A pull request changes no settings: push.pr=true and push.gated do not fit.",
                f"push.gated={config.gated}",
                "Take one of them out.",
            )
        )
    endpoint = config.endpoint
    if "@" in urlsplit(endpoint or own_endpoint()).netloc:
        found.append(
            Problem(
                "The Hub's address holds a name or a password, which every run would write down.",
                "push.endpoint, or HF_ENDPOINT",
                "Take it out, and log in: hf auth login, or HF_TOKEN",
            )
        )
    elif endpoint is not None and not endpoint.startswith(("http://", "https://")):
        found.append(
            Problem(
                f"push.endpoint is no address: {endpoint!r}.",
                hint="For example: push.endpoint=https://huggingface.co",
            )
        )
    return found


def survey(
    repository: Repository, config: PushConfig, card: str | None
) -> tuple[Survey | None, list[Problem]]:
    """Ask the Hub who we are, what is there, and whether it would take it.

    Args:
        repository: where the release is to go.
        config: how.
        card: the card's metadata as far as it is known, with its dashes.

    Returns:
        What was found, and what is wrong with it; ``None`` when the Hub would not say.
    """
    try:
        account = repository.account()
        state = repository.state()
        refs = repository.refs() if state else None
        problems = _of_access(repository, config, account, state)
        if refs is not None and config.tag in refs.branches and not config.pr:
            what = f"push.tag={config.tag} is the name of a branch of {repository.repo_id}."
            problems.append(Problem(what, repository.url, "Name another: push.tag=v1.0.0"))
        if card is not None:
            problems += [
                Problem(
                    "The Hub does not take the card's metadata.",
                    complaint,
                    "Set it under card: in the release's config, or in the file of card.path.",
                )
                for complaint in repository.complaints(card)
            ]
    except PushError as error:
        return None, [Problem.of(error)]
    return Survey(state, refs), problems


def _of_access(
    repository: Repository, config: PushConfig, account: Account, state: State | None
) -> list[Problem]:
    settings = f"{repository.endpoint}/settings/tokens"
    if account.role == READ:
        return [
            Problem(
                f"The token of {account.name} may only read.",
                f"{repository.url}",
                f"Take one that may write, of {settings}: hf auth login, or HF_TOKEN",
            )
        ]
    if state is None:
        return _of_namespace(repository.repo_id, config, account, settings)
    if config.pr:
        repository.demand_reading()
        return []
    return [] if repository.may_write() else [_not_writable(repository, account, settings)]


def _not_writable(repository: Repository, account: Account, settings: str) -> Problem:
    repo_id = repository.repo_id
    namespace, _, name = repo_id.partition("/")
    propose = "or propose the change: push.pr=true"
    if namespace not in account.namespaces:
        return Problem(
            f"{repo_id} belongs to somebody else, and {account.name} may not write there.",
            repository.url,
            f"Give one of your own: push.repo_id={account.name}/{name}, {propose}",
        )
    return Problem(
        f"The token of {account.name} may not write to {repo_id}.",
        repository.url,
        f"Give it that right at {settings}, {propose}",
    )


def _of_namespace(
    repo_id: str, config: PushConfig, account: Account, settings: str
) -> list[Problem]:
    namespace, _, name = repo_id.partition("/")
    if config.pr:
        what = f"There is no repository {repo_id} to propose a change to."
        return [Problem(what, hint="Leave push.pr=true out to make it.")]
    if account.may_create_in(namespace):
        return []
    if namespace not in account.namespaces:
        own = ", ".join(account.namespaces)
        return [
            Problem(
                f"{namespace!r} is not yours on the Hub, so {repo_id} cannot be made.",
                f"You are {account.name}, and may use: {own}",
                f"Give one of them: push.repo_id={account.name}/{name}",
            )
        ]
    reach = "This fine-grained token" if account.role == FINE_GRAINED else "The token"
    return [
        Problem(
            f"{reach} sees no {repo_id}, and may not make repositories of {namespace}.",
            settings,
            "Give it that right there, or make the repository and let the token write to it.",
        )
    ]
