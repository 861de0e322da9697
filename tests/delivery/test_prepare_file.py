"""One read of the file: what the explicit steps find in two, staged before the delivery is known."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.delivery.operations.offboard import offboard
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import UnboundParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize, summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    DeliveryHeldError,
    FileMissingError,
    GateExceededError,
    InputFileError,
    LedgerBusyError,
    SkippedFileError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from tests.delivery.opt_outs import OptOuts
from tests.delivery.world import NOW, World, rows
from tests.servers.dying import Life, Step, live_out, mortal
from tests.servers.reading import counted_reads
from tests.servers.simulator import RunningSimulator

DAY = date(2026, 11, 21)
MIXED = [*rows(1, 2500), *rows(2500, 1), *rows(2501, 1, amount="ten"), *rows(2502, 1, amount="-3.00")]
#: More than preparing and closing a file has writes.
_ENOUGH = 120


def finish(ctx: DeliveryContext, delivery_id: str) -> dict[str, int]:
    """The steps behind; returns the events by outcome."""
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    return dict(summarize(ctx, delivery_id).events)


def staged(ctx: DeliveryContext, delivery_id: str) -> list[dict[str, Any]]:
    """Every staged event."""
    events = PreparedEvents.open(StagedParts(ctx.staging, delivery_id))
    return [event for index in range(len(events.parts)) for event in events.read(index).to_dicts()]


def kept(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    """What is kept of a delivery, without the times of the clock that measures a pass."""
    report = json.loads((ctx.objects.get(f"{ctx.folder(delivery_id)}/report.json") or (b"{}",))[0])
    state = ctx.deliveries.get(delivery_id).to_dict()
    return {"state": state, "report": {**report, "duration_s": None}, "events": staged(ctx, delivery_id)}


def test_one_pass_gives_what_two_steps_give(world: World) -> None:
    """Results, report, state and staged events are the same, and the file is transferred once instead of twice."""
    world.init_ledger()
    stamp = world.drop(MIXED)
    explicit = world.context(state_uri=str(world.folder / "explicit"))
    with counted_reads() as reads:
        validated = validate(explicit, stamp)
        hashed = normalize_hash(explicit, validated.delivery_id)
        assert reads.times(stamp["uri"], stamp["size"]) == 2
    merged = world.context()
    with counted_reads() as reads:
        found = prepare_file(merged, stamp)
        assert reads.opened == {stamp["uri"]: 1}
        assert reads.times(stamp["uri"], stamp["size"]) == 1
    delivery_id = found.validated.delivery_id
    assert found.validated.to_dict() == {**validated.to_dict(), "report_uri": found.validated.report_uri}
    assert found.staged is not None
    assert found.staged.to_dict() == {**hashed.to_dict(), "manifest_uri": found.staged.manifest_uri}
    one, two = kept(merged, delivery_id), kept(explicit, delivery_id)
    for steps in (one["state"]["steps"], two["state"]["steps"]):
        del steps["validate"]["report_uri"], steps["normalize_hash"]["manifest_uri"]
    assert one == two
    assert finish(merged, delivery_id) == {"accepted": 2500}
    assert merged.staging.list("") == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_basket_file_too(world: World, packed: bool) -> None:
    """Orders of several lines wait for the end of the file, in a packed one as well."""
    lines = [line for number in range(1, 60) for line in rows(number, 1) + rows(number, 1, amount="2.50")]
    stamp = world.drop(lines)
    if packed:
        path = Path(stamp["uri"] + ".gz")
        path.write_bytes(gzip.compress(Path(stamp["uri"]).read_bytes()))
        os.utime(path, (NOW.timestamp() - 3600,) * 2)
        stamp = FileStamp(uri=str(path), size=path.stat().st_size, mtime=NOW - timedelta(hours=1)).to_dict()
    settings: dict[str, Any] = {"basket": "order", "event_identity": ["order_id", "transaction_amount"]}
    ctx = world.context(**settings)
    delivery_id = prepare_file(ctx, stamp).validated.delivery_id
    explicit = world.context(state_uri=str(world.folder / "explicit"), **settings)
    normalize_hash(explicit, validate(explicit, stamp).delivery_id)
    assert staged(ctx, delivery_id) == staged(explicit, delivery_id)
    assert len(staged(ctx, delivery_id)) == 59


def test_a_breach_leaves_a_report_and_no_part(world: World) -> None:
    """The gate is judged at the end of the pass; a corrected setting reads the file again."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 4), *rows(5, 4, amount="ten")])
    ctx = world.context(max_rejected_ratio=0.1)
    with pytest.raises(GateExceededError, match="nothing was sent"):
        prepare_file(ctx, stamp)
    assert ctx.staging.list("") == []
    [delivery_id] = deliveries_of_run(ctx)
    assert ctx.objects.get(f"{ctx.folder(delivery_id)}/report.html") is not None
    assert prepare_file(world.context(), stamp).validated.rows_valid == 4
    assert finish(world.context(), delivery_id) == {"accepted": 4}


