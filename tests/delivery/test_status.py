"""The status of an advertiser: small, complete, and equal to what ledger and simulator say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from airflow_provider_tiktok_offline.delivery.operations.adopt import adopt_file
from airflow_provider_tiktok_offline.delivery.operations.status import (
    note_attribution,
    note_doctor,
    note_run,
    refresh,
)
from airflow_provider_tiktok_offline.delivery.operations.status_documents import history_document, recent_document
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    AdvertiserStatus,
    AttributionDay,
    Change,
    DeliveryStatus,
    change_status,
    read_status,
)
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    GateExceededError,
    LedgerVersionError,
    OutcomeUnknownError,
    UnsettledError,
)
from airflow_provider_tiktok_offline.ledger import audit, corrections
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.tiktok.check import Finding
from tests.delivery.world import NOW, World, rows

DAY = date(2026, 11, 21)
_SECRETS = ("shopper", "example.com", "order-")


def _day(day: date, count: int, **more: object) -> DeliveryStatus:
    status = DeliveryStatus(
        delivery_id=f"d-{day}", day=day.isoformat(), mode="live", state="closed", rows={"total": count}
    )
    return replace(status, **more)  # type: ignore[arg-type]


def test_a_delivered_file_is_noted_with_the_simulators_figures(world: World) -> None:
    """Rows by class, events by answer and values; nothing of a customer."""
    world.init_ledger()
    ctx = world.context()
    summary = world.deliver(world.drop([*rows(1, 40), *rows(1, 1), "nobody,Purchase,2026-11-20,1.00,,x,s"]), ctx)
    status = note_run(ctx, DAY)
    (one,) = status.deliveries
    assert one.state == "closed"
    assert one.day == "2026-11-21"
    assert one.rows == {"total": 42, "valid": 40, "rejected": 1, "duplicate": 1, "excluded": 0}
    assert one.events == summary.events == {"accepted": len(world.simulator.event_ids())}
    assert one.values["accepted"] == {"USD": "400.00"}
    assert one.identifiers == {"email": 41, "phone": 0, "both": 0, "none": 0}
    assert sum(one.faults.values()) >= 1
    assert one.rejected_share == pytest.approx(1 / 42, abs=1e-6)
    assert one.run == "daily/run-1"
    stored = json.dumps(status.to_document())
    assert not any(secret in stored for secret in _SECRETS)
    assert read_status(ctx) == status


def test_a_file_above_its_gate_is_noted_with_the_reason(world: World) -> None:
    """A step that fails leaves its counts too."""
    ctx = world.context(max_rejected_ratio=0.01)
    with pytest.raises(GateExceededError):
        validate(ctx, world.drop([*rows(1, 5), "nobody,Purchase,2026-11-20,1.00,,x,s"]))
    (one,) = note_run(ctx, DAY).deliveries
    assert one.state != "closed"
    assert one.rows["rejected"] == 1
    assert one.gate == 0.01
    assert "more than max_rejected_ratio" in one.gate_reason


def test_refusals_have_their_codes_and_doubts_their_time(world: World) -> None:
    """An event without an answer says until when it is sent again by itself."""
    world.init_ledger()
    ctx = world.context()
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    with pytest.raises(OutcomeUnknownError):
        world.deliver(world.drop(rows(1, 3)), ctx)
    with pytest.raises(UnsettledError):
        summarize_all(ctx)
    (one,) = note_run(ctx, DAY).deliveries
    assert one.state == "failed"
    assert one.events == {"unconfirmed": 3}
    assert one.resend_until == (NOW + ctx.ledger.retry_window).isoformat()
    assert "unconfirmed" in one.reason


def test_a_refresh_finds_what_runs_of_others_have_delivered(world: World) -> None:
    """The command line shows deliveries that no task has noted."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 4)), world.context("other/run"))
    (one,) = refresh(world.context()).deliveries
    assert one.events == {"accepted": 4}
    assert refresh(world.context()).deliveries == (one,)


def test_changes_by_hand_and_of_settings_are_in_the_log(world: World) -> None:
    """Who changed what, from the audit log; a change of mode, when it is first seen."""
    world.init_ledger()
    ctx = world.context()
    note_run(world.context(mode="dry_run"), DAY)
    place = LedgerPlace(ctx.objects, ctx.config.event_set_id, ctx.clock)
    audit.note(place, "resolve", reason="the report shows them", actor="cli/alice")
    world.clock.advance(timedelta(minutes=1))
    changes = note_run(ctx, DAY).changes
    assert {change.what for change in changes} == {"resolve", "mode"}
    assert note_run(ctx, DAY).changes == changes


