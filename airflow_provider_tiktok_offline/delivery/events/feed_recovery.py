"""Finishing feed files: receipts and results of a delivered one, and recovery of those whose run has died."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.feed_job import FeedJob
from airflow_provider_tiktok_offline.delivery.events.feed_setup import feed_publisher, open_feed_state
from airflow_provider_tiktok_offline.delivery.events.planning import plan_again
from airflow_provider_tiktok_offline.delivery.events.validation import recreate_verdicts
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery, note_step, resume
from airflow_provider_tiktok_offline.delivery.state.step_results import DeliverResult

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
    from airflow_provider_tiktok_offline.liveramp.publish import Published

#: Days back in which a writer that died is looked for.
_DAYS_LOOKED_AT = 7


def recover_feed_files(ctx: DeliveryContext) -> None:
    """Finish or remove feed files whose writer has died, before their rows are planned again.

    A file that lies at its destination whole counts as delivered, with its rows; what is there of any other is removed.
    """
    feed_state = open_feed_state(ctx)
    for record in feed_state.days(_DAYS_LOOKED_AT):
        if record.status == "delivered":
            if _unfinished(ctx, record):
                finish_delivered(ctx, record)
        elif record.status == "writing" and record.holder != ctx.holder and not feed_state.writer_is_alive(record):
            delivered = feed_publisher(ctx).settle_earlier(feed_state.take_over(record, ctx.holder))
            if delivered is not None:
                finish_delivered(ctx, delivered)


def finish_delivered(ctx: DeliveryContext, record: DayRecord) -> dict[str, DeliverResult]:
    """Finish a feed file that lies at its destination: receipts and results of its deliveries, where they are missing.

    :returns: what became of each delivery.
    """
    from airflow_provider_tiktok_offline.liveramp.publish import Published

    feed_state = open_feed_state(ctx)
    feed_state.index(record)
    members = [resume(ctx, one) for one in record.deliveries]
    with ExitStack() as stack:
        job = FeedJob(ctx, feed_state.contract(ctx.config.name), record)
        for member in members:
            if member.status != "closed" and not rows_are_out(member):
                recreate_verdicts(ctx, member)
                job.add(plan_again(ctx, member), stack)
        return finish_feed_file(ctx, job, Published("already_delivered", record), members, record.left_out)


def finish_feed_file(
    ctx: DeliveryContext,
    job: FeedJob,
    published: Published,
    members: list[DeliveryState],
    omitted: Mapping[str, list[int]],
) -> dict[str, DeliverResult]:
    """Write the receipts of a feed file that went out, and keep with each delivery what became of it.

    If the file did not go out, its deliveries wait for the next one. Idempotent.

    :param members: the deliveries of the file.
    :param omitted: delivery id -> lines that could not be written.
    :returns: what became of each delivery.
    """
    feed_state = open_feed_state(ctx)
    results = _results(published, tuple(member.id for member in members))
    open_members = [member for member in members if member.status != "closed"]
    if published.outcome in ("queued", "carried_over"):
        for member in members:
            feed_state.queue(
                member.id, "another file went out today" if published.outcome == "queued" else "too few rows"
            )
    else:
        for member in open_members:
            note_delivery(ctx, member.id)
        job.write_receipts(published.record, omitted)
        feed_state.unqueue(list(results))
    for member in open_members:
        note_step(ctx, member, results[member.id])
    if published.record is not None and published.outcome in ("delivered", "already_delivered"):
        feed_state.forget_suppressed(published.record)
    return results


def rows_are_out(state: DeliveryState) -> bool:
    """Whether the delivery's rows have gone out and the ledger knows it."""
    delivered = DeliverResult.of(state)
    return delivered is not None and delivered.done


def _unfinished(ctx: DeliveryContext, record: DayRecord) -> bool:
    """Whether the run of a delivered file died before the ledger knew its rows; False while a run is alive."""
    found = [state for state in map(ctx.deliveries.find, record.deliveries) if state is not None]
    if any(ctx.deliveries.alive(state) for state in found):
        return False
    return any(state.status in ("open", "failed") and not rows_are_out(state) for state in found)


def _results(published: Published, deliveries: tuple[str, ...]) -> dict[str, DeliverResult]:
    """What became of each delivery of a feed file."""
    record = published.record
    results = {
        one: DeliverResult(delivery_id=one, outcome=published.outcome, deliveries=deliveries) for one in deliveries
    }
    if record is None or published.outcome == "queued":
        return results
    return {
        one: replace(
            result,
            rows=record.rows,
            bytes=record.bytes,
            file_name=record.file_name,
            uri=record.uri,
            sha256=record.stored_sha256 or record.sha256,
            day=record.day,
        )
        for one, result in results.items()
    }