def test_a_gate_that_was_lowered_throws_away_what_is_staged(world: World) -> None:
    """The file is not read again for it."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 4), *rows(5, 4, amount="ten")])
    prepare_file(world.context(), stamp)
    ctx = world.context(max_rejected_ratio=0.1)
    with counted_reads() as reads, pytest.raises(GateExceededError):
        prepare_file(ctx, stamp)
    assert reads.opened == {}
    assert ctx.staging.list("") == []


@pytest.mark.parametrize("why", ["quiet day", "no column", "repeated", "checksum", "held"])
def test_a_file_that_is_not_delivered_leaves_nothing_staged(world: World, why: str) -> None:
    """Whatever shows itself before the file's end or at it."""
    world.init_ledger()
    ctx = world.context(source={**world.config().source.model_dump(), "header_only": "skip"})
    stamp = world.drop(rows(1, 5))
    error: type[TikTokOfflineError] = InputFileError
    match why:
        case "quiet day":
            stamp, error = world.drop([]), SkippedFileError
        case "no column":
            stamp = world.drop(rows(1, 5), header="a,b,c,d,e,f,g")
        case "repeated":
            world.deliver(world.drop(rows(1, 5), name="conversions_20261120.csv"), world.context("daily/run-0"))
        case "checksum":
            stamp["checksum"] = "md5:" + "0" * 32
        case "held":
            error = DeliveryHeldError
            other = world.drop(rows(1, 5), name="b.csv")
            validate(world.context("daily/run-2"), other)
    with pytest.raises(error):
        prepare_file(ctx, stamp, day=DAY)
    assert ctx.staging.list("") == []


@pytest.mark.parametrize("gone", ["there", "gone", "checksum"])
def test_a_try_after_the_pass_does_not_read_the_file_again(world: World, gone: str) -> None:
    """As after a kill in the plan, in this run or in another one; the file may even be gone by then."""
    world.init_ledger()
    stamp = world.drop(rows(1, 2500))
    if gone == "checksum":
        stamp["checksum"] = f"sha512:{hashlib.sha512(Path(stamp['uri']).read_bytes()).hexdigest()}"
    first = prepare_file(world.context(), stamp)
    if gone == "gone":
        Path(stamp["uri"]).unlink()
    with counted_reads() as reads:
        assert prepare_file(world.context(), stamp) == first
        with pytest.raises(DeliveryHeldError):
            prepare_file(world.context("daily/run-2"), stamp)
        world.clock.advance(timedelta(hours=1))
        assert prepare_file(world.context("daily/run-2"), stamp) == first
        assert finish(world.context("daily/run-2"), first.validated.delivery_id) == {"accepted": 2500}
    assert reads.opened == {}
    assert world.context().staging.list("") == []


@pytest.mark.parametrize("changed", ["settings", "opt-outs", "part is gone", "as_of", "manifest", "checksum"])
def test_what_is_staged_of_yesterdays_settings_is_staged_again(world: World, changed: str) -> None:
    """A setting, the list of opt-outs or a moment that changed, a part or a manifest that was lost."""
    world.init_ledger()
    opt_outs = OptOuts(world)
    opt_outs.write("nobody@example.com")
    stamp = world.drop(rows(1, 10))
    delivery_id = prepare_file(opt_outs.context(), stamp).validated.delivery_id
    ctx, as_of, expected = opt_outs.context(), None, 10
    match changed:
        case "settings":
            ctx = opt_outs.context(currency="EUR")
        case "opt-outs":
            opt_outs.write("nobody@example.com", "shopper3@example.com")
            expected = 9
        case "part is gone":
            [part] = [path for path in ctx.staging.list("") if path.endswith(".parquet")]
            ctx.staging.delete(part)
        case "checksum":
            stamp["checksum"] = f"sha512:{hashlib.sha512(Path(stamp['uri']).read_bytes()).hexdigest()}"
        case "as_of":
            as_of = NOW - timedelta(minutes=1)
        case "manifest":
            ctx.staging.delete(f"{delivery_id}/manifest.json")
    with counted_reads() as reads:
        again = prepare_file(ctx, stamp, as_of=as_of)
    assert reads.opened[stamp["uri"]] == 1
    assert again.staged is not None
    assert again.staged.events == expected
    assert {event["currency"] for event in staged(ctx, delivery_id)} == {"EUR" if changed == "settings" else "USD"}
    assert finish(ctx, delivery_id) == {"accepted": expected}
    assert ctx.staging.list("") == []


