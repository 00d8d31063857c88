"""Having mails tell that they are read: the links in what leaves are replaced, and a picture is put at its end."""

from dataclasses import dataclass, field, replace

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_notifications.delivery.messages import Message, Receipt, Send
from orion_notifications.engagements.actions import allows
from orion_notifications.engagements.links import Target, click_url, open_url
from orion_notifications.engagements.rules import with_links, with_picture
from orion_notifications.kinds import Category


@dataclass(frozen=True)
class Tracked:
    """The channel EMAIL, for mails of which their template wants to know whether they are read.

    What is recorded of a message is what its template says: the links are replaced in what leaves, and there alone.
    """

    send_plain: Send
    database: Database
    keyring: Keyring = field(repr=False)
    public_url: str

    async def send(self, message: Message) -> Receipt:
        """Hand it over; raises what the channel does."""
        html, tracks = message.content.html, message.tracks
        if html is None or not (tracks.opens or tracks.clicks) or message.category is Category.SECURITY:
            return await self.send_plain(message)
        if not await allows(self.database, message.user_id):
            return await self.send_plain(message)
        if tracks.clicks:
            own = f"{self.public_url.rstrip('/')}/notifications/"
            html = with_links(html, own, lambda number, url: self._click(Target(message.id, number, url)))
        if tracks.opens:
            html = with_picture(html, open_url(self.keyring, self.public_url, message.id))
        return await self.send_plain(message._replace(content=replace(message.content, html=html)))

    def _click(self, target: Target) -> str:
        return click_url(self.keyring, self.public_url, target)
