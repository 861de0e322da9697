"""What a person may change, and how a lost ledger comes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TypedDict

import polars as pl
import pytest

from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    LedgerBusyError,
    LedgerDamagedError,
)
from airflow_provider_tiktok_offline.ledger import Ledger, audit, inspection
from airflow_provider_tiktok_offline.ledger.corrections import adopt, mark_erroneous, reopen, resolve, switch_route
from airflow_provider_tiktok_offline.ledger.ledger import LedgerOptions
from airflow_provider_tiktok_offline.ledger.rebuilding import begin_rebuild, finish_rebuild
from tests.ledger.world import EVENT_SET, IDENTITY, World, event_id


class _Who(TypedDict):
    reason: str
    actor: str


WHO: _Who = {"reason": "asked by the shop", "actor": "cli/test"}


def _audited(world: World) -> list[str]:
    return [entry["action"] for entry in audit.entries(world.place)]


def test_adopted_events_are_not_sent(world: World) -> None:
    """A file that was delivered by other means is recorded, once, without sending."""
    world.deliver("monday", range(3))
    ledger = world.ledger()
    assert adopt(ledger, "d-old", [world.frame(range(6))], route="liveramp", **WHO) == 3
    assert adopt(ledger, "d-old", [world.frame(range(6))], route="liveramp", **WHO) == 0
    assert world.verdicts(range(8)) == {"already_sent": 6, "new": 2}
    assert _audited(world) == ["adopt", "adopt"]


def test_reopened_delivery_goes_out_again(world: World) -> None:
    """What the other side rejected is sent by the delivery's next run, and by no more than it."""
    world.deliver("monday", range(5))
    world.deliver("tuesday", range(5, 8))
    monday = world.deliveries.list("shop")[0].id
    assert reopen(world.ledger(), monday, **WHO) == 5
    assert world.deliveries.get(monday).status == "reopened"
    assert world.verdicts(range(8)) == {"new": 5, "already_sent": 3}
    again = world.deliver("monday", range(5))
    assert again.accepted == 5
    assert world.reached[0] == 2


def test_delivery_at_work_is_not_reopened(world: World) -> None:
    """A run that holds the delivery ends first."""
    with pytest.raises(DeliveryHeldError):
        reopen(world.ledger(), world.enter("monday"), **WHO)


def test_a_reason_is_needed(world: World) -> None:
    """No correction without a reason."""
    with pytest.raises(ConfigError, match="--reason"):
        adopt(world.ledger(), "d-old", [], route="tiktok", reason=" ", actor="cli/test")


def _left_in_doubt(world: World) -> str:
    delivery = world.enter("monday")
    world.plan(delivery, range(4))
    world.send(delivery, range(3), answer=False)
    world.ledger().settle(delivery)
    world.deliveries.save(world.deliveries.get(delivery), status="failed")
    world.clock.advance(timedelta(hours=50))
    return delivery


def test_resolve_as_sent(world: World) -> None:
    """Events in doubt for too long can be taken for sent."""
    delivery = _left_in_doubt(world)
    assert resolve(world.ledger(), "sent", **WHO) == 3
    assert world.verdicts(range(4), delivery) == {"already_sent": 3, "new": 1}


def test_resolve_to_resend(world: World) -> None:
    """Or they may go out again, by the delivery's next plan."""
    delivery = _left_in_doubt(world)
    assert world.verdicts(range(4), delivery) == {"in_doubt_old": 3, "own": 1}
    assert resolve(world.ledger(), "resend", delivery_id=delivery, **WHO) == 3
    world.enter("monday")
    assert world.plan(delivery, range(4)).counts["new"] == 4
    world.send(delivery, range(4))
    assert world.ledger().settle(delivery).accepted == 4
    assert _audited(world) == ["resolve"]


def test_doubts_of_a_delivery_at_work_are_left_to_it(world: World) -> None:
    """Nobody resolves what a run is just trying again."""
    delivery = _left_in_doubt(world)
    resolve(world.ledger(), "resend", **WHO)
    world.enter("monday")
    world.plan(delivery, range(4))
    world.send(delivery, range(4), answer=False)
    assert resolve(world.ledger(), "sent", **WHO) == 0


def test_erroneous_delivery_is_marked_and_stays_sent(world: World) -> None:
    """What TikTok took can't be recalled: the record says so, the keys stay."""
    world.deliver("monday", range(3))
    monday = world.deliveries.list("shop")[0].id
    mark_erroneous(world.ledger(), monday, **WHO)
    assert world.verdicts(range(3)) == {"already_sent": 3}
    assert "asked by the shop" in world.ledger().records.read()["details"][0]


