"""Mails as they are signed, and the ways out of them."""

import asyncio
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from orion_core.clock import system_clock
from orion_core.ids import uuid7
from orion_core.local.mailbox import Mailbox
from orion_core.sealing import Keyring
from orion_notifications.delivery.email import Server, SmtpChannel
from orion_notifications.delivery.mail import compose, flatten
from orion_notifications.delivery.messages import Message
from orion_notifications.kinds import Category
from orion_notifications.provider_settings import Dkim
from orion_notifications.return_paths import notification_of, return_path

Make = Callable[..., Message]
SENDER = Address("Orion", addr_spec="no-reply@orion.example")
DATE = "Sun, 01 Mar 2026 12:00:00 +0000"
LINK = "https://n.example/u/t0k"
OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/bin")


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA, ED = generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
KEYS = [
    Dkim.model_validate({"domain": "orion.example", "selector": "rsa", "private_key": pem(RSA)}),
    Dkim.model_validate({"domain": "orion.example", "selector": "ed", "private_key": pem(ED)}),
]
DNS = {
    "rsa._domainkey.orion.example.": "v=DKIM1; k=rsa; p="
    + b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(),
    "ed._domainkey.orion.example.": "v=DKIM1; k=ed25519; p="
    + b64encode(ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode(),
}


def verdicts(source: bytes) -> list[bool]:
    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return DNS[name.decode()].encode()

    found = list[bool]()
    for number in range(source.lower().count(b"dkim-signature:")):
        try:
            found.append(dkim.DKIM(source).verify(number, dnsfunc=look_up))  # pyright: ignore[reportUnknownMemberType]
        except dkim.DKIMException:
            found.append(False)
    return found


@pytest.mark.parametrize(
    "text", ["Guten Tag\n", "Zeile\n" * 500, "x" * 2_000, "… 漢字 🎉\n.\n..\nFrom here\n", "", "\n\n\n"]
)
@pytest.mark.parametrize("category", [Category.ACCOUNT, Category.MARKETING])
def test_signatures_hold(message: Make, text: str, category: Category) -> None:
    sent = message(text=text, category=category, html="<p>Grüße</p>" if len(text) % 2 else None)
    source = flatten(compose(sent, SENDER, DATE, LINK), KEYS)
    assert verdicts(source) == [True, True]
    assert verdicts(source.replace(b"To: Ada", b"To: Eve")) == [False, False]
    assert verdicts(source.replace(LINK.encode(), b"https://eve.example/")) == [False, False]
    second = source.replace(b"\r\nFrom:", b"\r\nFrom: Eve <eve@eve.example>\r\nFrom:")
    assert verdicts(second) == [False, False]


@pytest.mark.skipif(OPENDKIM is None, reason="opendkim is not installed")
def test_opendkim_agrees(message: Make, tmp_path: Path) -> None:
    """OpenDKIM 2.11 knows RSA, not yet RFC 8463."""
    source = flatten(compose(message(category=Category.MARKETING, text="Grüße … 漢字\n"), SENDER, DATE, LINK), KEYS[:1])
    (tmp_path / "dns").write_text("".join(f"{name.rstrip('.')} {value}\n" for name, value in DNS.items()))
    (tmp_path / "conf").write_text(f"Mode v\nTestDNSData {tmp_path / 'dns'}\n")

    def said(content: bytes) -> str:
        (tmp_path / "mail").write_bytes(content)
        command = [str(OPENDKIM), "-x", str(tmp_path / "conf"), "-t", str(tmp_path / "mail"), "-vv"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout + done.stderr

    assert "verification (s=rsa, d=orion.example, 2048-bit key) succeeded" in said(source)
    assert "succeeded" not in said(source.replace(b"Guten", b"Schlechten").replace(b"To: Ada", b"To: Eve"))


async def test_a_signed_mail_arrives_as_it_was_signed(mailbox: Mailbox, message: Make) -> None:
    keyring = Keyring.parse(Keyring.new_key("test"))
    channel = SmtpChannel(
        Server("127.0.0.1", mailbox.smtp_port),
        SENDER,
        system_clock,
        keys=KEYS,
        return_path=lambda id: return_path(id, keyring, "bounces.orion.example"),
        unsubscribing=lambda _: LINK,
    )
    sent = message(category=Category.MARKETING, text="Zeile\n.\n..zwei\n")
    await channel.send(sent)
    await channel.close()
    (mail,) = await mailbox.wait_for("ada@example.com")
    assert verdicts(mail.source) == [True, True]
    assert mail.header("List-Unsubscribe") == f"<{LINK}>"
    assert mail.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert notification_of(mail.sender, keyring) == sent.id
    assert mail.sender.endswith("@bounces.orion.example")


def test_one_click_is_offered_over_https_alone(message: Make) -> None:
    offered = compose(message(category=Category.MARKETING), SENDER, DATE, "http://127.0.0.1:7103/u/t0k")
    assert offered["List-Unsubscribe"] == "<http://127.0.0.1:7103/u/t0k>"
    assert offered["List-Unsubscribe-Post"] is None
    assert compose(message(category=Category.SECURITY), SENDER, DATE, None)["List-Unsubscribe"] is None


def test_a_long_link_is_not_torn_apart(message: Make) -> None:
    link = f"https://n.example/unsubscribe/{'x' * 400}"
    source = flatten(compose(message(category=Category.MARKETING), SENDER, DATE, link), KEYS[:1])
    assert message_from_bytes(source, policy=default)["List-Unsubscribe"] == f"<{link}>"
    assert verdicts(source) == [True]


@pytest.mark.parametrize("subject", ["Orion: " + "word " * 13 + "end", "Grüße: " + "Wort " * 13 + "Ende", "x" * 300])
def test_no_field_begins_with_an_empty_line(message: Make, subject: str) -> None:
    """Whoever keeps the space of a fold reads a subject that begins with one."""
    content = replace(message().content, subject=subject)
    source = flatten(compose(message()._replace(content=content), SENDER, DATE, LINK + "x" * 90), KEYS)
    assert verdicts(source) == [True, True]
    assert not re.search(rb"^[A-Za-z-]+:\s*\r\n", source.partition(b"\r\n\r\n")[0], re.MULTILINE)
    assert str(message_from_bytes(source, policy=default)["Subject"]) == subject
    assert max(map(len, source.split(b"\r\n"))) < 998


def test_a_return_path_is_ours_or_nobodys() -> None:
    keyring, other = (Keyring.parse(Keyring.new_key("test")) for _ in range(2))
    notification_id = uuid7()
    address = return_path(notification_id, keyring, "b.example")
    assert len(address.partition("@")[0]) <= 64  # RFC 5321 §4.5.3.1.1
    assert notification_of(address.upper(), keyring) == notification_id
    assert notification_of(f"<{address}>, other@b.example", keyring) == notification_id
    assert notification_of(address, other) is None
    assert notification_of(address.replace(notification_id.hex, uuid7().hex), keyring) is None
    assert notification_of("b+.@b.example", keyring) is None


async def test_signing_does_not_hold_up_others(message: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    threads = list[str]()

    def note(*_: object) -> bytes:
        threads.append(threading.current_thread().name)
        raise ValueError

    monkeypatch.setattr("orion_notifications.delivery.email.flatten", note)
    channel = SmtpChannel(Server("127.0.0.1", 1), SENDER, system_clock, keys=KEYS)
    with pytest.raises(Exception, match="invalid_mail"):
        await asyncio.wait_for(channel.send(message()), 5)
    assert threads != ["MainThread"]
