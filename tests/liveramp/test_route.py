"""The whole liveramp route: validate, dedupe, deliver, summary, against a real SFTP server and a real ledger."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.events.identity_settings import OF_FILE
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.operations.reopen import reopen_delivery
from airflow_provider_tiktok_offline.delivery.state.held_back import held_back
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import ConfigError, FeedError, InputFileError
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace, read_meta
from airflow_provider_tiktok_offline.liveramp.feed import Feed
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from tests.liveramp.office import Office
from tests.liveramp.rows import COLUMNS, feed, row
from tests.servers.sshd import Sshd


@pytest.fixture
def office(server: Sshd, tmp_path: Path) -> Office:
    office = Office(tmp_path, server)
    office.open()
    return office


def _lines(numbers: range) -> list[str]:
    return ["|".join(row(number)) for number in numbers]


def test_valid_rows_arrive_and_the_delivery_is_closed(office: Office) -> None:
    """Rejected rows are left out, the rest is one file, and a second run sends nothing."""
    rows = [row(number) for number in range(40)]
    rows[7] = (*rows[7][:3], "12,50", *rows[7][4:])
    stamp = office.drop("a.psv", rows)
    (told,) = office.run("daily/1", [stamp])
    assert (told.outcome, told.rows, told.file_name) == ("delivered", 39, "shop_2026-11-22.psv")
    assert office.delivered() == {"shop_2026-11-22.psv": _lines(range(7)) + _lines(range(8, 40))}
    (again,) = office.run("daily/1", [stamp])
    assert again.outcome == "already_delivered"
    assert len(office.delivered()) == 1


def test_rows_delivered_before_are_left_out_whatever_file_they_come_in(office: Office) -> None:
    """Tomorrow's file repeats half of today's: only the rest goes out."""
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(40)])])
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(20, 70)])])
    assert told.rows == 30
    assert office.delivered()["shop_2026-11-23.psv"] == _lines(range(40, 70))


def test_a_second_file_of_the_day_waits_and_is_merged_with_tomorrows(office: Office) -> None:
    """One file a day: what comes later waits without failing the run, and goes out with the next file, once."""
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(30)])])
    (late,) = office.run("manual/1", [office.drop("b.psv", [row(number) for number in range(20, 60)])])
    assert late.outcome == "queued"
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("c.psv", [row(number) for number in range(50, 90)])])
    assert told.outcome == "delivered"
    assert len(told.deliveries) == 2
    arrived = [line for lines in office.delivered().values() for line in lines]
    assert sorted(arrived) == sorted(_lines(range(90)))
    states = office.context("any").deliveries.list("shop")
    assert {state.status for state in states} == {"closed"}


def test_several_files_of_one_run_become_one_feed_file(office: Office) -> None:
    """The day's source files are merged: the first delivery takes the others along."""
    parts = [
        office.drop(f"till_{till}.psv", [row(number) for number in range(till * 20, till * 20 + 25)]) for till in (0, 1)
    ]
    told = office.run("daily/1", parts)
    assert [one.outcome for one in told] == ["delivered", "already_delivered"]
    assert [len(one.deliveries) for one in told] == [2, 2]
    (lines,) = office.delivered().values()
    assert sorted(lines) == sorted(_lines(range(45)))


def test_too_few_rows_are_carried_over_to_the_next_file(office: Office) -> None:
    """With carry_over a small day waits without failing its run."""
    office.liveramp = {"below_minimum": "carry_over"}
    (told,) = office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(10)])])
    assert told.outcome == "carried_over"
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(10, 40)])])
    assert told.outcome == "delivered"
    assert office.delivered() == {"shop_2026-11-23.psv": _lines(range(40))}


def test_nothing_new_makes_no_file(office: Office) -> None:
    """A file of yesterday's rows only: no file, and the run succeeds."""
    rows = [row(number) for number in range(30)]
    office.run("daily/1", [office.drop("a.psv", rows)])
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("b.psv", rows[::-1])])
    assert told.outcome == "nothing_new"
    assert len(office.delivered()) == 1