def test_route_is_not_switched_under_a_delivery_at_work(world: World) -> None:
    """The former route's deliveries end first."""
    world.plan(world.enter("monday"), range(3))
    with pytest.raises(LedgerBusyError, match="at work"):
        switch_route(world.ledger(), "liveramp", **WHO)


def test_lost_ledger_is_rebuilt_from_kept_files(world: World) -> None:
    """After a rebuild from the kept files nothing is sent twice; while it lasts nothing is sent at all."""
    world.deliver("monday", range(5))
    world.deliver("tuesday", range(5, 9))
    world.ledger().records.append({"delivery_id": "d-1", "counts": {"accepted": 5}})
    log = [p for p in world.objects.list(f"event_sets/{EVENT_SET}/g0001/keys") if "_delta_log" in p]
    world.objects.delete(log[-1])
    begin_rebuild(world.place, identity=IDENTITY, **WHO)
    with pytest.raises(LedgerDamagedError, match="being rebuilt"):
        world.ledger()
    ledger = Ledger.open(
        world.objects, EVENT_SET, identity=IDENTITY, clock=world.clock, options=LedgerOptions(rebuilding=True)
    )
    for name, numbers in (("monday", range(5)), ("tuesday", range(5, 9))):
        keys = ledger.keys(pl.Series([event_id(n) for n in numbers]))
        frame = pl.DataFrame({"event_key": keys, "content": [b"10.00"] * len(keys), "event_time": [0] * len(keys)})
        adopt(ledger, name, [frame], route="tiktok", **WHO)
    finish_rebuild(world.place, **WHO)
    assert world.verdicts(range(10)) == {"already_sent": 9, "new": 1}
    assert world.ledger().records.read()["delivery_id"].to_list() == ["d-1"]


def test_rebuild_without_the_own_document(world: World) -> None:
    """Also a ledger whose own document is gone can be rebuilt beside its remains."""
    world.deliver("monday", range(5))
    world.objects.delete(f"event_sets/{EVENT_SET}/meta.json")
    begin_rebuild(world.place, identity=IDENTITY, **WHO)
    finish_rebuild(world.place, **WHO)
    assert world.ledger().meta.generation == "g0002"


def test_same_record_is_kept_once(world: World) -> None:
    """A closing step that is repeated leaves one record; another result leaves another."""
    records = world.ledger().records
    for accepted in (5, 5, 6):
        records.append({"delivery_id": "d-1", "counts": {"accepted": accepted}, "note": "x"})
    assert sorted(records.read()["counts"]) == ['{"accepted": 5}', '{"accepted": 6}']


def test_status_show_and_sent(world: World) -> None:
    """The ledger can be asked what it holds, what became of an event, and what happened on a day."""
    world.deliver("monday", range(3))
    world.plan(world.enter("tuesday"), range(3, 5))
    ledger = world.ledger()
    status = inspection.status(ledger)
    assert (status["rows"], status["events"], list(status["claims"].values())) == (3, {"accepted": 3}, [2])
    assert inspection.show(ledger, event_id(0))["outcome"].to_list() == ["accepted"]
    assert inspection.show(ledger, event_id(4))["outcome"].to_list() == ["claimed"]
    asked = inspection.sent(ledger, pl.Series([event_id(n) for n in (1, 99)]))
    assert asked["outcome"].to_list() == ["accepted", None]
    counted, _ = inspection.day(ledger, world.clock.now().date())
    assert counted["events"].to_list() == [3]


def test_status_counts_an_event_by_what_became_of_it_last(world: World) -> None:
    """An event that was in doubt and then taken is one accepted event; the doubt is over."""
    delivery = world.enter("monday")
    world.plan(delivery, range(4))
    world.send(delivery, range(3), answer=False)
    world.ledger().settle(delivery)
    status = inspection.status(world.ledger())
    assert (status["events"], status["oldest_in_doubt"] is None) == ({"in_doubt": 3}, False)
    world.send(delivery, range(4))
    world.ledger().settle(delivery)
    status = inspection.status(world.ledger())
    assert (status["rows"], status["events"], status["oldest_in_doubt"]) == (7, {"accepted": 4}, None)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_export(world: World, tmp_path: Path, ending: str) -> None:
    """Every row goes into one file."""
    world.deliver("monday", range(3))
    target = tmp_path / f"keys.{ending}"
    assert inspection.export(world.ledger(), target) == 3
    read = pl.read_parquet(target) if ending == "parquet" else pl.read_csv(target)
    assert read.height == 3
    assert read["event_key"].str.len_chars().unique().to_list() == [32]
