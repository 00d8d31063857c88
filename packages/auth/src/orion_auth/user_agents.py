"""What a client says it is: whoever sends a user agent types it, so it names a device and never makes one trusted."""

from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from ua_parser import Parser
from ua_parser.core import OS, Device, Result, UserAgent
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

LONGEST = 50
"""Characters of one part; the columns of devices hold as many."""

_PHONES = {"iPhone", "iPod", "Generic Smartphone", "Generic Feature Phone"}
_DESKTOPS = {"Windows", "Mac OS X", "macOS", "Linux", "Ubuntu", "Fedora", "Debian", "Chrome OS", "FreeBSD", "OpenBSD"}
_SYSTEMS = _DESKTOPS | {"Android", "iOS", "KaiOS", "Tizen"}
_BROWSERS = {
    *("Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chrome Mobile WebView", "Chromium", "DuckDuckGo Mobile"),
    *("Edge", "Edge Mobile", "Firefox", "Firefox iOS", "Firefox Mobile", "IE", "Mobile Safari", "Opera"),
    *("Mobile Safari UI/WKWebView", "Opera Mobile", "Safari", "Samsung Internet", "Vivaldi", "Yandex Browser"),
}


class DeviceType(Enum):
    """What kind of thing it is, as its user agent says."""

    DESKTOP = "DESKTOP"
    MOBILE = "MOBILE"
    TABLET = "TABLET"
    TV = "TV"
    BOT = "BOT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Client:
    """The program and the machine that a user agent names."""

    type: DeviceType = DeviceType.UNKNOWN
    os: str | None = None
    os_version: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    model: str | None = None

    @property
    def name(self) -> str | None:
        """What its owner would call it: `Firefox on Linux`, `Chrome Mobile on Pixel 9`."""
        return _named(self.browser, self.model or self.os)

    @property
    def told_name(self) -> str | None:
        """The same in words that we know alone, for mails: `Chrome Mobile on Android`.

        Any other program, and a model, is called what somebody typed: a stranger, say, who wants to be called back.
        """
        browser = self.browser if self.browser in _BROWSERS else None
        return _named(browser, self.os if self.os in _SYSTEMS else None)


@lru_cache(maxsize=4096)
def describe(user_agent: str | None) -> Client:
    """What a user agent says; half a millisecond the first time."""
    if not user_agent:
        return Client()
    read = _parser().parse(user_agent)
    return Client(
        type=_type(read, user_agent),
        os=_short(read.os.family) if read.os else None,
        os_version=_os_version(read.os) if read.os else None,
        browser=_short(read.user_agent.family) if read.user_agent else None,
        browser_version=_browser_version(read.user_agent) if read.user_agent else None,
        model=_model(read.device),
    )


def warm() -> None:
    """Compile the expressions now (a quarter of a second), so that nobody's sign-in waits for it."""
    _parser()


@cache
def _parser() -> Parser:
    return Parser(Resolver(load_lazy_builtins()))


def _type(read: Result, user_agent: str) -> DeviceType:
    device = read.device.family if read.device else ""
    os = read.os.family if read.os else ""
    if device == "Spider":
        return DeviceType.BOT
    if "TV" in device or "TV" in os or "TV;" in user_agent or " TV " in user_agent:
        return DeviceType.TV
    if device == "iPad" or "Tablet" in user_agent or (os == "Android" and "Mobile" not in user_agent):
        return DeviceType.TABLET
    if device in _PHONES or os in ("Android", "iOS") or "Mobile" in user_agent:
        return DeviceType.MOBILE
    return DeviceType.DESKTOP if os in _DESKTOPS else DeviceType.UNKNOWN


def _model(device: Device | None) -> str | None:
    """Whose name tells more than that of the system: a phone's, not `Mac` or `Generic Smartphone`."""
    if device is None or device.family in ("Mac", "Other", "Spider") or device.family.startswith("Generic"):
        return None
    return _short(device.family)


def _os_version(os: OS) -> str | None:
    return _short(".".join(part for part in (os.major, os.minor, os.patch) if part is not None)) or None


def _browser_version(browser: UserAgent) -> str | None:
    return _short(".".join(part for part in (browser.major, browser.minor) if part is not None)) or None


def _named(browser: str | None, on: str | None) -> str | None:
    return f"{browser} on {on}"[:100] if browser and on else browser or on


def _short(text: str) -> str:
    return text[:LONGEST]