def test_a_dry_run_delivers_nothing_and_says_what_it_would(office: Office) -> None:
    """The file is run through, nothing is written to the far side or the ledger."""
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    (told,) = office.run("daily/1", [stamp], mode="dry_run")
    assert (told.outcome, told.rows) == ("would_deliver", 30)
    assert office.delivered() == {}
    assert office.run("daily/2", [stamp])[0].outcome == "delivered"


def test_a_key_file_that_is_none_is_not_read_whole(office: Office) -> None:
    """A path that names a huge file by mistake is an error, and does not fill the memory."""
    huge = office.folder / "key.asc"
    with huge.open("wb") as stream:
        stream.truncate(64 * 1024**3)
    office.liveramp = {"pgp_key": str(huge)}
    with pytest.raises(ConfigError, match="key"):
        office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(30)])])


def test_rejected_rows_can_stop_the_file(office: Office) -> None:
    """on_rejected: refuse lets no file with a rejected row through."""
    office.liveramp = {"on_rejected": "refuse"}
    rows = [row(number) for number in range(30)]
    rows[3] = ("not an address", *rows[3][1:4], "", rows[3][5])
    stamp = office.drop("a.psv", rows)
    with pytest.raises(FeedError, match="1 row is rejected"):
        office.run("daily/1", [stamp])
    assert office.delivered() == {}


def test_a_feed_without_contract_or_with_another_header_is_stopped(office: Office) -> None:
    """Nothing is uploaded; what changed is said."""
    columns = (*COLUMNS, "store_code")
    stamp = office.drop("a.psv", [(*row(number), "s1") for number in range(30)], columns)
    with pytest.raises(FeedError, match="new: store_code"):
        office.run("daily/1", [stamp])
    assert office.delivered() == {}


def test_a_category_outside_the_contract_is_rejected_by_row(office: Office) -> None:
    """The contract's categories are the rule that validate holds each row against."""
    rows = [row(number) for number in range(30)]
    rows[4] = (rows[4][0], "Subscribe", *rows[4][2:])
    (told,) = office.run("daily/1", [office.drop("a.psv", rows)])
    assert told.rows == 29


def test_a_row_that_needs_quotes_is_refused_alone(office: Office) -> None:
    """It is reported, left out, and not sent by a later run."""
    columns = (*COLUMNS, "product_name")
    open_feed_state(office.context("set-up")).accept(_contract(columns), replace_existing=True)
    rows = [(*row(number), '"a|b"' if number == 5 else "plain") for number in range(30)]
    stamp = office.drop("a.psv", rows, columns)
    (told,) = office.run("daily/1", [stamp])
    assert told.rows == 29
    (state,) = office.context("any").deliveries.list("shop")
    assert state.status == "closed"


def _contract(columns: tuple[str, ...]) -> Feed:
    return replace(feed(columns), sample_sha256="2" * 64)


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("died_at", ["finish", "unqueue"])
def test_a_run_that_died_around_the_upload_is_finished_by_its_retry(
    office: Office, monkeypatch: pytest.MonkeyPatch, died_at: str
) -> None:
    """Killed after the upload, before or after it was noted: the retry sends nothing again and closes the delivery."""
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, died_at, _die)
        with pytest.raises(KeyboardInterrupt):
            office.run("daily/1", [stamp])
    before = (office.outbox / "shop_2026-11-22.psv").stat().st_mtime_ns
    office.run("daily/1", [stamp])
    assert (office.outbox / "shop_2026-11-22.psv").stat().st_mtime_ns == before
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(40)])])
    assert told.rows == 10


