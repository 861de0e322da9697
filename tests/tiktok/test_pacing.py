"""The shared rate limit and the circuit breaker, on a clock that is moved by hand."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock, system_clock
from airflow_provider_tiktok_offline.tiktok.pacing import CircuitBreaker, RateLimit, Stopping


def limit(rate: float, clock: ManualClock) -> RateLimit:
    return RateLimit(rate, clock, threading.Event())


def seconds_for(requests: int, rate: RateLimit, clock: ManualClock) -> float:
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
