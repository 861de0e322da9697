"""``send_after_days`` beside several files a day, a change of mode, an adopted file and a cut-over; and killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from airflow_provider_tiktok_offline.delivery.operations.adopt import adopt_file
from airflow_provider_tiktok_offline.delivery.sequences import deliver_due, deliver_to_tiktok, take_up
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
from airflow_provider_tiktok_offline.delivery.state.waiting import due_deliveries, kept_deliveries, last_moments
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.errors import LedgerVersionError
from airflow_provider_tiktok_offline.ledger.corrections import acknowledge_identity
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from tests.delivery.waiting_shop import DAYS, Shop, returned
from tests.delivery.world import World, rows
from tests.servers.dying import Life, Step, before, live_out, mortal
from tests.servers.simulator import RunningSimulator


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def _run_all(shop: Shop, files: dict[str, Sequence[str]]) -> list[DeliverySummary]:
    """A day with ``files: all``: what the sensor finds, each its own delivery, then what is due."""
    for name, lines in files.items():
        shop.drop(lines, name)
    ctx = shop.context()
    found = find(ctx, date(2026, 11, 21 + shop.days)).files
    assert [str(one["uri"]).rpartition("/")[2] for one in found] == list(files)
    return [*(deliver_to_tiktok(ctx, one) for one in found), *deliver_due(ctx)]


def test_several_files_a_day_wait_each_by_itself(world: World) -> None:
    """A file that waits is handled: no later day takes it again. A return in one file meets the sale of another."""
    source = {"path": str(world.folder / "drop" / "shop_*.csv"), "files": "all", "settle_seconds": 0}
    shop = Shop(world, source=source)
    first = _run_all(shop, {"shop_a1.csv": rows(1, 2), "shop_b1.csv": [*rows(11, 2), returned(1, "4.00")]})
    assert [one.waiting for one in first] == ["until 2026-11-25, for returns (send_after_days)"] * 2
    shop.next_day()
    second = _run_all(shop, {"shop_a2.csv": [returned(12, "10.00"), *rows(21, 1)], "shop_b2.csv": rows(31, 1)})
    assert [bool(one.waiting) for one in second] == [True, True]
    shop.next_day(DAYS - 1)
    due = _run_all(shop, {})
    assert {one.delivery_id for one in due} == {one.delivery_id for one in first}
    assert {name: str(value) for name, value in shop.values().items()} == {
        "order-1": "6", "order-2": "10", "order-11": "10",
    }  # fmt: skip
    shop.next_day()
    assert [one.events for one in _run_all(shop, {})] == [{"accepted": 1}] * 2
    assert kept_deliveries(shop.context()) == []


def test_a_file_that_is_adopted_while_it_waits_is_never_sent(shop: Shop) -> None:
    """Someone else has delivered it. The files after it go their way."""
    [first] = shop.run(rows(1, 2))
    shop.next_day()
    [second] = shop.run(rows(2, 2))
    ctx = shop.context("by/hand")
    adopted = adopt_file(ctx, ctx.ledger, first.file, reason="uploaded in Ads Manager")
    assert (adopted.delivery_id, adopted.events, adopted.new) == (first.delivery_id, 2, 2)
    shop.next_day(DAYS)
    [sent] = deliver_due(shop.context())
    assert (sent.delivery_id, sent.events) == (second.delivery_id, {"already_sent": 1, "accepted": 1})
    assert set(shop.values()) == {"order-3"}
    assert kept_deliveries(shop.context()) == []


@pytest.mark.parametrize("mode", ["dry_run", "test"])
def test_nothing_that_waits_is_sent_while_the_mode_is_not_live(shop: Shop, mode: str) -> None:
    """It is still due once the advertiser is live again."""
    [first] = shop.run(rows(1, 2))
    shop.next_day(DAYS)
    shop.changes |= {"mode": mode, **({"test_event_code": "TEST123"} if mode == "test" else {})}
    assert due_deliveries(shop.context()) == []
    assert deliver_due(shop.context()) == []
    shop.changes["mode"] = "live"
    shop.changes.pop("test_event_code", None)
    [sent] = deliver_due(shop.context())
    assert (sent.delivery_id, sent.events) == (first.delivery_id, {"accepted": 2})
    assert len(shop.world.simulator.event_ids()) == 2


@pytest.mark.parametrize(
    ("checked_at", "last"),
    [("09:00", "2026-11-25T22:00"), ("20:59", "2026-11-25T22:00"), ("23:40", "2026-11-26T00:40")],
)
def test_what_is_due_waits_for_a_late_file_until_the_evening(shop: Shop, checked_at: str, last: str) -> None:
    """Of UTC; where files come in the evening, for an hour more than its days."""
    shop.world.clock.advance(datetime.fromisoformat(f"2026-11-22T{checked_at}+00:00") - shop.world.clock.now())
    shop.run(rows(1, 1))
    assert last_moments(shop.context()) == [datetime.fromisoformat(f"{last}+00:00")]
    shop.changes["mode"] = "dry_run"
    assert last_moments(shop.context()) == []


def _cut_over(shop: Shop, at: datetime) -> None:
    ctx = shop.context()
    place = LedgerPlace(ctx.objects, ctx.config.event_set_id, shop.world.clock)
    acknowledge_identity(
        place, settings=ctx.config.identity_settings(), send_from=at, reason="new register ids", actor="by/hand"
    )


def test_what_waits_over_a_cut_over_is_sent_under_its_own_ids(shop: Shop) -> None:
    """A cut-over says that older transactions were sent; these were not yet. A file of both days sends the new ones."""
    shop.run(rows(1, 2))
    shop.next_day()
    shop.changes["event_identity"] = ["store_code", "order_id"]
    _cut_over(shop, datetime(2026, 11, 22, 12, tzinfo=UTC))
    new = rows(3, 1, at="2026-11-22T13:00:00Z-0000")
    shop.run([*rows(1, 2), *new])
    shop.next_day(DAYS - 1)
    [first] = deliver_due(shop.context())
    assert first.events == {"accepted": 2}
    shop.next_day()
    [second] = deliver_due(shop.context())
    assert second.events == {"already_sent": 2, "accepted": 1}
    assert sorted(shop.values()) == ["order-1", "order-2", "order-3"]
    assert set(shop.world.simulator.event_ids().values()) == {1}


def test_a_file_does_not_wait_under_settings_that_nobody_acknowledged(shop: Shop) -> None:
    """It stops on its own day, not on the one it is due; and a cut-over before it waits holds for it."""
    shop.run(rows(1, 2))
    shop.next_day()
    shop.changes["event_identity"] = ["store_code", "order_id"]
    stamp = shop.drop([*rows(1, 2), *rows(3, 1, at="2026-11-22T13:00:00Z-0000")])
    with pytest.raises(LedgerVersionError, match="event_identity"):
        deliver_to_tiktok(shop.context(), stamp)
    _cut_over(shop, datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert deliver_to_tiktok(shop.context(), stamp).waiting
    shop.next_day(DAYS)
    first, second = deliver_due(shop.context())
    assert (first.events, second.events) == ({"accepted": 2}, {"already_sent": 2, "accepted": 1})


def _steps_of_due(delivery_id: str) -> list[Step]:
    """The tasks of the run on the day that a delivery is due, each as one that can be tried again."""

    def upload_all(ctx: DeliveryContext) -> None:
        for part in dedupe(ctx, delivery_id).parts:
            upload(ctx, delivery_id, part)

    return [
        partial(take_up, delivery_id=delivery_id),
        partial(dedupe, delivery_id=delivery_id),
        upload_all,
        partial(summarize, delivery_id=delivery_id),
    ]


@pytest.mark.parametrize("tried_again", [True, False])
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])])
def test_killed_before_any_write_of_the_day_it_is_due(
    running_simulator: RunningSimulator, tmp_path: Path, every: int, tried_again: bool
) -> None:
    """Each event is taken once, less what came back, whether the tasks are tried again or the next day's run goes on.

    :param every: take every n-th write only.
    """
    for writes in range(1 if tried_again else 3, 80, every):
        own = tmp_path / str(writes)
        own.mkdir()
        world = World(own, running_simulator)
        shop = Shop.opened(running_simulator, world)
        [first] = shop.run([*rows(1, 4), returned(1, "2.00")])
        shop.next_day()
        shop.run([returned(2, "10.00"), *rows(10, 1)])
        shop.next_day(DAYS - 1)
        life = Life(writes)
        with pytest.MonkeyPatch.context() as patch:
            ctx = mortal(shop.context(), life, patch)
            # A request is a write, too; TikTok has the events, and nobody notes it, if the next one is not done.
            patch.setattr(httpx.HTTPTransport, "handle_request", before(life, httpx.HTTPTransport.handle_request))
            left = live_out(_steps_of_due(first.delivery_id), ctx)
        try:
            if tried_again:
                for step in left:
                    step(shop.context())
            shop.next_day()
            seen = {one.delivery_id: one for one in deliver_due(shop.context())}
            assert not any(one.open for one in seen.values())
            assert {name: str(value) for name, value in shop.values().items()} == {
                "order-1": "8", "order-3": "10", "order-4": "10", "order-10": "10",
            }  # fmt: skip
            assert set(running_simulator.event_ids().values()) == {1}
            assert Counter(running_simulator.times_received().values()).keys() <= {1, 2}
            assert kept_deliveries(shop.context()) == []
            # What a dead run has not removed goes with the parts that it left.
            world.clock.advance(timedelta(days=10))
            sweep_staging(shop.context())
            assert shop.context().staging.list("") == []
        except Exception as error:
            error.add_note(f"died before write {writes}")
            raise
        if not life.over:
            assert writes > 10
            return
    raise AssertionError("the day has more writes")
