"""Whether the clock can be relied on when a ledger is about to forget something.

A clock that is months ahead makes everything old. So nothing is forgotten while the clock disagrees with the store's or
with what the ledger holds, nor after a jump that could make it forget what may still come again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.lease_clock import store_time
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: By so much a machine's clock may differ from the store's.
_STORE_TOLERANCE = timedelta(hours=1)
#: Days are those of UTC; a record of tomorrow may come from a clock that is a little ahead.
_RECORD_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The time at the last maintenance that trusted its clock, as stored."""

    at: datetime


def doubt(place: LedgerPlace, newest: date | None, longest_pause: timedelta) -> str | None:
    """Why the clock can't be relied on; None if it can.

    :param newest: the day of the newest row in the ledger's tables.
    :param longest_pause: since the last maintenance; what became old in a longer one may be a jump of the clock.
    """
    now = place.clock.now()
    differs = difference(place.objects, place.clock)
    if differs is not None:
        return differs
    if newest is not None and newest > (now + _RECORD_TOLERANCE).date():
        return f"the ledger holds records of {newest}, which has not come yet by this machine's clock"
    seen = documents.read_typed(place.objects, _path(place), _Seen)
    last = seen.at if seen is not None else None
    if last is None and newest is not None:
        last = datetime(newest.year, newest.month, newest.day, tzinfo=now.tzinfo) + timedelta(days=1)
    if last is not None and now < last - _RECORD_TOLERANCE:
        return f"this machine's clock is {_in_words(last - now)} behind the last maintenance"
    if last is not None and now - last > longest_pause:
        return f"this machine's clock is {_in_words(now - last)} ahead of the last maintenance"
    return None


def difference(objects: ObjectStore, clock: Clock) -> str | None:
    """By how much this machine's clock and the store's differ, in words; None if they agree, or the store has none."""
    written = store_time(objects)
    apart = timedelta(0) if written is None else abs(written - clock.now())
    return f"this machine's clock and the store's differ by {_in_words(apart)}" if apart > _STORE_TOLERANCE else None


def trust(place: LedgerPlace) -> None:
    """Note that the clock was right now."""
    place.objects.put(_path(place), documents.encode({"at": place.clock.now().isoformat()}))


def _path(place: LedgerPlace) -> str:
    return f"{place.root}/clock.json"


def _in_words(span: timedelta) -> str:
    return f"{span.days} days" if span.days else f"{span.total_seconds() / 3600:.1f} hours"
