"""How many requests a delivery sends to a bucket: none may be added unseen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from tests.delivery.world import FixedConnections, World, rows
from tests.servers.s3 import S3Server, s3_server

_PARTS = 3
#: Step -> the most requests; of upload for each part.
_MOST = {"validate": 31, "normalize_hash": 13, "dedupe": 32, "upload": 19, "summary": 58}


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    with s3_server() as server:
        server.make_bucket("state")
        yield server


def test_each_step_sends_no_more_requests_than_it_needs(world: World, bucket: S3Server, tmp_path: Path) -> None:
    """A first delivery of three parts, each step with a context of its own, as its task has."""

    def context() -> DeliveryContext:
        ctx = world.context(state_uri=f"s3://s3_state@state/{tmp_path.name}")
        ctx.connections = FixedConnections(ctx.connections.get("tiktok_default"), bucket.connection())
        return ctx

    sent: dict[str, list[str]] = {}
    ctx = context()
    Ledger.init(ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=world.clock)
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
