"""The status of an advertiser: what became of each delivery of the last days, as one small document beside its state.

It holds names, counts, sums and reasons, never a customer's data. Airflow's tasks hand its newest part on as XCom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.delivery.state.step_results import Values, plain, read_as
from airflow_provider_tiktok_offline.plain_text import one_line
from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

#: The layout of the document and of what is handed on of it.
VERSION = 1
#: For how long a delivery stays in the document.
DAYS = 90
#: Deliveries and changes that are kept at most, since dry runs of one file are deliveries of their own.
MOST_DELIVERIES = 300
MOST_CHANGES = 50
#: The window of the usual number of rows.
USUAL_DAYS = 28

DeliveryEnd = Literal["open", "failed", "waiting", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFileStatus:
    """The feed file that a delivery's rows went into.

    Attributes:
        name, uri, day: the file, its place and its UTC day.
        rows, bytes, sha256: what Connect's *Files* page can be compared with.
        outcome: see :class:`~airflow_provider_tiktok_offline.delivery.state.step_results.DeliverResult`.
    """

    name: str | None = None
    uri: str | None = None
    day: str | None = None
    rows: int = 0
    bytes: int | None = None
    sha256: str | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """What became of one conversion file.

    Attributes:
        delivery_id: the delivery.
        day: the file's day, as 2026-11-21.
        file: its place.
        mode, route: how it went.
        run: who worked on it last: ``dag_id/run_id``, or ``cli/host/user``.
        at: when this was noted, ISO 8601, UTC.
        state: ``open`` while a run works on it, ``failed``, ``waiting`` for the next feed file or for returns, or
            ``closed``.
        reason: what keeps it from being closed, in words.
        rows: ``total``, ``valid``, ``rejected``, ``duplicate``, ``excluded``; empty before it was validated.
        excluded: excluded rows by reason.
        faults: rule -> rejected rows, the largest first.
        rejected_share, gate: rows rejected for a fault of their own, of all that count, and the most that is allowed.
        gate_reason: why the gate is exceeded; empty where it is not.
        events_total: the events that the valid rows make; None while that is not known.
        events: events by outcome.
        codes: TikTok's return code -> events refused with it.
        values: class or outcome -> currency -> sum.
        identifiers: rows without a fault, repeated ones too, by what identifies them: ``email``, ``phone``, ``both``;
            anonymous sales are ``none``.
        drift: what the file has less of than usual, in words.
        first_time, last_time: of the transactions, ISO 8601, UTC.
        resend_until: until when unconfirmed events are sent again by themselves, ISO 8601, UTC.
        feed: the feed file, on the route ``liveramp``.
    """

    delivery_id: str
    day: str
    file: str = ""
    mode: str = ""
    route: str = ""
    run: str = ""
    at: str = ""
    state: DeliveryEnd = "open"
    reason: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    rejected_share: float | None = None
    gate: float | None = None
    gate_reason: str = ""
    events_total: int | None = None
    events: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    identifiers: Mapping[str, int] = field(default_factory=dict)
    drift: tuple[str, ...] = ()
    first_time: str | None = None
    last_time: str | None = None
    resend_until: str | None = None
    feed: FeedFileStatus | None = None

    def __post_init__(self) -> None:
        for name in ("file", "reason", "gate_reason"):
            object.__setattr__(self, name, one_line(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingStatus:
    """One finding of doctor: its subject, status (ok, warning, failed), text, and what to do."""

    subject: str
    status: str
    text: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorStatus:
    """The last look at everything a delivery needs.

    Attributes:
        at: when, ISO 8601, UTC.
        findings: what was found.
    """

    at: str
    findings: tuple[FindingStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionDay:
    """What TikTok attributed on one day, as read last; the figures of a day grow for some days.

    Attributes:
        day: in the ad account's time zone, as 2026-11-21.
        events: attributed offline events.
        value, spend: in ``currency``, decimal text.
        currency, time_zone: of the ad account.
        read_at: when TikTok was asked, ISO 8601, UTC.
        by_event: TikTok's event -> attributed events.
    """

    day: str
    events: int
    value: str = "0"
    spend: str = "0"
    currency: str = ""
    time_zone: str = ""
    read_at: str = ""
    by_event: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that a person changed.

    Attributes:
        at: when it was seen or done, ISO 8601, UTC.
        what: ``mode``, ``settings``, or the action of the ledger's audit log.
        text: more of it.
        by: who, where that is known.
        whole_set: whether it concerns every advertiser of the event set.
    """

    at: str
    what: str
    text: str = ""
    by: str = ""
    whole_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertiserStatus:
    """An advertiser's last :data:`DAYS` days.

    Attributes:
        advertiser: the entry's name.
        advertiser_id, event_set_id: the ad account and its event set.
        route, mode, time_zone, settings: as of the last note; ``settings`` is a fingerprint.
        deliveries: oldest file first.
        doctor: the last look.
        attribution: by day, oldest first.
        incidents: titles of what TikTok's status page lists as open, when it was read last.
        changes: oldest first.
    """

    advertiser: str
    advertiser_id: str = ""
    event_set_id: str = ""
    route: str = ""
    mode: str = ""
    time_zone: str = "UTC"
    settings: str = ""
    deliveries: tuple[DeliveryStatus, ...] = ()
    doctor: DoctorStatus | None = None
    attribution: tuple[AttributionDay, ...] = ()
    incidents: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    def to_document(self) -> dict[str, object]:
        """Plain values, as JSON carries them."""
        return {"version": VERSION, **{name: plain(value) for name, value in asdict(self).items()}}

    def with_delivery(self, noted: DeliveryStatus) -> AdvertiserStatus:
        """With a delivery as it stands now; its day and run stay as first noted where the new note has none."""
        others = tuple(one for one in self.deliveries if one.delivery_id != noted.delivery_id)
        kept = sorted((*others, noted), key=lambda one: (one.day, one.at))[-MOST_DELIVERIES:]
        return replace(self, deliveries=tuple(kept))

    def with_attribution(self, days: tuple[AttributionDay, ...]) -> AdvertiserStatus:
        """With what TikTok says now of some days."""
        known = {one.day: one for one in (*self.attribution, *days)}
        return replace(self, attribution=tuple(known[day] for day in sorted(known)))

    def since(self, first: date) -> AdvertiserStatus:
        """Without what is older than a day: a delivery by its file's day or, for a late file, by its last note."""
        oldest = first.isoformat()
        return replace(
            self,
            deliveries=tuple(one for one in self.deliveries if max(one.day, one.at) >= oldest),
            attribution=tuple(one for one in self.attribution if one.day >= oldest),
            changes=tuple(one for one in self.changes if one.at >= oldest)[-MOST_CHANGES:],
        )

    def delivery(self, delivery_id: str) -> DeliveryStatus | None:
        """One delivery of it."""
        return next((one for one in self.deliveries if one.delivery_id == delivery_id), None)


