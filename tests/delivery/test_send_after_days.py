"""``send_after_days``: a file's events wait, and what comes back meanwhile is taken off them."""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.delivery.events.netting import netting_of
from airflow_provider_tiktok_offline.delivery.operations.reopen import reopen_delivery
from airflow_provider_tiktok_offline.delivery.operations.status import refresh
from airflow_provider_tiktok_offline.delivery.sequences import deliver_due, deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.waiting import due_deliveries, kept_deliveries
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.errors import FileChangedError, FileMissingError, InputFileError
from tests.delivery.opt_outs import OptOuts
from tests.delivery.waiting_shop import DAYS, Shop, ShopOfItems, item, returned
from tests.delivery.world import World, rows
from tests.servers.dying import Life, live_out, mortal
from tests.servers.simulator import RunningSimulator


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def test_a_files_events_wait_and_are_sent_on_the_day_they_are_due(shop: Shop) -> None:
    """By the run of that day, behind its own file; until then nothing leaves, and no run fails over it."""
    [first] = shop.run(rows(1, 3))
    assert (first.waiting, first.open) == ("until 2026-11-25, for returns (send_after_days)", "")
    assert (first.events, first.values) == ({"waiting": 3}, {"waiting": {"USD": "30.00"}})
    for day in (1, 2):
        shop.next_day()
        [own] = shop.run(rows(10 * day, 2))
        assert own.waiting
        assert shop.values() == {}
    shop.next_day()
    own, waited = shop.run(rows(30, 2))
    assert own.waiting
    assert (waited.delivery_id, waited.open, waited.events) == (first.delivery_id, "", {"accepted": 3})
    assert shop.values() == {f"order-{number}": Decimal(10) for number in (1, 2, 3)}
    assert shop.context().deliveries.get(first.delivery_id).status == "closed"


@pytest.mark.parametrize("changes", [{}, {"basket": "order"}, {"basket": "order", "returns": "net"}])
def test_what_comes_back_meanwhile_is_taken_off(world: World, changes: dict[str, Any]) -> None:
    """In part, as a whole, more than there was, and twice in two files; each with its value in the books."""
    shop = Shop(world, **changes)
    [first] = shop.run(rows(1, 5))
    shop.next_day()
    shop.run([returned(1, "4.00"), returned(2, "10.00"), returned(3, "12.50"), *rows(10, 1)])
    shop.next_day()
    shop.run([returned(1, "4.00"), returned(4, "6.00"), returned(99, "7.00"), *rows(20, 1)])
    shop.next_day()
    [_, waited] = shop.run([returned(1, "1.00"), returned(4, "4.00"), *rows(30, 1)])
    assert waited.delivery_id == first.delivery_id
    assert shop.values() == {"order-1": Decimal(5), "order-5": Decimal(10)}
    assert waited.events == {"accepted": 2, "returned": 3}
    assert waited.values == {"accepted": {"USD": "15.00"}, "returned": {"USD": "30.00"}}
    assert waited.events_total == sum(waited.events.values())
    assert waited.returns is not None
    assert (waited.returns.reduced, waited.returns.taken_off) == (1, {"USD": "5.00"})


def test_returns_that_meet_no_sale_are_said_with_their_value(shop: Shop) -> None:
    """Once their own file is due. One that was taken off a sale is not among them."""
    shop.run(rows(1, 2))
    shop.next_day()
    shop.run([returned(1, "4.00"), returned(88, "7.00"), returned(99, "2.00"), *rows(10, 1)])
    shop.next_day()
    shop.run(rows(88, 1))
    shop.next_day()
    shop.run(rows(30, 1))
    shop.next_day()
    [_, second] = shop.run(rows(40, 1))
    assert second.returns is not None
    # The sale of order 88 came in a file after its return.
    assert (second.returns.unmet, second.returns.unmet_value) == (2, {"USD": "9.00"})
    shop.next_day()
    [_, third] = shop.run(rows(50, 1))
    assert third.events == {"accepted": 1}


def test_a_return_of_the_own_file_counts(shop: Shop) -> None:
    """What one file holds of both is netted before it is sent, whatever the order of its lines."""
    shop.run([returned(1, "3.00"), *rows(1, 2), returned(2, "10.00")])
    shop.next_day(DAYS)
    [waited] = deliver_due(shop.context())
    assert shop.values() == {"order-1": Decimal(7)}
    assert waited.events == {"accepted": 1, "returned": 1}
    assert waited.returns is not None
    assert waited.returns.unmet == 0


