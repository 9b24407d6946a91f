"""Where messages may go: whatever an address is written as, and whatever a name turns out to mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from receiver import ReceiverServer

from farm.api.receivers import Receiver, ReceiverRules, is_public
from farm.api.webhook_sending import WebhookSender, WebhookTerms
from infra.journal.outbox import Claimed
from jobs.webhooks import (
    Delivery,
    DeliveryState,
    MessageType,
    Webhook,
    WebhookRefused,
    WebhookSecret,
    new_secret,
)

LOCAL = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
    *("198.18.0.1", "192.0.2.1", "203.0.113.7", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2001:0:7f00:1::"),
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]


def rules(*answers: Sequence[str], networks: Sequence[str] = ()) -> ReceiverRules:
    """Of a resolver that answers these, one after another."""
    left = list(answers)

    async def look_up(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0)

    return ReceiverRules(networks=tuple(ip_network(each) for each in networks), look_up=look_up)


def resolved(rule: ReceiverRules, url: str = "https://farm.test/x") -> Receiver:
    return asyncio.run(rule.resolve(url))


def code_of(rule: ReceiverRules, url: str = "https://farm.test/x") -> str:
    with pytest.raises(WebhookRefused) as caught:
        resolved(rule, url)
    return caught.value.code


@pytest.mark.parametrize("address", LOCAL)
def test_what_is_not_public_is_refused_alone_and_among_others(address: str) -> None:
    assert not is_public(ip_address(address))
    assert code_of(rules([address])) == "receiver_private"
    assert code_of(rules(["8.8.8.8", address])) == "receiver_private"


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_told_over_https_alone(address: str) -> None:
    assert is_public(ip_address(address))
    assert resolved(rules([address])).address == ip_address(address)
    assert code_of(rules([address]), "http://farm.test/x") == "receiver_not_https"


@given(st.ip_addresses(v=4))
def test_no_address_of_ipv4_is_more_public_in_the_clothes_of_ipv6(address: IPv4Address) -> None:
    number = int(address)
    mapped = IPv6Address(0xFFFF << 32 | number)
    assert is_public(mapped) == is_public(address)
    for prefix in ("::", "64:ff9b::", "64:ff9b:1::", "fe80::", "fc00::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | number))
    assert not is_public(IPv6Address(0x2002 << 112 | number << 80))


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_what_somebody_was_given_is_public(address: IPv6Address) -> None:
    if is_public(address) and address.ipv4_mapped is None:
        assert address in ip_network("2000::/3")
        assert address.is_global


def test_networks_of_the_owner_are_served_and_no_others() -> None:
    for url in ("http://farm.test/", "https://farm.test/"):
        assert resolved(rules(["10.1.2.3"], networks=["10.0.0.0/8"]), url).host == "farm.test"
        assert code_of(rules(["192.168.1.1"], networks=["10.0.0.0/8"]), url) == "receiver_private"
        assert code_of(rules(["10.1.2.3", "192.168.1.1"], networks=["10.0.0.0/8"]), url) == "receiver_private"
    assert resolved(rules(["::ffff:10.1.2.3"], networks=["10.0.0.0/8"]), "http://farm.test/").host
    assert code_of(rules(["10.1.2.3", "8.8.8.8"], networks=["10.0.0.0/8"]), "http://farm.test/") == (
        "receiver_not_https"
    )


def test_a_name_that_means_nothing_is_told() -> None:
    async def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such host")

    assert code_of(ReceiverRules(look_up=fails)) == "receiver_unknown"
    assert code_of(rules([])) == "receiver_unknown"
    assert code_of(rules(["fe80::1%eth0"])) == "receiver_private"


def claimed(url: str) -> Claimed:
    webhook = Webhook(
        webhook_id="wh_1", studio="north", url=url, label="", types=frozenset(), after=0, created_at=0.0
    )
    delivery = Delivery(
        number=1,
        webhook_id="wh_1",
        job="a-1",
        sequence=7,
        message=MessageType.MOVED,
        state=DeliveryState.PENDING,
        tries=0,
        next_at=0.0,
        status=None,
        note="",
        changed_at=0.0,
    )
    return Claimed(delivery=delivery, webhook=webhook, secrets=(WebhookSecret(text=new_secret()),))


def test_a_message_goes_to_the_address_that_was_looked_at() -> None:
    """The second look-up would lead elsewhere; there is none."""
    with ReceiverServer() as receiver:
        url = f"http://farm.test:{receiver.port}/hook?a=1"

        async def send() -> DeliveryState:
            rule = rules(["127.0.0.1"], networks=["127.0.0.0/8"])
            async with WebhookSender(WebhookTerms(), rule) as sender:
                told = {"at": "2026-01-31T00:00:00+00:00", "job": "a-1", "sequence": 7}
                return (await sender.send(claimed(url), told)).state

        assert asyncio.run(send()) is DeliveryState.DELIVERED
        (got,) = receiver.got
    assert got.headers["host"] == f"farm.test:{receiver.port}"
    assert got.path == "/hook?a=1"
    assert got.headers["webhook-id"] == "wh_1_7"


def certificate_of(name: str, folder: Path) -> Path:
    """A key and a certificate for a name that signs itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM))
    return path


def test_over_https_the_certificate_is_of_the_name_and_of_somebody_who_is_believed(tmp_path: Path) -> None:
    """The connection goes to an address, and still nobody but the one who is named can take the message."""
    file = certificate_of("farm.test", tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(file)
    believed = ssl.create_default_context(cafile=str(file))

    async def sent(host: str, trusted: ssl.SSLContext | None) -> tuple[DeliveryState, str]:
        rule = rules(["127.0.0.1"], networks=["127.0.0.0/8"])
        async with WebhookSender(WebhookTerms(), rule, trusted=trusted) as sender:
            told = {"at": "2026-01-31T00:00:00+00:00", "job": "a-1", "sequence": 7}
            outcome = await sender.send(claimed(f"https://{host}:{receiver.port}/"), told)
        return outcome.state, outcome.note

    with ReceiverServer(certified=server_side) as receiver:
        assert asyncio.run(sent("farm.test", believed)) == (DeliveryState.DELIVERED, "taken")
        for host, trusted in (("other.test", believed), ("farm.test", None)):
            state, note = asyncio.run(sent(host, trusted))
            assert state is DeliveryState.PENDING
            assert "certificate verify failed" in note.lower()
        assert len(receiver.got) == 1