@pytest.mark.parametrize("days", [0, 1])
def test_a_dead_runs_whole_file_counts_before_another_run_plans(
    office: Office, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A run dies between upload and note and is never tried again: the next run does not send its rows."""
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            office.run("daily/1", [stamp])
    office.clock.advance(timedelta(days=days, minutes=30))
    told = office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(50)])])[0]
    if days:
        assert (told.outcome, told.rows) == ("delivered", 20)
    else:
        assert told.outcome == "queued"
    assert office.delivered()["shop_2026-11-22.psv"] == _lines(range(30))


def test_a_retry_goes_on_after_another_advertiser_has_taken_its_claims_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead after the upload for longer than its lease, while the event set's other advertiser planned: all is noted."""
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "index", _die)
        with pytest.raises(KeyboardInterrupt):
            office.run("daily/1", [stamp])
    office.clock.advance(timedelta(hours=1))
    open_feed_state(office.context("set-up", name="outlet")).accept(replace(feed(), name="outlet", advertiser="outlet"))
    (other,) = office.run("outlet/1", [office.drop("o.psv", [row(number) for number in range(50, 80)])], name="outlet")
    assert other.outcome == "delivered"
    ctx = office.context("daily/1")
    told = deliver(ctx, *deliveries_of_run(ctx))
    assert (told.outcome, told.rows) == ("already_delivered", 30)
    summarize_all(ctx)
    assert ctx.deliveries.get(told.delivery_id).status == "closed"
    office.clock.advance(timedelta(days=1))
    (told,) = office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(40)])])
    assert told.rows == 10


def test_the_steps_can_be_repeated_in_any_order(office: Office) -> None:
    """Each step twice, then the summary twice: one file, one record."""
    ctx = office.context("daily/1")
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    for _ in range(2):
        delivery_id = validate(ctx, stamp).delivery_id
        dedupe(ctx, delivery_id)
    assert [deliver(ctx, delivery_id).outcome for _ in range(2)] == ["delivered", "already_delivered"]
    for _ in range(2):
        summarize_all(ctx, [delivery_id])
    assert len(office.delivered()) == 1


def test_what_was_planned_on_stays_when_the_file_is_validated_again(office: Office) -> None:
    """The plan names event ids; another package or other settings would stage other ones."""
    ctx = office.context("daily/1")
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    delivery_id = validate(ctx, stamp).delivery_id

    def staged() -> int:
        (sidecar,) = (office.folder / "state" / "staging").rglob("verdicts.parquet")
        return sidecar.stat().st_ino

    first = staged()
    validate(ctx, stamp)
    second = staged()
    dedupe(ctx, delivery_id)
    validate(ctx, stamp)
    assert (first != second, staged()) == (True, second)
    assert deliver(ctx, delivery_id).rows == 30


def test_a_file_that_liveramp_rejected_goes_out_again_after_reopening(office: Office) -> None:
    """Reopened, its transactions go out with the next day's file; today's place stays used."""
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    (told,) = office.run("daily/1", [stamp])
    reopen_delivery(office.context("admin"), told.delivery_id, reason="wrong time zone")
    assert office.run("daily/2", [stamp])[0].outcome == "queued"
    office.clock.advance(timedelta(days=1))
    (again,) = office.run("daily/3", [office.drop("b.psv", [row(number) for number in range(30, 60)])])
    assert (again.outcome, again.rows) == ("delivered", 60)
    assert sorted(office.delivered()["shop_2026-11-23.psv"]) == sorted(_lines(range(60)))


def test_a_source_on_a_server_is_delivered_in_one_stream(office: Office) -> None:
    """Read over SFTP and written over SFTP at once; nothing of it lies on this machine on the way."""
    stamp = office.drop("a.psv", [row(number) for number in range(3000)])
    stamp["uri"] = office.server.uri(stamp["uri"])
    (told,) = office.run("daily/1", [stamp])
    assert (told.outcome, told.rows) == ("delivered", 3000)
    assert office.delivered() == {"shop_2026-11-22.psv": _lines(range(3000))}


def test_nothing_of_a_customer_is_kept(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    """No address or phone in the state, the staging or what is printed."""
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(30)])])
    (late,) = office.run("manual/1", [office.drop("b.psv", [row(number) for number in range(30, 60)])])
    assert late.outcome == "queued"
    for path in (office.folder / "state").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"@example.com" not in content, path
            assert b"1212555" not in content, path
    told = capfd.readouterr()
    assert "@example.com" not in told.out + told.err


