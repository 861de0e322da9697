"""Event sets against the simulator."""

from __future__ import annotations

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import CallerError, ConfigError, OutcomeUnknownError
from airflow_provider_tiktok_offline.simulator.defaults import ANALYST_TOKEN, SECOND_ADVERTISER_ID
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import (
    create_event_set,
    delete_event_set,
    ensure_event_set,
    list_event_sets,
    update_event_set,
)
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID, RunningSimulator
from tests.tiktok.scripted import code, in_turn, scripted

CREATE = "/open_api/v1.3/offline/create/"


def test_an_event_set_is_made_found_changed_and_deleted(client: TikTokClient) -> None:
    """Its whole life."""
    event_set_id = create_event_set(client, ADVERTISER_ID, "Shops", description="All of them")
    (found,) = list_event_sets(client, ADVERTISER_ID, event_set_ids=[event_set_id])
    assert (found.name, found.description, found.auto_tracking) == ("Shops", "All of them", False)
    assert found.created is not None
    changed = update_event_set(client, ADVERTISER_ID, event_set_id, name="Stores", auto_tracking=True)
    assert (changed.name, changed.auto_tracking) == ("Stores", True)
    assert list_event_sets(client, ADVERTISER_ID, name="Stores") == [changed]
    delete_event_set(client, ADVERTISER_ID, event_set_id, name="Stores")
    assert list_event_sets(client, ADVERTISER_ID, event_set_ids=[event_set_id]) == []


def test_only_the_advertisers_own_are_listed(client: TikTokClient) -> None:
    """One token may reach many ad accounts."""
    assert [each.event_set_id for each in list_event_sets(client, ADVERTISER_ID)] == [EVENT_SET_ID]
    assert EVENT_SET_ID not in [each.event_set_id for each in list_event_sets(client, SECOND_ADVERTISER_ID)]


def test_a_change_of_one_thing_leaves_the_other(client: TikTokClient) -> None:
    """Renaming does not switch auto-tracking, nor the other way round."""
    update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, auto_tracking=True)
    assert update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, name="New name").auto_tracking is True
    assert update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, auto_tracking=False).name == "New name"


def test_a_write_conflict_is_tried_again(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Somebody else has written at the same moment."""
    tiktok.control.add(Fault(kind="answer", path="/open_api/v1.3/offline/update/", code=40202, count=2))
    update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, name="Renamed")
    assert [request.code for request in tiktok.control.requests()] == [40202, 40202, 0]
    (found,) = list_event_sets(client, ADVERTISER_ID, event_set_ids=[EVENT_SET_ID])
    assert found.name == "Renamed"


def test_deleting_asks_for_the_name(client: TikTokClient) -> None:
    """An id mistyped by one digit must not cost another event set."""
    with pytest.raises(ConfigError, match="nothing was deleted"):
        delete_event_set(client, ADVERTISER_ID, EVENT_SET_ID, name="Something else")
    with pytest.raises(ConfigError, match="nothing was deleted"):
        delete_event_set(client, ADVERTISER_ID, "7999", name="Something else")
    assert len(list_event_sets(client, ADVERTISER_ID)) == 1


def test_ensuring_makes_it_once(client: TikTokClient) -> None:
    """The second run of a DAG finds the first's."""
    made = ensure_event_set(client, ADVERTISER_ID, "Shops", auto_tracking=True)
    assert ensure_event_set(client, ADVERTISER_ID, "Shops") == made
    (found,) = list_event_sets(client, ADVERTISER_ID, name="Shops")
    assert (found.event_set_id, found.auto_tracking) == (made, True)


def test_ensuring_finds_what_was_made_although_the_answer_was_lost(
    tiktok: RunningSimulator, client: TikTokClient
) -> None:
    """No second one is made."""
    tiktok.control.add(Fault(kind="drop", path=CREATE, taken=True))
    made = ensure_event_set(client, ADVERTISER_ID, "Shops")
    assert [each.event_set_id for each in list_event_sets(client, ADVERTISER_ID, name="Shops")] == [made]


def test_ensuring_tells_when_it_is_not_known(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """The request was lost before it was carried out: the next run makes it."""
    tiktok.control.add(Fault(kind="drop", path=CREATE))
    with pytest.raises(OutcomeUnknownError):
        ensure_event_set(client, ADVERTISER_ID, "Shops")
    assert list_event_sets(client, ADVERTISER_ID, name="Shops") == []


def test_two_of_one_name_are_ambiguous(client: TikTokClient) -> None:
    """Which one is meant, only a person knows."""
    ids = {create_event_set(client, ADVERTISER_ID, "Shops"), create_event_set(client, ADVERTISER_ID, "Shops")}
    with pytest.raises(ConfigError, match="2 event sets have the name 'Shops'") as caught:
        ensure_event_set(client, ADVERTISER_ID, "Shops")
    assert all(event_set_id in str(caught.value) for event_set_id in ids)


def test_a_passing_fault_is_waited_out(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Reading is tried again."""
    tiktok.control.add(
        Fault(kind="answer", code=40100, path="*"),
        Fault(kind="answer", status=502, path="*"),
        Fault(kind="drop", path="*"),
    )
    assert len(list_event_sets(client, ADVERTISER_ID)) == 1


def test_an_analyst_may_not_make_one(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """The role is named."""
    with (
        TikTokClient(ANALYST_TOKEN, base_url=tiktok.url, clock=clock) as client,
        pytest.raises(CallerError, match="Admin or Operator"),
    ):
        create_event_set(client, ADVERTISER_ID, "Shops")


def test_an_answer_without_an_id_is_not_taken_for_one(clock: ManualClock) -> None:
    """It would be written into a configuration."""
    with (
        scripted(in_turn(code(0))) as server,
        TikTokClient("t", base_url=server.url, clock=clock) as client,
        pytest.raises(OutcomeUnknownError, match="event_set_id"),
    ):
        create_event_set(client, ADVERTISER_ID, "Shops")
