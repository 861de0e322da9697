"""Settings of advertisers.yaml, each with what it changes."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import ConfigError, LedgerError, LedgerMissingError, OutcomeUnknownError
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import FixedConnections, World, rows
from tests.servers.old_objects import age_objects
from tests.servers.simulator import ACCESS_TOKEN, EVENT_SET_ID


def from_file(world: World, holder: str = "daily/run-1", **changes: Any) -> DeliveryContext:
    """A run whose settings were read from advertisers.yaml."""
    entry = world.config(**changes).model_dump(mode="json", exclude_unset=True)
    path = world.folder / "advertisers.yaml"
    path.write_text(yaml.safe_dump({"advertisers": [entry]}))
    return replace(world.context(holder), config=load_config(path).advertiser("corner_shop"))


def test_a_new_word_and_a_new_store_stop_nothing(world: World) -> None:
    """On the second day of a live event set: both days' sales are sent, and the old ones count as sent."""
    first: dict[str, Any] = {
        "event_map": {"Verkauf": "CompletePayment"},
        "stores": {"store-1": {"currency": "EUR", "time_zone": "Europe/Berlin"}},
    }
    world.init_ledger()
    sold = [row.replace("CompletePayment", "Verkauf") for row in rows(1, 3)]
    assert world.deliver(world.drop(sold), from_file(world, **first)).events == {"accepted": 3}
    second = {
        "event_map": {**first["event_map"], "Online": "CompletePayment", "Termin": "Contact"},
        "stores": {**first["stores"], "store-2": {"currency": "CHF", "time_zone": "Europe/Zurich"}},
    }
    world.clock.advance(timedelta(days=1))
    more = [row.replace("store-1", "store-2") for row in rows(4, 4)]
    words = ["Verkauf", "Online", "Termin", "Verkauf"]
    new = [row.replace("CompletePayment", word) for row, word in zip(more, words, strict=True)]
    stamp = world.drop([*sold, *new], name="conversions_20261122.csv")
    assert world.deliver(stamp, from_file(world, "daily/run-2", **second)).events == {"already_sent": 3, "accepted": 4}
    assert sorted(world.simulator.times_received().values()) == [1] * 7


@pytest.mark.parametrize(("changes", "valid"), [({}, 0), ({"future_skew_seconds": 900}, 1)])
def test_future_skew_seconds_says_how_far_ahead_a_till_may_be(
    world: World, changes: dict[str, Any], valid: int
) -> None:
    """Ten minutes ahead is too far by default, and allowed with a quarter of an hour."""
    stamp = world.drop([*rows(1, 1, at="2026-11-22T09:10:00Z-0000"), *rows(2, 1)])
    assert validate(from_file(world, max_rejected_ratio=1.0, **changes), stamp).rows_valid == 1 + valid


@pytest.mark.parametrize(("ledger", "swept"), [({}, 0), ({"staging_hours": 2}, 1)])
def test_staging_hours_says_when_abandoned_parts_go(world: World, ledger: dict[str, int], swept: int) -> None:
    """After three hours parts are still there by default, and gone where two are allowed."""
    ctx = from_file(world, ledger=ledger)
    normalize_hash(ctx, validate(ctx, world.drop(rows(1, 5))).delivery_id)
    world.clock.advance(timedelta(hours=1, minutes=59))
    assert sweep_staging(ctx) == 0
    world.clock.advance(timedelta(hours=1))
    assert sweep_staging(ctx) == swept


@pytest.mark.parametrize(("ledger", "removed"), [({}, 0), ({"record_months": 1}, 1)])
def test_record_months_says_how_long_a_delivery_record_is_kept(
    world: World, ledger: dict[str, int], removed: int
) -> None:
    """Two months later the record is still there by default, and gone where one is kept."""
    world.init_ledger()
    ctx = from_file(world, ledger=ledger)
    world.deliver(world.drop(rows(1, 5)), ctx)
    world.clock.advance(timedelta(days=62))
    assert maintain(ctx).records == removed


