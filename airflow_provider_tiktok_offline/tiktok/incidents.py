"""TikTok's status feed (RSS): which incidents are open.

The feed's items name their status in words, and incidents stay in it after they are over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from xml.etree import ElementTree

from airflow_provider_tiktok_offline.errors import ApiError
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient

_OVER = re.compile(r"\b(?:resolved|completed|recovered|fixed|closed)\b", re.IGNORECASE)
#: An incident without news for so long is over, whatever its last words were.
_FORGOTTEN_AFTER = timedelta(days=7)
_LONGEST_TITLE = 160
#: Characters of a text that are read.
_LOOKED_AT = 10_000
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MOST_INCIDENTS = 5


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that TikTok lists as open.

    Attributes:
        title: its name, on one line.
        at: its last news, ISO 8601, UTC.
    """

    title: str
    at: str

    def __str__(self) -> str:
        return f"{self.title} ({self.at[:16].replace('T', ' ')} UTC)"


def read_incidents(feed_url: str, client: TikTokClient) -> tuple[OpenIncident, ...]:
    """The open incidents of the feed, newest first.

    :param feed_url: its address.
    :raises ApiError: if the feed does not answer, or is no RSS.
    """
    text = client.fetch(feed_url)
    # A feed needs no entity of its own, and those of a hostile one would grow without end.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise _unreadable()
    try:
        # As text: in another encoding a document type would be hidden from the look above.
        root = ElementTree.fromstring(_DECLARATION.sub("", text.decode("utf-8-sig")))  # noqa: S314 - without entities
    except (ElementTree.ParseError, ValueError):
        raise _unreadable() from None
    now = client.clock.now()
    found = [_incident(item) for item in root.iter("item") if not _is_over(item)]
    still_open = [one for one in found if now - datetime.fromisoformat(one.at) < _FORGOTTEN_AFTER]
    return tuple(sorted(still_open, key=lambda one: one.at, reverse=True)[:_MOST_INCIDENTS])


def _is_over(item: ElementTree.Element) -> bool:
    """Whether the newest words, which come first, say that it is over."""
    words = (
        f"{_line(item.findtext('title'))} {item.findtext('status') or ''} {_line(item.findtext('description'))[:80]}"
    )
    return _OVER.search(words) is not None


def _incident(item: ElementTree.Element) -> OpenIncident:
    try:
        moment = parsedate_to_datetime(item.findtext("pubDate") or "")
        moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = datetime.fromtimestamp(0, UTC)
    title = _line(item.findtext("title"))[:_LONGEST_TITLE]
    return OpenIncident(title or "without a title", moment.isoformat(timespec="seconds"))


def _line(text: str | None) -> str:
    """The beginning of a text on one line, without tags."""
    return " ".join(re.sub(r"<[^<>]*>", " ", unescape((text or "")[:_LOOKED_AT])).split())


def _unreadable() -> ApiError:
    return ApiError(
        "the status feed is no RSS.", where="reports.incidents", todo="Check the address, or a proxy in between."
    )
