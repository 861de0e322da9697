"""TikTok's status feed: its incidents as RSS."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape

from msgspec import Struct
from starlette.responses import Response

from airflow_provider_tiktok_offline.simulator.store import Store

PATH = "/marketing_api/api/status_page/incident/rss/"


class Incident(Struct, kw_only=True, forbid_unknown_fields=True):
    """An incident.

    Attributes:
        title: names it; the incident of this title is replaced.
        status: ``Investigating``, ``Identified``, ``Monitoring`` or ``Resolved``.
        text: what TikTok says about it.
    """

    title: str
    status: str = "Investigating"
    text: str = ""


def report(store: Store, incident: Incident, now: float) -> None:
    """Open an incident, or change it."""
    store.run(
        "INSERT INTO incidents VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET status = excluded.status, text = excluded.text, at = excluded.at",
        incident.title, incident.status, incident.text, now,
    )  # fmt: skip


def feed(store: Store) -> Response:
    """The feed, newest incident first."""
    items = "".join(
        f"<item><title>{escape(row['title'])}</title>"
        f"<description>{escape(row['status'])} - {escape(row['text'])}</description>"
        f"<pubDate>{format_datetime(datetime.fromtimestamp(row['at'], UTC), usegmt=True)}</pubDate>"
        f"<guid isPermaLink='false'>incident-{row['rowid']}</guid></item>"
        for row in store.rows("SELECT rowid, * FROM incidents ORDER BY at DESC, rowid DESC")
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>'
        "<title>TikTok API for Business: incidents (simulated)</title>"
        f"<link>https://business-api.tiktok.com/portal/status</link><description>Incidents</description>{items}"
        "</channel></rss>"
    )
    return Response(text, media_type="application/rss+xml")
