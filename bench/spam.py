"""What SpamAssassin thinks of every seeded mail in every language. Needs `spamassassin`; asks no network.

    python bench/spam.py

Ends with 1 when a mail has 3 points or more; 5 is what most receivers refuse at.
"""

import mailbox
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from email.headerregistry import Address
from email.utils import format_datetime
from pathlib import Path

from orion_core.ids import uuid7
from orion_notifications.delivery.email import compose
from orion_notifications.delivery.messages import Message
from orion_notifications.kinds import Category
from orion_notifications.rendering.schemas import sample
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import compile_content, render

MOST_POINTS = 3.0
RECEIVED = "from mx.orion.example (mx.orion.example [9.9.9.9]) by mx.example.com with ESMTPS id 1; {date}"
"""As a receiver's own server writes it; addresses meant for examples are held against a mail."""
STATUS = re.compile(r"^X-Spam-Status:.*?score=(-?[\d.]+).*?tests=(.*?)\s+autolearn", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Compose, ask and tell."""
    names: list[str] = []
    date = format_datetime(datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mails"
        box = mailbox.mbox(path)
        for template in load_templates():
            if template.channel != "EMAIL":
                continue
            for locale, content in template.locales.items():
                compiled, values = compile_content(asdict(content)), sample(template.variables)
                rendered = render(compiled, values, locale=locale, timezone="Europe/Berlin")
                message = Message(uuid7(), Category[template.category], "ada@example.com", "Ada", locale, rendered)
                mail = compose(message, Address("Orion", "no-reply", "orion.example"), date)
                box.add(f"Received: {RECEIVED.format(date=date)}\n".encode() + mail.as_bytes().replace(b"\r\n", b"\n"))
                names.append(f"{template.name} {locale}")
        box.flush()
        command = ["spamassassin", "--local", "--mbox"]
        with path.open("rb") as mails:
            done = subprocess.run(command, stdin=mails, capture_output=True, check=True)
    answer = done.stdout.decode(errors="replace")
    found = [(float(points), " ".join(tests.split())) for points, tests in STATUS.findall(answer)]
    for (points, tests), name in sorted(zip(found, names, strict=True), reverse=True)[:10]:
        print(f"{points:5.1f}  {name:38} {tests}")
    worst = max(points for points, _ in found)
    print(f"{len(found)} mails, {worst} points at most")
    return 1 if worst >= MOST_POINTS else 0


if __name__ == "__main__":
    sys.exit(main())
