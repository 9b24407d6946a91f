"""One message to one receiver: signed, sent once, and what came of it."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from farm.api.receivers import Network, Receiver, ReceiverRules
from infra.journal.outbox import Claimed, DeliveryOutcome
from jobs.version import engine_version
from jobs.webhooks import DeliveryState, WebhookRefused, signatures

_MINUTE, _HOUR = 60.0, 3600.0
_LONGEST_RETRY_AFTER_S: Final = _HOUR
_LONGEST_NOTE: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTerms:
    """How messages are sent.

    Attributes:
        networks: Networks of the farm's owner where receivers may be.
        timeout_s: A receiver answers within this, or did not.
        waits_s: Before each further try; after the last of them a message is given up.
        most_each: Messages that are on their way to one receiver at once.
        look_s: Between two looks at what is to be sent.
    """

    networks: tuple[Network, ...] = ()
    timeout_s: float = 10.0
    # Together more than three days: a receiver that fails on Friday evening is told on Monday.
    waits_s: tuple[float, ...] = (
        *(5.0, 30.0, 2 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
        *(hours * _HOUR for hours in (1, 2, 4, 8, 12, 24, 24)),
    )
    most_each: int = 4
    look_s: float = 0.3

    @property
    def hold_s(self) -> float:
        """How long nobody else sends what one process has begun to send."""
        return 3 * self.timeout_s + _MINUTE


class WebhookSender:
    """Sends messages, several at once; use as a context."""

    def __init__(
        self,
        terms: WebhookTerms,
        rules: ReceiverRules,
        *,
        clock: Callable[[], float] = time.time,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            trusted: Whose certificates are believed; the usual authorities where it is not given.
        """
        self._terms = terms
        self._rules = rules
        self._clock = clock
        # No connection is kept: the next may be of another host at the same address. No proxy of this machine's
        # environment either: it would look names up itself.
        self._http = httpx.AsyncClient(
            verify=True if trusted is None else trusted,
            trust_env=False,
            follow_redirects=False,
            timeout=terms.timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, claimed: Claimed, told: dict[str, Any]) -> DeliveryOutcome:
        """Try once.

        Args:
            told: The event as its studio may see it.
        """
        try:
            async with asyncio.timeout(self._terms.timeout_s):
                receiver = await self._rules.resolve(claimed.webhook.url)
                answer = await self._post(claimed, told, receiver)
        except WebhookRefused as refusal:
            return self._failed(claimed, None, f"[{refusal.code}] {refusal.where}: {refusal.message}")
        except (TimeoutError, httpx.TimeoutException):
            return self._failed(claimed, None, f"no answer within {self._terms.timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._failed(claimed, None, f"no answer: {_printable(str(error)) or type(error).__name__}")
        return self._judged(claimed, answer)

    async def _post(self, claimed: Claimed, told: dict[str, Any], receiver: Receiver) -> httpx.Response:
        body = json.dumps(
            {"type": claimed.delivery.message.value, "timestamp": told["at"], "data": told},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        # The same for every try, so that a receiver knows what it has had already.
        message_id = f"{claimed.webhook.webhook_id}_{claimed.delivery.sequence}"
        timestamp = math.floor(self._clock())
        texts = [secret.text for secret in claimed.secrets]
        request = self._http.build_request(
            "POST",
            httpx.URL(claimed.webhook.url).copy_with(host=str(receiver.address)),
            content=body,
            headers={
                "Host": urlsplit(claimed.webhook.url).netloc,
                "Content-Type": "application/json",
                "User-Agent": f"moda-farm/{engine_version()}",
                "webhook-id": message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signatures(texts, message_id=message_id, timestamp=timestamp, body=body),
            },
            extensions={"sni_hostname": receiver.host},
        )
        # What it says beside its status is of no interest, and may have no end.
        answer = await self._http.send(request, stream=True)
        await answer.aclose()
        return answer

    def _judged(self, claimed: Claimed, answer: httpx.Response) -> DeliveryOutcome:
        status = answer.status_code
        if answer.is_success:
            return DeliveryOutcome(state=DeliveryState.DELIVERED, status=status, note="taken")
        if status == httpx.codes.GONE:
            why = "the receiver says that it is gone (410)"
            return DeliveryOutcome(state=DeliveryState.GIVEN_UP, status=status, note=why, ends_webhook=why)
        if 300 <= status < 400:
            there = _printable(answer.headers.get("location", ""))
            to = f" to {there}" if there else ""
            return self._failed(claimed, status, f"redirects{to}, which is not followed: add the new address")
        wait_s = _seconds(answer.headers.get("retry-after", ""))
        return self._failed(claimed, status, f"answered {status}", at_least_s=wait_s)

    def _failed(
        self, claimed: Claimed, status: int | None, note: str, *, at_least_s: float = 0.0
    ) -> DeliveryOutcome:
        tries = claimed.delivery.tries
        if tries >= len(self._terms.waits_s):
            return DeliveryOutcome(state=DeliveryState.GIVEN_UP, status=status, note=note)
        wait_s = max(self._terms.waits_s[tries], at_least_s)
        return DeliveryOutcome(
            state=DeliveryState.PENDING, status=status, note=note, next_at=self._clock() + wait_s
        )


def _seconds(text: str) -> float:
    """A `Retry-After` in seconds, as far as that is reasonable; a date is passed over."""
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    return min(float(text), _LONGEST_RETRY_AFTER_S) if is_number else 0.0


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST_NOTE]
