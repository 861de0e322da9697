"""Any order of claims, windows, lost answers, deaths, take-overs and settlements counts each event once."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerBusyError
from airflow_provider_tiktok_offline.ledger.event_states import RETRY_WINDOW
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.receipts import PartReceipts
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import LEASE, World

_FILES = {"a": range(6), "b": range(3, 9), "c": range(12)}
#: TikTok's own window of deduplication.
_FAR_SIDE = timedelta(hours=48)


class LedgerMachine(RuleBasedStateMachine):
    """Three overlapping files, each worked on by tries that may die at any step."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="ledger-states-"))
        self.world = World(open_objects(str(self.root)))
        self.taken: dict[int, datetime] = {}
        self.counted: dict[int, int] = {}
        self.refused: set[int] = set()
        everything = self.world.frame(range(12))["event_key"].to_list()
        self.numbers = dict(zip(everything, range(12), strict=True))
        #: Tries that are paused: their receipts and what they were about to send.
        self.asleep: list[tuple[PartReceipts, pl.Series]] = []

    def teardown(self) -> None:
        self.world.clock.advance(timedelta(seconds=LEASE + 1))
        for _ in range(6):
            for name in _FILES:
                self._work(name, [True] * 12)
        assert all(self.counted.get(number) == 1 for number in range(12) if self._must_arrive(number))
        shutil.rmtree(self.root)

    def _must_arrive(self, number: int) -> bool:
        frame = self.world.frame([number])
        verdict: str = self.world.ledger().look(frame, now=self.world.clock.now(), lookback=None)[0]
        assert verdict in ("already_sent", "in_doubt_old")
        return verdict == "already_sent"

    def _far_side(self, keys: pl.Series) -> None:
        """The far side takes an event unless it has taken it within its own window."""
        now = self.world.clock.now()
        for key in keys.to_list():
            number = self.numbers[key]
            if number not in self.taken or now - self.taken[number] >= _FAR_SIDE:
                self.counted[number] = self.counted.get(number, 0) + 1
                self.taken[number] = now

    def _work(self, name: str, arrives: list[bool], *, die_before_settling: bool = False) -> None:
        delivery = self.world.enter(name)
        ledger = self.world.ledger()
        plan = self.world.plan(delivery, _FILES[name])
        self._send(ledger, delivery, plan.parts, arrives)
        if die_before_settling:
            return
        ledger.settle(delivery)
        state = self.world.deliveries.get(delivery)
        self.world.deliveries.save(state, status="failed")

    def _send(self, ledger: Ledger, delivery: str, parts: tuple[int, ...], arrives: list[bool]) -> None:
        plan = ledger.plan(delivery)
        for part in parts:
            with ledger.receipts(delivery, part, "run") as receipts:
                todo = self._todo(plan.part(part), receipts)
                for start, arrived in zip(range(0, len(todo), 3), arrives, strict=False):
                    window = todo[start : start + 3]
                    receipts.attempted(window)
                    self._far_side(window)
                    if arrived:
                        receipts.accepted(window, "request")

    def _todo(self, planned: pl.DataFrame, receipts: PartReceipts) -> pl.Series:
        stale = self.world.clock.now() - RETRY_WINDOW
        settled = receipts.settled().filter((pl.col("outcome") != "in_doubt") | (pl.col("first_attempt_at") <= stale))
        return planned.join(settled, on="event_key", how="anti", maintain_order="left")["event_key"]

    @rule(name=st.sampled_from(sorted(_FILES)), arrives=st.lists(st.booleans(), max_size=4), dies=st.booleans())
    def work(self, name: str, arrives: list[bool], dies: bool) -> None:
        """A try plans, sends some windows, some without an answer, and settles unless it dies."""
        with suppress(DeliveryHeldError, LedgerBusyError):
            self._work(name, arrives, die_before_settling=dies)

    @rule(name=st.sampled_from(sorted(_FILES)))
    def fall_asleep(self, name: str) -> None:
        """A try plans, looks at the receipts, and is paused before it sends."""
        delivery = self.world.enter(name)
        plan = self.world.plan(delivery, _FILES[name])
        for part in plan.parts:
            receipts = self.world.ledger().receipts(delivery, part, "run")
            self.asleep.append((receipts, self._todo(plan.part(part), receipts)))

    @rule(arrived=st.booleans())
    def wake(self, arrived: bool) -> None:
        """A paused try goes on where it was; it is stopped if its claims were taken over."""
        if not self.asleep:
            return
        receipts, todo = self.asleep.pop(0)
        with suppress(LedgerBusyError), receipts:
            if len(todo):
                receipts.attempted(todo)
                self._far_side(todo)
                if arrived:
                    receipts.accepted(todo, "request")

    @rule(hours=st.sampled_from([0.05, 1, 20, 30]))
    def wait(self, hours: float) -> None:
        """Time passes: leases expire, doubts grow old."""
        self.world.clock.advance(timedelta(hours=hours))

    @rule(name=st.sampled_from(sorted(_FILES)))
    def plan_only(self, name: str) -> None:
        """A try claims and dies before it sends."""
        self.world.plan(self.world.enter(name), _FILES[name])

    @invariant()
    def nothing_counts_twice(self) -> None:
        """The far side never counts an event a second time."""
        assert all(count == 1 for count in self.counted.values())


_COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def test_any_order_counts_each_event_once() -> None:
    """A seeded handful of orders."""
    run_state_machine_as_test(
        LedgerMachine, settings=settings(_COMMON, max_examples=5, stateful_step_count=8, derandomize=True)
    )


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_many_orders_count_each_event_once() -> None:
    """Many orders, longer ones."""
    run_state_machine_as_test(LedgerMachine, settings=settings(_COMMON, max_examples=150, stateful_step_count=25))