def test_an_unusable_file_is_named(office: Office) -> None:
    """A headerless file stops at validate, without a value of it in the message."""
    stamp = office.drop_content("a.psv", ("|".join(row(1)) + "\n").encode() * 30)
    with pytest.raises(InputFileError) as caught:
        office.run("daily/1", [stamp])
    assert "person1" not in str(caught.value)


def test_a_customer_who_opts_out_between_plan_and_retry_is_left_out(office: Office) -> None:
    """The file is validated again with the list of now: the other rows go out once, and are known to be sent."""
    opt_outs = office.folder / "opt-outs.txt"
    changes = {"suppression": {"uri": str(opt_outs)}}

    def opted_out(*lines: str) -> None:
        opt_outs.write_text("".join(f"{line}\n" for line in lines))
        now = office.clock.now().timestamp()
        os.utime(opt_outs, (now, now))

    rows = [row(number) for number in range(30)]
    stamp = office.drop("a.psv", rows)
    opted_out("nobody@example.com")
    ctx = office.context("daily/1", **changes)
    dedupe(ctx, validate(ctx, stamp).delivery_id)
    opted_out("nobody@example.com", rows[0][0])
    (told,) = office.run("daily/1", [stamp], **changes)
    assert (told.outcome, told.rows) == ("delivered", 29)
    assert ctx.deliveries.get(told.delivery_id).status == "closed"
    office.clock.advance(timedelta(days=1))
    opted_out("nobody@example.com", rows[0][0])
    office.run("daily/2", [office.drop("b.psv", [*rows[::-1], row(30)])], **changes)
    arrived = [line for lines in office.delivered().values() for line in lines]
    assert sorted(arrived) == sorted(_lines(range(1, 31)))


def test_rows_of_a_feed_in_the_eu_have_a_thousand_characters(office: Office) -> None:
    """Longer ones are rejected beforehand, unless the advertiser knows better."""
    connection = office.server.connection()
    office.connection = replace(connection, extra={**connection.extra, "liveramp_region": "eu"})
    office.liveramp = {"conn_id": connection.conn_id}
    long = [*row(0)[:5], "o" * 1_000]
    stamp = office.drop("a.psv", [long, *map(row, range(1, 40))])
    assert validate(office.context("dry/1", mode="dry_run"), stamp).rows_rejected == 1
    limits = {"row_characters": 2_000}
    assert validate(office.context("dry/2", mode="dry_run", limits=limits), stamp).rows_rejected == 0


def test_the_order_ids_of_items_are_written_joined(server: Sshd, tmp_path: Path) -> None:
    """``order_id: item``: what LiveRamp takes for one transaction is one line of a receipt."""
    columns = (*COLUMNS, "product_id")
    office = Office(tmp_path, server, liveramp={"order_id": "item"})
    office.open(columns=columns)
    stamp = office.drop("a.psv", [(*row(number), "shoe") for number in range(30)], columns)
    [told] = office.run("daily/1", [stamp])
    assert told.rows == 30
    [rows] = office.delivered().values()
    assert rows[3].endswith("|order-3-shoe|shoe")


def _planned(office: Office, holder: str, stamps: list[dict[str, object]], **changes: object) -> list[str]:
    """The deliveries of a run, validated and planned."""
    ctx = office.context(holder, **changes)
    ids = [validate(ctx, stamp).delivery_id for stamp in stamps]
    for delivery_id in ids:
        dedupe(ctx, delivery_id)
    return ids


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_a_file_that_changed_holds_back_itself_alone(office: Office, fault: str) -> None:
    """The day's feed file is made of the others, and the changed one says so in its own turn."""
    stamps = [office.drop(f"{name}.psv", [row(n) for n in numbers]) for name, numbers in
              (("a", range(40)), ("b", range(100, 140)), ("c", range(200, 240)))]  # fmt: skip
    first, second, _ = _planned(office, "daily/1", stamps)
    changed = Path(str(stamps[0]["uri"]))
    if fault == "gone":
        changed.unlink()
    else:
        office.drop("a.psv", [row(n) for n in range(300, 340)])
        os.utime(changed, (1, 1))
    ctx = office.context("daily/1")
    with pytest.raises(InputFileError):
        deliver(ctx, first)
    assert deliver(ctx, second).rows == 80
    ((_, delivered),) = office.delivered().items()
    assert sorted(delivered) == sorted(_lines(range(100, 140)) + _lines(range(200, 240)))


