"""The liveramp route's last step: one stream from the source files to LiveRamp's server or bucket, once a UTC day."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.config.models import LiveRampConfig
from airflow_provider_tiktok_offline.delivery.events.feed_job import FeedJob
from airflow_provider_tiktok_offline.delivery.events.feed_verdicts import open_events, staged_verdicts
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, note_delivery, note_step, resume
from airflow_provider_tiktok_offline.delivery.steps.upload import oldest_event_time
from airflow_provider_tiktok_offline.errors import ConfigError, DeliveryHeldError, FeedError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.liveramp.feed import Feed
    from airflow_provider_tiktok_offline.liveramp.feed_state import DayRecord, FeedState
    from airflow_provider_tiktok_offline.liveramp.publish import Destination, Published

#: Days back in which a writer that died is looked for.
_DAYS_LOOKED_AT = 7
#: Outcomes after which a delivery waits for the next feed file.
WAITING = ("queued", "carried_over")
#: Outcomes after which nothing is left to deliver.
DONE = ("delivered", "already_delivered", "nothing_new")


def deliver(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    """Write and deliver the day's feed file: the rows of this run's deliveries and of those that wait in the queue.

    Nothing lies at rest on the way unless ``liveramp.staged`` asks for it. Calling again after any fault ends in one
    whole file; the same content is never delivered twice.

    :returns: ``delivery_id``, ``outcome`` (``delivered``, ``already_delivered``, ``nothing_new``, ``queued``,
        ``carried_over`` or ``would_deliver``), ``rows``, ``bytes``, ``file_name``, ``uri``, ``sha256``, ``day`` and
        ``deliveries``: all whose rows are in the file.
    :raises FeedError: if the feed has no contract, the file has drifted from it, or LiveRamp would refuse it.
    :raises StorageError: if the destination refuses or can't be reached.
    :raises FileChangedError: if a source file's bytes are not those that were validated.
    :raises DeliveryHeldError: if another run works on the delivery or writes the day's file.
    """
    from airflow_provider_tiktok_offline.liveramp.publish import FeedPublisher, Published, left_out

    settings = liveramp_config(ctx)
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return {"delivery_id": delivery_id, **_NOTHING, "outcome": "already_delivered", "deliveries": [delivery_id]}
    feed_state = open_feed_state(ctx)
    feed = feed_state.contract(ctx.config.name)
    publisher = FeedPublisher(destination_of(ctx, feed), feed_state, ctx.connections, ctx.clock, ctx.holder)
    _refuse_rejected(settings, state)
    if not ctx.live:
        return _dry_run(ctx, state, feed)
    earlier = feed_state.of_delivery(delivery_id)
    if earlier is not None and earlier.status == "writing" and earlier.day != ctx.clock.now().date().isoformat():
        earlier = publisher.settle_earlier(feed_state.take_over(earlier, ctx.holder))
    with ExitStack() as stack:
        job = FeedJob(ctx, feed, earlier)
        if earlier is not None and earlier.status == "delivered":
            # Delivered before; what may be missing is only that it was noted.
            feed_state.index(earlier)
            done = Published("already_delivered", earlier)
            members = [resume(ctx, one) for one in earlier.deliveries]
            for one in members:
                if one.status != "closed" and not _noted(one):
                    _plan_again(ctx, one)
                    job.add(one, stack)
            omitted = earlier.left_out
        else:
            members = _group(ctx, state, feed_state, earlier)
            for one in members:
                job.add(one, stack)
            ids = tuple(one.id for one in members)
            done = publisher.publish(job.file(), ids, job.progress)
            omitted = left_out(job.file(), ids)
        result = {"delivery_id": delivery_id, **_facts(done), "deliveries": [one.id for one in members]}
        for one in members:
            if done.outcome in WAITING:
                feed_state.queue(one.id, "another file went out today" if done.outcome == "queued" else "too few rows")
            elif one.status != "closed":
                note_delivery(ctx, one.id)
        if done.outcome not in WAITING:
            job.note(done.record, omitted)
            feed_state.unqueue(result["deliveries"])
    for one in members:
        if one.status != "closed":
            note_step(ctx, resume(ctx, one.id), "deliver", {**result, "delivery_id": one.id})
    return result


_NOTHING: dict[str, Any] = {
    "outcome": "nothing_new", "rows": 0, "bytes": None, "file_name": None, "uri": None, "sha256": None, "day": None,
}  # fmt: skip


def liveramp_config(ctx: DeliveryContext) -> LiveRampConfig:
    """The advertiser's liveramp section.

    :raises ConfigError: if its route is another one, or settings do not fit the route.
    """
    config = ctx.config
    if config.route != "liveramp" or config.liveramp is None:
        raise ConfigError("this advertiser's route is not liveramp.", where=config.name)
    if config.basket != "row":
        raise ConfigError("basket: order is for the tiktok route; a feed file has a row an item.", where=config.name)
    return config.liveramp


def open_feed_state(ctx: DeliveryContext) -> FeedState:
    """The state of the advertiser's feed."""
    from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState

    return FeedState(ctx.objects, feed_name(ctx), ctx.clock, lease_seconds=ctx.config.ledger.lease_seconds)


