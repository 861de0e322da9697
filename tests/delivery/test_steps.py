"""One delivery, step by step, against a real simulator and a real ledger."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.delivery.events.guards import approve, breaches_to_ask
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize, summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import rate_path, upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    EventsHeldError,
    FileChangedError,
    GateExceededError,
    GuardError,
    InputFileError,
    LedgerMissingError,
    OutcomeUnknownError,
    UnsettledError,
)
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import NOW, World, rows
from tests.servers.old_objects import age_objects


def test_a_file_is_delivered_once_and_adds_up(world: World) -> None:
    """Every valid row is at TikTok once, and the summary's classes and outcomes add up."""
    world.init_ledger()
    summary = world.deliver(world.drop([*rows(1, 2500), *rows(2500, 1), "nobody,CompletePayment,2026-11-20,1.00,,x,s"]))
    assert summary.rows.rows_total == 2502
    assert summary.rows.rows_valid == 2500
    assert summary.rows.rows_duplicate == 1
    assert summary.rows.rows_rejected == 1
    assert summary.events == {"accepted": 2500}
    assert summary.values == {"accepted": {"USD": "25000.00"}}
    assert len(world.simulator.event_ids()) == 2500
    assert set(world.simulator.times_received().values()) == {1}


def test_an_event_carries_what_its_row_says(world: World) -> None:
    """The item at TikTok equals one recomputed with hashlib alone."""
    world.init_ledger()
    line = " Ann@Example.COM ,CompletePayment,2026-11-20T10:01:00Z-0000,12.50,(213) 373-4253,A-1,store-9"
    world.deliver(world.drop([line]))
    (item,) = world.simulator.items().values()
    event_id = item.pop("event_id")
    assert item == {
        "event": "CompletePayment",
        "event_time": 1795168860,
        "user": {
            "email": [hashlib.sha256(b"ann@example.com").hexdigest()],
            "phone": [hashlib.sha256(b"+12133734253").hexdigest()],
        },
        "properties": {"value": 12.5, "currency": "USD", "order_id": "A-1", "shop_id": "store-9"},
    }
    recipe = "\x1f".join(["Purchase", "store-9", "A-1", ""])
    assert event_id == "v2-" + hashlib.sha256(recipe.encode()).hexdigest()[:32]


def test_the_same_file_again_is_a_no_op(world: World) -> None:
    """Another run over a delivered file succeeds and sends nothing."""
    world.init_ledger()
    stamp = world.drop(rows(1, 10))
    world.deliver(stamp)
    again = world.context("daily/run-2")
    assert validate(again, stamp).closed
    assert world.deliver(stamp, again).already_closed
    assert upload(again, validate(again, stamp).delivery_id, 0).closed
    assert set(world.simulator.times_received().values()) == {1}


def test_rows_sent_before_in_another_file_are_not_sent_again(world: World) -> None:
    """A longer file sends only what the shorter one did not hold."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 10)))
    summary = world.deliver(world.drop(rows(1, 15), name="second.csv"), world.context("daily/run-2"))
    assert summary.events == {"accepted": 5, "already_sent": 10}
    assert set(world.simulator.times_received().values()) == {1}


def test_a_changed_amount_is_reported_and_not_sent(world: World) -> None:
    """TikTok can't correct an event, so the same transaction with another amount stays out."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 3)))
    summary = world.deliver(world.drop(rows(1, 3, amount="11.00"), name="second.csv"), world.context("daily/run-2"))
    assert summary.events == {"changed_after_sent": 3}
    assert summary.values == {"changed_after_sent": {"USD": "33.00"}}


def test_values_of_two_currencies_are_not_added_up(world: World) -> None:
    """Each outcome has a sum for each currency, here the advertiser's and a store's."""
    world.init_ledger()
    stores = {"store-1": {"currency": "EUR"}}
    elsewhere = [line.replace("store-1", "store-2") for line in rows(4, 2, amount="7.25")]
    summary = world.deliver(world.drop([*rows(1, 3), *elsewhere]), world.context(stores=stores))
    assert summary.rows.values["valid"] == {"EUR": "30.00", "USD": "14.50"}
    assert summary.values == {"accepted": {"EUR": "30.00", "USD": "14.50"}}


