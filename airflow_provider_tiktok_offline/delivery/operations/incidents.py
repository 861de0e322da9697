"""Incidents at TikTok: the status feed, read by all tasks together at most every half hour, where it is configured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ApiError, CircuitOpenError, TikTokOfflineError, UnsettledError
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.incidents import OpenIncident

log = plain_logger(__name__)

#: TikTok asks to read the feed no more often.
READ_EVERY = timedelta(minutes=30)
_PATH = "incidents.json"
_FEED_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _KeptIncident:
    title: str
    at: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """The last reading, which all advertisers of one ``state_uri`` share."""

    feed: str
    read_at: str
    incidents: tuple[_KeptIncident, ...] = ()


def open_incidents(ctx: DeliveryContext) -> tuple[OpenIncident, ...] | None:
    """What TikTok lists as open; None where no feed is configured or it can't be read, which is logged.

    The feed is asked if nobody has within :data:`READ_EVERY`.
    """
    from airflow_provider_tiktok_offline.tiktok.incidents import OpenIncident

    feed = None if ctx.config.reports is None else ctx.config.reports.incidents
    if feed is None:
        return None
    try:
        stored = documents.read(ctx.objects, _PATH)
        kept = None if stored is None else documents.typed(stored[0], _Kept, _PATH)
        if kept is None or kept.feed != feed or _is_old(kept, ctx.clock.now()):
            return _read_again(ctx, feed, None if stored is None else stored[1])
        return tuple(OpenIncident(one.title, one.at) for one in kept.incidents)
    except TikTokOfflineError as error:
        log.warning("TikTok's incidents are unknown: %s", error)
        return None


def name_incidents(ctx: DeliveryContext, error: TikTokOfflineError) -> None:
    """Add to an error of TikTok's API which incidents are open, so that its message says so."""
    if not isinstance(error, ApiError | CircuitOpenError | UnsettledError):
        return
    incidents = open_incidents(ctx)
    if incidents:
        listed = "; ".join(map(str, incidents))
        error.todo = f"{error.todo or ''} TikTok lists as an open incident: {listed}.".strip()


def _is_old(kept: _Kept, now: datetime) -> bool:
    try:
        age = now - datetime.fromisoformat(kept.read_at)
    except (ValueError, TypeError):
        return True
    return not timedelta(0) <= age < READ_EVERY


def _read_again(ctx: DeliveryContext, feed: str, version: str | None) -> tuple[OpenIncident, ...] | None:
    """Ask the feed. The time of the reading is noted first, so that other tasks do not ask meanwhile."""
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.incidents import read_incidents

    now = ctx.clock.now().isoformat(timespec="seconds")
    noted = asdict(_Kept(feed, now))
    if not (
        documents.create(ctx.objects, _PATH, noted)
        if version is None
        else documents.swap(ctx.objects, _PATH, noted, version)
    ):
        return None  # another task asks right now
    with TikTokClient(None, clock=ctx.clock, timeout=_FEED_TIMEOUT_SECONDS) as client:
        found = read_incidents(feed, client)
    after = asdict(_Kept(feed, now, tuple(_KeptIncident(one.title, one.at) for one in found)))
    documents.change(ctx.objects, _PATH, ctx.clock, lambda _: after)
    return found
