"""A large file in shards, read by tasks of their own, gives what one task makes of it; also if tasks die."""

from __future__ import annotations

import gzip
import os
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import read_shards
from airflow_provider_tiktok_offline.conversions.preparation.shards import prepare_shard
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import UnboundParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.prepare_file import PreparedFile, prepare_file
from airflow_provider_tiktok_offline.delivery.steps.shards import PlannedShard, cut_file, read_shard
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.errors import (
    DeliveryHeldError,
    FileChangedError,
    GateExceededError,
    InputFileError,
)
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from tests.delivery.opt_outs import OptOuts
from tests.delivery.test_prepare_file import finish, kept
from tests.delivery.world import NOW, World, rows
from tests.servers.dying import Life, Step, live_out, mortal
from tests.servers.reading import counted_reads
from tests.servers.simulator import RunningSimulator

#: Shards of some 250 rows.
SHARDS: dict[str, Any] = {"shards": {"megabytes": 0.02, "most": 9}}
MIXED = [*rows(1, 900), *rows(400, 30), *rows(901, 1, amount="ten"), *rows(902, 1, amount="-3.00"), *rows(5, 9)]
_ENOUGH = 150


def in_shards(ctx: DeliveryContext, stamp: dict[str, Any], seed: int = 0) -> PreparedFile:
    """All tasks before the plan; shards are read in any order, some twice."""
    planned = cut_file(ctx, stamp)
    again = random.Random(seed).sample(planned, len(planned)) + planned[:1]
    for shard in again:
        read_shard(ctx, shard)
    return prepare_file(ctx, stamp)


@pytest.mark.parametrize("basket", ["row", "order"])
def test_shards_give_what_one_task_gives(world: World, basket: str) -> None:
    """Results, report, state and events; the file is read twice, never a third time, and nothing is left behind."""
    settings: dict[str, Any] = {"basket": basket} if basket == "row" else {
        "basket": basket, "event_identity": ["order_id", "transaction_amount"],
    }  # fmt: skip
    world.init_ledger(**settings)
    stamp = world.drop(MIXED)
    whole = world.context(state_uri=str(world.folder / "whole"), **settings)
    expected = prepare_file(whole, stamp)
    ctx = world.context(**SHARDS, **settings)
    with counted_reads() as reads:
        found = in_shards(ctx, stamp)
        # Twice, and the header for each of five shards, one of which is read again, and for prepare.
        assert reads.times(stamp["uri"], stamp["size"]) < 2 + 0.3 + 7 * (1 << 16) / stamp["size"]
    assert expected.staged is not None
    assert found.staged is not None
    assert found.staged.events == expected.staged.events
    one, two = kept(ctx, found.validated.delivery_id), kept(whole, expected.validated.delivery_id)
    for kept_of in (one, two):
        kept_of["events"].sort(key=lambda event: event["line"])
        del kept_of["state"]["steps"]["validate"]["report_uri"], kept_of["state"]["steps"]["normalize_hash"]
    assert one == two
    assert prepare_file(ctx, stamp) == found
    assert not [
        path for path in ctx.staging.list("") if path.endswith((".arrow", ".npz")) or "shard-00000.json" in path
    ]
    assert finish(ctx, found.validated.delivery_id).keys() == {"accepted"}
    assert ctx.staging.list("") == []


def test_each_shard_has_a_name_and_its_rows(world: World) -> None:
    """As the page in Airflow shows them."""
    world.init_ledger()
    stamp = world.drop(rows(1, 900))
    planned = cut_file(world.context(**SHARDS), stamp)
    assert [one.get("name") for one in planned[:2]] == [
        f"conversions_20261121.csv, shard 1 of {len(planned)}", f"conversions_20261121.csv, shard 2 of {len(planned)}",
    ]  # fmt: skip
    assert sum(read_shard(world.context(**SHARDS), one).rows for one in planned) == 900


