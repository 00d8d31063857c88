"""Every seeded mail through a real Postfix, and what comes back from it. Prints JSON.

Needs `postfix`, `opendkim` and `spamassassin`, and to be root, as Postfix does; asks no network and leaves a
Postfix of the machine alone. Each mail goes by an account's `smtp` channel, over STARTTLS and signed, into a
mailbox; there OpenDKIM verifies it and SpamAssassin counts. Then come mails that Postfix refuses, sends back and
holds up; `orion notifications bounce` takes its reports.

    python bench/mail.py [folder for the reports]

Ends with 1 when a mail is lost, has a signature that does not hold or 3 points (5 is what most receivers refuse at), or
a report is not understood. In a folder that is named it leaves the reports, RETURN_PATH where the return path stood.
"""

import asyncio
import json
import mailbox
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from email.headerregistry import Address
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import text

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.local import postgres
from orion_core.local.ports import free_port
from orion_core.sealing import Keyring
from orion_core.service import installed_services
from orion_core.testing.databases import Databases
from orion_notifications.delivery.channels import Channels, Environment
from orion_notifications.delivery.email import Server
from orion_notifications.delivery.messages import Content, Message, NotDeliveredError
from orion_notifications.kinds import ALWAYS_ON, Category, Channel
from orion_notifications.providers import actions as providers
from orion_notifications.providers.actions import Office
from orion_notifications.providers.shapes import NewAccount
from orion_notifications.rendering.schemas import sample
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import compile_content, render

