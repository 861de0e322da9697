"""The sequences of steps, from a file to its closed delivery: one for each route.

The command line and notebooks run them whole; a DAG has a task for each step, in the same order. Each is idempotent:
called again after any fault, it goes on from where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import (
    FileChangedError,
    FileMissingError,
    OutcomeUnknownError,
    TikTokOfflineError,
)

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
    from airflow_provider_tiktok_offline.delivery.state.step_results import DeliverResult, ValidateResult

#: Route -> its steps, in order. ``prepare`` reads the file and plans; ``upload`` runs once for each part of the plan;
#: ``summary`` runs whatever happened.
STEPS: Mapping[str, tuple[str, ...]] = {
    "tiktok": ("prepare", "upload", "summary"),
    "liveramp": ("prepare", "deliver", "summary"),
}


@dataclass(frozen=True, slots=True)
class FeedDelivery:
    """What delivering a file to LiveRamp gave.

    Attributes:
        summary: of the file's delivery.
        delivered: what became of the feed file; None if the file was delivered before.
    """

    summary: DeliverySummary
    delivered: DeliverResult | None


def deliver_to_tiktok(
    ctx: DeliveryContext,
    stamp: Mapping[str, object],
    *,
    as_of: datetime | None = None,
    day: date | None = None,
    retry_refused: bool = False,
    on_unknown: Callable[[OutcomeUnknownError], None] | None = None,
) -> DeliverySummary:
    """Deliver one conversion file to TikTok: prepare, upload each part, summary.

    If a step fails, what was accepted before is settled, and the step's error is raised.

    :param stamp: the file, as the sensor or :func:`.source.source_file.stamp_of` returns it.
    :param as_of: judge ages against this moment.
    :param day: the day that the file is for, where it is known.
    :param retry_refused: send again what TikTok refused before.
    :param on_unknown: called with the error of a part without a definite answer; the other parts are sent all the same.
    :raises UnsettledError: if anything is left to do.
    """
    from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file

    opened = _opened(ctx, lambda: prepare_file(ctx, stamp, as_of=as_of, day=day).validated, retry_refused)
    return _send(ctx, opened.delivery_id, retry_refused, on_unknown)


def follow_file(ctx: DeliveryContext, delivery_id: str, step: str, *, again: bool, day: date | None = None) -> str:
    """The delivery that a step goes on with: that of what its file holds now.

    If a failed run's file was replaced by a corrected one, and nothing of the first was planned, the steps before are
    done with the new one. A delivery that has a plan is finished from the parts that it was planned on.

    :param delivery_id: the delivery that the step before has named.
    :param step: ``normalize_hash``, ``dedupe`` or ``deliver``.
    :param again: whether the task runs again, as after it was cleared; a first try never looks for another file.
    :param day: the day that the file is for, where it is known.
    :raises FileChangedError: if the file was replaced and may still be written to.
    """
    from airflow_provider_tiktok_offline.delivery.events.validation import was_replaced
    from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
    from airflow_provider_tiktok_offline.delivery.state.runs import delivery_of_same_file, is_planned
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file
    from airflow_provider_tiktok_offline.delivery.steps.validate import validate

    current = delivery_of_same_file(ctx, delivery_id)
    state = ctx.deliveries.get(current)
    if not again or state.status == "closed" or is_planned(ctx, state) or not was_replaced(ctx, state):
        return current
    stamp = stamp_of(ctx, state.uri)
    if step == "normalize_hash":
        return validate(ctx, stamp, day=day).delivery_id
    opened = prepare_file(ctx, stamp, day=day).validated
    if step == "deliver" and not opened.closed:
        dedupe(ctx, opened.delivery_id)
    return opened.delivery_id


def send_prepared(
    ctx: DeliveryContext,
    directory: Path,
    *,
    day: date | None = None,
    retry_refused: bool = False,
    on_unknown: Callable[[OutcomeUnknownError], None] | None = None,
) -> DeliverySummary:
    """Deliver events to TikTok that ``tiktok-offline prepare`` has written: as :func:`deliver_to_tiktok`.

    :param directory: what ``prepare`` has written.
    :param day: the day that its file was for, else the one that the file's name says.
    """
    from airflow_provider_tiktok_offline.delivery.steps.take_prepared import take_prepared

    opened = _opened(ctx, lambda: take_prepared(ctx, directory, day=day), retry_refused)
    return _send(ctx, opened.delivery_id, retry_refused, on_unknown)


def take_up(ctx: DeliveryContext, delivery_id: str) -> None:
    """Take a delivery that has waited into this run, with its events staged as they were.

    :raises FileMissingError, FileChangedError: if its staged events are gone and can't be made again; no later run
        tries it any more.
    """
    from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery
    from airflow_provider_tiktok_offline.delivery.state.waiting import stop_waiting
    from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash

    note_delivery(ctx, delivery_id)
    try:
        normalize_hash(ctx, delivery_id)
    except (FileMissingError, FileChangedError):
        stop_waiting(ctx, delivery_id)
        raise


def deliver_due(
    ctx: DeliveryContext, *, on_unknown: Callable[[OutcomeUnknownError], None] | None = None
) -> list[DeliverySummary]:
    """Send what has waited for returns (``send_after_days``) and is due, oldest first. It needs no new file.

    An error of one delivery is raised once the others are done.

    :param on_unknown: as for :func:`deliver_to_tiktok`.
    :returns: the summary of each; none if nothing is due.
    :raises UnsettledError: if anything is left to do.
    """
    from airflow_provider_tiktok_offline.delivery.state.waiting import due_deliveries

    summaries = []
    failures: list[TikTokOfflineError] = []
    for delivery_id in due_deliveries(ctx):
        try:
            with _settled_on_error(ctx, delivery_id):
                take_up(ctx, delivery_id)
            summaries.append(_send(ctx, delivery_id, False, on_unknown))
        except TikTokOfflineError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return summaries


def deliver_to_liveramp(
    ctx: DeliveryContext, stamp: Mapping[str, object], *, as_of: datetime | None = None, day: date | None = None
) -> FeedDelivery:
    """Deliver one conversion file to LiveRamp: prepare, deliver, summary.

    Deliveries that waited for a feed file, and whose rows went out in this one, are closed with it.

    :param stamp: the file, as the sensor or :func:`.source.source_file.stamp_of` returns it.
    :param as_of: judge ages against this moment.
    :param day: the day that the file is for, where it is known.
    :raises UnsettledError: if anything is left to do.
    """
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
    from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file
    from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all

    opened = prepare_file(ctx, stamp, as_of=as_of, day=day).validated
    delivered: DeliverResult | None = None
    with _settled_on_error(ctx, opened.delivery_id):
        if not opened.closed:
            dedupe(ctx, opened.delivery_id)
            delivered = deliver(ctx, opened.delivery_id)
    others = () if delivered is None else delivered.deliveries
    ids = [opened.delivery_id, *(one for one in others if one != opened.delivery_id)]
    return FeedDelivery(summarize_all(ctx, ids)[0], delivered)


def _opened(ctx: DeliveryContext, open_delivery: Callable[[], ValidateResult], retry_refused: bool) -> ValidateResult:
    """The delivery of a file; to send again what was refused, a closed one is reopened."""
    opened = open_delivery()
    if not (opened.closed and retry_refused):
        return opened
    ctx.deliveries.reopen(opened.delivery_id, reason="--retry-refused")
    return open_delivery()


def _send(
    ctx: DeliveryContext,
    delivery_id: str,
    retry_refused: bool,
    on_unknown: Callable[[OutcomeUnknownError], None] | None,
) -> DeliverySummary:
    """The steps of the tiktok route that follow on staged events; of a closed delivery each is a no-op."""
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
    from airflow_provider_tiktok_offline.delivery.steps.upload import upload

    with _settled_on_error(ctx, delivery_id):
        if ctx.deliveries.get(delivery_id).status != "closed":
            for part in dedupe(ctx, delivery_id, retry_refused=retry_refused).parts:
                try:
                    upload(ctx, delivery_id, part)
                except OutcomeUnknownError as error:
                    if on_unknown is not None:
                        on_unknown(error)
    return summarize(ctx, delivery_id)


@contextmanager
def _settled_on_error(ctx: DeliveryContext, delivery_id: str) -> Iterator[None]:
    """Settle what was accepted before a step failed; the step's error matters more than that the delivery is open."""
    from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize

    try:
        yield
    except TikTokOfflineError:
        with suppress(TikTokOfflineError):
            summarize(ctx, delivery_id)
        raise
