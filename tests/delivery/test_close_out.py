"""The close-out: it needs the plan and the receipts alone, and settles every delivery of the run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.conversions.contract.outcomes import OUTCOMES
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize, summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, UnsettledError
from airflow_provider_tiktok_offline.ledger.event_states import SENT_VERDICTS, VERDICTS
from tests.delivery.opt_outs import OptOuts
from tests.delivery.world import World, rows


@pytest.fixture(name="opt_outs")
def _opt_outs(world: World) -> OptOuts:
    world.init_ledger()
    found = OptOuts(world)
    found.write("nobody@example.com")
    return found


def planned(world: World, ctx: DeliveryContext, *, first: int = 1, name: str = "conversions_20261121.csv") -> str:
    """A delivery of five events, up to its plan."""
    delivery_id = validate(ctx, world.drop(rows(first, 5), name=name)).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    return delivery_id


def test_a_list_that_became_stale_after_sending_does_not_stop_the_close_out(world: World, opt_outs: OptOuts) -> None:
    """Everything was sent while the list was fresh: the delivery closes without it."""
    ctx = opt_outs.context()
    delivery_id = planned(world, ctx)
    upload(ctx, delivery_id, 0)
    world.clock.advance(timedelta(days=5))
    assert summarize(ctx, delivery_id).events == {"accepted": 5}
    assert ctx.deliveries.get(delivery_id).status == "closed"


def test_events_of_customers_who_opted_out_need_no_list_at_the_close_out(world: World, opt_outs: OptOuts) -> None:
    """Upload keeps which events it left out; a list that is gone afterwards changes nothing."""
    ctx = opt_outs.context()
    delivery_id = planned(world, ctx)
    opt_outs.write("shopper3@example.com")
    upload(ctx, delivery_id, 0)
    (world.folder / "opt-outs.txt").unlink()
    summary = summarize(ctx, delivery_id)
    assert summary.events == {"accepted": 4, "suppressed": 1}
    assert summary.values == {"accepted": {"USD": "40.00"}, "suppressed": {"USD": "10.00"}}
    assert not [path for path in ctx.objects.list(ctx.folder(delivery_id)) if "opted_out" in path]


def test_without_a_list_events_that_were_not_sent_stay_open(world: World, opt_outs: OptOuts) -> None:
    """Nothing is said of them but that they were not sent."""
    ctx = opt_outs.context()
    delivery_id = planned(world, ctx)
    (world.folder / "opt-outs.txt").unlink()
    with pytest.raises(UnsettledError, match="5 events not_sent"):
        summarize(ctx, delivery_id)


def test_a_delivery_closes_without_its_staged_parts(world: World) -> None:
    """Parts that were swept after sending are not needed; their values are not known any more."""
    world.init_ledger()
    ctx = world.context()
    delivery_id = planned(world, ctx)
    upload(ctx, delivery_id, 0)
    StagedParts(ctx.staging, delivery_id).clear()
    summary = summarize(ctx, delivery_id)
    assert summary.events == {"accepted": 5}
    assert ctx.deliveries.get(delivery_id).status == "closed"
    again = world.deliver(world.drop(rows(1, 6), name="again.csv"), world.context("daily/run-2"))
    assert again.events == {"accepted": 1, "already_sent": 5}


def test_a_delivery_that_can_not_be_settled_leaves_no_other_open(world: World) -> None:
    """The damaged one is named; the other one of the run is closed."""
    world.init_ledger()
    ctx = world.context()
    for first, name in ((1, "a.csv"), (11, "b.csv")):
        upload(ctx, planned(world, ctx, first=first, name=name), 0)
    damaged, whole = deliveries_of_run(ctx)
    (plan,) = (path for path in ctx.objects.list("") if f"/plans/{damaged}/" in path and path.endswith("manifest.json"))
    ctx.objects.put(plan, b"{")
    with pytest.raises(LedgerDamagedError):
        summarize_all(ctx)
    assert ctx.deliveries.get(whole).status == "closed"
    assert ctx.deliveries.get(damaged).status == "open"


def test_every_delivery_that_is_still_open_is_named(world: World) -> None:
    """One is damaged, one was not sent: the error names both."""
    world.init_ledger()
    ctx = world.context()
    for first, name in ((1, "a.csv"), (11, "b.csv")):
        planned(world, ctx, first=first, name=name)
    damaged, unsent = deliveries_of_run(ctx)
    (plan,) = (path for path in ctx.objects.list("") if f"/plans/{damaged}/" in path and path.endswith("manifest.json"))
    ctx.objects.put(plan, b"{")
    with pytest.raises(UnsettledError, match=rf"{unsent}\): 5 events not_sent; {damaged}: ") as raised:
        summarize_all(ctx)
    assert not raised.value.retryable


def test_every_verdict_has_an_outcome() -> None:
    """What the ledger says of an event that is not sent is a word of the one list, but for doubt, which is renamed."""
    assert set(VERDICTS) - set(SENT_VERDICTS) - {"in_doubt_old"} <= OUTCOMES.keys()


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_docs_know_every_outcome(name: str) -> None:
    """Those of a closed delivery stand among the metrics, those of an open one in the runbook."""
    docs = Path(__file__).parents[2] / "docs"
    if OUTCOMES[name].settled:
        assert f"`tiktok_offline.events.{name}`" in (docs / "airflow.md").read_text()
    else:
        assert f"`{name}`" in (docs / "operations.md").read_text()


def test_the_report_explains_every_outcome(world: World, opt_outs: OptOuts) -> None:
    """The page has the words of the summary, with their meaning."""
    ctx = opt_outs.context()
    delivery_id = planned(world, ctx)
    with pytest.raises(UnsettledError):
        summarize(ctx, delivery_id)
    stored = ctx.objects.get(f"{ctx.folder(delivery_id)}/report.html")
    assert stored is not None
    assert OUTCOMES["not_sent"].meaning in stored[0].decode()


@pytest.mark.parametrize(
    ("settings", "basis"),
    [
        ({"legal_basis": "contract"}, {"consent": None, "suppression": False, "legal_basis": "contract"}),
        ({"consent": {"column": "store_code"}}, {"consent": "store_code", "suppression": False, "legal_basis": None}),
        ({}, {"consent": None, "suppression": False, "legal_basis": None}),
    ],
)
def test_the_record_keeps_why_the_data_may_be_sent(
    world: World, settings: dict[str, Any], basis: dict[str, object]
) -> None:
    """The column of consent, that there was a list of opt-outs, or the advertiser's own words."""
    world.init_ledger()
    ctx = world.context(**settings)
    world.deliver(world.drop(rows(1, 5)), ctx)
    [details] = ctx.ledger.records.read()["details"]
    assert json.loads(details)["basis"] == basis


def test_the_record_keeps_that_there_was_a_list_of_opt_outs(world: World, opt_outs: OptOuts) -> None:
    """The list itself is in no record."""
    ctx = opt_outs.context()
    world.deliver(world.drop(rows(1, 5)), ctx)
    [details] = ctx.ledger.records.read()["details"]
    assert json.loads(details)["basis"] == {"consent": None, "suppression": True, "legal_basis": None}