def test_every_step_can_be_called_again(world: World) -> None:
    """Each step twice gives the same events once."""
    world.init_ledger()
    stamp = world.drop(rows(1, 1500))
    ctx = world.context()
    first = validate(ctx, stamp)
    assert validate(ctx, stamp) == first
    delivery_id = first.delivery_id
    assert normalize_hash(ctx, delivery_id) == normalize_hash(ctx, delivery_id)
    plan = dedupe(ctx, delivery_id)
    assert plan.parts == (0, 1)
    assert dedupe(ctx, delivery_id) == plan
    for part in plan.parts:
        sent, again = (upload(ctx, delivery_id, part) for _ in range(2))
        assert (sent.settled, again.accepted, again.settled) == (0, 0, sent.accepted)
    assert summarize(ctx, delivery_id).events == {"accepted": 1500}
    assert summarize(ctx, delivery_id).already_closed
    assert set(world.simulator.times_received().values()) == {1}


def test_no_part_and_no_plaintext_is_left(world: World) -> None:
    """Staged parts are gone when the delivery closes, and nothing under state_uri holds an address or its digest."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 20)))
    kept = [path for path in (world.folder / "state").rglob("*") if path.is_file()]
    assert not [path for path in kept if "staging" in path.parts and path.suffix == ".parquet"]
    digest = hashlib.sha256(b"shopper7@example.com").digest()
    for path in kept:
        content = path.read_bytes()
        assert b"shopper7" not in content, path
        assert digest not in content, path
        assert digest.hex().encode() not in content, path


def test_too_many_rejected_rows_stop_the_run(world: World) -> None:
    """Above the gate nothing is sent, the report is kept, and the summary fails too."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 5), *["nobody,CompletePayment,2026-11-20,1.00,,x,s"] * 5])
    ctx = world.context(max_rejected_ratio=0.4)
    with pytest.raises(GateExceededError, match=r"5 of 10 rows"):
        validate(ctx, stamp)
    with pytest.raises(UnsettledError, match="gate exceeded"):
        summarize_all(ctx)
    assert not world.simulator.event_ids()
    assert list((world.folder / "state").rglob("report.json"))


def test_a_raised_gate_lets_the_same_file_through(world: World) -> None:
    """A delivery that failed at the gate goes on once the gate allows it."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 5), *["nobody,CompletePayment,2026-11-20,1.00,,x,s"] * 5])
    with pytest.raises(GateExceededError):
        validate(world.context(max_rejected_ratio=0.1), stamp)
    assert world.deliver(stamp).events == {"accepted": 5}


def test_the_report_stands_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A task's log shows rule, column and lines as a table, and no value."""
    with caplog.at_level("INFO"):
        validate(world.context(), world.drop([*rows(1, 5), "nobody,CompletePayment,2026-11-20,1.00,,x,s"]))
    assert "identifier_missing" in caplog.text
    assert "nobody" not in caplog.text


def test_an_unusable_file_is_one_clear_error(world: World) -> None:
    """A header without a required column names it."""
    with pytest.raises(InputFileError, match="transaction_amount"):
        validate(world.context(), world.drop(["a@example.com,CompletePayment"], header="email_1,transaction_category"))


def test_without_a_ledger_nothing_is_sent(world: World) -> None:
    """A ledger that was never made stops the run: an empty one would send everything again."""
    with pytest.raises(LedgerMissingError, match="ledger init"):
        world.deliver(world.drop(rows(1, 3)))
    assert not world.simulator.times_received()


def test_a_dry_run_says_what_would_be_sent(world: World) -> None:
    """A dry run needs no ledger, calls nobody, and can be repeated."""
    stamp = world.drop(rows(1, 7))
    for holder in ("daily/run-1", "daily/run-2"):
        summary = world.deliver(stamp, world.context(holder, mode="dry_run"))
        assert summary.events == {"would_send": 7}
    assert world.simulator.control.summary().requests == 0


