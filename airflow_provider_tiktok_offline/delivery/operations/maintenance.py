"""Maintenance of one advertiser's state: its ledger, retention, compaction, vacuum, and what abandoned runs left."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_provider_tiktok_offline.delivery.state.cleanup import forget_deliveries, sweep
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import LedgerMissingError
from airflow_provider_tiktok_offline.plain_text import plain_logger

log = plain_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceResult:
    """What one round of maintenance did.

    Attributes:
        staged: deliveries whose abandoned staged parts were removed.
        notes: notes about files and runs that were removed.
        keys, records, objects: removed from the ledger, as in :class:`~..ledger.maintenance.Expired`.
        deliveries: states of deliveries that were removed.
        merged: files of the ledger's tables that were merged into others.
        removed: files of the tables that nothing needed any more.
        readings: numbers of TikTok's reports that were forgotten.
        clock_doubt: 1 if nothing was forgotten because the clock can't be relied on.
    """

    staged: int
    notes: int
    keys: int = 0
    records: int = 0
    deliveries: int = 0
    objects: int = 0
    merged: int = 0
    removed: int = 0
    readings: int = 0
    clock_doubt: int = 0

    def to_dict(self) -> dict[str, int]:
        """Plain values."""
        return asdict(self)


def make_ledger(ctx: DeliveryContext) -> None:
    """Make the ledger of the advertiser's event set, once; one that is there stays as it is.

    :raises LedgerDamagedError: if remains of a ledger are there that say something was sent.
    :raises LedgerVersionError: if the ledger was made under other identity settings.
    """
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger

    Ledger.init(
        ctx.objects,
        ctx.config.event_set_id,
        identity=ctx.config.identity_settings(),
        clock=ctx.clock,
        secret=ctx.ledger_secret,
    )


def maintain(ctx: DeliveryContext) -> MaintenanceResult:
    """Remove what is older than its retention, compact and vacuum; safe beside a delivery, and idempotent.

    A dry run needs no ledger.

    :raises LedgerMissingError: if a live advertiser's ledger was never made.
    :raises LedgerBusyError: if deliveries committed first each time; nothing is lost, and the next round does it.
    """
    from airflow_provider_tiktok_offline.ledger import maintenance
    from airflow_provider_tiktok_offline.ledger.attribution import Attribution

    readings = Attribution(ctx.objects, ctx.config.name, ctx.clock)
    months = ctx.config.ledger.record_months
    try:
        ledger = ctx.ledger
    except LedgerMissingError:
        swept = sweep(ctx)
        if ctx.live:
            raise
        return MaintenanceResult(staged=swept.staged, notes=swept.notes, readings=readings.maintain(months=months))
    gone = maintenance.expire(
        ledger,
        retention_days=ctx.config.ledger.retention_days,
        lookback_days=ctx.config.lookback_days,
        record_months=months,
    )
    if gone.clock_doubt is not None:
        log.warning(
            "%s: nothing is forgotten: %s. If the clock is right: tiktok-offline ledger expire --clock-is-right",
            ctx.config.name,
            gone.clock_doubt,
        )
    deliveries = 0 if gone.clock_doubt is not None else forget_deliveries(ctx)
    swept = sweep(ctx, clock_doubt=gone.clock_doubt)
    forgotten = 0 if gone.clock_doubt is not None else readings.maintain(months=months)
    merged = maintenance.compact(ledger)
    return MaintenanceResult(
        staged=swept.staged,
        notes=swept.notes,
        keys=gone.keys,
        records=gone.records,
        deliveries=deliveries,
        objects=gone.objects,
        merged=merged,
        removed=maintenance.vacuum(ledger),
        readings=forgotten,
        clock_doubt=int(gone.clock_doubt is not None),
    )