def feed_name(ctx: DeliveryContext) -> str:
    """The feed's name: as configured, else the advertiser's."""
    settings = ctx.config.liveramp
    return (settings.feed if settings is not None else None) or ctx.config.name


def destination_of(ctx: DeliveryContext, feed: Feed) -> Destination:
    """Where the feed file goes, with the key it is encrypted to.

    :raises ConfigError: if the key can't be used now.
    """
    from airflow_provider_tiktok_offline.liveramp.encryption import load_recipient
    from airflow_provider_tiktok_offline.liveramp.publish import Destination
    from airflow_provider_tiktok_offline.storage.files import open_files

    settings = liveramp_config(ctx)
    uri = settings.destination
    if "://" not in uri and settings.conn_id is not None:
        uri = f"sftp://{settings.conn_id}@/{uri.lstrip('/')}"
    recipient = None
    if settings.pgp_key is not None:
        if settings.pgp_key.lstrip().startswith("-----BEGIN"):
            key, where = settings.pgp_key.encode(), f"{ctx.config.name}, liveramp.pgp_key"
        else:
            where = settings.pgp_key
            with open_files(where, ctx.connections) as files, files.open_read(where) as stream:
                key = stream.read()
        recipient = load_recipient(key, fingerprint=settings.pgp_fingerprint, now=ctx.clock.now(), where=where)
    return Destination(
        folder_uri=uri,
        template=settings.file_name,
        feed=feed.name,
        delimiter=feed.delimiter,
        gzip=settings.gzip,
        recipient=recipient,
        staged=settings.staged,
        temporary_name=settings.temporary_name,
        below_minimum=settings.below_minimum,
    )


def settle_unfinished(ctx: DeliveryContext) -> None:
    """Look at feed files whose writer has died, before their rows are planned again.

    A file that lies at its destination whole counts as delivered, with its rows; what is there of any other is removed.
    """
    from airflow_provider_tiktok_offline.liveramp.publish import FeedPublisher

    feed_state = open_feed_state(ctx)
    for record in feed_state.days(_DAYS_LOOKED_AT):
        if record.status == "delivered":
            unnoted = _left_unnoted(ctx, record)
            if unnoted is not None:
                deliver(ctx, unnoted)
        elif record.status == "writing" and record.holder != ctx.holder and record.lease_until <= ctx.clock.now():
            destination = destination_of(ctx, feed_state.contract(ctx.config.name))
            publisher = FeedPublisher(destination, feed_state, ctx.connections, ctx.clock, ctx.holder)
            if publisher.settle_earlier(feed_state.take_over(record, ctx.holder)) is not None:
                deliver(ctx, record.deliveries[0])


def _left_unnoted(ctx: DeliveryContext, record: DayRecord) -> str | None:
    """A delivery of a delivered file whose run died before the ledger knew its rows; None while a run is alive."""
    from airflow_provider_tiktok_offline.ledger.deliveries import alive

    found = [state for state in map(ctx.deliveries.find, record.deliveries) if state is not None]
    if any(alive(state, ctx.clock.now()) for state in found):
        return None
    return next((state.id for state in found if state.status in ("open", "failed") and not _noted(state)), None)