def test_an_export_that_repeats_earlier_days_nets_each_return_once(shop: Shop) -> None:
    """Each file holds all lines so far: an order that came back is sent from none of them."""
    lines = rows(1, 2)
    shop.run(lines)
    for day in range(1, 8):
        lines = [*lines, *rows(10 * day, 1)]
        if day == 2:
            lines = [*lines, returned(1, "10.00"), returned(2, "4.00")]
        shop.next_day()
        shop.run(lines)
    assert shop.values()["order-2"] == Decimal(6)
    assert "order-1" not in shop.values()
    assert set(shop.world.simulator.event_ids().values()) == {1}
    assert {one.state for one in refresh(shop.context()).deliveries} == {"closed", "waiting"}


@pytest.mark.parametrize(
    ("later", "value"),
    [
        (["-4.00"], "6"),
        (["-4.00", "-4.00"], "2"),
        (["-10.00"], None),
        (["-12.50"], None),
        (["5.00", "-4.00"], "6"),
    ],
)
def test_a_return_netted_in_a_file_that_repeats_a_sale_is_the_sales(
    world: World, later: list[str], value: str | None
) -> None:
    """In part, twice, as a whole, more than there was, and beside a line that came too late."""
    shop = ShopOfItems(world, basket="order", returns="net")
    sold = [item(1, "10.00", "shoe"), item(2, "10.00", "shoe")]
    [first] = shop.run(sold)
    shop.next_day()
    came = [item(1, amount, f"came-{n}", at="2026-11-21T12:00:00Z-0000") for n, amount in enumerate(later)]
    shop.run([*sold, *came, item(10, "10.00", "hat")])
    shop.next_day()
    shop.run([*sold, *came, item(20, "10.00", "hat")])
    shop.next_day()
    [_, waited] = shop.run([*sold, *came, item(30, "10.00", "hat")])
    assert waited.delivery_id == first.delivery_id
    for _ in range(DAYS):
        shop.next_day()
        deliver_due(shop.context())
    expected = {} if value is None else {"order-1": Decimal(value)}
    assert shop.values() == {**expected, **{f"order-{number}": Decimal(10) for number in (2, 10, 20, 30)}}


def test_a_return_that_was_taken_off_another_sale_of_its_order_is_not_taken_off_twice(world: World) -> None:
    """The next file has further lines of the order, and their return; alone it comes once more."""
    shop = ShopOfItems(world, basket="order", returns="net")
    shop.run([item(1, "10.00", "shoe")])
    shop.next_day()
    back = item(1, "-30.00", "coat", at="2026-11-21T12:00:00Z-0000")
    shop.run([item(1, "70.00", "coat", at="2026-11-21T11:00:00Z-0000"), back])
    shop.next_day()
    shop.run([back, item(20, "10.00", "hat")])
    shop.next_day()
    shop.run([item(30, "10.00", "hat")])
    assert shop.values() == {"order-1": Decimal(10)}


def test_what_is_due_is_sent_without_a_new_file(shop: Shop) -> None:
    """Nothing is due the day before, and nothing the second time."""
    shop.run(rows(1, 2))
    shop.next_day(DAYS - 1)
    assert deliver_due(shop.context()) == []
    shop.next_day(1)
    [waited] = deliver_due(shop.context())
    assert waited.events == {"accepted": 2}
    assert deliver_due(shop.context()) == []


def test_a_run_that_comes_days_late_sends_the_oldest_first(shop: Shop) -> None:
    """All that is due by then."""
    first = shop.run(rows(1, 1))[0].delivery_id
    shop.next_day()
    second = shop.run(rows(2, 1))[0].delivery_id
    shop.next_day(10)
    assert due_deliveries(shop.context()) == [first, second]
    assert [one.delivery_id for one in deliver_due(shop.context())] == [first, second]


def test_while_it_waits_it_claims_nothing_and_nobody_holds_it(shop: Shop) -> None:
    """Another delivery of the same events is free to send them."""
    [first] = shop.run(rows(1, 2))
    ctx = shop.context("other/run")
    state = ctx.deliveries.get(first.delivery_id)
    assert (state.status, state.holder, state.waits) == ("failed", None, True)
    assert ctx.ledger.held_keys().is_empty()