def test_a_file_with_rejected_rows_is_refused_alone(office: Office) -> None:
    """With ``on_rejected: refuse`` its rows go out in no file, whichever of the run's files is delivered first."""
    refusing = {"liveramp": {**office.config().model_dump(mode="json")["liveramp"], "on_rejected": "refuse"}}
    faulty = [row(n) for n in range(100, 140)]
    faulty[3] = (*faulty[3][:3], "12,50", *faulty[3][4:])
    stamps = [office.drop("a.psv", [row(n) for n in range(40)]), office.drop("b.psv", faulty)]
    first, second = _planned(office, "daily/1", stamps, **refusing)
    ctx = office.context("daily/1", **refusing)
    assert deliver(ctx, first).rows == 40
    with pytest.raises(FeedError, match="on_rejected"):
        deliver(ctx, second)
    assert office.delivered() == {"shop_2026-11-22.psv": _lines(range(40))}


def test_a_waiting_file_that_breaches_a_guard_does_not_stop_todays(office: Office) -> None:
    """It stays in the queue, and the run names it."""
    office.run("daily/1", [office.drop("a.psv", [row(n) for n in range(40)])])
    office.run("daily/2", [office.drop("b.psv", [row(n) for n in range(100, 160)])])
    office.clock.advance(timedelta(days=1))
    today = office.drop("c.psv", [row(n) for n in range(200, 240)])
    (told,) = office.run("daily/3", [today], guards={"max_events": 50})
    assert told.rows == 40
    assert office.delivered()["shop_2026-11-23.psv"] == _lines(range(200, 240))
    [held] = held_back(office.context("daily/3"))
    assert (held.uri[-5:], held.error) == ("b.psv", "GuardError")


def test_yesterdays_rows_under_todays_name_are_refused(office: Office) -> None:
    """On this route too, before anything is staged or delivered."""
    rows = [row(number) for number in range(40)]
    stamp = office.drop("a.psv", rows)
    ctx = office.context("daily/1")
    validate(ctx, stamp, day=date(2026, 11, 21))
    office.run("daily/1", [stamp])
    office.clock.advance(timedelta(days=1))
    with pytest.raises(InputFileError, match="delivered for 2026-11-21") as caught:
        validate(office.context("daily/2"), office.drop("b.psv", rows), day=date(2026, 11, 22))
    assert caught.value.rule == "repeated_file"
    assert len(office.delivered()) == 1


@pytest.mark.parametrize(
    ("orders", "kinds"),
    [
        (range(30), {"columns_with_order_id"}),
        (range(0), {"columns_without_order_id"}),
        (range(10), {"columns_with_order_id", "columns_without_order_id"}),
    ],
    ids=["all have an order id", "none has one", "some have one"],
)
def test_columns_are_kept_for_the_kinds_of_rows_that_a_file_has(office: Office, orders: range, kinds: set[str]) -> None:
    """Of the contract's columns, those that enter ids; a kind without a row says nothing of later files."""
    rows = [row(number) for number in range(30)]
    rows = [each if number in orders else (*each[:5], "") for number, each in enumerate(rows)]
    office.run("daily/1", [office.drop("a.psv", rows)])
    ctx = office.context("any")
    kept = read_meta(LedgerPlace(ctx.objects, ctx.config.event_set_id, office.clock)).identity_sources["shop"]
    assert {name for name in kept if "columns_with" in name} == {f"{OF_FILE}{kind}" for kind in kinds}
