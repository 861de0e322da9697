"""What a task writes into its log when it is done: one sentence with the fact, for a person who looks once a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.contract.outcomes import OUTCOMES
from airflow_provider_tiktok_offline.conversions.report.report import money, number_of, percent
from airflow_provider_tiktok_offline.plain_text import one_line

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.clock import Clock
    from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
    from airflow_provider_tiktok_offline.delivery.state.step_results import (
        ClosedBy,
        DedupeResult,
        DeliverResult,
        NormalizeHashResult,
        ReturnsResult,
        UploadPartResult,
        ValidateResult,
    )
    from airflow_provider_tiktok_offline.delivery.steps.shards import ReadShard
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

_SIZES = ("bytes", "kB", "MB", "GB", "TB")
_FEED_WORDS = {
    "delivered": "delivered",
    "already_delivered": "was delivered before",
    "nothing_new": "has nothing new: every row was delivered before, so no file goes out",
    "queued": "waits for the next feed file: another one went out today",
    "carried_over": "waits for the next feed file: too few rows for one",
    "would_deliver": "would be delivered: this is a dry run",
}
#: What maintenance counts -> what is counted, and what became of it.
_MAINTAINED = {
    "staged": ("folder", "of abandoned staged parts removed"),
    "notes": ("note", "about files and runs removed"),
    "keys": ("event key", "forgotten"),
    "records": ("delivery record", "forgotten"),
    "deliveries": ("old delivery state", "removed"),
    "objects": ("old object", "of the ledger removed"),
    "merged": ("small file", "merged"),
    "removed": ("unused file", "removed"),
    "readings": ("report figure", "forgotten"),
}


class Stopwatch:
    """Seconds since it was started, as a sentence says them.

    :param clock: where the time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()

    def __str__(self) -> str:
        return duration(self._clock.monotonic() - self._started)