def read_status(ctx: DeliveryContext) -> AdvertiserStatus:
    """The kept status; an empty one where none is kept.

    :raises LedgerDamagedError: if it can't be read.
    :raises LedgerVersionError: if a newer package wrote it.
    """
    stored = documents.read(ctx.objects, _path(ctx))
    return _empty(ctx) if stored is None else _parsed(ctx, stored[0])


def change_status(ctx: DeliveryContext, edit: Callable[[AdvertiserStatus], AdvertiserStatus]) -> AdvertiserStatus:
    """Change the kept status by compare-and-swap, and forget what is older than :data:`DAYS` days.

    :param edit: takes the status as it stands; called again after a lost race.
    :returns: the status as it now stands.
    :raises LedgerBusyError: after too many lost races.
    """
    for _ in documents.attempts(ctx.clock, ctx.uri(_path(ctx))):
        stored = documents.read(ctx.objects, _path(ctx))
        before = _empty(ctx) if stored is None else _parsed(ctx, stored[0])
        now = ctx.clock.now()
        after = _of_today(ctx, edit(before), now).since(now.date() - timedelta(days=DAYS))
        document = after.to_document()
        if stored is None:
            written = documents.create(ctx.objects, _path(ctx), document)
        else:
            written = documents.swap(ctx.objects, _path(ctx), document, stored[1])
        if written:
            return after
    raise AssertionError("attempts() ends by raising")


def _of_today(ctx: DeliveryContext, status: AdvertiserStatus, now: datetime) -> AdvertiserStatus:
    """With today's settings, and a note of what a person has changed in them since the last note."""
    config = ctx.config
    at = now.isoformat(timespec="seconds")
    changes = list(status.changes)
    if status.mode and status.mode != config.mode:
        changes.append(Change(at=at, what="mode", text=f"{status.mode} -> {config.mode}"))
    elif status.settings and status.settings != ctx.settings_fingerprint:
        changes.append(Change(at=at, what="settings", text="the entry of the configuration has changed"))
    return replace(
        status,
        advertiser_id=config.advertiser_id,
        event_set_id=config.event_set_id,
        route=config.route,
        mode=config.mode,
        time_zone=config.time_zone,
        settings=ctx.settings_fingerprint,
        changes=tuple(changes),
    )


def _empty(ctx: DeliveryContext) -> AdvertiserStatus:
    return AdvertiserStatus(advertiser=ctx.config.name)


def _parsed(ctx: DeliveryContext, document: documents.Document) -> AdvertiserStatus:
    return read_as(AdvertiserStatus, document, where=ctx.uri(_path(ctx)))


def _path(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/status.json"