def test_a_file_that_stays_whole(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A small one, a packed one, one that was read before, and any without the setting."""
    world.init_ledger()
    small, large = world.drop(rows(1, 100), name="small.csv"), world.drop(rows(1, 900))
    ctx = world.context(**SHARDS)
    assert cut_file(ctx, small) == []
    assert cut_file(world.context(), large) == []
    packed = Path(large["uri"] + ".gz")
    packed.write_bytes(gzip.compress(os.urandom(50_000)))
    os.utime(packed, (NOW.timestamp() - 3600,) * 2)
    stamp = FileStamp(uri=str(packed), size=packed.stat().st_size, mtime=NOW - timedelta(hours=1)).to_dict()
    assert cut_file(ctx, stamp) == []
    assert "it is compressed with gzip" in caplog.text
    assert ctx.staging.list("") == []
    prepare_file(ctx, large)
    assert cut_file(ctx, large) == []


def test_what_is_wrong_with_a_file_is_said_by_prepare(world: World) -> None:
    """A header without a needed column, and a checksum of another file: neither is cut, both are refused once."""
    world.init_ledger()
    ctx = world.context(**SHARDS)
    no_column = world.drop(rows(1, 900), header="a,b,c,d,e,f,g")
    assert cut_file(ctx, no_column) == []
    with pytest.raises(InputFileError, match="transaction_amount"):
        prepare_file(ctx, no_column)
    stamp = {**world.drop(rows(1, 900)), "checksum": "md5:" + "0" * 32}
    assert cut_file(ctx, stamp) == []
    with pytest.raises(InputFileError, match="md5 is not the one"):
        prepare_file(ctx, stamp)
    assert ctx.staging.list("") == []


def test_a_breach_is_seen_over_the_whole_file(world: World) -> None:
    """No shard alone says it; the report is kept, and nothing is staged."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 600), *rows(601, 300, amount="ten")])
    ctx = world.context(max_rejected_ratio=0.3, **SHARDS)
    with pytest.raises(GateExceededError, match="nothing was sent"):
        in_shards(ctx, stamp)
    assert ctx.staging.list("") == []


@pytest.mark.parametrize("missing", ["a shard", "settings", "moment"])
def test_prepare_reads_the_file_itself_where_the_shards_are_not_of_now(world: World, missing: str) -> None:
    """One was not read, or a setting has changed since."""
    world.init_ledger()
    stamp = world.drop(rows(1, 900))
    ctx = world.context(**SHARDS)
    planned = cut_file(ctx, stamp)
    for shard in planned[:-1]:
        read_shard(ctx, shard)
    if missing == "settings":
        ctx = world.context(currency="EUR", **SHARDS)
        with pytest.raises(FileChangedError, match="settings have changed"):
            read_shard(ctx, planned[-1])
    if missing != "a shard":
        read_shard(world.context(**SHARDS), planned[-1])
    found = prepare_file(ctx, stamp, as_of=NOW - timedelta(hours=2) if missing == "moment" else None)
    assert finish(ctx, found.validated.delivery_id) == {"accepted": 900}
    assert ctx.staging.list("") == []


def test_a_file_that_was_replaced_since_it_was_cut(world: World) -> None:
    """Its shards are not read; the new file is cut or read by itself."""
    world.init_ledger()
    stamp = world.drop(rows(1, 900))
    ctx = world.context(**SHARDS)
    planned = cut_file(ctx, stamp)
    read_shard(ctx, planned[0])
    world.drop(rows(1001, 901))
    with pytest.raises(FileChangedError, match="has changed since it was cut"):
        read_shard(ctx, planned[1])
    found = prepare_file(ctx, stamp)
    assert finish(ctx, found.validated.delivery_id) == {"accepted": 901}


def test_a_file_that_is_cut_anew(world: World) -> None:
    """What a paused task of the first cut does then belongs to nobody; it does not settle the second."""
    world.init_ledger()
    stamp = world.drop(rows(1, 900))
    ctx = world.context(**SHARDS)
    first, second = cut_file(ctx, stamp), cut_file(ctx, stamp)
    with pytest.raises(FileChangedError, match="cut anew"):
        read_shard(ctx, first[0])
    for shard in second:
        read_shard(ctx, shard)
    found = prepare_file(ctx, stamp)
    assert read_shard(ctx, second[0]).settled
    assert finish(ctx, found.validated.delivery_id) == {"accepted": 900}
    assert read_shard(ctx, second[0]).settled
    assert cut_file(ctx, stamp) == []


def test_a_person_who_opts_out_between_two_shards(world: World, running_simulator: RunningSimulator) -> None:
    """In a shard that was read before: left out when it is sent."""
    world.init_ledger()
    people = OptOuts(world)
    people.write("shopper1@example.com")
    stamp = world.drop(rows(1, 900))
    ctx = people.context(**SHARDS)
    planned = cut_file(ctx, stamp)
    read_shard(ctx, planned[0])
    people.write("shopper1@example.com", "shopper2@example.com")
    for shard in planned[1:]:
        read_shard(ctx, shard)
    found = prepare_file(ctx, stamp)
    outcomes = finish(ctx, found.validated.delivery_id)
    assert outcomes["accepted"] == 898
    assert len(running_simulator.event_ids()) == 898


def test_a_late_try_of_a_shard_changes_nothing(world: World, running_simulator: RunningSimulator) -> None:
    """It was stopped before somebody opted out, and goes on when the file is settled: the person is not sent."""
    world.init_ledger()
    people = OptOuts(world)
    people.write("shopper1@example.com", "shopper2@example.com")
    stamp = world.drop(rows(1, 900))
    ctx = people.context(**SHARDS)
    planned = cut_file(ctx, stamp)
    folder = UnboundParts(ctx, FileStamp.from_dict(planned[0]["file"])).shared
    shards = read_shards(folder)
    for shard in planned:
        read_shard(ctx, shard)
    found = prepare_file(ctx, stamp)
    prepare_shard(LocalFile(stamp["uri"]), ctx.config.conversion_settings(), shards, 0, output=folder)
    assert finish(ctx, found.validated.delivery_id)["accepted"] == 898
    assert len(running_simulator.event_ids()) == 898
    assert ctx.staging.list("") == []


def test_a_try_of_prepare_that_fails_keeps_the_shards(world: World) -> None:
    """Another run holds the delivery for now; the next try reads nothing again."""
    world.init_ledger()
    stamp = world.drop(rows(1, 900))
    held = prepare_file(world.context("daily/run-2"), world.drop(rows(1, 900), name="b.csv"))
    ctx = world.context(**SHARDS)
    for shard in cut_file(ctx, stamp):
        read_shard(ctx, shard)
    with pytest.raises(DeliveryHeldError):
        prepare_file(ctx, stamp)
    world.clock.advance(timedelta(hours=1))
    with counted_reads() as reads:
        found = prepare_file(ctx, stamp)
    assert reads.times(stamp["uri"], stamp["size"]) < 1
    assert found.validated.delivery_id == held.validated.delivery_id
    assert finish(ctx, found.validated.delivery_id) == {"accepted": 900}


def _steps(stamp: dict[str, Any]) -> list[Step]:
    """The tasks before an upload, each of which can be tried again, and those behind."""
    planned: list[PlannedShard] = []

    def cut(ctx: DeliveryContext) -> None:
        found = cut_file(ctx, stamp)
        planned[:] = found

    def read(ctx: DeliveryContext) -> None:
        for shard in planned:
            read_shard(ctx, shard)

    def prepared(ctx: DeliveryContext) -> None:
        dedupe(ctx, prepare_file(ctx, stamp).validated.delivery_id)

    def sent(ctx: DeliveryContext) -> None:
        for delivery_id in deliveries_of_run(ctx):
            for part in dedupe(ctx, delivery_id).parts:
                upload(ctx, delivery_id, part)

    return [cut, read, prepared, sent, summarize_all]


@pytest.mark.parametrize(
    ("who", "every"),
    [
        ("its retry", 13),
        ("another run", 17),
        *(
            pytest.param(who, 1, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)])
            for who in ("its retry", "another run")
        ),
    ],
)
def test_killed_before_any_write(running_simulator: RunningSimulator, tmp_path: Path, who: str, every: int) -> None:
    """The task that died is tried again, or another run does all; each event is sent once, and nothing stays staged.

    :param every: take every n-th write only.
    """
    for writes in range(1, _ENOUGH, every):
        own = tmp_path / str(writes)
        own.mkdir()
        running_simulator.control.reset()
        world = World(own, running_simulator)
        running_simulator.control.set_clock(world.clock.now().timestamp() - running_simulator.control.summary().now)
        world.init_ledger()
        steps = _steps(world.drop(rows(1, 700)))
        life = Life(writes)
        with pytest.MonkeyPatch.context() as patch:
            left = live_out(steps[:3], mortal(world.context(**SHARDS), life, patch))
        if not life.over:
            assert writes > 20
            return
        ctx = world.context(**SHARDS)
        if who == "another run":
            world.clock.advance(timedelta(hours=1))
            ctx, left = world.context("daily/run-2", **SHARDS), steps[:3]
        try:
            for step in [*left, *steps[3:]]:
                step(ctx)
            assert set(running_simulator.times_received().values()) == {1}
            assert len(running_simulator.event_ids()) == 700
            world.clock.advance(timedelta(hours=80))
            prepare_file(world.context("daily/run-3"), world.drop(rows(1, 1), name="b.csv"))
            folders = {path.partition("/")[0] for path in ctx.staging.list("")}
            assert len(folders) == 2, folders
        except Exception as error:
            error.add_note(f"died before write {writes}")
            raise
    raise AssertionError(f"a run has more than {_ENOUGH} writes")


def test_a_dead_try_of_the_cut_leaves_what_the_sweep_removes(world: World) -> None:
    """As the parts of any pass that nobody took up."""
    world.init_ledger()
    ctx = world.context(**SHARDS)
    for shard in cut_file(ctx, world.drop(rows(1, 900))):
        read_shard(ctx, shard)
    assert UnboundParts(ctx, FileStamp.from_dict(world.drop(rows(1, 900)))).resume()
    world.clock.advance(timedelta(hours=80))
    later = replace(ctx, holder="daily/run-2")
    assert cut_file(later, world.drop(rows(1, 901), name="b.csv"))
    assert len({path.partition("/")[0] for path in ctx.staging.list("")}) == 1
