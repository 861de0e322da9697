"""Whether TikTok refuses events or the settings that they are sent by, and what the client is given."""

from __future__ import annotations

import pytest

from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import CallerError
from airflow_provider_tiktok_offline.ledger.meta_document import read_meta
from airflow_provider_tiktok_offline.simulator.defaults import ACCESS_TOKEN
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import World, rows


def test_a_delivery_of_which_nothing_is_taken_is_stopped_by_its_settings(world: World) -> None:
    """No event counts as refused, and all go out once TikTok takes them."""
    world.init_ledger()
    stamp = world.drop(rows(1, 5))
    world.simulator.control.add(Fault(kind="answer", code=40002, message="Invalid value.", count=None))
    with pytest.raises(CallerError, match="every event of the first batch"):
        world.deliver(stamp)
    world.simulator.control.clear_faults()
    assert world.deliver(stamp).events == {"accepted": 5}


def test_the_token_is_masked_before_it_is_used(world: World) -> None:
    """Logs hide it wherever it may appear."""
    world.init_ledger()
    ctx = world.context()
    masked: list[str] = []
    ctx.mask = masked.append
    delivery_id = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts
    upload(ctx, delivery_id, part)
    assert ACCESS_TOKEN in masked


def test_the_columns_that_made_a_file_s_ids_are_kept(world: World) -> None:
    """With the first live plan, so that an export that loses its order ids is noticed."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 2)))
    meta = read_meta(world.context().ledger.place)
    kept = {key: value for key, value in meta.identity_sources["corner_shop"].items() if "order_id" in key}
    assert kept == {"file.columns_with_order_id": ["order_id", "store_code"], "file.order_id": ["order_id"]}
