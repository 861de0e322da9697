"""A shop whose files wait for returns (``send_after_days``), and its days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from airflow_provider_tiktok_offline.delivery.operations.maintenance import make_ledger
from airflow_provider_tiktok_offline.delivery.sequences import deliver_due, deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
from tests.delivery.world import HEADER, World
from tests.servers.simulator import RunningSimulator

DAYS = 3


def returned(number: int, amount: str, *, at: str = "2026-11-21T12:00:00Z-0000", who: str = "") -> str:
    """A line of an order that came back; tills seldom say who brought it."""
    return f"{who},CompletePayment,{at},-{amount},,order-{number},store-1"


def item(order: int, amount: str, product: str, *, at: str = "2026-11-20T12:00:00Z-0000") -> str:
    """A line of an export that has one for each item of an order."""
    return f"a@example.com,CompletePayment,{at},{amount},,order-{order},store-1,{product}"


class Shop:
    """An advertiser that waits three days, and its runs."""

    header = HEADER

    def __init__(self, world: World, **changes: Any) -> None:
        self.world = world
        self.changes = {"send_after_days": DAYS, **changes}
        self.days = 0
        make_ledger(self.context())

    @classmethod
    def opened(cls, simulator: RunningSimulator, world: World, **changes: Any) -> Shop:
        """One at a simulator that knows nothing yet, and whose clock is the shop's."""
        simulator.control.reset()
        simulator.control.set_clock(world.clock.now().timestamp() - simulator.control.summary().now)
        return cls(world, **changes)

    def context(self, holder: str | None = None) -> DeliveryContext:
        """A run of today."""
        return self.world.context(holder or f"daily/run-{self.days}", **self.changes)

    def next_day(self, days: int = 1) -> None:
        """Let days pass, for the simulator too."""
        self.days += days
        self.world.clock.advance(timedelta(days=days))
        control = self.world.simulator.control
        control.advance_clock(self.world.clock.now().timestamp() - control.summary().now)

    def drop(self, lines: Sequence[str], name: str | None = None) -> dict[str, Any]:
        """Today's file."""
        return self.world.drop(lines, name=name or f"day-{self.days}.csv", header=self.header)

    def run(self, lines: Sequence[str], ctx: DeliveryContext | None = None) -> list[DeliverySummary]:
        """Today's run: the file's own delivery, then those that are due."""
        ctx = ctx or self.context()
        return [deliver_to_tiktok(ctx, self.drop(lines)), *deliver_due(ctx)]

    def values(self) -> dict[str, Decimal]:
        """order_id -> the value that arrived."""
        found = [item["properties"] for item in self.world.simulator.items().values()]
        return {str(one["order_id"]): Decimal(str(one["value"])) for one in found}


class ShopOfItems(Shop):
    """One whose export has a line an item of an order."""

    header = HEADER + ",product_id"