def test_changes_are_the_advertisers_own_or_its_event_sets(world: World) -> None:
    """Two advertisers of one event set share a ledger; each reads of its own deliveries, and of what concerns both."""
    world.init_ledger()
    ctx, other = world.context(), world.context("other/run", name="neighbour")
    adopt_file(ctx, ctx.ledger, world.drop(rows(1, 3))["uri"], reason="go-live")
    world.clock.advance(timedelta(minutes=1))
    adopt_file(other, other.ledger, world.drop(rows(5, 3), name="theirs.csv")["uri"], reason="theirs")
    world.clock.advance(timedelta(minutes=1))
    corrections.resolve(ctx.ledger, "sent", reason="the report shows them", actor="cli/alice")
    shown = [(change.what, change.text, change.whole_set) for change in note_run(ctx, DAY).changes]
    assert shown == [("adopt", "go-live", False), ("resolve", "the report shows them", True)]
    assert [change.text for change in note_run(other, DAY).changes] == ["theirs", "the report shows them"]


@pytest.mark.parametrize("correct", [corrections.reopen, corrections.mark_erroneous, corrections.break_lease])
def test_a_corrected_delivery_is_its_advertisers(world: World, correct: Callable[..., object]) -> None:
    """Whatever is done by hand to a delivery stands in the log of its advertiser alone."""
    world.init_ledger()
    ctx, other = world.context(), world.context("other/run", name="neighbour")
    delivery_id = world.deliver(world.drop(rows(1, 3)), ctx).delivery_id
    correct(ctx.ledger, delivery_id, reason="a test file", actor="cli/alice")
    assert [change.whole_set for change in note_run(ctx, DAY).changes] == [False]
    assert note_run(other, DAY).changes == ()


def test_what_was_noted_of_another_advertiser_is_forgotten(world: World) -> None:
    """A status of before has changes of the whole event set in it."""
    world.init_ledger()
    ctx = world.context()
    place = LedgerPlace(ctx.objects, ctx.config.event_set_id, ctx.clock)
    audit.note(place, "adopt", reason="theirs", actor="cli/bob", details={"advertiser": "neighbour"})
    [entry] = audit.entries(place)
    change_status(ctx, lambda status: replace(status, changes=(Change(at=str(entry["at"]), what="adopt"),)))
    assert note_run(ctx, DAY).changes == ()


def test_doctor_and_attribution_have_their_place(world: World) -> None:
    """A later reading of a day replaces the earlier one; findings are those of the last look."""
    ctx = world.context()
    note_doctor(ctx, [Finding("ads", "failed", "0 of 14 active ads track this event set.", "Open the ads.")])
    note_attribution(ctx, [AttributionDay(day="2026-11-20", events=3), AttributionDay(day="2026-11-21", events=1)])
    status = note_attribution(ctx, [AttributionDay(day="2026-11-21", events=4)], incidents=["Delayed reports"])
    assert [(one.day, one.events) for one in status.attribution] == [("2026-11-20", 3), ("2026-11-21", 4)]
    assert status.doctor is not None
    assert status.doctor.findings[0].todo == "Open the ads."
    assert status.incidents == ("Delayed reports",)


def test_the_documents_that_are_handed_on_stay_small() -> None:
    """Ninety busy days: the small one is under four kilobytes, the columns under ten."""
    status = AdvertiserStatus(advertiser="shop", attribution=(AttributionDay(day=DAY.isoformat(), events=7),))
    for back in range(90):
        one = _day(
            DAY - timedelta(days=back),
            150_000 + back,
            events={"accepted": 140_000, "refused": 12},
            values={"accepted": {"EUR": "1234567.89"}},
            faults={f"rule_number_{number}": 1000 for number in range(12)},
        )
        status = status.with_delivery(one)
    recent, history = recent_document(status, DAY), history_document(status, DAY)
    assert len(json.dumps(recent)) < 4_000
    assert len(json.dumps(history)) < 10_000
    assert history["states"] == "c" * 90
    assert recent["rows"] == [150_000 + back for back in range(13, -1, -1)]
    assert recent["usual_rows"] == pytest.approx(150_014.5)
    assert history["attributed"] == [*[None] * 89, 7]


def test_what_is_older_than_the_window_is_forgotten(world: World) -> None:
    """The document does not grow for ever."""
    old, new = _day(NOW.date() - timedelta(days=91), 1), _day(NOW.date() - timedelta(days=89), 1)
    status = AdvertiserStatus(advertiser="shop").with_delivery(old).with_delivery(new)
    assert status.since(NOW.date() - timedelta(days=90)).deliveries == (new,)


def test_a_status_of_a_newer_package_is_refused(world: World) -> None:
    """An older worker does not overwrite what it can't read."""
    ctx = world.context()
    ctx.objects.put("advertisers/corner_shop/status.json", b'{"version": 99, "advertiser": "corner_shop"}')
    with pytest.raises(LedgerVersionError):
        note_run(ctx, DAY)
