"""The Hub's address: the user's own is that of ``HF_ENDPOINT``, else the public Hub's.

Any other one came from somewhere, like a receipt, which anybody can write.
"""

from __future__ import annotations


def own_endpoint() -> str:
    """Give the address of the user's own Hub, without a slash at its end."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def is_own(endpoint: str | None) -> bool:
    """Tell whether an address, or none, means the user's own Hub."""
    return endpoint is None or endpoint == own_endpoint()


def own_token(endpoint: str | None) -> bool | None:
    """Tell the client whether a Hub may get the user's token: no other one than their own.

    Returns:
        ``None`` for the client's own way, which is to send it; ``False`` for not sending it.
    """
    return None if is_own(endpoint) else False


def repository_url(repo_id: str, endpoint: str | None = None) -> str:
    """Give the address of a repository's page.

    Args:
        repo_id: ``org/name``.
        endpoint: the Hub's address; by default the user's own.
    """
    return f"{(endpoint or own_endpoint()).rstrip('/')}/{repo_id}"
