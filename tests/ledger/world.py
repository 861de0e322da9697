"""A ledger with a clock of its own and a far side that counts what it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

import polars as pl

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.ledger import Deliveries, Ledger, delivery_id
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.ledger.ledger import LedgerOptions
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.ledger.plan import Plan
from airflow_provider_tiktok_offline.ledger.settlement import Settlement
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

EVENT_SET = "7000000000000000001"
IDENTITY = IdentitySettings("shop", {"recipe": "v1", "time_zone": "UTC", "basket": "row"}, {"phone_region": "US"})
LOOKBACK = timedelta(days=28)
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
LEASE = 300


def event_id(number: int) -> str:
    """The event id of one made-up transaction."""
    return f"v1-{number:032x}"


class Options(TypedDict, total=False):
    """What a frame of transactions may have of its own."""

    age: timedelta
    amount: str


class World:
    """One event set, its deliveries, and how often each transaction reached the far side."""

    def __init__(self, objects: ObjectStore, *, clock: ManualClock | None = None) -> None:
        self.objects = objects
        self.clock = clock or ManualClock(START)
        Ledger.init(objects, EVENT_SET, identity=IDENTITY, clock=self.clock)
        self.deliveries = Deliveries(objects, self.clock, LEASE)
        self.reached: Counter[int] = Counter()

    @property
    def place(self) -> LedgerPlace:
        """Where the ledger lies."""
        return LedgerPlace(self.objects, EVENT_SET, self.clock)

    def ledger(self) -> Ledger:
        """The ledger as a fresh process opens it."""
        return Ledger.open(
            self.objects,
            EVENT_SET,
            identity=IDENTITY,
            clock=self.clock,
            options=LedgerOptions(deliveries=self.deliveries),
        )

    def frame(
        self, numbers: Sequence[int], *, age: timedelta = timedelta(hours=1), amount: str = "10.00"
    ) -> pl.DataFrame:
        """What dedupe is given for these transactions."""
        when = int((self.clock.now() - age).timestamp())
        keys = self.ledger().keys(pl.Series([event_id(number) for number in numbers], dtype=pl.String))
        return pl.DataFrame(
            {
                "event_key": keys,
                "content": pl.Series([amount.encode()] * len(numbers), dtype=pl.Binary),
                "event_time": pl.Series([when] * len(numbers), dtype=pl.Int64),
            }
        )

    def enter(self, name: str, holder: str = "run", route: str = "tiktok") -> str:
        """Open the delivery of a file of that name."""
        delivery = delivery_id("shop", name)
        self.deliveries.enter(
            delivery,
            holder,
            DeliveredFile(
                advertiser="shop", route=route, digest=name, uri=f"/in/{name}.csv", file_name=f"{name}.csv", size=1
            ),
            as_of=self.clock.now(),
        )
        return delivery

    def plan(self, delivery: str, numbers: Sequence[int], **options: Unpack[Options]) -> Plan:
        """Dedupe one part of these transactions."""
        return self.ledger().dedupe(
            delivery,
            [(0, self.frame(numbers, **options))],
            route="tiktok",
            now=self.clock.now(),
            lookback=LOOKBACK,
        )

    def send(self, delivery: str, numbers: Sequence[int], *, answer: bool = True, holder: str = "run") -> None:
        """Send what the plan holds of these transactions and receipts don't settle."""
        ledger = self.ledger()
        planned = ledger.plan(delivery)
        by_key = dict(zip(self.frame(numbers)["event_key"].to_list(), numbers, strict=True))
        for part in planned.parts:
            with ledger.receipts(delivery, part, holder) as receipts:
                done = receipts.settled().filter(
                    (pl.col("outcome") != "in_doubt")
                    | (pl.col("first_attempt_at") <= self.clock.now() - ledger.retry_window)
                )
                todo = planned.part(part).join(done, on="event_key", how="anti", maintain_order="left")["event_key"]
                chosen = pl.Series("event_key", [key for key in todo.to_list() if key in by_key], dtype=pl.Binary)
                if chosen.is_empty():
                    continue
                receipts.attempted(chosen)
                self.reached.update(by_key[key] for key in chosen.to_list())
                if answer:
                    receipts.accepted(chosen, "request")

    def deliver(
        self, name: str, numbers: Sequence[int], *, route: str = "tiktok", **options: Unpack[Options]
    ) -> Settlement:
        """A whole delivery without a fault."""
        delivery = self.enter(name, route=route)
        self.plan(delivery, numbers, **options)
        self.send(delivery, numbers)
        settlement = self.ledger().settle(delivery)
        self.deliveries.save(self.deliveries.get(delivery), status="closed")
        return settlement

    def verdicts(self, numbers: Sequence[int], delivery: str = "", **options: Unpack[Options]) -> dict[str, int]:
        """What the ledger says of these transactions now."""
        frame = self.frame(numbers, **options)
        looked = self.ledger().look(frame, now=self.clock.now(), lookback=LOOKBACK, delivery_id=delivery)
        return dict(looked.value_counts().iter_rows())

    def each_once(self, numbers: Iterable[int]) -> None:
        """Prove that every one of these transactions reached the far side exactly once."""
        assert {number: self.reached[number] for number in numbers if self.reached[number] != 1} == {}