def test_a_dry_run_knows_what_was_sent(world: World) -> None:
    """With a ledger, a dry run leaves out what a live run has sent."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 4)))
    summary = world.deliver(world.drop(rows(1, 6), name="second.csv"), world.context("daily/run-2", mode="dry_run"))
    assert summary.events == {"already_sent": 4, "would_send": 2}


def test_a_test_run_sends_a_few_events_that_do_not_count(world: World) -> None:
    """Test mode sends at most test_events under the code, and the live run after it still sends everything."""
    world.init_ledger()
    stamp = world.drop(rows(1, 30))
    world.deliver(stamp, world.context(mode="test", test_event_code="TEST123", test_events=5))
    assert world.simulator.control.summary().events_tested == 5
    assert not world.simulator.event_ids()
    assert world.deliver(stamp, world.context("daily/run-2")).events == {"accepted": 30}


def test_uploading_in_a_dry_run_is_a_configuration_error(world: World) -> None:
    """Nothing can send by accident in a dry run."""
    ctx = world.context(mode="dry_run")
    delivery_id = validate(ctx, world.drop(rows(1, 1))).delivery_id
    with pytest.raises(ConfigError, match="dry run"):
        upload(ctx, delivery_id, 0)


@pytest.mark.parametrize(
    ("guards", "named"),
    [
        ({"max_events": 9}, "max_events"),
        ({"max_value": 99.0}, "max_value"),
        ({"max_amount": 9.99}, "max_amount"),
        ({"stores": ["store-2"]}, "store code"),
    ],
)
def test_a_breached_guard_stops_before_anything_is_sent(world: World, guards: dict[str, object], named: str) -> None:
    """Each guard names itself and nothing leaves."""
    world.init_ledger()
    with pytest.raises(GuardError, match=named):
        world.deliver(world.drop(rows(1, 10)), world.context(guards=guards))
    assert not world.simulator.times_received()


def test_an_approved_breach_passes_and_another_does_not(world: World) -> None:
    """A person approves what was shown; the same file under a tighter guard is stopped again."""
    world.init_ledger()
    ctx = world.context(guards={"max_events": 9, "on_breach": "approve"})
    delivery_id = validate(ctx, world.drop(rows(1, 10))).delivery_id
    normalize_hash(ctx, delivery_id)
    approve(ctx, delivery_id, breaches_to_ask(ctx, delivery_id))
    with pytest.raises(GuardError, match="max_events 8"):
        dedupe(world.context(guards={"max_events": 8}), delivery_id)
    assert dedupe(ctx, delivery_id).events == {"new": 10}


def test_the_file_of_another_advertiser_is_stopped(world: World) -> None:
    """One file under two advertisers is a mistake in the configuration."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    world.deliver(stamp)
    other = world.context("other/run-1", name="garden_centre")
    with pytest.raises(GuardError, match="corner_shop"):
        world.deliver(stamp, other)


def test_a_file_that_changes_after_it_was_found_is_refused(world: World) -> None:
    """A stamp that no longer fits is an error before a byte is read, as long as the file may still be written."""
    stamp = world.drop(rows(1, 3))
    world.drop(rows(1, 4))
    source = {"path": stamp["uri"], "settle_seconds": 7200}
    with pytest.raises(FileChangedError, match="changed"):
        validate(world.context(source=source), stamp)


def test_a_file_that_changes_after_validation_is_refused(world: World) -> None:
    """Other bytes than those validated are never sent."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    path = Path(stamp["uri"])
    path.write_text(path.read_text().replace("shopper2", "shopper9"))
    with pytest.raises(FileChangedError):
        normalize_hash(ctx, delivery_id)


def test_as_of_is_the_first_look_at_the_file(world: World) -> None:
    """A retry a day later judges ages against the moment of the first try."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3, at="2026-10-25T12:00:00Z-0000"))
    first = validate(world.context(), stamp)
    world.clock.advance(timedelta(days=2))
    again = validate(world.context(), stamp)
    assert again.as_of == first.as_of == NOW.isoformat()
    assert again.rows_valid == 3