def duration(seconds: float) -> str:
    """A length of time: ``0.4 s``, ``3 min``, ``5 h 10 min``, ``2 days``."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def size(stored: float) -> str:
    """A number of bytes: ``734 bytes``, ``1.2 MB``."""
    step = 0
    while stored >= 1000 and step < len(_SIZES) - 1:
        stored /= 1000
        step += 1
    return f"{stored:,.0f} {_SIZES[step]}" if step == 0 or stored >= 100 else f"{stored:.1f} {_SIZES[step]}"


def file_name(uri: str) -> str:
    """The last part of a URI, to be shown."""
    return one_line(uri.rstrip("/").rpartition("/")[2])


def found(result: Mapping[str, object], now: datetime) -> Iterator[str]:
    """What a sensor has found, a sentence a file.

    :param result: what it hands on.
    :param now: from which the files' ages are counted, aware.
    """
    files = result["files"]
    if result["already_delivered"]:
        yield f"The file of {result['day']} was delivered before, or waits to be sent. There is nothing to do."
    for stamp in files if isinstance(files, list | tuple) else ():
        words = [f"Found {file_name(str(stamp['uri']))} for {result['day']}"]
        if isinstance(stamp.get("size"), int):
            words.append(size(stamp["size"]))
        if isinstance(stamp.get("mtime"), str):
            age = now - datetime.fromisoformat(stamp["mtime"]).astimezone(UTC)
            words.append(f"last written {duration(max(age.total_seconds(), 0.0))} ago")
        yield ", ".join(words) + "."


def cut(uri: str, shards: int, watch: Stopwatch) -> str:
    """What cutting a file gave.

    :param shards: how many; 0 for a file that stays whole.
    """
    if not shards:
        return f"{file_name(uri)} stays whole: prepare reads it."
    return f"{file_name(uri)} cut into {number_of(shards, 'shard')}, in {watch}."


def shard_read(name: str, done: ReadShard, watch: Stopwatch) -> str:
    """What reading a shard gave."""
    if done.settled:
        return f"{one_line(name)}: the file was settled before. There is nothing to do."
    return f"{one_line(name)}: {number_of(done.rows, 'row')} read, in {watch}."


def waiting(
    uri: str, day: str, pending: Sequence[Mapping[str, object]], every: float, since: datetime | None = None
) -> str:
    """What a sensor waits for.

    :param uri: the file, or the pattern, of the day, rendered.
    :param pending: stamps of files that are there and not complete yet.
    :param every: seconds to the next look.
    :param since: when the wait began, aware.
    """
    begun = "" if since is None else f"Waiting since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC. "
    after = f"{begun}Next look in {duration(every)}."
    if not pending:
        return f"No file yet for {day}: {one_line(uri)}. {after}"
    names = ", ".join(_incomplete(stamp) for stamp in pending[:3])
    more = f" and {len(pending) - 3:,} more" if len(pending) > 3 else ""
    return f"Not complete yet for {day}: {names}{more}. {after}"


def missing(uri: str, day: object, seconds: float) -> str:
    """What a sensor has waited for in vain.

    :param uri: the file, or the pattern, of the day, rendered.
    :param seconds: how long it was waited for.
    """
    return f"No complete file for {day} came within {duration(seconds)}: {one_line(uri)}"


def _incomplete(stamp: Mapping[str, object]) -> str:
    stored = stamp.get("size")
    so_far = f" ({size(stored)} so far)" if isinstance(stored, int) else ""
    return f"{file_name(str(stamp.get('uri', '')))}{so_far}"


def validated(result: ValidateResult, took: object) -> str:
    """What validating a file gave.

    :param took: how long, in words.
    """
    return f"Checked {file_name(result.uri)}, {_rows(result, took)}. Report: {result.report_uri}"


def prepared(result: ValidateResult, staged: NormalizeHashResult | None, took: object) -> str:
    """What one read of a file gave.

    :param staged: its events; None where none are staged.
    """
    made = "" if staged is None else f"; staged as {_made(staged)}"
    return f"Read {file_name(result.uri)}, {_rows(result, took)}{made}. Report: {result.report_uri}"


def _rows(result: ValidateResult, took: object) -> str:
    classes = [
        f"{result.rows_valid:,} valid",
        f"{result.rows_rejected:,} rejected" + _share(result.rows_rejected, result.rows_total),
        f"{result.rows_duplicate:,} duplicate",
        f"{result.rows_excluded:,} excluded",
    ]
    return f"{number_of(result.rows_total, 'row')} in {took}: {_listed(classes)}"


def _made(result: NormalizeHashResult) -> str:
    return f"{number_of(result.events, 'event')}, {number_of(result.parts, 'part')}"


def delivered_already(state: DeliveryState, closed_by: ClosedBy | None) -> str:
    """What a step says of a closed delivery: when it was closed, and by which run.

    :param closed_by: who closed it; None if an older release did.
    """
    words = "delivered already" if state.counts else "handled already without counting (dry run or test)"
    at = state.updated_at if closed_by is None else datetime.fromisoformat(closed_by.at)
    run = "" if closed_by is None else f" by {closed_by.run}"
    return (
        f"{state.file_name} was {words}: on {at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC{run} (delivery {state.id}). "
        "There is nothing to do."
    )


def staged(result: NormalizeHashResult, took: object) -> str:
    """What normalizing and hashing gave."""
    return f"Hashed the rows of delivery {result.delivery_id} into {_made(result)}, in {took}."


def planned(result: DedupeResult, took: object) -> str:
    """What the ledger says of a delivery's events."""
    if result.waits_until is not None:
        waiting = number_of(sum(result.events.values()), "event")
        return (
            f"{waiting} of delivery {result.delivery_id} wait until {result.waits_until} (send_after_days): nothing is"
            " sent before. Returns that come in until then are taken off."
        )
    compared = number_of(sum(result.events.values()), "event")
    send = f"{number_of(len(result.parts), 'part')} to send" if result.parts else "nothing to send"
    said = events(result.events) or "none is new"
    return f"Compared {compared} of delivery {result.delivery_id} with the ledger in {took}: {said}; {send}."


