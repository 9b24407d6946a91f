"""Where messages may go: to public addresses over HTTPS, and to networks that the farm's owner names.

A name is looked up before each message, and the message goes to the very address that was looked at: what a name means
may change between two look-ups.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from jobs.errors import Retry
from jobs.webhooks import WebhookRefused

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to addresses; raises OSError where there is none."""

_LOOK_UP_S: Final = 5.0
_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that anybody was given; what lies outside is local, or stands for an address of IPv4."""

_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""6to4 and Teredo: they lead to an address of IPv4, which may be any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """An address that a message may go to.

    Attributes:
        host: As its studio wrote it, for the certificate and the header.
        address: Where the connection is made.
    """

    host: str
    address: Address


def is_public(address: Address) -> bool:
    """Whether anybody in the world may be meant by it, and nobody of this machine or its networks."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST or any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def looked_up(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverRules:
    """Which receivers are served.

    Attributes:
        networks: Where the farm's owner allows receivers that are not public, also without TLS.
    """

    networks: tuple[Network, ...] = ()
    look_up: LookUp = looked_up

    async def resolve(self, url: str) -> Receiver:
        """Where a message to this address goes, now.

        Raises:
            WebhookRefused: Not there (``receiver_private``, ``receiver_not_https``), or nobody knows where
                (``receiver_unknown``).
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                texts = await self.look_up(host, port)
            addresses = [ip_address(text.partition("%")[0]) for text in texts]
        except (OSError, ValueError, TimeoutError):  # a UnicodeError, of what is no name, is a ValueError
            addresses = []
        if not addresses:
            raise WebhookRefused(
                "nobody knows this host",
                where=host,
                code="receiver_unknown",
                hint="check its spelling",
                retry=Retry.LATER,
            )
        # One that is refused refuses the name: the next look-up may give it first.
        strangers = [address for address in addresses if not self._is_allowed(address)]
        for address in strangers:
            if not is_public(address):
                raise WebhookRefused(
                    "is not a public address",
                    where=host,
                    code="receiver_private",
                    hint="the farm's owner may allow its network: farm serve --webhook-network",
                )
        if strangers and parts.scheme != "https":
            raise WebhookRefused(
                "would be told in the clear", where=host, code="receiver_not_https", hint="write https://"
            )
        return Receiver(host=host, address=addresses[0])

    def _is_allowed(self, address: Address) -> bool:
        plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        return any(plain in network for network in self.networks)
