"""Removing what no delivery needs any more: abandoned staged parts, and notes about files and runs of long ago."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from airflow_provider_tiktok_offline.clock import MONTH
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts, delete_folder
from airflow_provider_tiktok_offline.delivery.state.step_results import WaitResult
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import passes
from airflow_provider_tiktok_offline.delivery.state.waiting import kept_deliveries, kept_until
from airflow_provider_tiktok_offline.ledger.clock_check import difference
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents

log = plain_logger(__name__)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep removed.

    Attributes:
        staged: deliveries whose staged parts were removed.
        notes: notes about files and runs.
    """

    staged: int
    notes: int


def sweep(ctx: DeliveryContext, *, clock_doubt: str | None = None) -> Swept:
    """Remove the advertiser's abandoned staged parts and old notes.

    :param clock_doubt: why the clock can't be relied on; then nothing is removed for its age.
    """
    notes = 0 if clock_doubt else _sweep_notes(ctx)
    return Swept(staged=sweep_staging(ctx, clock_doubt=clock_doubt), notes=notes)


def sweep_staging(ctx: DeliveryContext, *, clock_doubt: str | None = None) -> int:
    """Remove staged parts of deliveries that are closed, or untouched for ``ledger.staging_hours``.

    A delivery that waits for returns is left alone until so long after it was due.

    Parts hold digests of customers' e-mails and phones. They are removed when their delivery closes; those of an
    abandoned run are removed here, and the file is read again if they are needed. Called before each
    file is staged, so it needs no maintenance task.

    :param clock_doubt: as for :func:`sweep`. Where this machine's clock and the store's differ, it is in doubt, too.
    :returns: of how many deliveries.
    """
    age = _Age(ctx, clock_doubt)
    folders = sorted({path.partition("/")[0] for path in ctx.staging.list("")})
    swept = 0
    for delivery_id in folders:
        state = ctx.deliveries.find(delivery_id)
        # Staging may be shared: other advertisers' folders are left alone.
        if state is None or state.advertiser != ctx.config.name:
            continue
        if state.status == "closed" and WaitResult.of(state) is not None and delivery_id in kept_deliveries(ctx):
            continue  # its returns, until no older delivery waits for them
        if state.status == "closed" or age.is_past(kept_until(ctx, state)):
            swept += StagedParts(ctx.staging, delivery_id).clear()
    for folder, note in passes(ctx, folders):
        state = None if note.delivery is None else ctx.deliveries.find(note.delivery)
        until = note.at + timedelta(hours=ctx.config.ledger.staging_hours) if state is None else kept_until(ctx, state)
        if (state and state.status == "closed") or age.is_past(until):
            delete_folder(ctx.staging, folder)
    return swept


class _Age:
    """Whether a moment is past, for what is removed then. While the clock is in doubt no moment is."""

    def __init__(self, ctx: DeliveryContext, doubt: str | None) -> None:
        self._ctx = ctx
        self._doubt = doubt
        self._asked = doubt is not None

    def is_past(self, until: datetime) -> bool:
        if until >= self._ctx.clock.now():
            return False
        if not self._asked:
            # The store is asked only where something would go.
            self._asked = True
            self._doubt = difference(self._ctx.objects, self._ctx.clock)
            if self._doubt is not None:
                log.warning("%s: staged parts are kept: %s.", self._ctx.config.name, self._doubt)
        return self._doubt is None


@dataclass(frozen=True, slots=True)
class _Noted:
    """What a note of a file says of its time: one of the two."""

    as_of: documents.Moment | None = None
    at: documents.Moment | None = None


def forget_deliveries(ctx: DeliveryContext) -> int:
    """Remove the states of the advertiser's deliveries that are older than ``ledger.record_months``; how many.

    To be called where the clock can be relied on: a state says that its file was delivered.
    """
    limit = _record_limit(ctx)
    states = [ctx.deliveries.find(one) for one in ctx.deliveries.opened_before(ctx.config.name, limit)]
    old = [one for one in states if one is not None and one.updated_at < limit and not ctx.deliveries.alive(one)]
    for state in old:
        ctx.deliveries.forget(state)
    return len(old)


def _record_limit(ctx: DeliveryContext) -> datetime:
    return ctx.clock.now() - ctx.config.ledger.record_months * MONTH


def _sweep_notes(ctx: DeliveryContext) -> int:
    home = f"advertisers/{ctx.config.name}"
    oldest = ctx.clock.now() - timedelta(days=ctx.config.ledger.retention_days)
    swept = 0
    for path in [*_written_before(ctx, f"{home}/intake", oldest), *_written_before(ctx, f"{home}/held_back", oldest)]:
        noted = documents.read_typed(ctx.objects, path, _Noted)
        moment = None if noted is None else noted.as_of or noted.at
        if moment is not None and moment < oldest:
            ctx.objects.delete(path)
            swept += 1
    for path in [*_written_before(ctx, f"{home}/days", oldest), *_written_before(ctx, f"{home}/notified", oldest)]:
        day = _DAY.search(path) or _written_day(ctx, path)
        if day is not None and date.fromisoformat(day[0]) < oldest.date():
            ctx.objects.delete(path)
            swept += 1
    for path in _written_before(ctx, f"{home}/runs", _record_limit(ctx)):
        if ctx.deliveries.find(path.rpartition("/")[2]) is None:
            ctx.objects.delete(path)
            swept += 1
    return swept


def _written_before(ctx: DeliveryContext, folder: str, moment: datetime) -> list[str]:
    """The notes that may be old enough to go; the others are not looked into, however many there are."""
    return sorted(path for path, at in ctx.objects.written(folder).items() if at < moment)


def _written_day(ctx: DeliveryContext, path: str) -> re.Match[str] | None:
    """The day that a note holds, where its path has none."""
    stored = ctx.objects.get(path)
    return None if stored is None else _DAY.fullmatch(stored[0].decode("ascii", "replace"))