def test_its_parts_are_not_swept_while_it_waits(shop: Shop) -> None:
    """Until so long after it was due that nobody seems to come; then they go like those of any abandoned run."""
    shop.changes["send_after_days"] = 10
    [first] = shop.run(rows(1, 2))
    shop.next_day(9)
    parts = StagedParts(shop.context().staging, first.delivery_id)
    assert sweep_staging(shop.context()) == 0
    assert parts.complete()
    shop.next_day(10)
    assert sweep_staging(shop.context()) == 1
    # The file is still there, so that they are made again.
    assert deliver_due(shop.context())[0].events == {"accepted": 2}


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_parts_that_are_gone_with_their_file_are_said_once(shop: Shop, how: str) -> None:
    """The run that finds it out fails; the runs after it do not try again."""
    [first] = shop.run(rows(1, 2))
    StagedParts(shop.context().staging, first.delivery_id).clear()
    if how == "deleted":
        Path(first.file).unlink()
    else:
        shop.drop(rows(5, 1))
    shop.next_day(DAYS)
    with pytest.raises(FileMissingError if how == "deleted" else FileChangedError):
        deliver_due(shop.context())
    assert deliver_due(shop.context()) == []
    assert shop.values() == {}


def test_a_file_that_is_written_over_is_sent_as_it_was_staged(shop: Shop) -> None:
    """A path that is the same every day."""
    ctx = shop.context()
    deliver_to_tiktok(ctx, shop.drop(rows(1, 2), "sales.csv"))
    shop.next_day(DAYS)
    deliver_to_tiktok(shop.context(), shop.drop(rows(10, 1), "sales.csv"))
    [waited] = deliver_due(shop.context())
    assert waited.events == {"accepted": 2}
    assert set(shop.values()) == {"order-1", "order-2"}


def test_who_opts_out_while_a_file_waits_is_left_out(world: World) -> None:
    """The list of the day on which it is sent counts."""
    opt_outs = OptOuts(world)
    opt_outs.write("nobody@example.com")
    shop = Shop(world, suppression={"uri": str(world.folder / "opt-outs.txt")})
    shop.run(rows(1, 3))
    shop.next_day(DAYS)
    opt_outs.write("nobody@example.com", "shopper2@example.com")
    [waited] = deliver_due(shop.context())
    assert waited.events == {"accepted": 2, "suppressed": 1}
    assert set(shop.values()) == {"order-1", "order-3"}


def test_a_file_that_was_wrong_is_withdrawn_while_it_waits(shop: Shop) -> None:
    """Nothing of it is sent, its returns count for nothing, and a corrected one goes its own way."""
    shop.run(rows(1, 2))
    shop.next_day()
    [wrong] = shop.run([returned(1, "4.00"), *rows(10, 2, amount="99.00")])
    reopen_delivery(shop.context("by/hand"), wrong.delivery_id, reason="cents were euros")
    [right] = shop.run(rows(10, 2))
    shop.next_day(DAYS)
    first, second = deliver_due(shop.context())
    assert [first.events, second.events] == [{"accepted": 2}] * 2
    assert second.delivery_id == right.delivery_id
    assert set(shop.values().values()) == {Decimal(10)}


def test_a_delivery_whose_sending_broke_off_is_taken_up_by_the_runs_to_come(shop: Shop) -> None:
    """For some days; while another run is at work on it, it is left alone."""
    [first] = shop.run(rows(1, 2))
    shop.next_day(DAYS)
    ctx = shop.context("broken/run")
    dedupe(ctx, first.delivery_id)
    assert due_deliveries(shop.context()) == []
    shop.next_day()
    assert due_deliveries(shop.context()) == [first.delivery_id]
    shop.next_day(3)
    assert due_deliveries(shop.context()) == []
    shop.next_day(-3)
    assert deliver_due(shop.context())[0].events == {"accepted": 2}


def test_yesterdays_rows_under_todays_name_are_noticed_while_they_wait(shop: Shop) -> None:
    """As of a closed delivery."""
    ctx = shop.context()
    lines = rows(1, 2)
    deliver_to_tiktok(ctx, shop.drop(lines, "conversions_20261121.csv"))
    shop.next_day()
    with pytest.raises(InputFileError, match="has the rows that were delivered for 2026-11-21"):
        deliver_to_tiktok(shop.context(), shop.drop(lines, "conversions_20261122.csv"))