def uploaded(result: UploadPartResult, took: object, name: str | None = None) -> str:
    """What sending a part gave.

    :param name: the part's, as the UI shows it; a part that an older release has planned has none.
    """
    answers = {"accepted": result.accepted, "refused": result.refused, "unconfirmed": result.unconfirmed}
    said = events(answers) or "nothing was left to send"
    before = f" {number_of(result.settled, 'event')} had an answer before." if result.settled else ""
    part = f"part {result.part + 1} of delivery {result.delivery_id}" if name is None else one_line(name)
    return f"Sent {part}, in {took}: {said}.{before}"


def asked(name: str, breaches: Sequence[str], approvers: Sequence[str], until: datetime | None) -> str:
    """What a person is asked about a file.

    :param approvers: who may answer; empty for anybody who may.
    :param until: when the file counts as rejected, aware; None for never.
    """
    who = f" of {' or '.join(map(one_line, approvers))}" if approvers else ""
    late = "" if until is None else f" Without one by {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC it counts as rejected."
    what = "; ".join(map(one_line, breaches))
    return f"{one_line(name)} breaches a guard: {what}. It waits for the answer{who} under Required Actions.{late}"


def approved(name: str, breaches: Sequence[str], by: str | None) -> str:
    """That a file goes on although it breaches a guard.

    :param by: who has approved it; None if that is not known.
    """
    who = "" if by is None else f" by {one_line(by)}"
    return f"{one_line(name)} was approved{who} and goes on: {'; '.join(map(one_line, breaches))}."


def maintained(done: Mapping[str, int]) -> str:
    """What one round of maintenance did."""
    words = [f"{number_of(done[one], noun)} {rest}" for one, (noun, rest) in _MAINTAINED.items() if done.get(one)]
    doubt = " The ledger forgot nothing, for the clock can't be relied on." if done.get("clock_doubt") else ""
    return f"{_listed(words) or 'nothing was old enough to be removed'}.{doubt}"


def delivered(result: DeliverResult, took: object) -> str:
    """What became of a feed file."""
    words = _FEED_WORDS.get(result.outcome, result.outcome)
    if result.file_name is None:
        return f"Delivery {result.delivery_id} {words}."
    stored = "" if result.bytes is None else f", {size(result.bytes)}"
    return f"Feed file {result.file_name} {words}: {number_of(result.rows, 'row')}{stored}, in {took}."


def summarized(summary: DeliverySummary) -> str:
    """What became of a delivery."""
    name = file_name(summary.file) or summary.delivery_id
    rows = number_of(summary.rows.rows_total, "row")
    said = events(summary.events) or "no event"
    if summary.open:
        return f"{name} is not done: {summary.open} Of {rows}: {said}."
    if summary.already_closed:
        return f"{name} was closed before; nothing was sent again. Of {rows}: {said}. Report: {summary.report_uri}"
    state = f"waits ({summary.waiting})" if summary.waiting else "is done"
    return f"{name} {state}. Of {rows}: {said}.{_netted(summary.returns)} Report: {summary.report_uri}"


def _netted(returns: ReturnsResult | None) -> str:
    """What the returns did that came in while a delivery waited."""
    if returns is None:
        return ""
    words = []
    if returns.reduced:
        words.append(f" {number_of(returns.reduced, 'event')} with {money(returns.taken_off)} less, for returns.")
    if returns.unmet:
        lines = number_of(returns.unmet, "returned line")
        words.append(f" {lines} ({money(returns.unmet_value)}) met no sale that waited.")
    return "".join(words)


def events(counts: Mapping[str, int]) -> str:
    """Events by outcome: ``9,800 events received, 200 sent before``; empty without any."""
    given = [(outcome, number) for outcome, number in counts.items() if number]
    words = [f"{number:,} {_words(outcome)}" for outcome, number in given]
    if not words:
        return ""
    number = given[0][1]
    words[0] = words[0].replace(f"{number:,}", number_of(number, "event"), 1)
    return _listed(words)


def _words(outcome: str) -> str:
    """An outcome, or the ledger's verdict ``new``, behind a number."""
    return OUTCOMES[outcome].words if outcome in OUTCOMES else outcome


def _share(part: int, whole: int) -> str:
    return f" ({percent(part, whole)})" if part and whole else ""


def _listed(words: list[str]) -> str:
    return ", ".join(words)
