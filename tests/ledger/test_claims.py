"""The document of claims: what a take-over may change of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import World


def test_a_take_over_revokes_the_round_that_it_saw_and_no_later_one(tmp_path: Path) -> None:
    """A delivery that has planned again meanwhile goes on sending."""
    world = World(open_objects(str(tmp_path)))
    world.plan(world.enter("sales.csv"), range(3))
    claims = world.ledger().claims
    (claim,) = claims.read().claims.values()
    claims.revoke(replace(claim, round=claim.round + 1))
    assert not claims.read().claims[claim.delivery_id].broken
    claims.revoke(claim)
    assert claims.read().claims[claim.delivery_id].broken