def test_events_that_grow_too_old_while_waiting_expire(world: World) -> None:
    """What became older than the lookback before it was sent is expired, not sent."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 3, at="2026-10-25T12:00:00Z-0000"), *rows(4, 2)])
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    world.clock.advance(timedelta(days=2))
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    assert summarize(ctx, delivery_id).events == {"accepted": 2, "expired": 3}
    assert len(world.simulator.event_ids()) == 2


def test_another_run_waits_for_the_delivery(world: World) -> None:
    """A second run over the same file is told to wait until the first one's heartbeat has expired."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    validate(world.context(), stamp)
    with pytest.raises(DeliveryHeldError):
        validate(world.context("backfill/run-1"), stamp)
    world.clock.advance(timedelta(hours=1))
    assert world.deliver(stamp, world.context("backfill/run-1")).events == {"accepted": 3}


def test_events_held_by_another_delivery_go_out_once_it_is_settled(world: World) -> None:
    """Overlapping files: each transaction is sent once, and the run that had to wait says so until it is done."""
    world.init_ledger()
    first, second = world.context("daily/run-1"), world.context("backfill/run-1")
    one = validate(first, world.drop(rows(1, 10))).delivery_id
    normalize_hash(first, one)
    plan = dedupe(first, one)
    two = validate(second, world.drop(rows(5, 10), name="second.csv")).delivery_id
    normalize_hash(second, two)
    assert dedupe(second, two).events == {"held": 6, "new": 4}
    upload(second, two, 0)
    with pytest.raises(UnsettledError, match="6 events held"):
        summarize(second, two)
    for part in plan.parts:
        upload(first, one, part)
    summarize(first, one)
    for part in dedupe(second, two).parts:
        upload(second, two, part)
    assert summarize(second, two).events == {"accepted": 4, "already_sent": 6}
    assert len(world.simulator.event_ids()) == 14
    assert set(world.simulator.times_received().values()) == {1}


def test_a_retry_of_the_summary_finds_held_events_sent(world: World) -> None:
    """What another delivery had in hand and has sent since keeps no run open; until then Airflow tries again."""
    world.init_ledger()
    first, second = world.context("daily/run-1"), world.context("backfill/run-1")
    one = validate(first, world.drop(rows(1, 10))).delivery_id
    normalize_hash(first, one)
    plan = dedupe(first, one)
    two = validate(second, world.drop(rows(5, 10), name="second.csv")).delivery_id
    normalize_hash(second, two)
    dedupe(second, two)
    upload(second, two, 0)
    with pytest.raises(EventsHeldError, match="6 events held") as raised:
        summarize(second, two)
    assert raised.value.retryable
    for part in plan.parts:
        upload(first, one, part)
    summarize(first, one)
    assert summarize(second, two).events == {"accepted": 4, "already_sent": 6}
    assert set(world.simulator.times_received().values()) == {1}


def test_a_lost_answer_is_settled_under_the_same_event_ids(world: World) -> None:
    """The events were taken and the answer never came: the retry asks again, and each event counts once."""
    world.init_ledger()
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    stamp = world.drop(rows(1, 10))
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    with pytest.raises(OutcomeUnknownError, match="10 of 10"):
        upload(ctx, delivery_id, 0)
    with pytest.raises(UnsettledError, match="unconfirmed"):
        summarize(ctx, delivery_id)
    sent = upload(ctx, delivery_id, 0)
    assert (sent.accepted, sent.settled) == (10, 0)
    assert summarize(ctx, delivery_id).events == {"accepted": 10}
    assert set(world.simulator.event_ids().values()) == {1}


