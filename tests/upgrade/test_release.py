"""The state that earlier releases left behind, read and carried on by this one; and newer state, refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import RECIPE
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import InputFileError, LedgerVersionError
from airflow_provider_tiktok_offline.ledger.corrections import acknowledge_identity
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace, read_meta
from tests.delivery.world import NOW, World, rows
from tests.fixtures.make_release import HERE, SECOND_RUN, contexts, feed_rows
from tests.servers.simulator import RunningSimulator, simulator

RELEASES = sorted(HERE.glob("release-*"))
#: Some hours after the release's last run: its leases are over, its events still young.
LATER = NOW + timedelta(hours=3)
#: Behind every transaction that the release delivered.
CUT_OVER = datetime(2026, 11, 22, tzinfo=UTC)
AFTER_CUT_OVER = "2026-11-22T08:00:00Z-0000"


@pytest.fixture(scope="session", name="running")
def _running() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


@pytest.fixture(name="left", params=RELEASES, ids=lambda path: path.name)
def _left(request: pytest.FixtureRequest, tmp_path: Path, running: RunningSimulator) -> Old:
    running.control.reset()
    running.control.set_clock(LATER.timestamp() - running.control.summary().now)
    shutil.copytree(request.param, tmp_path, dirs_exist_ok=True)
    clock = ManualClock(LATER)
    old = Old(World(tmp_path, running, clock), clock, contexts(tmp_path, running, clock))
    for route in ("tiktok", "liveramp"):
        old.acknowledge(route)
    return old


class Old:
    """A copy of what a release left behind.

    Attributes:
        world: its folder.
        clock: some hours later.
        context: makes a run's view.
    """

    def __init__(self, world: World, clock: ManualClock, context: Callable[..., DeliveryContext]) -> None:
        self.world = world
        self.clock = clock
        self.context = context

    def acknowledge(self, route: str) -> None:
        """Accept another recipe of event ids, as docs/upgrading.md says, if the release had one."""
        ctx = self.context("set-up", route)
        place = LedgerPlace(ctx.objects, ctx.config.event_set_id, self.clock)
        if read_meta(place).recipe == RECIPE:
            return
        with pytest.raises(LedgerVersionError, match="ledger acknowledge"):
            _ = ctx.ledger
        acknowledge_identity(
            place, settings=ctx.config.identity_settings(), send_from=CUT_OVER, reason="upgrade", actor="cli/test"
        )

    def open_delivery(self) -> str:
        """The delivery that was stopped half-way."""
        digest = hashlib.sha256((self.world.folder / "drop" / "second.csv").read_bytes()).hexdigest()
        return self.context(SECOND_RUN).delivery_id(digest)


def orders(running: RunningSimulator) -> set[int]:
    """The order numbers that arrived."""
    return {int(item["properties"]["order_id"].removeprefix("order-")) for item in running.items().values()}


def test_there_is_one_of_this_release() -> None:
    """Whoever changes the layout first keeps the state of the release before."""
    assert [path.name for path in RELEASES]


def test_an_open_delivery_is_carried_on(left: Old, running: RunningSimulator) -> None:
    """What has a receipt is not sent again, the staged parts are read as they are, and the delivery closes."""
    ctx = left.context(SECOND_RUN)
    opened = left.open_delivery()
    before = sorted(ctx.staging.list(opened))
    assert normalize_hash(ctx, opened).events == 10
    assert sorted(ctx.staging.list(opened)) == before
    for part in dedupe(ctx, opened).parts:
        upload(ctx, opened, part)
    assert orders(running) == set(range(16, 21))
    recipe = PreparedEvents.open(StagedParts(ctx.staging, opened)).manifest["recipe"]
    assert {event_id.partition("-")[0] for event_id in running.event_ids()} == {recipe}
    assert summarize(ctx, opened).events == {"accepted": 10}


def test_what_was_sent_is_known(left: Old, running: RunningSimulator) -> None:
    """A new file's rows are held against the old ledger; another run takes the abandoned delivery's place."""
    summary = left.world.deliver(left.world.drop(rows(1, 15), name="third.csv"), left.context("daily/run-3"))
    assert summary.events["already_sent"] >= 10
    ctx = left.context("daily/run-4")
    opened = left.open_delivery()
    for part in dedupe(ctx, opened).parts:
        upload(ctx, opened, part)
    assert summarize(ctx, opened).open == ""
    assert not orders(running) & set(range(1, 11))
    assert set(running.times_received().values()) <= {1}


def test_a_file_that_was_staged_and_not_planned_is_prepared_anew(left: Old, running: RunningSimulator) -> None:
    """Its parts hold ids of the release's recipe, which nothing else will have from now on."""
    ctx = left.context(SECOND_RUN)
    opened = left.open_delivery()
    state = left.world.folder / "state" / "deliveries" / f"{opened}.json"
    where = str(left.world.folder / "drop" / "second.csv")
    document = json.loads(state.read_text())
    del document["steps"]["dedupe"]
    state.write_text(json.dumps({**document, "uri": where}))
    normalize_hash(ctx, opened)
    assert PreparedEvents.open(StagedParts(ctx.staging, opened)).made_by(ctx.config.conversion_settings())


