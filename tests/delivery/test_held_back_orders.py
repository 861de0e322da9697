"""Half an order is never sent: the replay of the repaired file sends it once, whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from tests.delivery.world import HEADER, World, rows
from tests.servers.simulator import EVENT_SET_ID

BASKETS: dict[str, Any] = {"basket": "order", "max_rejected_ratio": 0.5}


def lines_of(order: int, *products: str) -> list[str]:
    """One order, a line a product."""
    [line] = rows(order, 1)
    return [f"{line},{product}" for product in products]


def test_an_order_with_a_rejected_line_goes_out_once_its_file_is_repaired(world: World) -> None:
    """The first delivery holds back both of its lines; the second sends that order alone, with its whole value."""
    ctx = world.context(**BASKETS)
    Ledger.init(ctx.objects, EVENT_SET_ID, identity=ctx.config.identity_settings(), clock=world.clock)
    good, held = [*lines_of(1, "shoe", "sock"), *lines_of(3, "hat")], lines_of(2, "coat", "scarf")
    broken = [held[0], held[1].replace("10.00", "ten")]
    header = f"{HEADER},product_id"
    first = world.deliver(world.drop([*good, *broken], header=header), world.context("daily/1", **BASKETS))
    assert (first.events, first.rows.rows_rejected) == ({"accepted": 2}, 2)
    before = set(world.simulator.event_ids())

    repaired = world.drop([*good, *held], name="repaired.csv", header=header)
    second = world.deliver(repaired, world.context("daily/2", **BASKETS))
    assert second.events == {"already_sent": 2, "accepted": 1}
    assert second.values["accepted"] == {"USD": "20.00"}
    assert len(set(world.simulator.event_ids()) - before) == 1
    assert set(world.simulator.times_received().values()) == {1}


def test_the_value_that_arrives_is_net_of_the_orders_returns(world: World) -> None:
    """``returns: net``: once, and the sums of the summary say the same."""
    changes = {**BASKETS, "returns": "net"}
    ctx = world.context(**changes)
    Ledger.init(ctx.objects, EVENT_SET_ID, identity=ctx.config.identity_settings(), clock=world.clock)
    returned = lines_of(1, "sock")[0].replace("10.00", "-4.00")
    stamp = world.drop([*lines_of(1, "shoe", "sock"), returned, *lines_of(2, "hat")], header=f"{HEADER},product_id")
    summary = world.deliver(stamp, ctx)
    assert (summary.events, summary.values["accepted"]) == ({"accepted": 2}, {"USD": "26.00"})
    assert set(world.simulator.times_received().values()) == {1}
    assert "Values are net: 1 returned line of orders (4.00 USD) taken off" in Path(summary.report_uri).read_text()
