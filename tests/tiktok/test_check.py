"""What a check of a grant says, against the simulator's tokens of every kind."""

from __future__ import annotations

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.defaults import ANALYST_TOKEN, EVENTS_TOKEN, SECOND_EVENT_SET_ID
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.check import CheckResult, check
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import create_event_set, list_event_sets, update_event_set
from airflow_provider_tiktok_offline.tiktok.oauth import READ_EVENT_SETS, SEND_EVENTS, WRITE_EVENT_SETS, App
from tests.servers.simulator import ADVERTISER_ID, APP_ID, APP_SECRET, EVENT_SET_ID, RunningSimulator
from tests.tiktok.scripted import Reply, code, in_turn, scripted

APP = App(APP_ID, APP_SECRET)


def checked(tiktok: RunningSimulator, token: str, clock: ManualClock, **what: object) -> CheckResult:
    with TikTokClient(token, base_url=tiktok.url, clock=clock) as client:
        return check(client, **{"advertiser_id": ADVERTISER_ID, "event_set_id": EVENT_SET_ID, **what})  # type: ignore[arg-type]


def statuses(found: CheckResult) -> dict[str, str]:
    return {finding.subject: finding.status for finding in found.findings}


def test_a_good_grant_is_good(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Token, advertiser, event set, switch and role."""
    update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, auto_tracking=True)
    day = client.clock.now().date()
    found = check(
        client, advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, app=APP, prove_role=True, report_day=day
    )
    assert found.ok
    subjects = ("access token", "advertiser", "event set", "auto-tracking", "ads", "role", "reports", "scopes")
    assert statuses(found) == dict.fromkeys(subjects, "ok")
    assert "2 of 2 active ads track this event set" in str(found)
    assert ADVERTISER_ID in [each.advertiser_id for each in found.advertisers]
    assert found.event_set is not None
    assert found.event_set.event_set_id == EVENT_SET_ID


def test_proving_the_role_changes_nothing(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Name and switch are written back as they are."""
    (before,) = list_event_sets(client, ADVERTISER_ID)
    check(client, advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, prove_role=True)
    (after,) = list_event_sets(client, ADVERTISER_ID)
    assert (after.name, after.auto_tracking, after.description) == (
        before.name,
        before.auto_tracking,
        before.description,
    )


def test_a_bad_token_is_called_bad(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """And nothing more is asked with it."""
    found = checked(tiktok, "no-such-token", clock, app=APP)
    assert not found.ok
    assert statuses(found) == {"access token": "failed"}
    assert "auth login" in str(found)


@pytest.mark.parametrize("number", [40102, 40104, 40105])
def test_these_codes_mean_a_bad_token(number: int, clock: ManualClock) -> None:
    """Each of them."""
    with scripted(in_turn(code(number))) as server, TikTokClient("t", base_url=server.url, clock=clock) as client:
        assert statuses(check(client, advertiser_id="7", event_set_id="8")) == {"access token": "failed"}


@pytest.mark.parametrize(
    "reply",
    [
        code(40100),
        code(40001),
        code(40101),
        code(40106),
        code(40113),
        code(50000),
        code(60001),
        code(49999),
        Reply(b"<html>", 502),
    ],
)
def test_no_other_code_means_a_bad_token(reply: Reply, clock: ManualClock) -> None:
    """Throttling, permissions and faults say nothing about the token."""
    with scripted(in_turn(reply)) as server, TikTokClient("t", base_url=server.url, clock=clock) as client:
        found = check(client, advertiser_id="7", event_set_id="8", app=APP)
    assert "access token" not in statuses(found)


def test_a_token_that_may_only_send_is_not_bad(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Events Manager makes such tokens: they can't list anything, and send all the same."""
    found = checked(tiktok, EVENTS_TOKEN, clock, app=APP)
    assert found.ok
    assert statuses(found) == {"advertiser": "warning", "event set": "warning"}
    assert "may only send" in str(found)


def test_a_missing_role_is_named(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """An analyst reads everything and may not send."""
    found = checked(tiktok, ANALYST_TOKEN, clock, prove_role=True)
    assert not found.ok
    assert statuses(found)["role"] == "failed"
    assert "Admin or Operator" in str(found)


def test_an_advertiser_that_is_not_reached_is_named(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Its admin has to confirm the grant."""
    found = checked(tiktok, "simulated-access-token", clock, advertiser_id="7999", app=APP)
    assert not found.ok
    assert statuses(found)["advertiser"] == "failed"
    assert "7999 is not reached" in str(found)


def test_an_event_set_of_somebody_else_is_named(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """The most common mistake in a configuration."""
    found = checked(tiktok, "simulated-access-token", clock, event_set_id=SECOND_EVENT_SET_ID)
    assert not found.ok
    assert statuses(found) == {"access token": "ok", "event set": "failed", "scopes": "ok"}
    assert found.event_set is None


def test_a_switched_off_tracking_is_a_warning(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """It is allowed, and seldom meant."""
    update_event_set(client, ADVERTISER_ID, EVENT_SET_ID, auto_tracking=False)
    found = check(client, advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID)
    assert found.ok
    assert statuses(found)["auto-tracking"] == "warning"


def test_an_event_set_that_no_active_ad_tracks_is_an_error(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Nothing would be attributed; auto-tracking that is switched on afterwards helps none of the ads."""
    event_set_id = create_event_set(client, ADVERTISER_ID, "Tills")
    tiktok.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, number=12, smart_plus=True))
    tiktok.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, status="DISABLE", event_set_ids=[event_set_id]))
    update_event_set(client, ADVERTISER_ID, event_set_id, auto_tracking=True)
    found = check(client, advertiser_id=ADVERTISER_ID, event_set_id=event_set_id)
    assert (found.ok, statuses(found)["ads"], statuses(found)["auto-tracking"]) == (False, "failed", "ok")
    assert "0 of 14 active ads track this event set" in str(found)
    assert "Auto-tracking reaches only ads that are made after" in str(found)


def test_one_smart_plus_ad_that_tracks_the_event_set_is_enough(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Its event sets are in another place of the answer; more than a page of ads is read."""
    event_set_id = create_event_set(client, ADVERTISER_ID, "Tills")
    tiktok.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, number=150, smart_plus=True))
    tiktok.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, smart_plus=True, event_set_ids=[event_set_id]))
    found = check(client, advertiser_id=ADVERTISER_ID, event_set_id=event_set_id)
    assert statuses(found)["ads"] == "ok"
    assert "1 of 153 active ads track this event set" in str(found)


def test_without_an_active_ad_there_is_nothing_to_correct(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """A campaign may start later: information, not an error."""
    tiktok.control.add_advertiser(
        NewAdvertiser(advertiser_id="7000000000000000777", event_set_id="7000000000000000888", name="New shop")
    )
    found = check(client, advertiser_id="7000000000000000777", event_set_id="7000000000000000888")
    assert (found.ok, statuses(found)["ads"], "no ad is active" in str(found)) == (True, "ok", True)


def test_ads_that_can_not_be_read_are_a_warning(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """An app may lack that permission, and send all the same."""
    tiktok.control.add(Fault(kind="answer", path="/open_api/v1.3/ad/get/", code=40001, count=None))
    found = check(client, advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID)
    assert (found.ok, statuses(found)["ads"], "40001" in str(found)) == (True, "warning", True)


def test_a_permission_that_the_grant_lacks_is_named(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """By its words and its number: reading event sets is not needed for sending, so it is a warning."""
    tiktok.control.grant("narrow", ADVERTISER_ID, scopes=[SEND_EVENTS])
    found = checked(tiktok, "narrow", clock)
    assert (found.ok, statuses(found)) == (True, {"scopes": "warning"})
    assert f"read offline event sets ({READ_EVENT_SETS})" in str(found)
    tiktok.control.grant("reader", ADVERTISER_ID, scopes=[SEND_EVENTS, READ_EVENT_SETS])
    found = checked(tiktok, "reader", clock, prove_role=True)
    assert f"update and delete offline event sets ({WRITE_EVENT_SETS})" in str(found)
    found = checked(tiktok, "reader", clock, report_day=clock.now().date())
    assert (found.ok, statuses(found)["scopes"], "read reports (44)" in str(found)) == (True, "warning", True)


def test_a_service_that_does_not_answer_is_told(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Not as a fault of the grant."""
    tiktok.control.add(Fault(kind="answer", status=502, path="*", count=None))
    found = checked(tiktok, "simulated-access-token", clock)
    assert not found.ok
    assert "did not answer" in str(found)


def test_a_check_of_nothing_says_so(client: TikTokClient) -> None:
    """Without an id there is nothing to ask about."""
    assert statuses(check(client)) == {"access token": "warning"}
