"""One file for several advertisers: the normal case of a group of brands, told apart by ``where:``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare
from airflow_provider_tiktok_offline.delivery.sequences import send_prepared
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GuardError
from tests.delivery.world import NOW, World, rows


def brand(number: int) -> dict[str, Any]:
    """An entry whose rows are those of one shop."""
    return {"name": f"brand_{number}", "where": {"store_code": [f"store-{number}"]}}


def brands_rows() -> list[str]:
    """Three rows of the first brand, two of the second."""
    return [*rows(1, 3), *(row.replace("store-1", "store-2") for row in rows(4, 2))]


def test_each_brand_gets_its_own_rows(world: World) -> None:
    """Both are delivered from the same bytes, each row once."""
    world.init_ledger()
    stamp = world.drop(brands_rows())
    first = world.deliver(stamp, world.context("first/1", **brand(1)))
    second = world.deliver(stamp, world.context("second/1", **brand(2)))
    assert (first.events, second.events) == ({"accepted": 3}, {"accepted": 2})
    assert sorted(world.simulator.times_received().values()) == [1] * 5


def test_two_brands_at_once(world: World) -> None:
    """The second validates while the first has sent nothing yet."""
    world.init_ledger()
    stamp = world.drop(brands_rows())
    validate(world.context("second/1", **brand(2)), stamp)
    assert world.deliver(stamp, world.context("first/1", **brand(1))).events == {"accepted": 3}
    assert world.deliver(stamp, world.context("second/1", **brand(2))).events == {"accepted": 2}


def test_each_brand_gets_its_own_rows_of_prepared_events(world: World, tmp_path: Path) -> None:
    """As from the file itself, whichever of the two a brand is delivered from."""
    world.init_ledger()
    stamp = world.drop(brands_rows())
    sent = []
    for number in (1, 2):
        ctx = world.context(f"by hand/{number}", **brand(number))
        prepare(
            LocalFile(stamp["uri"]),
            ctx.config.conversion_settings(),
            as_of=NOW,
            output=DirectoryParts(tmp_path / f"brand_{number}"),
        )
        sent.append(send_prepared(ctx, tmp_path / f"brand_{number}").events)
    assert sent == [{"accepted": 3}, {"accepted": 2}]


def test_a_file_that_nobody_divides_goes_to_one_advertiser(world: World) -> None:
    """Without ``where:`` on either side the second one is most likely a copied entry."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    world.deliver(stamp, world.context("first/1", name="brand_1"))
    with pytest.raises(GuardError, match="already handled for brand_1"):
        world.deliver(stamp, world.context("second/1", name="brand_2"))


def test_a_dry_run_of_another_advertiser_is_in_nobodys_way(world: World) -> None:
    """A dry run touches nothing: the live delivery goes on, before it and after it."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    world.deliver(stamp, world.context("try/1", name="brand_2", mode="dry_run"))
    assert world.deliver(stamp, world.context("first/1", name="brand_1")).events == {"accepted": 3}


def test_a_dry_run_that_is_forgotten_takes_nothing_of_the_live_delivery_along(world: World) -> None:
    """That the file was handled stays known for as long as the live delivery is."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    looking = world.context("try/1", name="brand_1", mode="dry_run")
    world.deliver(stamp, looking)
    (dry,) = looking.deliveries.list("brand_1")
    world.deliver(stamp, world.context("first/1", name="brand_1"))
    looking.deliveries.forget(dry)
    with pytest.raises(GuardError, match="already handled for brand_1"):
        world.deliver(stamp, world.context("second/1", name="brand_2"))


def test_of_two_entries_at_once_one_goes_on(world: World) -> None:
    """Two entries without ``where:`` that validate side by side do not stop each other."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    validate(world.context("first/1", name="brand_1"), stamp)
    world.clock.advance(timedelta(seconds=1))
    validate(world.context("second/1", name="brand_2"), stamp)
    with pytest.raises(GuardError, match="already handled for brand_1"):
        world.deliver(stamp, world.context("second/1", name="brand_2"))
    assert world.deliver(stamp, world.context("first/1", name="brand_1")).events == {"accepted": 3}


def test_the_entry_that_has_planned_goes_on_although_the_other_one_was_first(world: World) -> None:
    """The first one's run was given up before it planned, and is tried again when the second is about to send."""
    world.init_ledger()
    stamp = world.drop(rows(1, 3))
    first, second = (world.context(f"{name}/1", name=name) for name in ("brand_1", "brand_2"))
    first.deliveries.break_lease(validate(first, stamp).delivery_id, "its worker is gone")
    world.clock.advance(timedelta(seconds=1))
    delivery_id = validate(second, stamp).delivery_id
    normalize_hash(second, delivery_id)
    dedupe(second, delivery_id)
    with pytest.raises(GuardError, match="already handled for brand_2"):
        world.deliver(stamp, first)
    assert world.deliver(stamp, second).events == {"accepted": 3}
