"""The summary of a delivery: its rows by class, its events by outcome, and what is still open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_tiktok_offline.delivery.state.step_results import ReturnsResult, StepResult, Values, read_as
from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """A file's rows.

    Attributes:
        rows_total: data rows; the sum of the four classes.
        rows_valid, rows_rejected, rows_duplicate, rows_excluded: rows by class.
        excluded: excluded rows by reason.
        values: class -> currency -> sum.
    """

    rows_total: int = 0
    rows_valid: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_excluded: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    values: Values = field(default_factory=dict)

    @property
    def classified(self) -> int:
        """Rows that have a class."""
        return self.rows_valid + self.rows_rejected + self.rows_duplicate + self.rows_excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySummary(StepResult):
    """What became of a delivery.

    Attributes:
        delivery_id: the delivery.
        advertiser, event_set_id, route, mode: whose it is, and how it went.
        file, digest, as_of: the file, and the moment against which its ages were judged.
        rows: the file's rows; all 0 while the file has not been validated.
        events_total: events that the file gave; None while that is not known.
        events: events by outcome.
        values: outcome -> currency -> sum, as far as it is known.
        report_uri: the report as a page.
        drift: what the file has less of than usual, in words.
        already_closed: the delivery was closed before.
        run: who closed it, or tried to last: ``dag_id/run_id``, or ``cli/host/user``; empty in older summaries.
        waiting: why its rows wait for the next feed file, or until when its events wait for returns; empty if they do
            not.
        returns: what the returns did that came in while its events waited; None without ``send_after_days``.
        open: what keeps it from being closed; empty if nothing.
    """

    STEP: ClassVar[str] = "summary"

    delivery_id: str
    advertiser: str = ""
    event_set_id: str = ""
    route: str = ""
    mode: str | None = None
    file: str = ""
    digest: str = ""
    as_of: str = ""
    rows: RowCounts = field(default_factory=RowCounts)
    events_total: int | None = None
    events: Mapping[str, int] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    report_uri: str = ""
    drift: tuple[str, ...] = ()
    already_closed: bool = False
    run: str = ""
    waiting: str = ""
    returns: ReturnsResult | None = None
    open: str = ""


def write_summary(ctx: DeliveryContext, summary: DeliverySummary) -> None:
    """Keep the summary beside the delivery's report."""
    content = json.dumps(summary.to_dict(), indent=2).encode()
    ctx.objects.put(_path(ctx, summary.delivery_id), content)


def read_summary(ctx: DeliveryContext, delivery_id: str) -> DeliverySummary | None:
    """The summary that is kept of a delivery; None if there is none.

    :raises LedgerDamagedError: if it can't be read.
    """
    path = _path(ctx, delivery_id)
    stored = ctx.objects.get(path)
    if stored is None:
        return None
    return read_as(DeliverySummary, documents.decode(stored[0], path), where=path)


def mode_of(ctx: DeliveryContext, state: DeliveryState) -> str:
    """In which mode a delivery was handled: ``live``, ``dry_run``, ``test``, or ``adopted`` without a run.

    ``not live`` is a dry run or a test that has not ended.
    """
    if state.counts:
        return "adopted" if "adopt" in state.steps else "live"
    kept = read_summary(ctx, state.id)
    return kept.mode or "not live" if kept is not None else "not live"


def closed_summary(ctx: DeliveryContext, state: DeliveryState) -> DeliverySummary:
    """The summary of a delivery that is closed; of an adopted file, which had no run, what its state says."""
    kept = read_summary(ctx, state.id)
    if kept is not None:
        return replace(kept, already_closed=True)
    return DeliverySummary(
        delivery_id=state.id,
        advertiser=state.advertiser,
        event_set_id=ctx.config.event_set_id,
        route=state.route,
        file=state.uri,
        digest=state.digest,
        as_of=state.as_of.isoformat(),
        already_closed=True,
    )


def _path(ctx: DeliveryContext, delivery_id: str) -> str:
    return f"{ctx.folder(delivery_id)}/summary.json"
