"""TikTok's status feed: read at most every half hour, and named by a run that fails meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.operations.alerts import take_unnotified
from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution
from airflow_provider_tiktok_offline.delivery.operations.incidents import name_incidents, open_incidents
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import read_status
from airflow_provider_tiktok_offline.errors import ApiError, GateExceededError, ServiceUnavailableError
from airflow_provider_tiktok_offline.simulator.incidents import PATH, Incident
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.incidents import read_incidents
from tests.delivery.world import NOW, World
from tests.tiktok.scripted import Reply, scripted


def looks(world: World) -> int:
    return sum(request.path == PATH for request in world.simulator.control.requests())


def later(world: World, **step: int) -> None:
    world.clock.advance(timedelta(**step))
    world.simulator.control.advance_clock(timedelta(**step).total_seconds())


def test_the_feed_is_read_at_most_every_half_hour_by_all_advertisers(world: World) -> None:
    """An incident opens, is known to two advertisers by one look, and is over after the next."""
    feed = {"incidents": world.simulator.url + PATH}
    world.simulator.control.report_incident(Incident(title="Events API <b>slow</b>", text="Since 9"))
    first, second = (world.context(reports=feed, name=name) for name in ("shop_a", "shop_b"))
    for _ in range(3):
        for ctx in (first, second):
            assert [one.title for one in open_incidents(ctx) or ()] == ["Events API slow"]
    assert looks(world) == 1
    later(world, minutes=29)
    open_incidents(first)
    assert looks(world) == 1
    world.simulator.control.report_incident(Incident(title="Events API <b>slow</b>", status="Resolved"))
    later(world, minutes=2)
    assert open_incidents(first) == ()
    assert looks(world) == 2


def test_a_run_that_failed_in_an_incident_says_so(world: World) -> None:
    """An error of TikTok's API names it; a gate has nothing to do with it."""
    ctx = world.context(reports={"incidents": world.simulator.url + PATH})
    world.simulator.control.report_incident(Incident(title="Events API slow"))
    failed, gate = ServiceUnavailableError("no connection.", todo="Try again later."), GateExceededError("too many.")
    for error in (failed, gate):
        name_incidents(ctx, error)
    assert "Try again later. TikTok lists as an open incident: Events API slow (2026-11-22 09:00 UTC)." in str(failed)
    assert str(gate) == "too many."


def test_the_report_notes_open_incidents(world: World) -> None:
    """In the task's result and in the advertiser's status."""
    world.simulator.control.report_incident(Incident(title="Reports late"))
    reading = read_attribution(world.context(reports={"days": 1, "incidents": world.simulator.url + PATH}))
    assert [one.partition(" (")[0] for one in reading.incidents] == ["Reports late"]
    assert read_status(world.context()).incidents == ("Reports late",)


def test_somebody_is_notified_of_an_incident_once(world: World) -> None:
    """Not again while it lasts; and of the next one."""
    feed = {"days": 1, "incidents": world.simulator.url + PATH}
    control = world.simulator.control
    control.report_incident(Incident(title="Reports late"))
    news = []
    for status in ("Investigating", "Investigating", "Resolved", "Investigating"):
        control.report_incident(Incident(title="Reports late", status=status))
        read_attribution(world.context(reports=feed))
        news.append(take_unnotified(world.context()))
        later(world, minutes=31)
    told = ["TikTok lists as an open incident: Reports late."]
    assert news == [told, [], [], told]


def test_without_an_address_nothing_is_read(world: World) -> None:
    """The feed is off unless it is configured."""
    assert open_incidents(world.context(reports={})) is None
    assert open_incidents(world.context()) is None
    assert looks(world) == 0


def test_a_feed_that_does_not_answer_stops_nothing(world: World) -> None:
    """It is asked again half an hour later, and the message of the error stays as it was."""
    ctx = world.context(reports={"incidents": world.simulator.url + "/nowhere"})
    error = ServiceUnavailableError("no connection.")
    name_incidents(ctx, error)
    assert str(error) == "no connection."


@pytest.mark.parametrize(
    "body",
    [b"not xml", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><rss><channel><item><title>&a;</title></item></channel></rss>'],
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    """Entities, which could grow without end, too."""
    with scripted(lambda _: Reply(body=body)) as server:
        client = TikTokClient(None, base_url=server.url, clock=ManualClock(NOW))
        with client, pytest.raises(ApiError, match="no RSS"):
            read_incidents(server.url, client)
