"""The liveramp route's last step: one stream from the source files to LiveRamp's server or bucket, once a UTC day."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.config.models import LiveRampConfig
from airflow_provider_tiktok_offline.conversions.report.report import number_of
from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.events.feed_job import FeedJob
from airflow_provider_tiktok_offline.delivery.events.feed_recovery import (
    finish_delivered,
    finish_feed_file,
    rows_are_out,
)
from airflow_provider_tiktok_offline.delivery.events.feed_setup import feed_publisher, liveramp_config, open_feed_state
from airflow_provider_tiktok_offline.delivery.events.guards import check_guards
from airflow_provider_tiktok_offline.delivery.events.planning import ledger_or_none, ledger_verdicts, plan_again
from airflow_provider_tiktok_offline.delivery.events.validation import check_source, recreate_verdicts
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.held_back import hold_back
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, note_step, resume
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, DeliverResult, ValidateResult
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, FeedError, GuardError, InputFileError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
    from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState


def deliver(ctx: DeliveryContext, delivery_id: str) -> DeliverResult:
    """Write and deliver the day's feed file: the rows of this run's deliveries and of those that wait in the queue.

    Nothing lies at rest on the way unless ``liveramp.staged`` asks for it. Calling again after any fault ends in one
    whole file; the same content is never delivered twice.

    :returns: what became of the file, and the deliveries whose rows are in it.
    :raises FeedError: if the feed has no contract, the file has drifted from it, or LiveRamp would refuse it.
    :raises StorageError: if the destination refuses or can't be reached.
    :raises FileChangedError: if a source file's bytes are not those that were validated.
    :raises DeliveryHeldError: if another run works on the delivery or writes the day's file.
    """
    settings = liveramp_config(ctx)
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return DeliverResult(delivery_id=delivery_id, outcome="already_delivered", deliveries=(delivery_id,))
    _refuse_rejected(settings, state)
    if not ctx.live:
        return _dry_run(ctx, state)
    earlier = _earlier_file(ctx, delivery_id)
    if earlier is not None and earlier.status == "delivered":
        return finish_delivered(ctx, earlier)[delivery_id]
    return _publish(ctx, state, earlier)


def _earlier_file(ctx: DeliveryContext, delivery_id: str) -> DayRecord | None:
    """The file that the delivery went out in, or was being written for.

    A file that was left unfinished on an earlier day is settled first.
    """
    feed_state = open_feed_state(ctx)
    record = feed_state.of_delivery(delivery_id)
    if record is None or record.status != "writing" or record.day == ctx.clock.now().date().isoformat():
        return record
    return feed_publisher(ctx).settle_earlier(feed_state.take_over(record, ctx.holder))


def _publish(ctx: DeliveryContext, state: DeliveryState, earlier: DayRecord | None) -> DeliverResult:
    """Write the day's file and bring it to its destination.

    :param earlier: the day's file, if this delivery's was begun before.
    """
    from airflow_provider_tiktok_offline.liveramp.attempt import left_out

    publisher = feed_publisher(ctx)
    feed_state = open_feed_state(ctx)
    with ExitStack() as stack:
        job = FeedJob(ctx, feed_state.contract(ctx.config.name), earlier)
        members = _group(ctx, state, feed_state, earlier)
        for member in members:
            job.add(member, stack)
        ids = tuple(member.id for member in members)
        published = publisher.publish(job.file(), ids, job.progress)
        return finish_feed_file(ctx, job, published, members, left_out(job.file(), ids))[state.id]


def _refuse_rejected(settings: LiveRampConfig, state: DeliveryState) -> None:
    validated = ValidateResult.of(state)
    rejected = 0 if validated is None else validated.rows_rejected
    if rejected and settings.on_rejected == "refuse":
        verb = "is" if rejected == 1 else "are"
        raise FeedError(
            f"{number_of(rejected, 'row')} {verb} rejected, and on_rejected: refuse lets no such file through.",
            where=state.uri,
            todo="Correct the rows, or set on_rejected: leave_out.",
        )


def _group(
    ctx: DeliveryContext, state: DeliveryState, feed_state: FeedState, earlier: DayRecord | None
) -> list[DeliveryState]:
    """The deliveries that share the file: those it was begun with, else the queue's and all of this run."""
    if earlier is not None:
        begun = [resume(ctx, one) for one in earlier.deliveries]
        return [one for one in begun if one.id == state.id or _is_unchanged(ctx, one)]
    waiting = [one for one in feed_state.queued() if one != state.id]
    of_run = [one for one in deliveries_of_run(ctx) if one not in waiting]
    taken_along = []
    for name in waiting:
        try:
            other = resume(ctx, name)
        except DeliveryHeldError:
            continue
        if other.status == "closed":
            feed_state.unqueue([name])
            continue
        try:
            recreate_verdicts(ctx, other)
            check_guards(ctx, other, open_events(ctx, name))
            check_source(ctx, other)
        except (InputFileError, GuardError) as error:
            hold_back(ctx, other.uri, "deliver", error)
            continue
        taken_along.append(plan_again(ctx, other))
    others = (_ready(ctx, name) for name in of_run if name != state.id)
    ready = [resume(ctx, state.id), *(one for one in others if one is not None)]
    return [*taken_along, *sorted(ready, key=lambda one: (one.opened_at, one.id))]


def _is_unchanged(ctx: DeliveryContext, state: DeliveryState) -> bool:
    """Whether the delivery's file is the one that was validated. If not, its own turn says so."""
    try:
        check_source(ctx, state)
    except InputFileError:
        return False
    return True


def _ready(ctx: DeliveryContext, delivery_id: str) -> DeliveryState | None:
    """A delivery of this run, if it has a plan, its rows have not gone out, and nothing is wrong with its file."""
    try:
        state = resume(ctx, delivery_id)
        if state.status != "open" or DedupeResult.of(state) is None or rows_are_out(state):
            return None
        _refuse_rejected(liveramp_config(ctx), state)
    except (DeliveryHeldError, FeedError):
        # It has its own turn, which says what is wrong.
        return None
    return state if _is_unchanged(ctx, state) else None


def _dry_run(ctx: DeliveryContext, state: DeliveryState) -> DeliverResult:
    """Run through the file without delivering it: what is wrong with it shows, and nothing is written anywhere."""
    from airflow_provider_tiktok_offline.ledger.event_states import UNTRIED_VERDICTS
    from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
    from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource
    from airflow_provider_tiktok_offline.storage.files import open_files

    feed_publisher(ctx)
    feed = open_feed_state(ctx).contract(ctx.config.name)
    ledger = ledger_or_none(ctx)
    events = open_events(ctx, state.id)
    oldest = ctx.oldest_event_time(ctx.clock.now())
    lines = LineSet()
    for index, _ in enumerate(events.parts):
        frame = events.read(index)
        is_new = ledger_verdicts(ctx, ledger, frame).is_in(UNTRIED_VERDICTS)
        lines.add(frame.filter(is_new & (frame["event_time"] >= oldest))["line"])
    with open_files(state.uri, ctx.connections) as files:
        source = StoredFile(state.uri, state.size, files)
        file = FeedFile(
            feed,
            [
                FeedSource(
                    source=source,
                    settings=ctx.config.conversion_settings(),
                    lines=lines,
                    sha256=state.digest,
                    item_orders=liveramp_config(ctx).order_id == "item",
                )
            ],
        )
        file.measure()
    result = DeliverResult(
        delivery_id=state.id, outcome="would_deliver", rows=file.rows, sha256=file.sha256, deliveries=(state.id,)
    )
    note_step(ctx, state, result)
    return result