def _refuse_rejected(settings: LiveRampConfig, state: DeliveryState) -> None:
    rejected = state.steps.get("validate", {}).get("rows_rejected", 0)
    if rejected and settings.on_rejected == "refuse":
        raise FeedError(
            f"{rejected} rows are rejected, and on_rejected: refuse lets no such file through.",
            where=state.uri,
            todo="Correct the rows, or set on_rejected: leave_out.",
        )


def _group(
    ctx: DeliveryContext, state: DeliveryState, feed_state: FeedState, earlier: DayRecord | None
) -> list[DeliveryState]:
    """The deliveries that share the file: those it was begun with, else the queue's and all of this run."""
    if earlier is not None:
        return [resume(ctx, one) for one in earlier.deliveries]
    waiting = [one for one in feed_state.queued() if one != state.id]
    of_run = [one for one in deliveries_of_run(ctx) if one not in waiting]
    found = []
    for name in waiting:
        try:
            other = resume(ctx, name)
        except DeliveryHeldError:
            continue
        if other.status == "closed":
            feed_state.unqueue([name])
            continue
        _plan_again(ctx, other)
        found.append(resume(ctx, name))
    mine = [resume(ctx, name) for name in of_run]
    ready = [one for one in mine if one.id == state.id or _ready(one)]
    return [*found, *sorted(ready, key=lambda one: (one.opened_at, one.id))]


def _ready(state: DeliveryState) -> bool:
    """Whether a delivery has a plan and its rows have not gone out."""
    return state.status == "open" and "dedupe" in state.steps and not _noted(state)


def _noted(state: DeliveryState) -> bool:
    """Whether the delivery's rows have gone out and the ledger knows it."""
    return state.steps.get("deliver", {}).get("outcome") in DONE


def _plan_again(ctx: DeliveryContext, state: DeliveryState) -> None:
    """Give a delivery back what it may have lost while nobody worked on it: its staged verdicts, and its claims."""
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.validate import validate
    from airflow_provider_tiktok_offline.storage.files import open_files

    if not staged_verdicts(ctx, state.id):
        with open_files(state.uri, ctx.connections) as files:
            stamp = files.stat(state.uri)
        validate(ctx, stamp.to_dict())
    dedupe(ctx, state.id)


def _facts(done: Published) -> dict[str, Any]:
    """What is told of a published file, as JSON carries it."""
    record = done.record
    facts = {**_NOTHING, "outcome": done.outcome}
    if record is None or done.outcome in WAITING:
        return facts
    return facts | {
        "rows": record.rows,
        "bytes": record.bytes,
        "file_name": record.file_name,
        "uri": record.uri,
        "sha256": record.stored_sha256 or record.sha256,
        "day": record.day,
    }


def _dry_run(ctx: DeliveryContext, state: DeliveryState, feed: Feed) -> dict[str, Any]:
    """Run through the file without delivering it: what is wrong with it shows, and nothing is written anywhere."""
    import polars as pl

    from airflow_provider_tiktok_offline.errors import LedgerMissingError
    from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
    from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource
    from airflow_provider_tiktok_offline.storage.files import open_files

    try:
        ledger = ctx.ledger
    except LedgerMissingError:
        ledger = None
    events = open_events(ctx, state.id)
    lines = LineSet()
    for index, _ in enumerate(events.parts):
        frame = events.read(index)
        if ledger is not None:
            keyed = frame.select(ledger.keys(frame["event_id"]).alias("event_key"), "content", "event_time")
            verdict = ledger.look(keyed, now=ctx.clock.now(), lookback=ctx.lookback)
            frame = frame.filter(verdict.is_in(["new", "own"]))
        lines.add(frame.filter(pl.col("event_time") >= oldest_event_time(ctx, ctx.clock.now()))["line"])
    with open_files(state.uri, ctx.connections) as files:
        source = StoredFile(state.uri, state.size, files)
        settings = ctx.config.conversion_settings()
        file = FeedFile(feed, [FeedSource(source=source, settings=settings, lines=lines, sha256=state.digest)])
        file.measure()
    result = {
        "delivery_id": state.id, **_NOTHING, "outcome": "would_deliver", "rows": file.rows, "sha256": file.sha256,
        "deliveries": [state.id],
    }  # fmt: skip
    note_step(ctx, state, "deliver", result)
    return result
