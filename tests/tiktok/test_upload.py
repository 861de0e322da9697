"""What becomes of events, sent over real HTTP: to the simulator, and to a server that says what the test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config.models import UploadConfig
from airflow_provider_tiktok_offline.errors import (
    BatchTooLargeError,
    CallerError,
    CircuitOpenError,
    ConfigError,
    CredentialsError,
)
from airflow_provider_tiktok_offline.simulator.defaults import ANALYST_TOKEN
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.results import Refusal, UploadResult
from airflow_provider_tiktok_offline.tiktok.send_buffer import Items
from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, Upload, send, send_test
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator
from tests.tiktok.scripted import LOST, OK, Reply, Request, ScriptedServer, code, in_turn, scripted
from tests.tiktok.sending import EVENT_SET_ID, FAST, Receipts, event_id, in_one, items, keys

ENVELOPE = Envelope(EVENT_SET_ID)


def fast(**changes: object) -> UploadConfig:
    return FAST.model_copy(update=changes)


@contextmanager
def uploading(
    answer: Callable[[Request], Reply],
    count: int,
    clock: ManualClock,
    limits: UploadConfig = FAST,
    *,
    accepted_before: bool = False,
) -> Iterator[tuple[Upload, Receipts, ScriptedServer]]:
    """An upload of so many events to a scripted server."""
    receipts = Receipts()
    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock, timeout=5) as client:
        upload = Upload(
            in_one(items(count)),
            count,
            client,
            receipts,
            SendOptions(ENVELOPE, limits, accepted_before=accepted_before),
        )
        yield upload, receipts, server


def accounts(upload: Upload, receipts: Receipts, count: int) -> UploadResult:
    """The result, after seeing that it adds up and says what the receipts say."""
    result = upload.result
    assert result.accepted + result.refused + result.unconfirmed + result.not_attempted == count
    assert result.accepted == len(receipts.accepted_events)
    assert result.refused == len(receipts.refused_events) == sum(each.events for each in result.refusals)
    assert result.unconfirmed == len(receipts.in_doubt)
    assert receipts.unflushed == 0
    return result


def test_every_event_is_taken_once_under_its_own_id(
    tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """The simulator holds what was sent, item by item."""
    receipts = Receipts()
    sent = items(2_500)
    result = send(in_one(sent), 2_500, client, receipts, SendOptions(ENVELOPE, FAST))
    assert (result.accepted, result.requests) == (2_500, 3)
    assert tiktok.event_ids() == dict.fromkeys((event_id(number) for number in range(2_500)), 1)
    assert tiktok.items()[event_id(7)] == pl.Series([sent[7]]).str.json_decode(infer_schema_length=1)[0]
    assert sorted(receipts.accepted_events) == list(range(2_500))
    assert None not in receipts.request_ids


def test_nothing_to_send_is_no_error(client: TikTokClient, clock: ManualClock) -> None:
    """An empty part makes no request."""
    result = send(in_one(items(0)), 0, client, Receipts(), SendOptions(ENVELOPE, FAST))
    assert (result.accepted, result.requests) == (0, 0)


def test_both_limits_of_a_batch_are_kept(clock: ManualClock) -> None:
    """No request has more events or more bytes than allowed, and each has as many as fit."""
    limits = fast(batch_events=40, batch_bytes=10_000)
    with uploading(lambda _: OK, 500, clock, limits, accepted_before=True) as (upload, receipts, server):
        upload.run()
    accounts(upload, receipts, 500)
    sizes = [len(request.body) for request in server.requests]
    counts = [len(request.event_ids) for request in server.requests]
    assert max(sizes) <= 10_000
    assert 30 < max(counts) <= 40
    item = len(items(1)[0])
    assert min(sorted(sizes)[1:]) > 10_000 - 2 * item - 10
    assert sorted(each for request in server.requests for each in request.event_ids) == [
        event_id(n) for n in range(500)
    ]


def test_an_event_larger_than_a_request_goes_alone(clock: ManualClock) -> None:
    """It can't be cut, so the limit gives way."""
    long = pl.Series(['{"event_id": "a"}', '{"event_id": "b", "x": "' + "y" * 20_000 + '"}', '{"event_id": "c"}'])
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        limits = fast(batch_bytes=10_000, in_flight=1)
        send(in_one(long), 3, client, Receipts(), SendOptions(ENVELOPE, limits))
    assert [request.event_ids for request in server.requests] == [["a"], ["b"], ["c"]]