def test_an_event_that_becomes_too_old_while_it_waits_expires(shop: Shop) -> None:
    """The last second of a day, and the first of the next: 28 days before the day it is due."""
    old = rows(1, 1, at="2026-10-27T23:59:59Z-0000")
    kept = rows(2, 1, at="2026-10-28T00:00:00Z-0000")
    [first] = shop.run([*old, *kept])
    report = json.loads(
        (shop.context().objects.get(f"{shop.context().folder(first.delivery_id)}/report.json") or (b"",))[0]
    )
    assert [issue["rows"] for issue in report["issues"] if issue["rule"] == "timestamp_expires"] == [1]
    shop.next_day(DAYS)
    [waited] = deliver_due(shop.context())
    assert waited.events == {"accepted": 1, "expired": 1}
    assert set(shop.values()) == {"order-2"}


def test_a_setting_of_none_sends_at_once_what_has_waited(shop: Shop) -> None:
    """The next run takes it up; its own file does not wait any more."""
    shop.run(rows(1, 2))
    shop.next_day()
    shop.changes["send_after_days"] = 0
    own, waited = shop.run(rows(10, 1))
    assert (own.events, waited.events) == ({"accepted": 1}, {"accepted": 2})
    assert kept_deliveries(shop.context()) == []


def test_a_dry_run_waits_for_nothing(shop: Shop) -> None:
    """It only says what it would send."""
    shop.changes["mode"] = "dry_run"
    [first] = shop.run(rows(1, 2))
    assert (first.events, first.waiting) == ({"would_send": 2}, "")
    assert kept_deliveries(shop.context()) == []


def test_the_status_says_until_when_it_waits(shop: Shop) -> None:
    """In the status document, and so on the page and in the command."""
    shop.run(rows(1, 2))
    [noted] = refresh(shop.context()).deliveries
    assert (noted.state, noted.events) == ("waiting", {"waiting": 2})
    assert noted.reason.startswith("until 2026-11-25")


def test_what_is_kept_of_a_delivery_goes_when_no_older_one_needs_it(shop: Shop) -> None:
    """Neither parts nor returns nor a note of its waiting is left."""
    shop.run(rows(1, 2))
    shop.next_day()
    shop.run([returned(1, "1.00"), *rows(10, 1)])
    shop.next_day(DAYS)
    deliver_due(shop.context())
    ctx = shop.context()
    assert kept_deliveries(ctx) == []
    assert ctx.staging.list("") == []


def test_a_plan_that_was_made_is_never_netted_again(shop: Shop) -> None:
    """Dedupe once more, after another return has come: the same plan, the same amounts."""
    [first] = shop.run([*rows(1, 2), returned(1, "1.00")])
    shop.next_day(DAYS)
    ctx = shop.context()
    planned = dedupe(ctx, first.delivery_id)
    later = shop.context("daily/other")
    deliver_to_tiktok(later, shop.drop([returned(1, "2.00"), *rows(9, 1)]))
    assert dedupe(ctx, first.delivery_id) == planned
    netting = netting_of(ctx, ctx.deliveries.get(first.delivery_id))
    assert netting is not None
    [waited] = deliver_due(ctx)
    assert waited.values == {"accepted": {"USD": "19.00"}}


def _books(summaries: Sequence[DeliverySummary]) -> None:
    for one in summaries:
        assert one.rows.rows_total == one.rows.classified
        assert one.events_total == sum(one.events.values())


_WHATEVER_IS_SOLD = settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_LINES = st.lists(st.tuples(st.integers(1, 6), st.integers(-9, 9).filter(bool)), min_size=0, max_size=8)


