"""Half an order is never sent: the replay of the repaired file sends it once, whole."""

from __future__ import annotations

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
