"""The sentence that each task writes when it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary, RowCounts
from airflow_provider_tiktok_offline.delivery.state.step_results import (
    ClosedBy,
    DedupeResult,
    DeliverResult,
    NormalizeHashResult,
    UploadPartResult,
    ValidateResult,
)
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState, delivery_id

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
FILE = "sftp://shop@/out/sales_20261121.csv"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(9.96, "10.0 s"), (42, "42 s"), (180, "3 min"), (18_600, "5 h 10 min"), (7_200, "2 h"), (259_200, "3 days")],
)
def test_duration(seconds: float, words: str) -> None:
    """Lengths of time in the unit that a person would use."""
    assert log_sentences.duration(seconds) == words


@pytest.mark.parametrize(("stored", "words"), [(734, "734 bytes"), (1_234_000, "1.2 MB"), (123_400_000, "123 MB")])
def test_size(stored: int, words: str) -> None:
    """Sizes with a unit."""
    assert log_sentences.size(stored) == words


def test_stopwatch_says_how_long() -> None:
    """A stopwatch is words when it is shown."""
    clock = ManualClock(NOW)
    watch = log_sentences.Stopwatch(clock)
    clock.advance(timedelta(seconds=12))
    assert str(watch) == "12 s"


def test_what_a_sensor_found() -> None:
    """File, day, size and age; a delivered day says that nothing is to do."""
    stamp = {"uri": FILE, "size": 1_234_000, "mtime": "2026-11-22T06:00:00+00:00"}
    day = {"day": "2026-11-21", "already_delivered": False, "files": [stamp]}
    assert list(log_sentences.found(day, NOW)) == [
        "Found sales_20261121.csv for 2026-11-21, 1.2 MB, last written 3 h ago."
    ]
    again = {"day": "2026-11-21", "already_delivered": True, "files": []}
    assert list(log_sentences.found(again, NOW)) == [
        "The file of 2026-11-21 was delivered before, or waits to be sent. There is nothing to do."
    ]


def test_what_a_sensor_waits_for() -> None:
    """The rendered path while there is nothing, the file and its size while it grows."""
    assert log_sentences.waiting(FILE, "2026-11-21", [], 60) == (
        f"No file yet for 2026-11-21: {FILE}. Next look in 60 s."
    )
    growing = [{"uri": FILE, "size": 5_000}]
    assert log_sentences.waiting(FILE, "2026-11-21", growing, 60) == (
        "Not complete yet for 2026-11-21: sales_20261121.csv (5.0 kB so far). Next look in 60 s."
    )
    since = datetime(2026, 11, 22, 8, 5, tzinfo=timezone(timedelta(hours=2)))
    assert log_sentences.waiting(FILE, "2026-11-21", [], 60, since) == (
        f"No file yet for 2026-11-21: {FILE}. Waiting since 2026-11-22 06:05 UTC. Next look in 60 s."
    )
    assert log_sentences.missing(FILE, "2026-11-21", 72_000) == (
        f"No complete file for 2026-11-21 came within 20 h: {FILE}"
    )


def test_steps_of_a_delivery() -> None:
    """Which file, how many, how long."""
    validated = ValidateResult(
        delivery_id="d1",
        uri=FILE,
        digest="",
        as_of="",
        closed=False,
        rows_total=10_000,
        rows_valid=9_900,
        rows_rejected=50,
        rows_duplicate=30,
        rows_excluded=20,
        report_uri="s3://b/report.json",
    )
    assert log_sentences.validated(validated, "1.2 s") == (
        "Checked sales_20261121.csv, 10,000 rows in 1.2 s: 9,900 valid, 50 rejected (0.50 %), 30 duplicate, "
        "20 excluded. Report: s3://b/report.json"
    )
    assert log_sentences.staged(NormalizeHashResult(delivery_id="d1", events=1, parts=1), "2.0 s") == (
        "Hashed the rows of delivery d1 into 1 event, 1 part, in 2.0 s."
    )
    planned = DedupeResult(delivery_id="d1", events={"new": 9_800, "already_sent": 100}, parts=(0, 1))
    assert log_sentences.planned(planned, "0.4 s") == (
        "Compared 9,900 events of delivery d1 with the ledger in 0.4 s: 9,800 events new, "
        "100 sent before with an earlier file; 2 parts to send."
    )
    nothing = DedupeResult(delivery_id="d1", events={"already_sent": 100})
    assert log_sentences.planned(nothing, "0.4 s").endswith(
        ": 100 events sent before with an earlier file; nothing to send."
    )
    sent = UploadPartResult(delivery_id="d1", part=0, accepted=900, unconfirmed=1, settled=99)
    assert log_sentences.uploaded(sent, "3 min") == (
        "Sent part 1 of delivery d1, in 3 min: 900 events received, 1 without an answer. "
        "99 events had an answer before."
    )
    named = UploadPartResult(delivery_id="d1", part=0, accepted=900)
    assert log_sentences.uploaded(named, "3 min", "sales_20261121.csv, part 1 of 2") == (
        "Sent sales_20261121.csv, part 1 of 2, in 3 min: 900 events received."
    )


def test_questions_and_answers() -> None:
    """Which file, what it breaches, who may answer and until when; then who has approved it."""
    breach = "300 events, more than max_events 100"
    until = datetime(2026, 11, 24, 6, 5, tzinfo=UTC)
    assert log_sentences.asked("sales.csv", [breach], ["ana", "bo"], until) == (
        f"sales.csv breaches a guard: {breach}. It waits for the answer of ana or bo under Required Actions. "
        "Without one by 2026-11-24 06:05 UTC it counts as rejected."
    )
    assert log_sentences.asked("sales.csv", [breach], [], None) == (
        f"sales.csv breaches a guard: {breach}. It waits for the answer under Required Actions."
    )
    assert log_sentences.approved("sales.csv", [breach], "ana") == (
        f"sales.csv was approved by ana and goes on: {breach}."
    )
    assert log_sentences.approved("sales.csv", [breach], None) == f"sales.csv was approved and goes on: {breach}."


def test_what_maintenance_did() -> None:
    """A sentence with what there was to do; nothing of what there was not."""
    assert log_sentences.maintained({"staged": 0, "keys": 0}) == "nothing was old enough to be removed."
    assert log_sentences.maintained({"staged": 1, "keys": 2_000, "removed": 0}) == (
        "1 folder of abandoned staged parts removed, 2,000 event keys forgotten."
    )
    assert log_sentences.maintained({"clock_doubt": 1}).endswith("for the clock can't be relied on.")


def test_closed_deliveries_name_when_and_by_whom() -> None:
    """A step on a delivery that is closed says when it was delivered and by which run; an older release kept no run."""
    at = datetime(2026, 11, 21, 6, 2, tzinfo=UTC)
    state = DeliveryState(
        id=delivery_id("shop", "ab"), advertiser="shop", route="tiktok", status="closed", holder=None, lease_until=None,
        as_of=at, digest="ab", uri=FILE, file_name="sales_20261121.csv", size=9, opened_at=at, updated_at=at,
    )  # fmt: skip
    by = ClosedBy(run="tiktok_offline__shop/scheduled__2026-11-21", at="2026-11-21T06:03:00+00:00")
    assert log_sentences.delivered_already(state, by) == (
        "sales_20261121.csv was delivered already: on 2026-11-21 at 06:03 UTC by "
        f"tiktok_offline__shop/scheduled__2026-11-21 (delivery {state.id}). There is nothing to do."
    )
    assert "already: on 2026-11-21 at 06:02 UTC (delivery" in log_sentences.delivered_already(state, None)
    tried = replace(state, id="d-of-a-dry-run")
    assert "was handled already without counting (dry run or test): on" in log_sentences.delivered_already(tried, by)


def test_feed_files() -> None:
    """What became of a feed file, with its rows and size."""
    out = DeliverResult(delivery_id="d1", outcome="delivered", rows=99, bytes=8_000, file_name="shop_20261121.csv.gz")
    assert log_sentences.delivered(out, "2.0 s") == (
        "Feed file shop_20261121.csv.gz delivered: 99 rows, 8.0 kB, in 2.0 s."
    )
    queued = DeliverResult(delivery_id="d1", outcome="queued")
    assert log_sentences.delivered(queued, "0.1 s") == (
        "Delivery d1 waits for the next feed file: another one went out today."
    )


def test_summaries() -> None:
    """The end of a delivery: done, open, or closed before."""
    done = DeliverySummary(
        delivery_id="d1", file=FILE, rows=RowCounts(rows_total=100), events={"accepted": 99}, report_uri="s3://b/r.html"
    )
    assert log_sentences.summarized(done) == (
        "sales_20261121.csv is done. Of 100 rows: 99 events received. Report: s3://b/r.html"
    )
    opened = DeliverySummary(delivery_id="d1", file=FILE, events={"unconfirmed": 1}, open="1 event has no answer.")
    assert log_sentences.summarized(opened) == (
        "sales_20261121.csv is not done: 1 event has no answer. Of 0 rows: 1 event without an answer."
    )
