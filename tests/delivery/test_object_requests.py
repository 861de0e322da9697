"""How many requests a delivery sends to a bucket: none may be added unseen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain, make_ledger
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from tests.delivery.world import FixedConnections, World, rows
from tests.servers.s3 import S3Server, s3_server

_PARTS = 3
#: Step -> the most requests; of upload for each part.
_MOST = {"validate": 31, "normalize_hash": 13, "dedupe": 32, "upload": 19, "summary": 58}


#: Of a night's maintenance of one advertiser, when there is nothing to do.
_MOST_MAINTENANCE = 150


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    with s3_server() as server:
        server.make_bucket("state")
        yield server


def _context(world: World, bucket: S3Server, folder: Path, holder: str = "daily/run-1") -> DeliveryContext:
    """A task's view, with the state in the bucket."""
    ctx = world.context(holder, state_uri=f"s3://s3_state@state/{folder.name}")
    ctx.connections = FixedConnections(ctx.connections.get("tiktok_default"), bucket.connection())
    return ctx


def test_each_step_sends_no_more_requests_than_it_needs(world: World, bucket: S3Server, tmp_path: Path) -> None:
    """A first delivery of three parts, each step with a context of its own, as its task has."""

    def context() -> DeliveryContext:
        return _context(world, bucket, tmp_path)

    sent: dict[str, list[str]] = {}
    make_ledger(context())
    bucket.requests()
    delivery_id = validate(context(), world.drop(rows(1, _PARTS * 1000))).delivery_id
    sent["validate"] = bucket.requests()
    normalize_hash(context(), delivery_id)
    sent["normalize_hash"] = bucket.requests()
    parts = dedupe(context(), delivery_id).parts
    sent["dedupe"] = bucket.requests()
    for part in parts:
        upload(context(), delivery_id, part)
        sent[f"upload {part}"] = bucket.requests()
    assert summarize(context(), delivery_id).events == {"accepted": _PARTS * 1000}
    sent["summary"] = bucket.requests()

    more = {step: requests for step, requests in sent.items() if len(requests) > _MOST[step.partition(" ")[0]]}
    counts = ", ".join(f"{step} {len(requests)}" for step, requests in sent.items())
    named = "\n".join(f"{step}: {request}" for step, requests in more.items() for request in requests)
    assert not more, f"{counts}; more than before:\n{named}"


def test_a_nights_maintenance_asks_as_little_however_many_deliveries_are_kept(
    world: World, bucket: S3Server, tmp_path: Path
) -> None:
    """A look into each of two years, of each of a thousand advertisers, would be a million requests a night."""
    # The store's dates are of today; in doubt about the clock nothing would be looked for.
    now = datetime.now(UTC)
    world.clock = ManualClock(now)
    world.simulator.control.set_clock(0)
    make_ledger(_context(world, bucket, tmp_path))
    asked = []
    for number in range(5):
        at = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ-0000}"
        file = world.drop(rows(10 * number, 5, at=at), name=f"{number}.csv")
        world.deliver(file, _context(world, bucket, tmp_path, f"daily/run-{number}"))
        if number in (1, 4):
            maintain(_context(world, bucket, tmp_path, f"night/{number}"))
            bucket.requests()
            assert not maintain(_context(world, bucket, tmp_path, f"night/{number}/again")).clock_doubt
            asked.append(Counter(_kind(request) for request in bucket.requests()))
    few, many = asked
    # Entries of a table's log since its last checkpoint are read one by one; there are ten at most.
    assert many - few == Counter({kind: count for kind, count in (many - few).items() if "_delta_log" in kind})
    assert (many - few).total() <= 40
    assert many.total() <= _MOST_MAINTENANCE, many


def _kind(request: str) -> str:
    """A request without what is one delivery's."""
    return re.sub(r"[0-9a-f]{16,}|\d{20}", "x", request)