@pytest.mark.parametrize("again", ["same stamp", "new stamp", "gone"])
def test_a_plan_ends_from_the_parts_it_was_made_on(world: World, again: str) -> None:
    """Whatever the settings are by then; the report is today's."""
    world.init_ledger()
    ctx = world.context()
    stamp = world.drop(rows(1, 10))
    delivery_id = prepare_file(ctx, stamp).validated.delivery_id
    parts = dedupe(ctx, delivery_id).parts
    before = staged(ctx, delivery_id)
    if again == "new stamp":
        os.utime(stamp["uri"], (NOW.timestamp() - 1800,) * 2)
        stamp["mtime"] = (NOW - timedelta(minutes=30)).isoformat()
    if again == "gone":
        Path(stamp["uri"]).unlink()
    changed = world.context(currency="EUR")
    prepare_file(changed, stamp)
    assert staged(changed, delivery_id) == before
    assert dedupe(changed, delivery_id).parts == parts
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 2
    assert finish(ctx, delivery_id) == {"accepted": 10}
    assert ctx.staging.list("") == []


def test_a_file_that_is_gone_before_it_was_read_is_missing(world: World) -> None:
    """And one whose events were staged with other settings: they can't be made again."""
    world.init_ledger()
    stamp = world.drop(rows(1, 10))
    Path(stamp["uri"]).unlink()
    with pytest.raises(FileMissingError):
        prepare_file(world.context(), stamp)
    prepare_file(world.context(), world.drop(rows(1, 10)))
    Path(stamp["uri"]).unlink()
    with pytest.raises(FileMissingError):
        prepare_file(world.context(currency="EUR"), stamp)


def test_the_explicit_steps_take_up_what_was_prepared(world: World) -> None:
    """And the merged one what they have staged."""
    world.init_ledger()
    stamp = world.drop(rows(1, 10))
    ctx = world.context()
    found = prepare_file(ctx, stamp)
    assert normalize_hash(ctx, found.validated.delivery_id) == found.staged
    assert validate(ctx, stamp) == found.validated
    changed = world.context(currency="EUR")
    hashed = normalize_hash(changed, found.validated.delivery_id)
    with counted_reads() as reads:
        assert prepare_file(changed, stamp).staged == hashed
    assert reads.opened == {}
    assert finish(changed, hashed.delivery_id) == {"accepted": 10}
    assert ctx.staging.list("") == []


def test_the_same_bytes_under_a_new_stamp_keep_their_moment(world: World) -> None:
    """They were judged before: a day later nothing expires that was in time then."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3, at="2026-10-25T12:00:00Z-0000"))
    first = prepare_file(world.context(), stamp)
    world.clock.advance(timedelta(days=3))
    os.utime(stamp["uri"], (world.clock.now().timestamp() - 3600,) * 2)
    stamp["mtime"] = (world.clock.now() - timedelta(hours=1)).isoformat()
    again = prepare_file(world.context(), stamp)
    assert (again.validated.as_of, again.validated.rows_valid) == (first.validated.as_of, 3)


def test_a_closed_delivery_stages_nothing(world: World) -> None:
    """Delivered is delivered."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    world.deliver(stamp)
    again = prepare_file(world.context("daily/run-2"), stamp)
    assert again.validated.closed
    assert again.staged is not None
    assert again.staged.closed
    assert world.context().staging.list("") == []
    assert [found["uri"] for found in find(world.context(), DAY).files] == []


def test_an_earlier_try_that_goes_on_binds_nothing(world: World) -> None:
    """As after a network partition: the parts belong to the try that began last."""
    world.init_ledger()
    stamp = FileStamp.from_dict(world.drop(rows(1, 3)))
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, stamp.to_dict()).delivery_id)
    first, second = UnboundParts(ctx, stamp), UnboundParts(ctx, stamp)
    for one in (first, second):
        one.begin()
        with one.open_write("part-00000.parquet") as stream:
            stream.write(b"part")
        one.put("manifest.json", b'{"parts": [{"name": "part-00000.parquet", "leave_out": null}]}')
    with pytest.raises(LedgerBusyError, match="a later try of this step reads the file now"):
        first.bind(state.id)
    first.throw_away()
    assert second.bind(state.id).whole()