def test_a_feed_goes_on(left: Old) -> None:
    """The contract holds, a delivered file is a no-op, and the next day's file leaves out what was delivered."""
    ctx = left.context("feed/run-2", "liveramp")
    path = left.world.folder / "drop" / "market.csv"
    again = validate(ctx, left.world.drop(feed_rows(1, 30), name=path.name))
    assert again.closed
    left.clock.advance(timedelta(days=1))
    ctx = left.context("feed/run-3", "liveramp")
    fresh = [row.replace("2026-11-21T10:00:00Z-0000", AFTER_CUT_OVER) for row in feed_rows(31, 40)]
    new = validate(ctx, left.world.drop([*feed_rows(11, 20), *fresh], name="next.csv")).delivery_id
    dedupe(ctx, new)
    told = deliver(ctx, new)
    assert (told.outcome, told.rows) == ("delivered", 40)
    assert summarize(ctx, new).open == ""


def test_maintenance_reads_it(left: Old) -> None:
    """Expiry, compaction and vacuum leave what counts."""
    maintain(left.context("maintenance"))
    content = [*rows(1, 10), *rows(30, 1, at=AFTER_CUT_OVER)]
    summary = left.world.deliver(left.world.drop(content, name="again.csv"), left.context("x/1"))
    assert summary.events == {"already_sent": 10, "accepted": 1}


@pytest.mark.parametrize(
    ("document", "step"),
    [
        ("event_sets/*/meta.json", "ledger"),
        ("event_sets/*/*/claims.json", "dedupe"),
        ("event_sets/*/*/keys.witness.json", "dedupe"),
        ("deliveries/*.json", "delivery"),
        ("liveramp/*/feed.json", "feed"),
        ("liveramp/*/days/*.json", "feed"),
    ],
)
def test_a_newer_document_is_refused(left: Old, running: RunningSimulator, document: str, step: str) -> None:
    """Each kind of document that a later layout wrote stops this package, which says to upgrade, and sends nothing."""
    found = list((left.world.folder / "state").glob(document))
    assert found
    for path in found:
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    with pytest.raises(LedgerVersionError, match=r"newer package .*\(layout 2.*Upgrade"):
        use(left, step)
    assert not running.event_ids()


def use(left: Old, step: str) -> None:
    """Do what reads the documents of that kind."""
    ctx = left.context("daily/run-9")
    match step:
        case "ledger":
            _ = ctx.ledger
        case "dedupe":
            left.world.deliver(left.world.drop(rows(30, 5, at=AFTER_CUT_OVER), name="new.csv"), ctx)
        case "delivery":
            ctx.deliveries.get(left.open_delivery())
        case "feed":
            feed_state = open_feed_state(left.context("feed/run-9", "liveramp"))
            feed_state.contract("market_hall")
            feed_state.day(NOW.date().isoformat())


def test_newer_staged_parts_are_refused(left: Old) -> None:
    """Parts that a later package prepared are not read."""
    ctx = left.context(SECOND_RUN)
    parts = StagedParts(ctx.staging, left.open_delivery())
    parts.put("manifest.json", json.dumps({**json.loads(parts.get("manifest.json")), "version": 2}).encode())
    with pytest.raises(InputFileError, match="newer package"):
        PreparedEvents.open(parts)
