"""Who there is and what each may do: users, organisations, and tokens with roles.

A new Hub knows two users, so that a test has somebody to be and somebody to be kept out by: `ada`,
a member of the organisation `lab`, and `eve`, who is not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

READ, WRITE, FINE_GRAINED = "read", "write", "fineGrained"


@dataclass(frozen=True)
class Token:
    """A user's access token.

    Attributes:
        name: to tell it from others of the same user.
        user: whose it is.
        role: `READ`, `WRITE` or `FINE_GRAINED`, spelt as ``whoami`` spells it.
        scopes: of a fine-grained token, the namespaces and repositories that it may write to and
            read when they are private. Only one for a namespace can make repositories in it.
    """

    name: str
    user: str
    role: str
    scopes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is sent, in the form of real ones; this Hub never had others."""
        return f"hf_{hashlib.sha256(f'{self.user} {self.name}'.encode()).hexdigest()[:34]}"


class Accounts:
    """The users and organisations of a Hub, kept in a file."""

    def __init__(self, file: Path) -> None:
        """Take the file; a new one holds the two users of this module."""
        self.file = file
        self.organisations = {"lab": ["ada"]}
        self.tokens: dict[str, Token] = {}
        if file.is_file():
            kept = json.loads(file.read_bytes())
            self.organisations = kept["organisations"]
            read = (Token(**{**t, "scopes": tuple(t["scopes"])}) for t in kept["tokens"])
            self.tokens = {token.name: token for token in read}
            return
        self.add(Token("write", "ada", WRITE))
        self.add(Token("read", "ada", READ))
        self.add(Token("fine-grained", "ada", FINE_GRAINED, ("lab/small",)))
        self.add(Token("outsider", "eve", WRITE))

    def add(self, token: Token, *organisations: str) -> None:
        """Add a token, and its user to organisations.

        Args:
            token: another of the same name is forgotten.
            organisations: which the user belongs to from now on.
        """
        self.tokens[token.name] = token
        for name in organisations:
            members = self.organisations.setdefault(name, [])
            members += [token.user] if token.user not in members else []
        tokens = [asdict(token) for token in self.tokens.values()]
        kept = {"organisations": self.organisations, "tokens": tokens}
        self.file.write_text(json.dumps(kept, indent=1), "utf-8")

    def find(self, text: str) -> Token | None:
        """Give the token that is sent as a text."""
        return next((token for token in self.tokens.values() if token.text == text), None)

    def organisations_of(self, user: str) -> list[str]:
        return [name for name, members in self.organisations.items() if user in members]

    def reaches(self, token: Token | None, name: str) -> bool:
        """Tell whether a namespace or a repository in it is the token's own.

        Args:
            token: ``None`` for somebody who is not logged in.
            name: ``ORG`` or ``ORG/NAME``.
        """
        if token is None:
            return False
        namespace = name.partition("/")[0]
        own = namespace in (token.user, *self.organisations_of(token.user))
        scoped = token.role != FINE_GRAINED or {namespace, name} & set(token.scopes)
        return bool(own and scoped)
