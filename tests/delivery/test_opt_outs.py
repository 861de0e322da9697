"""People who opted out stay out at every step, and a list that can't be trusted stops the run before it sends."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    CircuitOpenError,
    FileMissingError,
    GuardError,
    OptOutListError,
    UnsettledError,
)
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.opt_outs import OptOuts
from tests.delivery.world import World, rows


@pytest.fixture
def opt_outs(world: World) -> OptOuts:
    """A list with nobody of the files on it."""
    world.init_ledger()
    found = OptOuts(world)
    found.write("nobody@example.com")
    return found


def test_a_stale_list_stops_the_run(world: World, opt_outs: OptOuts) -> None:
    """A list older than max_age_hours may lack yesterday's opt-outs: nothing is read or sent."""
    opt_outs.write("nobody@example.com", hours_ago=72)
    with pytest.raises(GuardError, match="72 hours old"):
        validate(opt_outs.context(), world.drop(rows(1, 5)))


def test_a_missing_list_stops_the_run(world: World) -> None:
    """No list is not an empty list."""
    with pytest.raises(FileMissingError):
        validate(world.context(suppression={"uri": str(world.folder / "gone.txt")}), world.drop(rows(1, 5)))


def test_a_list_that_is_not_understood_stops_the_run(world: World, opt_outs: OptOuts) -> None:
    """The message names the list and the line, and nothing is kept."""
    opt_outs.write("ann@example.com", "bob@")
    with pytest.raises(OptOutListError, match="line 2") as stopped:
        validate(opt_outs.context(), world.drop(rows(1, 5)))
    assert str(stopped.value).startswith(f"{world.folder / 'opt-outs.txt'}: 1 line of the suppression list")
    assert not list((world.folder / "state").rglob("opt-outs.json"))


def test_a_list_that_shrank_stops_the_run(world: World, opt_outs: OptOuts) -> None:
    """By more than a tenth since it was last accepted, unless so much is allowed for one run."""
    everyone = [f"gone{number}@example.com" for number in range(100)]
    opt_outs.write(*everyone)
    validate(opt_outs.context(), world.drop(rows(1, 5)))
    opt_outs.write(*everyone[:90])
    assert load_suppression(opt_outs.context()) is not None
    opt_outs.write(*everyone[:80])
    with pytest.raises(OptOutListError, match=r"has 80 entries, 10 fewer than .* 2026-11-22 \(11.1 % of 90"):
        validate(opt_outs.context(), world.drop(rows(6, 5), name="second.csv"))
    load_suppression(opt_outs.context(suppression={"max_shrink": 0.5}))
    load_suppression(opt_outs.context())


def test_only_count_date_and_a_keyed_digest_are_kept(world: World, opt_outs: OptOuts) -> None:
    """Nothing that could be guessed; and a dry run keeps nothing."""
    load_suppression(opt_outs.context(mode="dry_run"))
    kept = world.folder / "state" / "advertisers" / "corner_shop" / "opt-outs.json"
    assert not kept.exists()
    load_suppression(opt_outs.context())
    document = json.loads(kept.read_text())
    assert document.keys() == {"entries", "accepted_at", "digest", "writer"}
    assert document["entries"] == 1
    assert document["digest"] != hashlib.sha256(b"nobody@example.com\n").hexdigest()


def test_a_dry_run_compares_with_the_list_that_was_accepted(opt_outs: OptOuts) -> None:
    """So that a cut-off list is known before the live run."""
    opt_outs.write(*[f"gone{number}@example.com" for number in range(20)])
    load_suppression(opt_outs.context())
    opt_outs.write("gone1@example.com")
    with pytest.raises(OptOutListError, match="19 fewer"):
        load_suppression(opt_outs.context(mode="dry_run"))


def test_the_doctor_reads_the_list(opt_outs: OptOuts) -> None:
    """And says what it found, so that a broken list is known before the file comes."""

    def said() -> list[tuple[str, str]]:
        found = doctor(opt_outs.context())
        return [(one.status, one.text) for one in found if one.subject == "suppression list"]

    opt_outs.write("ann@example.com", "+12125550100", hours_ago=5)
    assert said() == [("ok", "1 e-mail, 1 phone; written 2026-11-22 04:00 UTC.")]
    opt_outs.write("ann@example.com", "Total: 1")
    assert said() == [("warning", "1 e-mail; written 2026-11-22 09:00 UTC; other text: 1 (line 2).")]
    opt_outs.write("ann@example.com", "bob@")
    ((status, text),) = said()
    assert status == "failed"
    assert "line 2" in text
    opt_outs.write("ann@example.com", hours_ago=72)
    assert [status for status, _ in said()] == ["failed"]