def test_several_requests_are_in_flight_at_once(clock: ManualClock) -> None:
    """As many as configured, no more."""
    together = threading.Barrier(4, timeout=10)
    arrived = 0
    lock = threading.Lock()

    def answer(request: Request) -> Reply:
        nonlocal arrived
        with lock:
            arrived += 1
        together.wait()
        return OK

    with uploading(answer, 800, clock, fast(batch_events=100), accepted_before=True) as (upload, receipts, server):
        server.one_at_a_time = False
        upload.run()
    assert accounts(upload, receipts, 800).accepted == 800
    assert arrived == 8


def test_until_one_is_accepted_only_one_batch_is_out(clock: ManualClock) -> None:
    """A wrong configuration costs one batch of attempts, not the whole part."""
    with (
        uploading(in_turn(code(40001, "No permission")), 5_000, clock) as (upload, receipts, server),
        pytest.raises(CallerError),
    ):
        upload.run()
    assert len(server.requests) == 1
    assert len(receipts.attempted_events) == 1_000


def test_attempts_are_recorded_in_bounded_windows(clock: ManualClock) -> None:
    """However long the part, what a kill leaves in doubt stays bounded."""
    with uploading(lambda _: OK, 20_000, clock, fast(batch_events=50)) as (upload, receipts, _):
        upload.run()
    assert accounts(upload, receipts, 20_000).accepted == 20_000
    assert receipts.largest_window <= 100 * 50


def test_no_request_leaves_before_its_events_are_recorded(clock: ManualClock) -> None:
    """Killed at any instant, every event that may have been taken is known to be in doubt."""
    early: list[str] = []
    receipts = Receipts()

    def answer(request: Request) -> Reply:
        early.extend(each for each in request.event_ids if int(each[3:], 16) not in receipts.attempted_events)
        return code(40002, "Invalid value for event_time") if event_id(77) in request.event_ids else OK

    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        limits = fast(batch_events=100)
        send(in_one(items(3_000)), 3_000, client, receipts, SendOptions(ENVELOPE, limits))
    assert early == []


