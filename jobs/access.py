"""Who may do what through the API: a key belongs to one studio, may do what its scopes say, and can end."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_KEY: Final = re.compile(r"moda_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)


class Scope(StrEnum):
    """What a key may do; none of them includes another."""

    READ = "read"  # see the jobs, events and masters of its studio
    WRITE = "write"  # hand in and change jobs, upload
    ADMIN = "admin"  # make and revoke keys, of every studio
    METRICS = "metrics"  # see the figures of the whole farm: how much, and nothing of whom


class KeyState(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; the key itself is known to whoever got it alone.

    Attributes:
        key_id: Its name, which is no secret.
        studio: Whose jobs it opens.
        label: What people call it.
        created_at, expires_at, revoked_at: Seconds since 1970.
    """

    key_id: str
    studio: str
    label: str
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def state(self, *, now: float) -> KeyState:
        """Whether it opens anything now."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return KeyState.EXPIRED
        return KeyState.ACTIVE

    def as_record(self, *, now: float) -> dict[str, Any]:
        """As plain data."""
        return {
            "key_id": self.key_id,
            "studio": self.studio,
            "label": self.label,
            "scopes": [scope.value for scope in Scope if scope in self.scopes],
            "state": self.state(now=now).value,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What was done to a key.

    Attributes:
        number: Place among the changes, from 1.
        what: ``created`` or ``revoked``.
        by: Who did it: another key's name, or a user and a machine.
    """

    number: int
    at: float
    key_id: str
    what: str
    by: str


def new_key() -> str:
    """A key of 256 random bits, as it is shown once; its second part is its name."""
    return f"moda_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def id_of_key(key: str) -> str | None:
    """The name of a key; None where the text can be none."""
    found = _KEY.fullmatch(key)
    return found and found[1]


def hash_of_key(key: str) -> str:
    """What is kept of a key. A plain hash is enough: nobody guesses 256 bits."""
    return hashlib.sha256(key.encode()).hexdigest()