def test_the_report_says_what_was_read_of_the_list(world: World, opt_outs: OptOuts) -> None:
    """How many entries of which kind, when it was written, and how many rows it left out."""
    opt_outs.write("shopper2@example.com", "Total: 1", hours_ago=1)
    result = validate(opt_outs.context(), world.drop(rows(1, 5)))
    report = Report.from_json(Path(result.report_uri).read_text())
    assert report.excluded == {"suppressed": 1}
    assert report.opt_outs_in_words == (
        "suppression list: 1 e-mail, written 2026-11-22 08:00 (UTC); other text: 1 line"
    )


def test_an_opt_out_that_comes_after_staging_is_honoured(world: World, opt_outs: OptOuts) -> None:
    """Events staged before somebody opted out are not sent after it."""
    ctx = opt_outs.context()
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    opt_outs.write("Shopper3@example.com")
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    assert summarize(ctx, delivery_id).events == {"accepted": 4, "suppressed": 1}
    assert len(world.simulator.event_ids()) == 4


def test_the_close_out_needs_no_list(world: World, opt_outs: OptOuts) -> None:
    """Whoever was left out by the upload counts as suppressed, also when the list is gone by then."""
    ctx = opt_outs.context()
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write("shopper3@example.com")
    upload(ctx, delivery_id, 0)
    (world.folder / "opt-outs.txt").unlink()
    assert summarize(ctx, delivery_id).events == {"accepted": 4, "suppressed": 1}


def test_who_comes_off_the_list_between_two_tries_is_no_longer_left_out(world: World, opt_outs: OptOuts) -> None:
    """Also where the second try sends nothing: else the delivery would be closed without their events."""
    ctx = opt_outs.context(upload={"max_attempts": 1, "requests_per_second": 1000})
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write("shopper3@example.com")
    world.simulator.control.add(Fault(kind="answer", code=40100, count=2))
    with pytest.raises(CircuitOpenError):
        upload(ctx, delivery_id, 0)
    with pytest.raises(UnsettledError, match="4 events not_sent"):
        summarize(ctx, delivery_id)
    opt_outs.write("nobody@example.com")
    with pytest.raises(CircuitOpenError):
        upload(ctx, delivery_id, 0)
    with pytest.raises(UnsettledError, match="5 events not_sent"):
        summarize(ctx, delivery_id)
    upload(ctx, delivery_id, 0)
    assert summarize(ctx, delivery_id).events == {"accepted": 5}


def test_who_comes_off_the_list_between_two_plans_is_no_longer_left_out(world: World, opt_outs: OptOuts) -> None:
    """The parts of a later plan are sent by a first try, too; what an earlier plan left out says nothing of them."""
    ctx = opt_outs.context(upload={"max_attempts": 1, "requests_per_second": 1000})
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write("shopper3@example.com")
    upload(ctx, delivery_id, 0)
    # As if the run had been given up before its summary, and its plan with it.
    ctx.ledger.release(delivery_id)
    opt_outs.write("nobody@example.com")
    dedupe(ctx, delivery_id)
    assert ctx.ledger.plan(delivery_id).round == 1
    world.simulator.control.add(Fault(kind="answer", code=40100, count=1))
    with pytest.raises(CircuitOpenError):
        upload(ctx, delivery_id, 0)
    with pytest.raises(UnsettledError, match="1 event not_sent"):
        summarize(ctx, delivery_id)


def test_a_list_that_is_gone_stops_the_upload(world: World, opt_outs: OptOuts) -> None:
    """Before anything is sent; the delivery stays open and goes on once the list is back."""
    ctx = opt_outs.context()
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    (world.folder / "opt-outs.txt").unlink()
    with pytest.raises(FileMissingError):
        upload(ctx, delivery_id, 0)
    with pytest.raises(UnsettledError, match="5 events not_sent"):
        summarize(ctx, delivery_id)
    assert not world.simulator.event_ids()
    opt_outs.write("shopper3@example.com")
    upload(ctx, delivery_id, 0)
    assert summarize(ctx, delivery_id).events == {"accepted": 4, "suppressed": 1}