def test_events_in_doubt_for_too_long_are_not_sent_by_themselves(world: World) -> None:
    """After 44 hours TikTok's own dedupe can't be relied on: a person decides."""
    world.init_ledger()
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    stamp = world.drop(rows(1, 10))
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    with pytest.raises(OutcomeUnknownError):
        upload(ctx, delivery_id, 0)
    received = world.simulator.times_received()
    world.clock.advance(timedelta(hours=45))
    upload(ctx, delivery_id, 0)
    assert world.simulator.times_received() == received
    with pytest.raises(UnsettledError, match="10 events unconfirmed"):
        summarize(ctx, delivery_id)


def test_a_part_of_refused_events_alone_is_settled_once_another_part_was_accepted(world: World) -> None:
    """Refusals are the rows' fault, not the settings', once TikTok has accepted anything of the delivery."""
    world.init_ledger()
    ctx = world.context()
    delivery_id = validate(ctx, world.drop(rows(1, 1003))).delivery_id
    normalize_hash(ctx, delivery_id)
    last = PreparedEvents.open(StagedParts(ctx.staging, delivery_id)).read(1)["event_id"].to_list()
    world.simulator.control.add(Fault(kind="refuse", event_ids=last, code=40002, count=None))
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    assert summarize(ctx, delivery_id).events == {"accepted": 1000, "refused": 3}


def test_the_sensor_passes_over_a_delivered_file(world: World) -> None:
    """A file that was delivered is recognised by its stamp."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    ctx = world.context()
    day = NOW.date() - timedelta(days=1)
    assert [found["uri"] for found in find(ctx, day).files] == [stamp["uri"]]
    world.deliver(stamp)
    found = find(ctx, day)
    assert found.files == ()
    assert found.already_delivered


def test_an_event_set_that_liveramp_fills_is_sent_nothing_directly(world: World) -> None:
    """Each purchase would count twice: one route is live for an event set, until somebody switches it."""
    world.init_ledger()
    world.context().ledger.use_route("liveramp")
    with pytest.raises(ConfigError, match="liveramp"):
        world.deliver(world.drop(rows(1, 3)))
    assert not world.simulator.event_ids()


def test_abandoned_parts_go_with_the_next_file(world: World) -> None:
    """Parts of a run that nobody took up again are removed when another file is staged, and can be made again."""
    world.init_ledger()
    stamp = world.drop(rows(1, 5))
    ctx = world.context()
    abandoned = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, abandoned)
    world.clock.advance(timedelta(hours=73))
    world.deliver(world.drop(rows(6, 5), name="second.csv"), world.context("daily/run-2"))
    assert not list((world.folder / "state" / "staging").rglob("*.parquet"))
    assert world.deliver(stamp).events == {"accepted": 5}


def test_old_notes_are_swept(world: World) -> None:
    """What is noted of a file is forgotten after the retention, and only then."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 5)))
    assert sweep(world.context()).notes == 0
    world.clock.advance(timedelta(days=91))
    age_objects(world.context().objects)
    assert sweep(world.context()).notes == 1


@pytest.mark.parametrize(("parts", "shared"), [(1, False), (2, True)])
def test_tasks_of_several_parts_share_one_rate(world: World, parts: int, shared: bool) -> None:
    """From two on: each by itself would send at the advertiser's whole rate."""
    world.init_ledger()
    ctx = world.context(upload={"requests_per_second": 1000, "max_attempts": 3, "part_events": 1000})
    delivery_id = validate(ctx, world.drop(rows(1, 1000 * parts))).delivery_id
    normalize_hash(ctx, delivery_id)
    planned = dedupe(ctx, delivery_id).parts
    assert len(planned) == parts
    for part in planned:
        upload(ctx, delivery_id, part)
    assert (ctx.objects.get(rate_path(ctx)) is not None) == shared


def test_every_request_but_the_last_is_full(world: World) -> None:
    """However many events are in memory at once: requests are what a rate allows few of."""
    world.init_ledger()
    ctx = world.context(upload={"requests_per_second": 1000, "max_attempts": 3, "batch_events": 60})
    world.deliver(world.drop(rows(1, 1000)), ctx)
    assert sum(world.simulator.control.summary().codes.values()) == 17
