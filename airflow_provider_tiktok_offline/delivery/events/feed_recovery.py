"""Finishing feed files: receipts and results of a delivered one, and recovery of those whose run has died."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.delivery.events.feed_job import FeedJob
from airflow_provider_tiktok_offline.delivery.events.feed_setup import feed_publisher, open_feed_state
from airflow_provider_tiktok_offline.delivery.events.planning import plan_again
from airflow_provider_tiktok_offline.delivery.events.validation import recreate_verdicts
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery, note_step, resume

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.liveramp.feed_state import DayRecord
    from airflow_provider_tiktok_offline.liveramp.publish import Published

#: Days back in which a writer that died is looked for.
_DAYS_LOOKED_AT = 7
#: Outcomes after which a delivery waits for the next feed file.
WAITING = ("queued", "carried_over")
#: Outcomes after which nothing is left to deliver.
DONE = ("delivered", "already_delivered", "nothing_new")
#: What is said of a delivery without a feed file.
NO_FILE: dict[str, Any] = {
    "outcome": "nothing_new", "rows": 0, "bytes": None, "file_name": None, "uri": None, "sha256": None, "day": None,
}  # fmt: skip


def recover_feed_files(ctx: DeliveryContext) -> None:
    """Finish or remove feed files whose writer has died, before their rows are planned again.

    A file that lies at its destination whole counts as delivered, with its rows; what is there of any other is removed.
    """
    feed_state = open_feed_state(ctx)
    for record in feed_state.days(_DAYS_LOOKED_AT):
        if record.status == "delivered":
            if _unfinished(ctx, record):
                finish_delivered(ctx, record)
        elif record.status == "writing" and record.holder != ctx.holder and record.lease_until <= ctx.clock.now():
            delivered = feed_publisher(ctx).settle_earlier(feed_state.take_over(record, ctx.holder))
            if delivered is not None:
                finish_delivered(ctx, delivered)


def finish_delivered(ctx: DeliveryContext, record: DayRecord) -> dict[str, Any]:
    """Finish a feed file that lies at its destination: receipts and results of its deliveries, where they are missing.

    :returns: what is said of the file.
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
) -> dict[str, Any]:
    """Write the receipts of a feed file that went out, and keep with each delivery what became of it.

    If the file did not go out, its deliveries wait for the next one. Idempotent.

    :param members: the deliveries of the file.
    :param omitted: delivery id -> lines that could not be written.
    :returns: what is said of the file.
    """
    feed_state = open_feed_state(ctx)
    said = {**_facts(published), "deliveries": [member.id for member in members]}
    open_members = [member for member in members if member.status != "closed"]
    if published.outcome in WAITING:
        for member in members:
            feed_state.queue(
                member.id, "another file went out today" if published.outcome == "queued" else "too few rows"
            )
    else:
        for member in open_members:
            note_delivery(ctx, member.id)
        job.note(published.record, omitted)
        feed_state.unqueue(said["deliveries"])
    for member in open_members:
        note_step(ctx, member, "deliver", {"delivery_id": member.id, **said})
    return said


def rows_are_out(state: DeliveryState) -> bool:
    """Whether the delivery's rows have gone out and the ledger knows it."""
    return state.steps.get("deliver", {}).get("outcome") in DONE


def _unfinished(ctx: DeliveryContext, record: DayRecord) -> bool:
    """Whether the run of a delivered file died before the ledger knew its rows; False while a run is alive."""
    from airflow_provider_tiktok_offline.ledger.deliveries import alive

    found = [state for state in map(ctx.deliveries.find, record.deliveries) if state is not None]
    if any(alive(state, ctx.clock.now()) for state in found):
        return False
    return any(state.status in ("open", "failed") and not rows_are_out(state) for state in found)


def _facts(published: Published) -> dict[str, Any]:
    """What is said of a published file, as JSON carries it."""
    record = published.record
    facts = {**NO_FILE, "outcome": published.outcome}
    if record is None or published.outcome in WAITING:
        return facts
    return facts | {
        "rows": record.rows,
        "bytes": record.bytes,
        "file_name": record.file_name,
        "uri": record.uri,
        "sha256": record.stored_sha256 or record.sha256,
        "day": record.day,
    }
