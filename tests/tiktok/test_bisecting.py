"""Batches with events at fault: taken apart until those stand alone, within bounds, and only when it is the rows."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import ApiError, CallerError, CircuitOpenError, CredentialsError
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.results import UploadResult
from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, Upload, send
from tests.servers.simulator import RunningSimulator
from tests.tiktok.scripted import LOST, OK, Reply, Request, code, in_turn, scripted
from tests.tiktok.sending import EVENT_SET_ID, FAST, Receipts, event_id, in_one, items

ENVELOPE = Envelope(EVENT_SET_ID)
REFUSED = code(40002, "Invalid value for properties.value: not a valid number.")


def refusing(bad: Collection[int], reply: Reply = REFUSED) -> Callable[[Request], Reply]:
    """Refuses, as a whole, each batch with one of these events."""
    ids = {event_id(number) for number in bad}
    return lambda request: OK if ids.isdisjoint(request.event_ids) else reply


def sent_with(
    answer: Callable[[Request], Reply],
    count: int,
    clock: ManualClock,
    *,
    batch: int = 1000,
    accepted_before: bool = False,
) -> tuple[Upload, Receipts, list[list[str]], Exception | None]:
    """Send so many events; what stopped it, if anything did."""
    receipts = Receipts()
    stopped: Exception | None = None
    limits = FAST.model_copy(update={"batch_events": batch})
    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(
            in_one(items(count)),
            count,
            client,
            receipts,
            SendOptions(ENVELOPE, limits, accepted_before=accepted_before),
        )
        try:
            upload.run()
        except ApiError as error:
            stopped = error
    return upload, receipts, [request.event_ids for request in server.requests], stopped


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_exactly_the_events_at_fault_are_refused(data: st.DataObject) -> None:
    """Whichever they are, as long as one event is good: the good are accepted, the bad refused, nothing is in doubt."""
    count = data.draw(st.integers(2, 300))
    bad = data.draw(st.sets(st.integers(0, count - 1), max_size=min(count - 1, 12)))
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    upload, receipts, _, stopped = sent_with(refusing(bad), count, clock, batch=max(2, count))
    assert stopped is None
    assert receipts.refused_events == dict.fromkeys(bad, (40002, "properties.value"))
    assert sorted(receipts.accepted_events) == sorted(set(range(count)) - bad)
    assert upload.result.unconfirmed == upload.result.not_attempted == 0
    assert upload.result.requests <= 1 + 2 * len(bad) * math.ceil(math.log2(count))


@pytest.mark.parametrize("bad", [[0], [999], [0, 999], [499, 500], [7, 8, 9, 10], [n * 100 for n in range(10)]])
def test_a_thousand_events_take_few_requests(bad: list[int], clock: ManualClock) -> None:
    """Two requests a halving and event at fault, at most."""
    upload, receipts, _, _ = sent_with(refusing(bad), 1000, clock)
    assert set(receipts.refused_events) == set(bad)
    assert upload.result.requests <= 1 + 2 * len(bad) * 10


def test_what_was_accepted_is_not_sent_again(clock: ManualClock) -> None:
    """A half that was taken is done with."""
    _, receipts, sent, _ = sent_with(refusing([123]), 1000, clock)
    accepted = Counter(number for batch in sent if event_id(123) not in batch for number in batch)
    assert set(accepted.values()) == {1}
    assert len(receipts.accepted_events) == 999


def test_a_first_batch_without_a_good_event_is_the_configurations_fault(clock: ManualClock) -> None:
    """Nothing is recorded as refused, and no second batch is tried."""
    upload, receipts, sent, stopped = sent_with(refusing(range(1000)), 1000, clock, batch=50)
    assert isinstance(stopped, CallerError)
    assert (stopped.code, stopped.field) == (40002, "properties.value")
    assert "every event of the first batch" in stopped.what
    assert receipts.refused_events == {}
    assert sorted(receipts.released_events) == sorted(receipts.attempted_events) == list(range(50))
    assert upload.result == UploadResult(accepted=0, refused=0, unconfirmed=0, not_attempted=1000, requests=99)
    assert {each for batch in sent for each in batch} == {event_id(number) for number in range(50)}


def test_a_single_good_event_proves_the_configuration(clock: ManualClock) -> None:
    """Then the others of the first batch are refused for good, and the run goes on."""
    _, receipts, _, stopped = sent_with(refusing(set(range(50)) - {31}), 200, clock, batch=50)
    assert stopped is None
    assert set(receipts.refused_events) == set(range(50)) - {31}
    assert len(receipts.accepted_events) == 151


def test_after_a_proof_a_batch_of_bad_events_is_written_off(clock: ManualClock) -> None:
    """A bad shop's rows lie side by side: that is no reason to stop."""
    _, receipts, _, stopped = sent_with(refusing(range(100, 150)), 200, clock, batch=50)
    assert stopped is None
    assert set(receipts.refused_events) == set(range(100, 150))