SERVICE = installed_services()["notifications"]
ORION = str(Path(sys.executable).parent / "orion")
MOST_POINTS = 3.0
HERE, ELSEWHERE = b"(unknown [127.0.0.1])", b"(orion.example [9.9.9.9])"
"""Where a mail came from, as Postfix found it, and as from outside: this machine is trusted, which spares points."""
STATUS = re.compile(r"^X-Spam-Status:.*?score=(-?[\d.]+).*?tests=(.*?)\s+autolearn", re.MULTILINE | re.DOTALL)
RETURN_PATH = re.compile(rb"b\+[0-9a-f]{32}\.[0-9a-f]{16}@bounces\.orion\.example")
PATIENCE_SECONDS = 60.0

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.example.com
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/key.pem
virtual_mailbox_domains = example.com, bounces.orion.example
virtual_mailbox_maps = inline:{{ {{ada@example.com = ada/}}, {{@bounces.orion.example = returned/}} }}
virtual_mailbox_base = {folder}/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = inline:{{ far.example.com=smtp:[127.0.0.1]:{far_port} }}
smtp_tls_security_level = none
smtp_host_lookup = native
delay_warning_time = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
"""
FAR = (
    "{gone@far.example.com = 550 5.1.1 User unknown}, {full@far.example.com = 552 5.2.2 Mailbox full},"
    " {busy@far.example.com = 451 4.3.2 Try again later}"
)
"""What the server says to which our Postfix hands on: it is the same one under another port and name."""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{far_port} inet n - n - - smtpd
  -o myhostname=mx.far.example.com -o smtpd_tls_security_level=none
  -o {{ smtpd_recipient_restrictions = check_recipient_access inline:{{ {far} }}, reject }}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """One of our own, with nothing of the machine's."""

    folder: Path
    port: int
    far_port: int

    def start(self) -> None:
        """Write down how it is set up, and start it; it answers when this returns."""
        self.folder.chmod(0o755)
        for name in ("etc", "queue", "data", "mailboxes"):
            (self.folder / name).mkdir()
        subprocess.run(["chown", "postfix", str(self.folder / "data")], check=True)
        subprocess.run(["chown", "nobody", str(self.folder / "mailboxes")], check=True)
        owner = (self.folder / "mailboxes").stat().st_uid
        certificate = ["-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/certificate.pem"]
        kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx.example.com"]
        command = ["openssl", "req", *kind, "-addext", "subjectAltName=IP:127.0.0.1", *certificate]
        subprocess.run(command, check=True, capture_output=True)
        values = {"folder": self.folder, "port": self.port, "far_port": self.far_port, "far": FAR}
        (self.folder / "etc" / "main.cf").write_text(MAIN.format(**values, uid=owner, gid=owner))
        (self.folder / "etc" / "master.cf").write_text(MASTER.format(**values))
        self._tell("start")

    def stop(self) -> None:
        """End it with all of its processes."""
        self._tell("stop")

    def mails(self, name: str) -> list[bytes]:
        """What is in a mailbox, as Postfix has written it."""
        folder = self.folder / "mailboxes" / name / "new"
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []

    async def wait_for(self, name: str, count: int) -> list[bytes]:
        """The mails of a mailbox once there are so many; raises TimeoutError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while len(found := self.mails(name)) < count:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{len(found)} of {count} mails in {name}\n{(self.folder / 'log').read_text()[-3000:]}"
                )
            await asyncio.sleep(0.2)
        return found

    def _tell(self, what: str) -> None:
        command = ["postfix", "-c", str(self.folder / "etc"), what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}")


def seeded() -> dict[str, Message]:
    """All mails of the seeds, with sample values, by template and locale."""
    found = dict[str, Message]()
    for template in load_templates():
        if template.channel != "EMAIL":
            continue
        for locale, content in template.locales.items():
            compiled, values = compile_content(asdict(content)), sample(template.variables)
            rendered = render(compiled, values, locale=locale, timezone="Europe/Berlin")
            category = Category[template.category]
            found[f"{template.name} {locale}"] = Message(uuid7(), category, "ada@example.com", "Ada", locale, rendered)
    return found


def unsubscribing(message: Message) -> str | None:
    """A link where the category allows one."""
    return None if message.category in ALWAYS_ON else f"https://n.example.com/u/{message.id}"


def verified(mails: list[bytes], public_key: str, folder: Path) -> int:
    """How many of them OpenDKIM finds signed as they should be."""
    (folder / "dns").write_text(f"rsa._domainkey.orion.example v=DKIM1; k=rsa; p={public_key}\n")
    (folder / "conf").write_text(f"Mode v\nTestDNSData {folder / 'dns'}\n")
    count = 0
    for mail in mails:
        (folder / "mail").write_bytes(mail.replace(b"\n", b"\r\n"))
        command = ["opendkim", "-x", str(folder / "conf"), "-t", str(folder / "mail"), "-vv"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        count += "verification (s=rsa, d=orion.example, 2048-bit key) succeeded" in done.stdout + done.stderr
    return count


def altered(mail: bytes) -> bytes:
    """The mail with another subject."""
    return re.sub(rb"^Subject: ", b"Subject: Re: ", mail, count=1, flags=re.MULTILINE)


def points(mails: list[bytes], folder: Path) -> list[tuple[float, str]]:
    """What SpamAssassin gives each, and for what."""
    box = mailbox.mbox(folder / "mails")
    for mail in mails:
        box.add(mail.replace(HERE, ELSEWHERE, 1))
    box.close()
    with (folder / "mails").open("rb") as source:
        command = ["spamassassin", "--local", "--mbox"]
        done = subprocess.run(command, stdin=source, capture_output=True, check=True)
    answer = done.stdout.decode(errors="replace")
    return [(float(score), " ".join(tests.split())) for score, tests in STATUS.findall(answer)]


def dkim_key() -> tuple[str, str]:
    """A private key in PEM, and the public one as it stands in DNS."""
    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), b64encode(public).decode()


@dataclass(frozen=True)
class Bench:
    """Orion on one side, Postfix on the other."""

    database: Database
    environment: dict[str, str]
    channels: Channels
    postfix: Postfix
    folder: Path
    public_key: str

    async def send(self, message: Message) -> None:
        """By the channel as a worker has it; raises NotDeliveredError."""
        await self.channels.sends[Channel.EMAIL](message)

    async def deliver(self) -> dict[str, Any]:
        """Every seeded mail, and what its receiver thinks of it."""
        messages = seeded()
        for message in messages.values():
            await self.send(message)
        mails = await self.postfix.wait_for("ada", len(messages))
        names = {str(message.id): name for name, message in messages.items()}
        ids = [re.search(rb"^Message-ID:\s*<([0-9a-f-]+)@", mail, re.MULTILINE | re.IGNORECASE) for mail in mails]
        arrived = [names.pop(found[1].decode(), "?") for found in ids if found]
        rated = sorted(zip(points(mails, self.folder), arrived, strict=True), reverse=True)
        return {
            "mails": len(messages),
            "lost": sorted(names.values()),
            "over_tls": sum(b"ESMTPS id" in mail for mail in mails),
            "verified_by_opendkim": verified(mails, self.public_key, self.folder),
            "verified_though_altered": verified([altered(mail) for mail in mails[:3]], self.public_key, self.folder),
            "worst": [f"{score} {name}: {tests}" for (score, tests), name in rated[:3]],
            "most_points": rated[0][0][0],
        }

    async def refuse(self) -> str:
        """What an unknown mailbox comes to that Postfix refuses at once."""
        try:
            await self.send(plain("nobody@example.com"))
        except NotDeliveredError as error:
            return f"{error.failure.code} permanent={error.failure.is_permanent}"
        return "taken"

    async def give_back(self, name: str) -> tuple[bytes, dict[str, Any]]:
        """A mail that Postfix takes and reports on later: the report, and what it changed."""
        message = plain(f"{name}@far.example.com")
        async with self.database.autocommit() as connection:
            await connection.execute(
                text(
                    "INSERT INTO notifications (id, type, category, channel, status, content, sent_at, recipient,"
                    " provider, provider_message_id)"
                    " VALUES (:id, 'bench', 'SYSTEM', 'EMAIL', 'SENT', 'c', now(), :to, 'smtp', :name)"
                ),
                {"id": message.id, "to": message.recipient, "name": f"<{message.id}@orion.example>"},
            )
        before = len(self.postfix.mails("returned"))
        await self.send(message)
        reports = await self.postfix.wait_for("returned", before + 1)
        report = next(each for each in reports if message.id.hex.encode() in each)
        said = await asyncio.to_thread(take_down, report, self.environment)
        async with self.database.autocommit() as connection:
            status = "SELECT status::text FROM notifications WHERE id = :id"
            suppressed = "SELECT count(*) FROM suppressions"
            return report, {
                "said": said.replace(str(message.id), "ID"),
                "status": (await connection.execute(text(status), {"id": message.id})).scalar_one(),
                "suppressions": (await connection.execute(text(suppressed))).scalar_one(),
            }


def take_down(report: bytes, environment: dict[str, str]) -> str:
    """Hand a report to the command that stands in Postfix's pipe; what that says."""
    found = re.search(rb"^Delivered-To: (\S+)", report, re.MULTILINE)
    command = [ORION, "notifications", "bounce", found[1].decode() if found else ""]
    return (
        subprocess.run(command, input=report, env=environment, capture_output=True, check=True).stdout.decode().strip()
    )


