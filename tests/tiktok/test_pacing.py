"""The shared rate limit, the circuit breaker and the pace of management calls, most on a clock moved by hand."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock, system_clock
from airflow_provider_tiktok_offline.errors import ThrottledError
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import list_event_sets
from airflow_provider_tiktok_offline.tiktok.pacing import CircuitBreaker, ManagementPace, RateLimit, Stopping
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, RunningSimulator

GET_EVENT_SETS = "/open_api/v1.3/offline/get/"


def limit(rate: float, clock: ManualClock) -> RateLimit:
    return RateLimit(rate, clock, threading.Event())


def seconds_for(requests: int, rate: RateLimit | ManagementPace, clock: ManualClock) -> float:
    started = clock.monotonic()
    for _ in range(requests):
        rate.wait_for_turn()
    return clock.monotonic() - started


def test_requests_are_spaced_evenly(clock: ManualClock) -> None:
    """A hundred at twenty a second take five seconds, less the first."""
    assert seconds_for(101, limit(20, clock), clock) == pytest.approx(5.0, abs=0.01)


def test_time_that_passed_is_not_saved_up(clock: ManualClock) -> None:
    """After a pause no burst follows."""
    rate = limit(10, clock)
    seconds_for(1, rate, clock)
    clock.sleep(60)
    assert seconds_for(11, rate, clock) == pytest.approx(1.0, abs=0.01)


def test_threads_share_one_limit() -> None:
    """Eight threads are no faster than one."""
    clock = system_clock()
    rate = RateLimit(200, clock, threading.Event())
    started = clock.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: rate.wait_for_turn(), range(61)))
    assert clock.monotonic() - started >= 60 / 200 - 0.001


def test_throttling_holds_back_every_request(clock: ManualClock) -> None:
    """Also those that had their turn already."""
    rate = limit(10, clock)
    rate.throttled(30)
    assert seconds_for(1, rate, clock) >= 30


def test_after_throttling_half_as_many_leave_until_it_recovers(clock: ManualClock) -> None:
    """The limit finds the rate that the service bears, and comes back to the configured one."""
    rate = limit(10, clock)
    rate.throttled(1)
    seconds_for(1, rate, clock)
    assert seconds_for(10, rate, clock) == pytest.approx(2.0, abs=0.01)
    for _ in range(50):
        rate.answered()
    seconds_for(1, rate, clock)
    assert seconds_for(10, rate, clock) == pytest.approx(1.0, abs=0.01)


def test_requests_throttled_together_count_once(clock: ManualClock) -> None:
    """Four in flight that meet the same limit do not cut the rate to a sixteenth."""
    rate = limit(10, clock)
    for _ in range(4):
        rate.throttled(1)
    seconds_for(1, rate, clock)
    assert seconds_for(10, rate, clock) == pytest.approx(2.0, abs=0.01)


def test_the_rate_never_falls_to_nothing(clock: ManualClock) -> None:
    """However long it is throttled, some requests leave."""
    rate = limit(32, clock)
    for _ in range(40):
        rate.throttled(1)
        clock.sleep(1)
    seconds_for(1, rate, clock)
    assert seconds_for(5, rate, clock) == pytest.approx(5.0, abs=0.01)


def test_a_stop_ends_every_wait(clock: ManualClock) -> None:
    """A run that is being stopped does not wait out its turns."""
    stopping = threading.Event()
    rate = RateLimit(0.001, clock, stopping)
    rate.wait_for_turn()
    stopping.set()
    with pytest.raises(Stopping):
        rate.wait_for_turn()
    assert clock.monotonic() == 0


def test_failures_in_a_row_open_the_circuit() -> None:
    """It opens at the threshold, not before."""
    breaker = CircuitBreaker(3)
    breaker.failed()
    breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_an_answer_between_keeps_it_closed() -> None:
    """Single failures are what retries are for."""
    breaker = CircuitBreaker(3)
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.answered()
    assert not breaker.is_open


def test_an_open_circuit_stays_open() -> None:
    """A late answer of a request in flight does not start the run again."""
    breaker = CircuitBreaker(1)
    breaker.failed()
    breaker.answered()
    assert breaker.is_open


def test_management_calls_stay_below_both_limits(clock: ManualClock) -> None:
    """However many are made at once, no second has more than 9 and no minute more than 540."""
    pace = ManagementPace(clock)
    times = []
    for _ in range(1200):
        pace.wait_for_turn()
        times.append(clock.monotonic())
    for seconds, calls in ((1.0, 9), (60.0, 540)):
        assert all(later - earlier >= seconds - 1e-6 for earlier, later in zip(times, times[calls:], strict=False))
    assert times[8] == 0.0
    assert times[-1] == pytest.approx(133, abs=2)


def test_a_client_at_rest_waits_for_nothing(clock: ManualClock) -> None:
    """A few calls leave at once."""
    pace = ManagementPace(clock)
    assert seconds_for(9, pace, clock) == 0.0
    clock.sleep(1)
    assert seconds_for(9, pace, clock) == 0.0


def test_the_clients_of_a_process_share_the_pace_of_an_address(tiktok: RunningSimulator) -> None:
    """Thirty advertisers of one app are read from several threads, and none is throttled."""
    advertisers = [str(7_000_000_000_000_001_000 + number) for number in range(30)]
    for number, advertiser_id in enumerate(advertisers):
        event_set_id = str(7_000_000_000_000_002_000 + number)
        tiktok.control.add_advertiser(
            NewAdvertiser(advertiser_id=advertiser_id, event_set_id=event_set_id, name=f"Shop {number}")
        )

    def read(advertiser_id: str) -> int:
        with TikTokClient(ACCESS_TOKEN, base_url=tiktok.url) as client:
            return len(list_event_sets(client, advertiser_id))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read, advertisers)) == [1] * 30
    assert {request.code for request in tiktok.control.requests()} == {0}


def test_an_app_that_was_suspended_is_waited_for(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Other processes used up the minute: after two short waits comes one of five minutes, and then the answer."""
    tiktok.control.add(Fault(kind="limit", path=GET_EVENT_SETS, per_second=0, count=3))
    before = clock.monotonic()
    with TikTokClient(ACCESS_TOKEN, base_url=tiktok.url, clock=clock) as client:
        assert list_event_sets(client, ADVERTISER_ID)
    assert 303 <= clock.monotonic() - before < 303 + 3 * 30
    assert [request.code for request in tiktok.control.requests()] == [40100, 40100, 40100, 0]


def test_the_limit_of_an_advertiser_is_told_from_that_of_the_app(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Both are throttling, with an advice of their own."""
    advice = []
    for number in (40100, 40133):
        tiktok.control.add(Fault(kind="answer", path=GET_EVENT_SETS, code=number, count=4))
        with (
            TikTokClient(ACCESS_TOKEN, base_url=tiktok.url, clock=clock) as client,
            pytest.raises(ThrottledError) as caught,
        ):
            list_event_sets(client, ADVERTISER_ID)
        advice.append(caught.value.todo or "")
    assert ["developer app" in advice[0], "ad account" in advice[1]] == [True, True]