def test_runs_that_come_to_the_same_file_have_parts_of_their_own(world: World) -> None:
    """The second one reads while the first one's parts are being sent; then it is told to wait."""
    world.init_ledger()
    stamp = world.drop(rows(1, 10))
    first = world.context("daily/run-1")
    delivery_id = prepare_file(first, stamp).validated.delivery_id
    plan = dedupe(first, delivery_id)
    before = first.staging.list("")
    other = world.context("backfill/run-1")
    unbound = UnboundParts(other, FileStamp.from_dict(stamp))
    unbound.begin()
    with pytest.raises(DeliveryHeldError):
        prepare_file(other, stamp)
    assert set(before) < set(other.staging.list(""))
    for part in plan.parts:
        upload(first, delivery_id, part)
    assert summarize(first, delivery_id).events == {"accepted": 10}
    unbound.throw_away()
    assert other.staging.list("") == []


def test_the_parts_of_a_pass_that_died_go_with_a_later_file(world: World) -> None:
    """After ``ledger.staging_hours``, and with the advertiser; others' are left alone."""
    world.init_ledger()
    ctx = world.context()
    for number, hours in ((1, 0), (2, 73)):
        world.clock.advance(timedelta(hours=hours))
        dead = UnboundParts(world.context(f"daily/dead-{number}"), FileStamp.from_dict(world.drop(rows(1, 1))))
        dead.begin()
        with dead.open_write("part-00000.parquet") as stream:
            stream.write(b"part")
    other = UnboundParts(world.context(name="other_shop"), FileStamp.from_dict(world.drop(rows(1, 1))))
    other.begin()
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 3
    delivery_id = prepare_file(ctx, world.drop(rows(6, 5))).validated.delivery_id
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 4
    assert finish(ctx, delivery_id) == {"accepted": 5}
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 2
    offboard(ctx, with_ledger=False, reason="left")
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 1


def _steps(stamp: dict[str, Any]) -> list[Step]:
    """The first task of the merged chain, as one that can be tried again, and the last."""

    def prepared(ctx: DeliveryContext) -> None:
        dedupe(ctx, prepare_file(ctx, stamp).validated.delivery_id)

    def sent(ctx: DeliveryContext) -> None:
        for delivery_id in deliveries_of_run(ctx):
            for part in dedupe(ctx, delivery_id).parts:
                upload(ctx, delivery_id, part)

    return [prepared, sent, summarize_all]


@pytest.mark.parametrize(
    ("who", "mode", "every"),
    [
        ("its retry", "live", 9),
        ("another run", "live", 11),
        ("its retry", "dry_run", 13),
        *(
            pytest.param(who, mode, 1, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])
            for who in ("its retry", "another run")
            for mode in ("live", "dry_run")
        ),
    ],
)
def test_killed_before_any_write_of_the_first_task(
    running_simulator: RunningSimulator, tmp_path: Path, who: str, mode: str, every: int
) -> None:
    """Whoever goes on ends with each event once, and with nothing staged.

    :param every: take every n-th write only.
    """
    for writes in range(1, _ENOUGH, every):
        own = tmp_path / str(writes)
        own.mkdir()
        running_simulator.control.reset()
        world = World(own, running_simulator)
        running_simulator.control.set_clock(world.clock.now().timestamp() - running_simulator.control.summary().now)
        world.init_ledger()
        stamp = world.drop(rows(1, 1200))
        life = Life(writes)
        with pytest.MonkeyPatch.context() as patch:
            left = live_out(_steps(stamp)[:1], mortal(world.context(mode=mode), life, patch))
        if not life.over:
            assert writes > 10
            return
        assert left
        if who == "its retry":
            ctx = world.context(mode=mode)
        else:
            world.clock.advance(timedelta(hours=1))
            ctx = world.context("daily/run-2", mode=mode)
        try:
            for step in _steps(stamp):
                step(ctx)
            if mode == "live":
                assert set(running_simulator.times_received().values()) == {1}
                assert len(running_simulator.event_ids()) == 1200
            world.clock.advance(timedelta(hours=80))
            prepare_file(world.context("daily/run-3", mode=mode), world.drop(rows(1, 1), name="b.csv"))
            folders = {path.partition("/")[0] for path in ctx.staging.list("")}
            assert len(folders) == 2, folders
        except Exception as error:
            error.add_note(f"died before write {writes}")
            raise
    raise AssertionError(f"a run has more than {_ENOUGH} writes")