def test_the_state_of_a_delivery_goes_with_its_record_however_often_maintenance_has_run(world: World) -> None:
    """Its plan and its receipts go long before it; a delivery of the last months stays."""
    world.init_ledger()
    ctx = from_file(world, ledger={"record_months": 6})
    world.deliver(world.drop(rows(1, 5)), ctx)
    for month in range(1, 7):
        world.clock.advance(timedelta(days=31))
        day = f"{world.clock.now() - timedelta(days=1):%Y-%m-%d}"
        file = world.drop(rows(10 * month, 5, at=f"{day}T12:00:00Z-0000"), name=f"{month}.csv")
        world.deliver(file, from_file(world, f"daily/run-{month}", ledger={"record_months": 6}))
        age_objects(ctx.objects)
        assert maintain(ctx).deliveries == 0
    assert len(ctx.deliveries.list(ctx.config.name)) == 7
    world.clock.advance(timedelta(days=1))
    done = maintain(ctx)
    assert (done.deliveries, done.records) == (1, 1)
    assert len(ctx.deliveries.list(ctx.config.name)) == 6
    assert not ctx.objects.list("advertisers/corner_shop/runs/daily/run-1")


def test_where_the_ledger_is_gone_the_states_of_deliveries_stay(world: World) -> None:
    """They are all that says what was delivered, and nothing says whether the clock can be relied on."""
    world.init_ledger()
    ctx = from_file(world)
    world.deliver(world.drop(rows(1, 5)), ctx)
    shutil.rmtree(Path(ctx.objects.uri) / "event_sets")
    world.clock.advance(timedelta(days=31 * 26))
    age_objects(ctx.objects)
    with pytest.raises(LedgerMissingError):
        maintain(from_file(world, "night/1"))
    assert maintain(from_file(world, "night/2", mode="dry_run")).deliveries == 0
    assert len(ctx.deliveries.list(ctx.config.name)) == 1


@pytest.mark.parametrize(("hours", "again"), [(44, 2), (2, 1)])
def test_retry_hours_says_how_long_an_event_in_doubt_is_sent_again(world: World, hours: int, again: int) -> None:
    """Three hours after a lost answer the events go out again by default, and not where two hours are allowed."""
    world.init_ledger()
    world.simulator.control.add(Fault(kind="drop", taken=True, count=1))
    limits = {"requests_per_second": 1000, "max_attempts": 1, "retry_hours": hours}
    ctx = from_file(world, upload=limits)
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts
    with pytest.raises(OutcomeUnknownError):
        upload(ctx, delivery_id, part)
    world.clock.advance(timedelta(hours=3))
    upload(ctx, delivery_id, part)
    assert set(world.simulator.times_received().values()) == {again}


def with_secret(world: World, password: str, holder: str = "daily/run-1") -> DeliveryContext:
    """A run whose ledger's secret is the password of a connection."""
    ctx = from_file(world, holder, ledger={"secret_conn_id": "ledger_secret"})
    grant = Connection(conn_id="tiktok_default", conn_type="tiktok", host=world.simulator.url, password=ACCESS_TOKEN)
    secret = Connection(conn_id="ledger_secret", conn_type="generic", password=password)
    return replace(ctx, connections=FixedConnections(grant, secret))


def test_secret_conn_id_keeps_the_secret_out_of_the_state(world: World) -> None:
    """The ledger works with a secret that does not lie beside it, and with no other one."""
    ctx = with_secret(world, secrets.token_hex(32))
    Ledger.init(
        ctx.objects,
        EVENT_SET_ID,
        identity=ctx.config.identity_settings(),
        clock=world.clock,
        secret=ctx.ledger_secret,
    )
    stamp = world.drop(rows(1, 5))
    assert world.deliver(stamp, ctx).events == {"accepted": 5}
    assert not [path for path in ctx.objects.list("") if path.endswith("/secret")]
    other = with_secret(world, secrets.token_hex(32), "daily/run-2")
    with pytest.raises(LedgerError, match="secret"):
        world.deliver(world.drop(rows(6, 5), name="second.csv"), other)
    assert len(world.simulator.event_ids()) == 5


@pytest.mark.parametrize("password", ["", "no hex", "ab" * 31])
def test_a_secret_that_is_no_secret_is_a_configuration_error(world: World, password: str) -> None:
    """It says what a secret looks like, and shows none of it."""
    with pytest.raises(ConfigError, match="64 hex digits") as raised:
        _ = with_secret(world, password).ledger
    assert not password or password not in str(raised.value)
