"""Keeping the ledger small: forget what is too old to matter, merge small files, remove unused ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from airflow_provider_tiktok_offline.clock import MONTH
from airflow_provider_tiktok_offline.ledger import audit, clock_check
from airflow_provider_tiktok_offline.ledger.ledger import Ledger

#: A transaction can be delivered again for its lookback; two days more cover time zones and a late run.
SAFETY_DAYS = 2
#: Files that no version of the last hours needs are removed; a reader may take that long.
_VACUUM_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What :func:`expire` removed.

    Attributes:
        keys, records: rows of the two tables.
        objects: plans, receipts and lists of claims.
        clock_doubt: why nothing was removed: the clock can't be relied on. None if it can.
    """

    keys: int
    records: int
    objects: int
    clock_doubt: str | None = None


def expire(
    ledger: Ledger,
    *,
    retention_days: int = 90,
    lookback_days: int | None = 28,
    record_months: int = 25,
    clock_trusted_by: str | None = None,
) -> Expired:
    """Forget keys older than the retention, in real time, and everything else when its own time is over.

    The retention is never less than ``lookback_days`` + 2. If all keys are that old, they stay: an idle event set needs
    no storage, and a clock that is wrong must not empty the ledger. Nothing is removed while the clock can't be
    relied on.

    :param lookback_days: None keeps keys for the retention alone.
    :param record_months: how long delivery records are kept.
    :param clock_trusted_by: who has looked at the clock and says that it is right; the audit log keeps it.
    """
    now = ledger.clock.now()
    days = max(retention_days, (lookback_days or 0) + SAFETY_DAYS)
    oldest = (now - timedelta(days=days)).date()
    files = ledger.table.snapshot().files
    # A longer pause could make a key old whose transaction may still come again.
    spare = timedelta(days=days - (lookback_days or 0))
    doubt = clock_check.doubt(ledger.place, _newest(ledger), spare)
    if clock_trusted_by is not None:
        audit.note(
            ledger.place, "trust-clock", reason=f"looked at: {doubt or 'no doubt'}", actor=clock_trusted_by,
            details={"oldest_kept_day": oldest.isoformat()},
        )  # fmt: skip
    elif doubt is not None:
        return Expired(keys=0, records=0, objects=0, clock_doubt=doubt)
    clock_check.trust(ledger.place)
    keys = ledger.table.delete_before(oldest) if any(file.day >= oldest.isoformat() for file in files) else 0
    records = ledger.records.table.delete_before((now - record_months * MONTH).date())
    claimed = ledger.close_dead_claims().claims
    objects = 0
    limit = now - timedelta(days=days)
    for delivery_id in ledger.known_deliveries(before=limit):
        state = ledger.deliveries.find(delivery_id)
        if delivery_id in claimed or (state is not None and ledger.deliveries.alive(state)):
            continue
        if state is None or state.updated_at < limit:
            for kind in ("plans", "receipts", "claims"):
                objects += ledger.objects.delete_all(f"{ledger.root}/{kind}/{delivery_id}")
    return Expired(keys=keys, records=records, objects=objects)


def _newest(ledger: Ledger) -> date | None:
    """The newest day of any row."""
    files = [*ledger.table.snapshot().files, *ledger.records.table.snapshot().files]
    return max((date.fromisoformat(file.day) for file in files), default=None)


def compact(ledger: Ledger) -> int:
    """Merge small files of both tables and shorten their logs; how many files went.

    Files of an earlier package are written anew first, so that dedupe reads less of them.
    """
    merged = 0
    ledger.table.add_heads()
    for table in (ledger.table, ledger.records.table):
        merged += table.compact()
        table.trim_log()
    return merged


def vacuum(ledger: Ledger, *, retention_hours: int = _VACUUM_HOURS) -> int:
    """Remove files that no version of the last hours needs; how many."""
    return sum(table.vacuum(retention_hours) for table in (ledger.table, ledger.records.table))
