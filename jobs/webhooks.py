"""Receivers that a studio has told of its jobs' changes, and what became of each message, by Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from jobs.errors import ExitCode, FarmError, SpecError, SpecMistake

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
LONGEST_URL: Final = 2000


class WebhookRefused(FarmError):
    """A receiver or message that is not there, or one too many."""

    exit_code = ExitCode.USAGE
    default_code = "webhook_refused"


class MessageType(StrEnum):
    """What a message tells. A studio may have some of them alone."""

    RECEIVED = "job.received"
    PLANNED = "job.planned"
    MOVED = "job.moved"  # it came to another state
    RESTORED = "job.restored"  # a farm that was started again took it up
    WAITS = "job.waits"  # something that it needs does not answer
    ERRED = "job.erred"
    SKETCHED = "takes.sketched"  # every take can be looked at, and one chosen
    CHOSEN = "take.chosen"
    DELIVERED = "take.delivered"


class DeliveryState(StrEnum):
    """What became of a message to one receiver."""

    PENDING = "pending"  # it is still to be sent, or to be sent again
    DELIVERED = "delivered"
    GIVEN_UP = "given up"  # the receiver took it at no try; it can be sent again


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """One secret of a receiver, of which nothing is printed.

    Attributes:
        expires_at: Seconds since 1970; None for the one that goes on.
    """

    text: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver.

    Attributes:
        types: What it is told; empty for everything.
        after: Sequence of the journal's entry after which it is told.
        created_at, ended_at: Seconds since 1970; a receiver that has ended gets nothing.
        ended_why: In words.
    """

    webhook_id: str
    studio: str
    url: str
    label: str
    types: frozenset[MessageType]
    after: int
    created_at: float
    ended_at: float | None = None
    ended_why: str = ""

    def wants(self, message: MessageType) -> bool:
        """Whether it is told of this."""
        return not self.types or message in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one receiver.

    Attributes:
        number: Its place among all deliveries of the farm.
        sequence: Of the journal's entry that it tells.
        tries: How often it was sent.
        next_at: When it is sent next; None where it is not, or waits for one before it. Seconds since 1970.
        status: Of the last answer; None where there was none.
        note: What came of the last try, in words.
        changed_at: When it came to its state, or was tried last.
    """

    number: int
    webhook_id: str
    job: str
    sequence: int
    message: MessageType
    state: DeliveryState
    tries: int
    next_at: float | None
    status: int | None
    note: str
    changed_at: float


def new_secret() -> str:
    """A secret of 256 random bits, in the form that Standard Webhooks has."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signatures(secret_texts: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, so that a receiver may know either.

    Raises:
        ValueError: A secret is none.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made: list[str] = []
    for text in secret_texts:
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error as error:
            raise ValueError("is no secret of a webhook") from error
        made.append("v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())
    return " ".join(made)


def checked_url(text: str, *, where: str = "url") -> str:
    """The address of a receiver, as far as its text tells; where it leads is looked at whenever something is sent.

    Raises:
        SpecError: It is none.
    """
    message = ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        message = "is no address"
    else:
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            message = "must begin with https:// and name a host"
        elif parts.username is not None or parts.password is not None:
            message = "may not hold a name or a password"
        elif parts.fragment:
            message = "may not have a fragment"
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > LONGEST_URL:
        message = f"must be ASCII without spaces, at most {LONGEST_URL} characters"
    if message:
        hint = "as in https://studio.example/farm"
        mistake = SpecMistake(path=where, code="bad_url", message=message, hint=hint)
        raise SpecError("the receiver's address cannot be used", mistakes=[mistake], where=where)
    return text


def as_record(delivery: Delivery) -> dict[str, Any]:
    """A delivery as plain data."""
    return {
        "number": delivery.number,
        "webhook_id": delivery.webhook_id,
        "job": delivery.job,
        "sequence": delivery.sequence,
        "type": delivery.message.value,
        "state": delivery.state.value,
        "tries": delivery.tries,
        "next_at": delivery.next_at,
        "status": delivery.status,
        "note": delivery.note,
        "changed_at": delivery.changed_at,
    }


def sorted_types(types: Iterable[MessageType]) -> Sequence[MessageType]:
    """In the order in which they are declared."""
    wanted = frozenset(types)
    return [each for each in MessageType if each in wanted]
