"""The settings that enter event ids: kept by live runs, compared key by key, changed with a cut-over alone."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings, Kept
from airflow_provider_tiktok_offline.errors import LedgerVersionError
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.audit import entries
from airflow_provider_tiktok_offline.ledger.corrections import acknowledge_identity
from airflow_provider_tiktok_offline.ledger.meta_document import read_meta
from tests.ledger.world import EVENT_SET, IDENTITY, World


def shared(identity: IdentitySettings = IDENTITY, **settings: object) -> IdentitySettings:
    """The settings with other ones of the event set."""
    return replace(identity, event_set={**identity.event_set, **settings})  # type: ignore[dict-item]


def own(identity: IdentitySettings = IDENTITY, **settings: object) -> IdentitySettings:
    """The settings with other ones of the advertiser's files."""
    return replace(identity, source={**identity.source, **settings})  # type: ignore[dict-item]


def run(world: World, identity: IdentitySettings) -> None:
    """What a live run does before it plans."""
    ledger = Ledger.open(world.objects, EVENT_SET, identity=identity, clock=world.clock)
    ledger.keep_identity(identity, actor="daily/run-1")


def kept(world: World) -> tuple[Kept, dict[str, Kept]]:
    meta = read_meta(world.place)
    return meta.identity_settings, meta.identity_sources


def forget(world: World, *keys: str) -> None:
    """Make the document one that does not know of some settings."""
    path = f"event_sets/{EVENT_SET}/meta.json"
    found = world.objects.get(path)
    assert found is not None
    document = json.loads(found[0])
    for section in (document["identity_settings"], *document["identity_sources"].values()):
        for key in keys:
            section.pop(key, None)
    world.objects.put(path, json.dumps(document).encode())


def test_settings_that_the_ledger_lacks_are_kept_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning and an entry in the audit log; from then on a change of them stops."""
    forget(world, "time_zone", "phone_region")
    with caplog.at_level(logging.WARNING):
        run(world, IDENTITY)
        run(world, IDENTITY)
    assert len([record for record in caplog.records if "time_zone, phone_region" in record.getMessage()]) == 1
    [entry] = [entry for entry in entries(world.place) if entry["action"] == "adopt-identity"]
    assert (entry["advertiser"], entry["keys"]) == ("shop", ["time_zone", "phone_region"])
    for changed, key in ((shared(time_zone="Asia/Tokyo"), "time_zone"), (own(phone_region="DE"), "phone_region")):
        with pytest.raises(LedgerVersionError, match=key):
            run(world, changed)


def test_looking_at_the_ledger_keeps_nothing(world: World) -> None:
    """A dry run opens the ledger and leaves it as it is."""
    before = kept(world)
    Ledger.open(world.objects, EVENT_SET, identity=shared(event_map={"Sale": "Purchase"}), clock=world.clock)
    assert kept(world) == before


def test_an_added_word_is_remembered(world: World) -> None:
    """It may be added, and not be given another meaning later."""
    run(world, shared(event_map={"Verkauf": "Purchase"}))
    run(world, shared(event_map={"Verkauf": "Purchase", "Sale": "Purchase"}))
    assert kept(world)[0]["event_map"] == {"Verkauf": "Purchase", "Sale": "Purchase"}
    with pytest.raises(LedgerVersionError, match="event_map"):
        run(world, shared(event_map={"Verkauf": "Purchase", "Sale": "Lead"}))


def test_each_advertiser_has_its_own_files(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A second export of the event set is compared with itself."""
    other = replace(own(phone_region="DE"), advertiser="other_shop")
    with caplog.at_level(logging.WARNING):
        run(world, other)
        run(world, IDENTITY)
    assert {name: source["phone_region"] for name, source in kept(world)[1].items()} == {
        "shop": "US",
        "other_shop": "DE",
    }
    assert not caplog.records
    with pytest.raises(LedgerVersionError, match="phone_region"):
        run(world, replace(IDENTITY, advertiser="other_shop"))


def test_an_acknowledged_change_holds_for_its_advertiser(world: World) -> None:
    """The audit log names what was changed; another advertiser's settings stay."""
    other = replace(own(phone_region="DE"), advertiser="other_shop")
    run(world, other)
    changed = own(shared(time_zone="Asia/Tokyo"), phone_region="JP")
    acknowledge_identity(
        world.place, settings=changed, send_from=world.clock.now() - timedelta(hours=1),
        reason="new tills", actor="cli/test",
    )  # fmt: skip
    run(world, changed)
    assert kept(world)[1]["other_shop"]["phone_region"] == "DE"
    [entry] = [entry for entry in entries(world.place) if entry["action"] == "acknowledge-identity"]
    assert entry["changed"] == ["phone_region", "time_zone"]
    with pytest.raises(LedgerVersionError, match="time_zone"):
        run(world, other)


def test_an_export_that_loses_its_order_ids_stops(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its sales would have other ids. A file without rows of a kind says nothing of them."""
    both = {"order_id": ["order_id"], "columns_with_order_id": ["order_id"], "columns_without_order_id": ["email_1"]}
    with caplog.at_level(logging.WARNING):
        run(world, IDENTITY.with_file({"order_id": ["order_id"], "columns_with_order_id": ["order_id"]}))
        run(world, IDENTITY.with_file(both))
        run(world, IDENTITY.with_file({}))
    assert not caplog.records
    gained = {**both, "columns_without_order_id": ["email_1", "email_2"]}
    for changed in ({**both, "order_id": []}, gained):
        with pytest.raises(LedgerVersionError, match="the file has other columns that enter the event id"):
            run(world, IDENTITY.with_file(changed))
    acknowledge_identity(
        world.place, settings=IDENTITY, send_from=world.clock.now() - timedelta(hours=1),
        reason="a second e-mail", actor="cli/test",
    )  # fmt: skip
    run(world, IDENTITY.with_file(gained))
    with pytest.raises(LedgerVersionError, match="columns_without_order_id"):
        run(world, IDENTITY.with_file(both))


def test_another_recipe_says_so(world: World) -> None:
    """There is nothing to change back."""
    with pytest.raises(LedgerVersionError, match="recipe v9, the ledger's were made by v1") as raised:
        run(world, shared(recipe="v9"))
    assert "back" not in str(raised.value)
