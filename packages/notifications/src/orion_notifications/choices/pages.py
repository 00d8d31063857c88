"""The pages behind the links in mails: plain HTML that loads nothing and runs nothing."""

from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse

from orion_core.http.pages import button, document, html
from orion_notifications.kinds import ALWAYS_ON, Category, Channel

NAMES = {
    Category.MARKETING: "News and offers",
    Category.SYSTEM: "About the service",
    Category.ACCOUNT: "About the account",
    Category.SOCIAL: "From other people",
    Category.TRANSACTIONAL: "What was asked for",
    Category.SECURITY: "Security",
}
CHOOSABLE: Sequence[Category] = [category for category in Category if category not in ALWAYS_ON]
SHOWN: Sequence[Channel] = [Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.IN_APP]


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A page; `body` is HTML in which everything is escaped that is not ours."""
    return html(document(title, body), status)


def unknown() -> HTMLResponse:
    """What a link that was not made here leads to."""
    return page("This link is not valid", "<p>Use the link as it stands in the message.</p>", 404)


def ended() -> HTMLResponse:
    """What a link that is too old leads to."""
    words = "Use the link in a newer message, or sign in to choose what you want to hear."
    return page("This link has ended", f"<p>{words}</p>", 410)


def unsubscribing(category: Category, action: str, more: str, *, is_off: bool, again: str) -> HTMLResponse:
    """One category for one address: a button, since opening a link must change nothing."""
    name = escape(NAMES[category])
    if is_off:
        body = f"<p>You get no more messages of the kind <b>{name}</b>.</p>{button(again, 'Get them again')}"
    else:
        body = f"<p>Do you want no more messages of the kind <b>{name}</b>?</p>{button(action, 'Unsubscribe')}"
    return page("Messages", f'{body}<p><a href="{escape(more)}">Choose more</a></p>')


def required(category: Category) -> HTMLResponse:
    """Of a category that nobody can switch off."""
    name = escape(NAMES[category])
    return page("Messages", f"<p>Messages of the kind <b>{name}</b> come always: nobody can switch them off.</p>")


def choosing(action: str, wanted: Mapping[tuple[Category, Channel], bool], *, is_saved: bool) -> HTMLResponse:
    """All categories by all channels."""
    head = "".join(f"<th>{escape(channel.name.replace('_', '-').title())}</th>" for channel in SHOWN)
    rows = "".join(
        f"<tr><td>{escape(NAMES[category])}</td>"
        + "".join(_box(category, channel, wanted[category, channel]) for channel in SHOWN)
        + "</tr>"
        for category in CHOOSABLE
    )
    saved = "<p><b>Saved.</b></p>" if is_saved else ""
    always = ", ".join(escape(NAMES[category]) for category in Category if category in ALWAYS_ON)
    return page(
        "What do you want to hear?",
        f'{saved}<form method="post" action="{escape(action)}"><table><tr><th></th>{head}</tr>{rows}</table>'
        f"<p><button>Save</button></p></form><p>These come always: {always}.</p>",
    )


def _box(category: Category, channel: Channel, is_on: bool) -> str:
    label = escape(f"{NAMES[category]} by {channel.name}")
    checked = " checked" if is_on else ""
    return f'<td><input type="checkbox" name="{category.name}.{channel.name}" aria-label="{label}"{checked}></td>'