@pytest.mark.parametrize(
    ("entries", "hours_ago"),
    [(["nobody@example.com"], 72), (["nobody@example.com", "bob@"], 0), ([], 0), (["Total: 0"], 0)],
    ids=["stale", "not understood", "empty", "without an entry"],
)
def test_a_list_that_can_not_be_used_stops_the_upload(
    world: World, opt_outs: OptOuts, entries: list[str], hours_ago: float
) -> None:
    """Whatever has become of it since the events were staged; also one that shrank."""
    ctx = opt_outs.context()
    delivery_id = validate(ctx, world.drop(rows(1, 5))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write(*entries, hours_ago=hours_ago)
    with pytest.raises(OptOutListError):
        upload(ctx, delivery_id, 0)
    assert not world.simulator.event_ids()


def test_a_list_is_taken_apart_once(world: World, opt_outs: OptOuts, caplog: pytest.LogCaptureFixture) -> None:
    """Not for each part: the list that events were staged under is recognised by its bytes."""
    caplog.set_level("INFO", logger=load_suppression.__module__)
    ctx = opt_outs.context()
    delivery_id = validate(ctx, world.drop(rows(1, 2500))).delivery_id
    normalize_hash(ctx, delivery_id)
    read_before = caplog.text.count("Suppression list:")
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    assert caplog.text.count("Suppression list:") == read_before
    assert summarize(ctx, delivery_id).events == {"accepted": 2500}


def test_test_events_leave_out_who_opted_out(world: World, opt_outs: OptOuts) -> None:
    """They show a real person's digest in Events Manager."""
    ctx = opt_outs.context(mode="test", test_event_code="TEST1")
    delivery_id = validate(ctx, world.drop(rows(1, 3))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write("shopper2@example.com")
    sent = upload(ctx, delivery_id, 0)
    assert (sent.accepted, sent.settled) == (2, 0)


def test_test_events_need_no_ledger(world: World) -> None:
    """They leave no trace in it: a test comes before the first ledger is made."""
    ctx = world.context(mode="test", test_event_code="TEST1", test_events=5)
    delivery_id = validate(ctx, world.drop(rows(1, 3))).delivery_id
    normalize_hash(ctx, delivery_id)
    assert upload(ctx, delivery_id, *dedupe(ctx, delivery_id).parts).accepted == 3


def test_people_of_a_file_that_is_replayed_stay_out(world: World, opt_outs: OptOuts) -> None:
    """A reopened delivery, or repaired rows in another file, are compared with the list of today."""
    summary = world.deliver(world.drop(rows(1, 5)), opt_outs.context())
    assert summary.events == {"accepted": 5}
    opt_outs.write("shopper6@example.com")
    summary = world.deliver(world.drop(rows(4, 5), name="repaired.csv"), opt_outs.context("daily/run-2"))
    assert summary.events == {"already_sent": 2, "accepted": 2}


def test_nothing_of_a_list_is_left_anywhere(world: World, opt_outs: OptOuts, caplog: pytest.LogCaptureFixture) -> None:
    """No entry, no digest of one and no beginning of a digest: in state, reports, results, messages and logs."""
    caplog.set_level("DEBUG")
    entries = ("shopper3@example.com", "+12125550199", "gone.for.good@example.org")
    opt_outs.write(*entries, "Total: 1")
    ctx = opt_outs.context()
    stamp = world.drop([*rows(1, 5), "late@example.com,CompletePayment,2026-11-20T12:00:00Z-0000,1.00,,o9,s"])
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    opt_outs.write(*entries, "late@example.com", "bob@")
    with pytest.raises(OptOutListError) as stopped:
        upload(ctx, delivery_id, 0)
    opt_outs.write(*entries, "late@example.com")
    upload(ctx, delivery_id, 0)
    summary = summarize(ctx, delivery_id)
    assert summary.events == {"accepted": 4, "suppressed": 1}
    kept = [path.read_bytes() for path in (world.folder / "state").rglob("*") if path.is_file()]
    said = [str(stopped.value).encode(), caplog.text.encode(), repr(summary).encode()]
    for entry in (*entries, "late@example.com", "bob@"):
        for form in (entry, entry.strip("+")):
            digest = hashlib.sha256(form.encode())
            for trace in (form.encode(), digest.digest()[:8], digest.hexdigest()[:16].encode()):
                assert not [content for content in (*kept, *said) if trace in content]


def test_parts_without_readings_are_compared_by_digests_and_the_log_says_so(
    world: World, opt_outs: OptOuts, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that an earlier release staged, or that were staged before a list was configured."""
    before = world.context()
    delivery_id = validate(before, world.drop(rows(1, 5))).delivery_id
    normalize_hash(before, delivery_id)
    dedupe(before, delivery_id)
    opt_outs.write("shopper3@example.com")
    upload(opt_outs.context(), delivery_id, 0)
    assert "they are compared by digests" in caplog.text
    assert summarize(opt_outs.context(), delivery_id).events == {"accepted": 4, "suppressed": 1}