def test_a_proof_of_an_earlier_run_counts(clock: ManualClock) -> None:
    """A retry that has only bad events left to send must come to an end."""
    upload, receipts, _, stopped = sent_with(refusing(range(3)), 3, clock, accepted_before=True)
    assert stopped is None
    assert set(receipts.refused_events) == {0, 1, 2}
    assert upload.result.refused == 3


def test_a_field_beside_the_events_stops_the_run_at_once(clock: ManualClock) -> None:
    """It is not bisected, however the code is called."""
    reply = code(40002, "Invalid value for event_source_id")
    upload, receipts, sent, stopped = sent_with(refusing(range(1000), reply), 1000, clock)
    assert isinstance(stopped, CallerError)
    assert len(sent) == 1
    assert (receipts.refused_events, upload.result.not_attempted) == ({}, 1000)


def test_a_permission_lost_in_the_middle_writes_nothing_off(clock: ManualClock) -> None:
    """Code 40002 with a text about a permission is no row's fault."""
    reply = code(40002, "The authorization was cancelled by the advertiser.")
    upload, receipts, _, stopped = sent_with(refusing(range(500, 1000), reply), 1000, clock, batch=100)
    assert isinstance(stopped, CallerError)
    assert receipts.refused_events == {}
    assert upload.result.accepted >= 400
    assert upload.result.unconfirmed == 0


def test_a_partial_answer_is_resolved_under_the_same_ids(
    tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """Code 20001 is neither success nor failure: the halves go out again, and TikTok drops what it has."""
    tiktok.control.add(Fault(kind="partial", count=3, share=0.6, seed=5))
    receipts = Receipts()
    result = send(in_one(items(2_000)), 2_000, client, receipts, SendOptions(ENVELOPE, FAST))
    assert (result.accepted, result.unconfirmed) == (2_000, 0)
    assert tiktok.event_ids() == dict.fromkeys((event_id(number) for number in range(2_000)), 1)


def test_a_partial_answer_to_a_single_event_leaves_it_in_doubt(clock: ManualClock) -> None:
    """It can't be taken apart any further, and was not confirmed."""
    upload, receipts, _, stopped = sent_with(refusing([7], code(20001, "Partial")), 16, clock)
    assert stopped is None
    assert receipts.in_doubt == {7}
    assert (upload.result.accepted, upload.result.unconfirmed, upload.result.refused) == (15, 1, 0)


def test_what_a_partial_answer_left_open_is_in_doubt_when_the_run_stops(clock: ManualClock) -> None:
    """Some of the batch was taken: it must not be released."""
    upload, receipts, _, stopped = sent_with(in_turn(code(20001, "Partial"), code(40105, "revoked")), 8, clock)
    assert isinstance(stopped, CredentialsError)
    assert receipts.in_doubt == set(range(8))
    assert receipts.released_events == []
    assert upload.result.unconfirmed == 8


def test_a_request_taken_for_a_repetition_is_resolved_by_smaller_ones(clock: ManualClock) -> None:
    """Code 40050 does not say whether the events are there: smaller requests find out."""
    seen: set[int] = set()

    def answer(request: Request) -> Reply:
        first = len(request.event_ids) == 100 and 100 not in seen
        seen.add(len(request.event_ids))
        return code(40050, "Duplicated request") if first else OK

    _, receipts, _, stopped = sent_with(answer, 100, clock)
    assert stopped is None
    assert len(receipts.accepted_events) == 100


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_answered_the_accounts_are_true(seed: int, clock: ManualClock) -> None:
    """Refusals, lost answers, throttling, 20001 and 5xx in any order: no event is called what it is not."""
    chance = random.Random(seed)
    bad = set(chance.sample(range(120), 5))
    ids = {event_id(number) for number in bad}
    taken: Counter[str] = Counter()

    def answer(request: Request) -> Reply:
        fault = chance.choice(["", "", "", "lost", "lost after", "throttled", "5xx", "partial"])
        if fault == "throttled":
            return code(40100)
        if fault in ("lost", "5xx"):
            return LOST if fault == "lost" else Reply(b"<html>", 502)
        if not ids.isdisjoint(request.event_ids):
            return REFUSED
        if fault == "partial":
            taken.update(request.event_ids[::2])
            return code(20001)
        taken.update(request.event_ids)
        return LOST if fault == "lost after" else OK

    receipts = Receipts()
    limits = FAST.model_copy(update={"batch_events": 20, "max_attempts": 6})
    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(in_one(items(120)), 120, client, receipts, SendOptions(ENVELOPE, limits, accepted_before=True))
        with suppress(CircuitOpenError):
            upload.run()
    result = upload.result
    numbers = {int(each[3:], 16) for each in taken}
    assert result.accepted + result.refused + result.unconfirmed + result.not_attempted == 120
    assert set(receipts.accepted_events) <= numbers
    assert set(receipts.refused_events) <= bad
    assert numbers <= set(receipts.accepted_events) | receipts.in_doubt
    assert set(receipts.released_events).isdisjoint(numbers)
    assert result.unconfirmed == len(receipts.in_doubt)
