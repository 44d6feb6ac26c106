"""Tokens for tests: what the recipe would make of a name, without a secret."""

from schemas.ids import derived_token


def token_of(name: str) -> str:
    """Return the token of a name."""
    return derived_token("token", name)