def environment_of(url: str, sealing_key: str) -> dict[str, str]:
    """What the command needs to be set up with."""
    asked = subprocess.run([ORION, "keys", "service", "notifications"], capture_output=True, text=True, check=True)
    return {
        "NOTIFICATION_DATABASE_URL": url,
        "NOTIFICATION_SEALING_KEYS": sealing_key,
        "EVENT_SEALING_KEYS": Keyring.new_key("events"),
        "USER_EVENT_SEALING_KEYS": Keyring.new_key("user"),
        "NOTIFICATION_SERVICE_KEY": asked.stdout.splitlines()[0].partition("=")[2],
    }


def plain(recipient: str) -> Message:
    """A mail of one line."""
    return Message(uuid7(), Category.SYSTEM, recipient, "Ada", "en", Content("Hello", "Hello\n", None))


EXPECTED = {
    "busy": {"said": "DELAYED ID 4.3.2", "status": "SENT", "suppressions": 0},
    "full": {"said": "FAILED ID 5.2.2", "status": "FAILED", "suppressions": 0},
    "gone": {"said": "BOUNCED ID 5.1.1", "status": "BOUNCED", "suppressions": 1},
}


async def run(admin_url: str, postfix: Postfix, folder: Path, reports: Path | None) -> dict[str, Any]:
    """Send all, and take what comes back."""
    private_key, public_key = dkim_key()
    sealing_key = Keyring.new_key("bench")
    keyring = Keyring.parse(sealing_key)
    there: dict[str, Any] = {"host": "127.0.0.1", "port": postfix.port, "starttls": True}
    keys = [{"domain": "orion.example", "selector": "rsa", "private_key": private_key}]
    sender = {"sender": "Orion <no-reply@orion.example>", "dkim": keys, "bounce_domain": "bounces.orion.example"}
    settings = there | sender
    wanted = {"channel": "EMAIL", "provider": "smtp", "name": "Postfix", "settings": settings}
    async with Databases(admin_url).clone("notifications") as made:
        database = Database.connect(made.url, role=SERVICE.service_role, application="bench")
        # Nobody listens there: without the account nothing would be sent.
        nowhere = Environment(Server("127.0.0.1", 1), Address("Orion", "no-reply", "orion.example"))
        channels = Channels(database, made.url, keyring, system_clock, nowhere, unsubscribing)
        try:
            office = Office(database, keyring, system_clock(), channels.bell)
            await providers.create(office, NewAccount.model_validate(wanted))
            await channels.roster.refresh()
            bench = Bench(database, environment_of(made.url, sealing_key), channels, postfix, folder, public_key)
            figures: dict[str, Any] = await bench.deliver() | {"refused": await bench.refuse()}
            for name in EXPECTED:
                report, figures[name] = await bench.give_back(name)
                if reports is not None:
                    (reports / f"postfix_{name}.eml").write_bytes(RETURN_PATH.sub(b"RETURN_PATH", report))
        finally:
            await channels.close()
            await database.close()
    return figures


def is_good(figures: dict[str, Any]) -> bool:
    """Whether all is as it should be."""
    count = figures["mails"]
    return (
        not figures["lost"]
        and figures["over_tls"] == figures["verified_by_opendkim"] == count > 0
        and not figures["verified_though_altered"]
        and figures["most_points"] < MOST_POINTS
        and figures["refused"] == "smtp_550 permanent=True"
        and all(figures[name] == expected for name, expected in EXPECTED.items())
    )


def main() -> None:
    """Start both servers, send, and tell."""
    if missing := [name for name in ("postfix", "opendkim", "spamassassin", "openssl") if shutil.which(name) is None]:
        sys.exit(f"Not installed here: {', '.join(missing)}.")
    reports = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="orion-mail-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        (folder / "postfix").mkdir()
        postfix = Postfix(folder / "postfix", free_port(), free_port())
        folder.chmod(0o755)
        with ExitStack() as ending:
            server = postgres.start(folder / "postgres", durable=False)
            ending.callback(server.stop, "immediate")
            postfix.start()
            ending.callback(postfix.stop)
            os.environ["SSL_CERT_FILE"] = str(postfix.folder / "certificate.pem")  # an authority of its own
            figures = asyncio.run(run(server.admin_url, postfix, folder, reports))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(0 if is_good(figures) else 1)


if __name__ == "__main__":
    main()
