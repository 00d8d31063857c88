"""The mailbox's page: what was sent on the left, one message on the right. Plain HTML that works without a script."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import urlencode

import orjson

from orion_core.local.mailbox.messages import Channel, Message

TABS = {"html": "HTML", "text": "Text", "headers": "Headers", "source": "Source"}
SHOWN_MESSAGES = 200


@dataclass(frozen=True)
class Selection:
    """What the address of the page says to show."""

    channel: str = ""
    to: str = ""
    message: str = ""
    tab: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Selection":
        return cls(query.get("channel", ""), query.get("to", ""), query.get("message", ""), query.get("tab", ""))

    def address(self, **changes: str) -> str:
        """The address of the page with some of it changed, ready to stand in an attribute."""
        chosen = {name: value for name, value in vars(replace(self, **changes)).items() if value}
        return escape("/?" + urlencode(chosen))

    def admits(self, message: Message) -> bool:
        by_recipient = any(self.to.lower() in recipient.lower() for recipient in message.to)
        return self.channel in ("", message.channel) and by_recipient


def render_page(messages: list[Message], selection: Selection) -> str:
    """`messages` oldest first, as they came; they are shown newest first."""
    admitted = [message for message in reversed(messages) if selection.admits(message)][:SHOWN_MESSAGES]
    opened = next((message for message in messages if str(message.id) == selection.message), None)
    newest = messages[-1].id if messages else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Orion mailbox</title><link rel="stylesheet" href="/assets/page.css">
<script src="/assets/page.js" defer></script></head>
<body data-newest="{newest}" class="{"reading" if opened else ""}">
<header><h1><a href="/">Orion mailbox</a></h1><p>Nothing leaves this machine. It arrives here.</p>
<button id="clear" hidden>Clear</button></header>
<aside>{_filters(selection)}<ol class="list">{"".join(_row(m, selection) for m in admitted) or _NOTHING}</ol></aside>
<main>{_message(opened, selection) if opened else _CHOOSE}</main>
</body></html>"""


_CHANNELS = {
    Channel.EMAIL: "E-mail",
    Channel.SMS: "SMS",
    Channel.PUSH: "Push",
    Channel.SLACK: "Slack",
    Channel.DISCORD: "Discord",
    Channel.WEBHOOK: "Webhook",
}
_NOTHING = '<li class="nothing">Nothing has been sent yet.</li>'
_CHOOSE = '<p class="nothing">Choose a message to read it.</p>'


def _filters(selection: Selection) -> str:
    links = "".join(
        f'<a href="{selection.address(channel=name, message="")}"{_current(selection.channel == name)}>{label}</a>'
        for name, label in {"": "All", **_CHANNELS}.items()
    )
    hidden = f'<input type="hidden" name="channel" value="{escape(selection.channel)}">' if selection.channel else ""
    return (
        f'<form action="/" role="search">{hidden}<input type="search" name="to" placeholder="Recipient" '
        f'aria-label="Recipient" value="{escape(selection.to)}"></form><nav aria-label="Channel">{links}</nav>'
    )


def _row(message: Message, selection: Selection) -> str:
    title = message.subject or message.text[:80] or "(empty)"
    return (
        f'<li><a href="{selection.address(message=str(message.id), tab="")}"'
        f"{_current(selection.message == str(message.id))}>"
        f'<span class="channel {message.channel.lower()}">{message.channel}</span>{_time(message)}'
        f"<b>{escape(title)}</b><span>{escape(', '.join(message.to))}</span></a></li>"
    )


def _message(message: Message, selection: Selection) -> str:
    usable = [tab for tab in TABS if tab != "html" or message.html]
    tab = selection.tab if selection.tab in usable else usable[0]
    tabs = "".join(
        f'<a href="{selection.address(tab=name)}"{_current(name == tab)}>{TABS[name]}</a>' for name in usable
    )
    sender = f"<dt>From</dt><dd>{escape(message.sender)}</dd>" if message.sender else ""
    return (
        f'<article><a class="back" href="{selection.address(message="", tab="")}">← All messages</a>'
        f"<h2>{escape(message.subject) or '(no subject)'}</h2>"
        f"<dl>{sender}<dt>To</dt><dd>{escape(', '.join(message.to))}</dd><dt>At</dt><dd>{_time(message)}</dd></dl>"
        f'{_files(message)}<nav aria-label="View">{tabs}</nav>{_view(message, tab)}</article>'
    )


def _files(message: Message) -> str:
    items = (f"<li>{escape(a.filename)} ({escape(a.content_type)}, {a.size} B)</li>" for a in message.attachments)
    return f'<ul class="files">{"".join(items)}</ul>' if message.attachments else ""


def _view(message: Message, tab: str) -> str:
    if tab == "html":
        return (
            f'<iframe title="Message" src="/messages/{message.id}/html" referrerpolicy="no-referrer" '
            'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        )
    if tab == "headers":
        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in message.headers)
        return f'<table class="headers">{rows}</table>'
    return f"<pre>{escape(_source(message) if tab == 'source' else message.text)}</pre>"


def _source(message: Message) -> str:
    if message.data is not None:
        return orjson.dumps(message.data, option=orjson.OPT_INDENT_2).decode()
    return message.source.decode(errors="replace")


def _time(message: Message) -> str:
    at = message.received_at
    return f'<time datetime="{at.isoformat()}">{at:%H:%M:%S}</time>'


def _current(is_current: bool) -> str:
    return ' aria-current="true"' if is_current else ""
