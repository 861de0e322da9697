"""The document of claims: what a take-over may change of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.errors import LedgerBusyError
from airflow_provider_tiktok_offline.ledger import delivery_id
from airflow_provider_tiktok_offline.ledger.plan import PLAN_COLUMNS, Plan, PlanDraft, VerdictSum
from airflow_provider_tiktok_offline.ledger.settlement import Folded, Settler
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import LEASE, LOOKBACK, World, event_id


def test_a_take_over_revokes_the_round_that_it_saw_and_no_later_one(tmp_path: Path) -> None:
    """A delivery that has planned again meanwhile goes on sending."""
    world = World(open_objects(str(tmp_path)))
    world.plan(world.enter("sales.csv"), range(3))
    claims = world.ledger().claims
    (claim,) = claims.read().claims.values()
    claims.revoke(replace(claim, round=claim.round + 1))
    assert not claims.read().claims[claim.delivery_id].broken
    claims.revoke(claim)
    assert claims.read().claims[claim.delivery_id].broken


def test_a_plan_whose_claims_were_taken_over_claims_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two batches of one plan another delivery took the claims: the second batch claims nothing."""
    monkeypatch.setattr("airflow_provider_tiktok_offline.ledger.ledger._BATCH_EVENTS", 1)
    monkeypatch.setattr("airflow_provider_tiktok_offline.ledger.key_sweep._BATCH_EVENTS", 1)
    world = World(open_objects(str(tmp_path)))
    delivery = world.enter("sales.csv")

    def take_over(index: int, judged: pl.DataFrame) -> list[VerdictSum]:
        claims = world.ledger().claims
        (claim,) = claims.read().claims.values()
        claims.remove(claim.delivery_id, claim.round)
        return []

    parts = [(0, world.frame(range(3))), (1, world.frame(range(3, 6)))]
    with pytest.raises(LedgerBusyError):
        world.ledger().dedupe(
            delivery, parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK, judged=take_over
        )
    assert not world.ledger().claims.read().claims


def test_a_claim_that_came_second_leaves_no_list_of_events(world: World) -> None:
    """Each try that lost would leave one behind otherwise, and nothing would remove them."""
    claims = world.ledger().claims
    stale = claims.read()
    world.plan(world.enter("first"), range(3))
    before = world.objects.list("")
    keys = world.frame(range(3, 6))["event_key"]
    assert claims.enter(stale, world.enter("second"), 0, keys, route="tiktok", epoch=None) is None
    assert [path for path in world.objects.list("") if "/claims/" in path and path not in before] == []


def test_a_take_over_that_broke_off_is_finished_by_the_next_plan(world: World) -> None:
    """Claims that were revoked can't be sent by their holder, who is alive: another delivery sends them."""
    first = world.enter("first")
    world.plan(first, range(3))
    world.ledger().claims.revoke(world.ledger().claims.read().claims[first])
    assert world.plan(world.enter("second"), range(3)).to_send == 3
    assert first not in world.ledger().claims.read().claims


def test_a_take_over_forbids_sending_before_it_reads_the_receipts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dead delivery's process might send afterwards would not be in the receipts that are counted."""
    first = world.enter("first")
    world.plan(first, range(3))
    forbidden: list[bool] = []
    fold = Settler.fold

    def watched(settler: Settler, plan: Plan) -> Folded:
        forbidden.append(world.ledger().claims.read().claims[first].broken)
        return fold(settler, plan)

    monkeypatch.setattr(Settler, "fold", watched)
    world.clock.advance(timedelta(seconds=2 * LEASE))
    assert world.plan(world.enter("second"), range(3)).to_send == 3
    assert forbidden == [True]


def test_claims_of_a_delivery_that_nobody_knows_are_held_for_a_lease(world: World) -> None:
    """Its document was lost: its process may be alive until then, and is dead afterwards."""
    ghost = delivery_id("shop", "ghost")
    world.plan(ghost, range(3))
    world.clock.advance(timedelta(seconds=LEASE - 1))
    assert world.verdicts(range(3)) == {"held": 3}
    assert world.plan(world.enter("second"), range(3)).to_send == 0
    world.clock.advance(timedelta(seconds=1))
    assert world.plan(world.enter("third"), range(3)).to_send == 3


def test_of_two_plans_of_one_round_the_first_holds(tmp_path: Path) -> None:
    """Two tries of one step: the second gets the other's plan, and with it what was planned, not its own."""
    world = World(open_objects(str(tmp_path)))
    ledger = world.ledger()
    frame = world.frame(range(3))
    drafts = [PlanDraft(ledger.objects, ledger.root, "d-monday", 0, epoch=epoch) for epoch in ("first", "second")]
    for draft, verdict in zip(drafts, ("new", "already_sent"), strict=True):
        never = pl.lit(None, PLAN_COLUMNS["first_attempt_at"])
        judged = frame.select("event_key", content=pl.lit(1, pl.Int64), verdict=pl.lit(verdict), first_attempt_at=never)
        draft.add(0, judged, None)
    first, second = (draft.close(route="tiktok") for draft in drafts)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.epoch == first.epoch == "first"
    assert second.verdicts(0)["verdict"].to_list() == ["new"] * 3


def test_a_parts_fingerprint_is_of_its_events_in_their_order(tmp_path: Path) -> None:
    """By it a part is known to be what was planned: as many other events, or the same in another order, are not."""
    ledger = World(open_objects(str(tmp_path))).ledger()
    ids = pl.Series([event_id(number) for number in range(5)])
    others = pl.Series([event_id(number) for number in range(5, 10)])
    assert ledger.fingerprint(ids) == ledger.fingerprint(ids.clone())
    assert len({ledger.fingerprint(one) for one in (ids, others, ids.reverse(), ids.head(4))}) == 4


def test_a_settlement_of_an_earlier_round_leaves_the_claim_of_a_later_one(tmp_path: Path) -> None:
    """The delivery has planned again, and sends: its events stay claimed until that round is settled."""
    world = World(open_objects(str(tmp_path)))
    world.plan(world.enter("sales.csv"), range(3))
    claims = world.ledger().claims
    (claim,) = claims.read().claims.values()
    claims.remove(claim.delivery_id, claim.round - 1)
    assert claim.delivery_id in claims.read().claims
    claims.remove(claim.delivery_id, claim.round)
    assert claims.read().claims == {}
