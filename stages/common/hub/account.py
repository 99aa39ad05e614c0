"""Who a token belongs to, and where it may make repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READ, FINE_GRAINED = "read", "fineGrained"
_WRITES = "repo.write"


@dataclass(frozen=True)
class Account:
    """What the Hub says of a token.

    Attributes:
        name: the user's.
        organisations: the names of those that the user belongs to.
        role: ``read``, ``write`` or ``fineGrained``; empty when the Hub does not say.
        scopes: of a fine-grained token, the users, organisations and repositories that it may
            write to.
        everywhere: whether a fine-grained token may write wherever its user may.
    """

    name: str
    organisations: tuple[str, ...] = ()
    role: str = ""
    scopes: frozenset[str] = frozenset()
    everywhere: bool = False

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Account:
        """Read the answer of ``whoami``."""
        token = said.get("auth", {}).get("accessToken", {})
        fine = token.get("fineGrained") or {}
        scoped = fine.get("scoped", ())
        return cls(
            name=said["name"],
            organisations=tuple(each["name"] for each in said.get("orgs", ())),
            role=token.get("role", ""),
            scopes=frozenset(
                scope["entity"]["name"] for scope in scoped if _WRITES in scope["permissions"]
            ),
            everywhere=_WRITES in fine.get("global", ()),
        )

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where the user may make repositories."""
        return (self.name, *self.organisations)

    def may_create_in(self, namespace: str) -> bool:
        """Tell whether the token may make a repository under a name."""
        if self.role == READ or namespace not in self.namespaces:
            return False
        return self.role != FINE_GRAINED or self.everywhere or namespace in self.scopes