def test_a_lost_answer_is_asked_for_again_under_the_same_ids(
    tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """TikTok took the batch, the answer was lost: the retry is dropped there as a duplicate, and counts here once."""
    tiktok.control.add(Fault(kind="drop", taken=True, count=2))
    receipts = Receipts()
    result = send(in_one(items(1_500)), 1_500, client, receipts, SendOptions(ENVELOPE, FAST))
    assert (result.accepted, result.unconfirmed) == (1_500, 0)
    assert set(tiktok.event_ids().values()) == {1}
    assert max(tiktok.times_received().values()) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="answer", code=40100, message="Too many requests", count=3),
        Fault(kind="answer", code=50000, count=2),
        Fault(kind="answer", code=50002, taken=True, count=2),
        Fault(kind="answer", status=502, count=2),
        Fault(kind="answer", status=503, taken=True, count=2),
        Fault(kind="answer", status=429, retry_after="3", count=2),
        Fault(kind="answer", body="{", taken=True, count=2),
        Fault(kind="drop", count=2),
    ],
)
def test_a_passing_fault_costs_nothing(
    fault: Fault, tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """Each transient fault is ridden out, and every event is taken once."""
    tiktok.control.add(fault)
    limits = fast(max_attempts=5)
    receipts = Receipts()
    result = send(in_one(items(3_000)), 3_000, client, receipts, SendOptions(ENVELOPE, limits))
    assert result.accepted == 3_000
    assert tiktok.event_ids() == dict.fromkeys((event_id(number) for number in range(3_000)), 1)


def test_an_answer_that_never_comes_leaves_its_events_in_doubt(clock: ManualClock) -> None:
    """They are neither accepted nor released, and the other batches go on."""

    def answer(request: Request) -> Reply:
        return LOST if event_id(150) in request.event_ids else OK

    with uploading(answer, 1_000, clock, fast(batch_events=100), accepted_before=True) as (upload, receipts, server):
        upload.run()
    result = accounts(upload, receipts, 1_000)
    assert (result.accepted, result.unconfirmed) == (900, 100)
    assert receipts.in_doubt == set(range(100, 200))
    assert len([r for r in server.requests if event_id(150) in r.event_ids]) == FAST.max_attempts


def test_a_batch_once_in_doubt_is_never_released(clock: ManualClock) -> None:
    """A lost answer, then throttling till the end: the first request may have been taken."""
    with uploading(in_turn(LOST, code(40100)), 100, clock) as (upload, receipts, _), pytest.raises(CircuitOpenError):
        upload.run()
    result = accounts(upload, receipts, 100)
    assert (result.unconfirmed, result.not_attempted) == (100, 0)


def test_a_batch_in_doubt_stays_so_when_the_token_is_revoked(clock: ManualClock) -> None:
    """A later refusal of the caller says nothing of the request before."""
    with uploading(in_turn(LOST, code(40105)), 100, clock) as (upload, receipts, _), pytest.raises(CredentialsError):
        upload.run()
    assert accounts(upload, receipts, 100).unconfirmed == 100


def test_throttling_to_the_end_stops_the_run_and_releases_the_batch(clock: ManualClock) -> None:
    """A throttled batch was definitely not taken, and may go out in any later run."""
    with uploading(in_turn(code(40100)), 3_000, clock) as (upload, receipts, server), pytest.raises(CircuitOpenError):
        upload.run()
    result = accounts(upload, receipts, 3_000)
    assert (result.accepted, result.unconfirmed, result.not_attempted) == (0, 0, 3_000)
    assert sorted(receipts.released_events) == list(range(1_000))
    assert len(server.requests) == FAST.max_attempts


def test_a_retry_after_is_waited_for(clock: ManualClock) -> None:
    """Never less than the service asked for."""
    before = clock.monotonic()
    with uploading(in_turn(code(40100, Retry_After="120"), OK), 10, clock) as (upload, receipts, _):
        upload.run()
    assert accounts(upload, receipts, 10).accepted == 10
    assert clock.monotonic() - before >= 120


def test_a_retry_after_of_hours_is_left_to_the_next_run(clock: ManualClock) -> None:
    """A task does not sit and wait for half a day."""
    before = clock.monotonic()
    with (
        uploading(in_turn(code(60001, Retry_After="36000")), 10, clock) as (upload, receipts, server),
        pytest.raises(CircuitOpenError),
    ):
        upload.run()
    assert accounts(upload, receipts, 10).not_attempted == 10
    assert len(server.requests) == 1
    assert clock.monotonic() - before < 60


def test_a_service_that_is_down_is_not_hammered(clock: ManualClock) -> None:
    """The circuit opens: a part of many batches makes no more requests than those in flight may try."""
    with (
        uploading(lambda _: LOST, 10_000, clock, fast(batch_events=100), accepted_before=True) as (
            upload,
            receipts,
            server,
        ),
        pytest.raises(CircuitOpenError),
    ):
        upload.run()
    result = accounts(upload, receipts, 10_000)
    assert len(server.requests) <= FAST.in_flight * (FAST.max_attempts + 1)
    assert result.unconfirmed <= 100 * FAST.in_flight * 2
    assert result.accepted == 0
    assert result.unconfirmed + result.not_attempted == 10_000


def test_a_revoked_token_stops_the_run_after_its_receipts_are_flushed(
    tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """What was accepted before stays accepted; what never left is released."""
    tiktok.control.add(Fault(kind="revoke", after_events=3_000))
    receipts = Receipts()
    upload = Upload(in_one(items(20_000)), 20_000, client, receipts, SendOptions(ENVELOPE, FAST))
    with pytest.raises(CredentialsError):
        upload.run()
    result = accounts(upload, receipts, 20_000)
    assert 0 < result.accepted < 20_000
    assert (result.unconfirmed, result.refused) == (0, 0)
    assert {event_id(number) for number in receipts.accepted_events} == set(tiktok.event_ids())


def test_a_role_that_may_not_send_stops_the_run(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Nothing is recorded as refused for a missing permission."""
    receipts = Receipts()
    with TikTokClient(ANALYST_TOKEN, base_url=tiktok.url) as client, pytest.raises(CallerError) as caught:
        send(in_one(items(50)), 50, client, receipts, SendOptions(ENVELOPE, FAST))
    assert caught.value.code == 40001
    assert (receipts.refused_events, len(receipts.released_events)) == ({}, 50)


def test_a_wrong_event_set_stops_the_run(tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock) -> None:
    """A parameter error about a top-level field is no row's fault, though it has the code of one."""
    receipts = Receipts()
    with pytest.raises(CallerError) as caught:
        send(in_one(items(50)), 50, client, receipts, SendOptions(Envelope("7999999999999999999"), FAST))
    assert (caught.value.code, caught.value.field) == (40002, "event_source_id")
    assert (receipts.refused_events, len(receipts.released_events)) == ({}, 50)


def test_a_batch_that_is_too_large_is_split_and_the_next_are_smaller(clock: ManualClock) -> None:
    """TikTok may lower its limit: the run goes on."""

    def answer(request: Request) -> Reply:
        return code(40061, "batch too large") if len(request.event_ids) > 300 else OK

    with uploading(answer, 5_000, clock) as (upload, receipts, server):
        upload.run()
    result = accounts(upload, receipts, 5_000)
    assert result.accepted == 5_000
    assert result.requests < 40
    assert len(server.requests[-1].event_ids) <= 250


def test_a_single_event_that_is_too_large_stops_the_run(clock: ManualClock) -> None:
    """It can't be split any further."""
    with uploading(in_turn(Reply(b"", 413)), 4, clock) as (upload, receipts, _), pytest.raises(BatchTooLargeError):
        upload.run()
    assert accounts(upload, receipts, 4).not_attempted == 4


def test_receipts_are_flushed_while_the_upload_goes_on(clock: ManualClock) -> None:
    """A kill costs less than five seconds of receipts."""
    seen: list[int] = []
    receipts = Receipts()

    def answer(request: Request) -> Reply:
        seen.append(receipts.flushes)
        clock.advance(timedelta(seconds=1))
        return OK

    limits = fast(batch_events=10, in_flight=1)
    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        send(in_one(items(400)), 400, client, receipts, SendOptions(ENVELOPE, limits))
    assert seen[-1] >= 400 / 10 / 6


def test_progress_tells_how_many_events_are_done(clock: ManualClock) -> None:
    """It only grows, and ends with all."""
    told: list[tuple[int, int]] = []
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        send(
            in_one(items(5_000)),
            5_000,
            client,
            Receipts(),
            SendOptions(ENVELOPE, FAST, progress=lambda done, total: told.append((done, total))),
        )
    assert told == sorted(told)
    assert told[-1] == (5_000, 5_000)


def test_what_nobody_took_is_not_done(clock: ManualClock) -> None:
    """While nobody answers at the API's address, no event counts as sent."""
    told: list[int] = []
    options = SendOptions(ENVELOPE, fast(max_attempts=2), progress=lambda done, _: told.append(done))
    with scripted(lambda _: OK) as server:
        nobody = server.url
    with TikTokClient("token", base_url=nobody, clock=clock) as client, pytest.raises(CircuitOpenError):
        send(in_one(items(500)), 500, client, Receipts(), options)
    assert set(told) <= {0}


class TaskStopped(BaseException):
    """What Airflow raises in the main thread when a task is stopped."""


def test_an_interrupted_upload_records_the_answers_that_were_out(clock: ManualClock) -> None:
    """A stopped task leaves no more in doubt than it must, and no more requests are made."""

    def interrupt(done: int, total: int) -> None:
        if done >= 3_000:
            raise TaskStopped

    receipts = Receipts()
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(
            in_one(items(50_000)), 50_000, client, receipts, SendOptions(ENVELOPE, FAST, progress=interrupt)
        )
        with pytest.raises(TaskStopped):
            upload.run()
    taken = {number for request in server.requests for number in request.event_ids}
    assert len(taken) < 20_000
    recorded = {event_id(number) for number in receipts.accepted_events}
    assert recorded <= taken
    assert taken - recorded <= {event_id(number) for number in receipts.in_doubt}


def test_windows_follow_each_other_without_a_pause(clock: ManualClock) -> None:
    """While a window's last answers are out, the next one's requests leave."""
    together = threading.Barrier(2, timeout=10)

    def answer(request: Request) -> Reply:
        if {event_id(49), event_id(50)}.intersection(request.event_ids):
            together.wait()
        return OK

    windows = [Items("," + items(100)[first : first + 50], keys(100)[first : first + 50]) for first in (0, 50)]
    receipts = Receipts()
    limits = fast(batch_events=25)
    with scripted(answer) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        server.one_at_a_time = False
        upload = Upload(windows, 100, client, receipts, SendOptions(ENVELOPE, limits, accepted_before=True))
        upload.run()
    assert accounts(upload, receipts, 100).accepted == 100
    assert sorted(receipts.accepted_events) == list(range(100))


def test_windows_that_can_not_be_made_leave_no_answer_unrecorded(clock: ManualClock) -> None:
    """What was sent before the fault is recorded, and the fault is what is raised."""

    def windows() -> Iterator[Items]:
        yield Items("," + items(50), keys(50))
        raise DiskFull(28, "No space left on device")

    receipts = Receipts()
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(windows(), 100, client, receipts, SendOptions(ENVELOPE, FAST, accepted_before=True))
        with pytest.raises(DiskFull):
            upload.run()
    result = accounts(upload, receipts, 100)
    assert (result.accepted, result.not_attempted) == (50, 50)


def test_a_fence_that_fails_unexpectedly_stops_the_run_and_loses_no_answer(clock: ManualClock) -> None:
    """The batch it was asked for is in doubt; what TikTok took is recorded.

    A batch that was handed to the sending thread before may still leave, since the fence lets it.
    """
    asked = 0

    def may_leave() -> None:
        nonlocal asked
        asked += 1
        if asked == 5:
            raise DiskFull(28, "No space left on device")

    receipts = Receipts()
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(
            in_one(items(500)),
            500,
            client,
            receipts,
            SendOptions(ENVELOPE, fast(batch_events=10, in_flight=1), may_leave=may_leave, accepted_before=True),
        )
        with pytest.raises(DiskFull):
            upload.run()
    result = accounts(upload, receipts, 500)
    assert result.unconfirmed == 10
    assert result.accepted == 10 * (asked - 1) in (40, 50)


class DiskFull(OSError):
    """No space left."""


@pytest.mark.parametrize("method", ["attempted", "accepted", "flush"])
def test_receipts_that_can_not_be_written_stop_the_run(method: str, clock: ManualClock) -> None:
    """Nothing is sent that can't be recorded, and nothing unrecorded counts as accepted."""
    calls = 0

    class Failing(Receipts):
        pass

    def fail(self: Receipts, *args: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 2 or method == "flush":
            raise DiskFull(28, "No space left on device")
        getattr(Receipts, method)(self, *args)

    setattr(Failing, method, fail)
    receipts = Failing()
    with scripted(lambda _: OK) as server, TikTokClient("token", base_url=server.url, clock=clock) as client:
        upload = Upload(in_one(items(10_000)), 10_000, client, receipts, SendOptions(ENVELOPE, fast(batch_events=50)))
        with pytest.raises(DiskFull):
            upload.run()
    sent = {int(each[3:], 16) for request in server.requests for each in request.event_ids}
    assert sent <= receipts.attempted_events
    if method != "flush":
        assert len(sent) < 10_000


def test_a_test_code_is_refused_where_receipts_are_kept(client: TikTokClient, clock: ManualClock) -> None:
    """Test events do not count, so they must not be remembered as sent."""
    envelope = Envelope(EVENT_SET_ID, test_event_code="TEST1")
    with pytest.raises(ConfigError, match="test events do not count"):
        send(in_one(items(5)), 5, client, Receipts(), SendOptions(envelope, FAST))


def test_test_events_carry_the_code_at_top_level_and_are_few(
    tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock
) -> None:
    """They show in Test Events and are not counted."""
    envelope = Envelope(EVENT_SET_ID, test_event_code="TEST1")
    result = send_test("," + items(7), client, SendOptions(envelope, FAST))
    assert result.accepted == 7
    assert tiktok.event_ids() == {}
    tested = list(tiktok.control.tested())
    assert {(each.code, each.event_set_id) for each in tested} == {("TEST1", EVENT_SET_ID)}
    assert len(tested) == 7


def test_a_test_without_a_code_is_refused(client: TikTokClient, clock: ManualClock) -> None:
    """Without it the events would count."""
    with pytest.raises(ConfigError, match="test_event_code"):
        send_test("," + items(5), client, SendOptions(ENVELOPE, FAST))


def test_refusals_are_counted_by_code_and_field(clock: ManualClock) -> None:
    """What the report shows of them."""

    def answer(request: Request) -> Reply:
        if event_id(3) in request.event_ids:
            return code(40062, "The email field must be hashed with SHA-256.")
        if event_id(4) in request.event_ids or event_id(9) in request.event_ids:
            return code(40002, "Invalid value for event_time: x")
        return OK

    with uploading(answer, 10, clock) as (upload, receipts, _):
        upload.run()
    result = accounts(upload, receipts, 10)
    assert result.refusals == (Refusal(40002, "event_time", 2), Refusal(40062, "email", 1))


def test_items_and_keys_must_belong_together(client: TikTokClient) -> None:
    """A key for each item."""
    windows = [Items("," + items(3), keys(2))]
    with pytest.raises(ValueError, match="3 items but 2 keys"):
        send(windows, 3, client, Receipts(), SendOptions(ENVELOPE, FAST))


def test_the_token_is_needed(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """A client without one is told so by TikTok."""
    with TikTokClient(None, base_url=tiktok.url) as client, pytest.raises(CredentialsError) as caught:
        send(in_one(items(3)), 3, client, Receipts(), SendOptions(ENVELOPE, FAST))
    assert caught.value.code == 40104
    assert ACCESS_TOKEN not in str(caught.value)