@_WHATEVER_IS_SOLD
@given(
    files=st.lists(_LINES, min_size=2, max_size=5),
    how=st.sampled_from([{}, {"basket": "order"}, {"basket": "order", "returns": "net"}]),
)
def test_every_event_is_sent_waits_was_returned_or_sent_before(
    running_simulator: RunningSimulator, files: list[list[tuple[int, int]]], how: dict[str, Any]
) -> None:
    """Whatever is sold and returned in whichever file, the books of each day add up, and no order arrives twice."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), running_simulator)
        shop = Shop.opened(running_simulator, world, max_rejected_ratio=1.0, **how)
        seen: dict[str, DeliverySummary] = {}
        for day, lines in enumerate(files):
            unique = rows(1000 + day, 1)
            text = [
                f"a@example.com,CompletePayment,2026-11-20T12:{day:02}:{n:02}Z-0000,{amount}.00,,order-{order},store-1"
                for n, (order, amount) in enumerate(lines)
            ]
            summaries = shop.run([*text, *unique])
            _books(summaries)
            seen.update({one.delivery_id: one for one in summaries})
            shop.next_day()
        shop.next_day(DAYS)
        for one in deliver_due(shop.context()):
            seen[one.delivery_id] = one
        _books(list(seen.values()))
        assert not any(one.waiting or one.open for one in seen.values())
        accepted = sum(one.events.get("accepted", 0) for one in seen.values())
        assert accepted == len(world.simulator.event_ids()) == sum(world.simulator.event_ids().values())
        value = sum(Decimal(one.values.get("accepted", {}).get("USD", "0")) for one in seen.values())
        assert value == sum(shop.values().values())


@_WHATEVER_IS_SOLD
@given(
    days=st.lists(_LINES, min_size=2, max_size=5),
    how=st.sampled_from([{"basket": "order"}, {"basket": "order", "returns": "net"}]),
)
def test_an_export_that_repeats_all_days_takes_each_return_off_once(
    running_simulator: RunningSimulator, days: list[list[tuple[int, int]]], how: dict[str, Any]
) -> None:
    """An order is worth what its first file holds, less what came back until that file was due."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), running_simulator)
        shop = ShopOfItems.opened(running_simulator, world, max_rejected_ratio=1.0, **how)
        lines: list[str] = []
        for day in range(len(days) + DAYS):
            for n, (order, amount) in enumerate(days[day] if day < len(days) else []):
                lines.append(item(order, f"{amount}.00", f"item-{day}-{n}"))
            shop.run([*lines, item(1000 + day, "10.00", "hat")])
            shop.next_day()
        values = {order: value for order, value in shop.values().items() if not order.startswith("order-10")}
        assert values == _worth(days, net="returns" in how)


def _worth(days: list[list[tuple[int, int]]], *, net: bool) -> dict[str, Decimal]:
    """What arrives of each order of an export that repeats all days."""
    worth: dict[str, Decimal] = {}
    for order in {order for lines in days for order, _ in lines}:
        by_day = [[amount for own, amount in lines if own == order] for lines in days]
        for day in range(len(days)):
            until_then = [amount for lines in by_day[: day + 1] for amount in lines]
            until_due = [amount for lines in by_day[: day + DAYS + 1] for amount in lines]
            sold = sum(amount for amount in until_then if amount > 0)
            returned_then = sum(amount for amount in until_then if amount < 0)
            value = sold + sum(amount for amount in until_due if amount < 0)
            if sold and value > 0 and (not net or sold + returned_then > 0):
                worth[f"order-{order}"] = Decimal(value)
                break
    return worth


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.campaign)])
def test_killed_before_any_write_of_dedupe_its_retry_makes_the_same_plan(
    running_simulator: RunningSimulator, tmp_path: Path, every: int
) -> None:
    """What the first try fixed holds, though a return comes in between.

    :param every: take every n-th write only.
    """
    for writes in range(1, 40, every):
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
            live_out([partial(dedupe, delivery_id=first.delivery_id)], ctx)
        fixed = shop.context().objects.get(f"{shop.context().folder(first.delivery_id)}/netted.parquet")
        deliver_to_tiktok(shop.context(), shop.drop([returned(3, "10.00"), *rows(20, 1)]))
        [waited] = deliver_due(shop.context())
        _books([waited])
        later_counts = fixed is None
        assert waited.events == ({"accepted": 2, "returned": 2} if later_counts else {"accepted": 3, "returned": 1})
        assert shop.values()["order-1"] == Decimal(8)
        assert set(world.simulator.event_ids().values()) == {1}
        if fixed is not None:
            assert pl.read_parquet(io.BytesIO(fixed[0])).height == 2
        if not life.over:
            assert writes > 5
            return
    raise AssertionError("dedupe has more writes")


def test_an_order_is_never_sent_twice_by_two_files_that_wait(shop: Shop) -> None:
    """The older file sends it; the other finds it sent."""
    shop.run(rows(1, 3))
    shop.next_day()
    shop.run(rows(2, 3))
    shop.next_day(DAYS)
    first, second = deliver_due(shop.context())
    assert (first.events, second.events) == ({"accepted": 3}, {"accepted": 1, "already_sent": 2})
    assert Counter(shop.world.simulator.event_ids().values()) == {1: 4}
