"""Who opted out after a file was validated is in no feed file, whenever the file goes out, and counts as suppressed."""

from __future__ import annotations

import gzip
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize, summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import FileMissingError, OptOutListError
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.storage.backends.sftp_files import SftpFiles
from tests.liveramp.office import Office
from tests.liveramp.rows import row
from tests.servers.sshd import Sshd


@pytest.fixture
def office(server: Sshd, tmp_path: Path) -> Office:
    office = Office(tmp_path, server)
    office.open()
    _opt_out(office, "nobody@example.org")
    return office


def _opt_out(office: Office, *entries: str) -> None:
    path = office.folder / "opt-outs.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries))
    os.utime(path, (office.clock.now().timestamp(),) * 2)


def _with_list(office: Office) -> dict[str, Any]:
    return {"suppression": {"uri": str(office.folder / "opt-outs.txt")}}


def _lines(numbers: list[int]) -> list[str]:
    return ["|".join(row(number)) for number in numbers]


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_rows_of_a_later_opt_out_are_left_out(office: Office) -> None:
    """Between validate and deliver, by e-mail and by phone; the summary counts them without the list."""
    ctx = office.context("daily/1", **_with_list(office))
    stamp = office.drop("a.psv", [row(number) for number in range(40)])
    delivery_id = validate(ctx, stamp).delivery_id
    dedupe(ctx, delivery_id)
    _opt_out(office, "Person3@Example.com", "+1 (212) 555-0007")
    assert deliver(ctx, delivery_id).rows == 38
    (office.folder / "opt-outs.txt").unlink()
    summary = summarize(ctx, delivery_id)
    assert summary.events == {"accepted": 38, "suppressed": 2}
    assert office.delivered() == {"shop_2026-11-22.psv": _lines([n for n in range(40) if n not in (3, 7)])}


def test_a_missing_list_stops_deliver(office: Office) -> None:
    """Nothing goes out without it."""
    ctx = office.context("daily/1", **_with_list(office))
    delivery_id = validate(ctx, office.drop("a.psv", [row(number) for number in range(40)])).delivery_id
    dedupe(ctx, delivery_id)
    (office.folder / "opt-outs.txt").unlink()
    with pytest.raises(FileMissingError):
        deliver(ctx, delivery_id)
    assert office.delivered() == {}


@pytest.mark.parametrize(
    ("entries", "hours_ago"),
    [(["nobody@example.org"], 72), (["nobody@example.org", "bob@"], 0), ([], 0), (["Total: 0"], 0)],
    ids=["stale", "not understood", "empty", "without an entry"],
)
def test_a_list_that_can_not_be_used_stops_deliver(office: Office, entries: list[str], hours_ago: float) -> None:
    """Whatever has become of it since validate; once it is right again, the file goes out by it."""
    ctx = office.context("daily/1", **_with_list(office))
    delivery_id = validate(ctx, office.drop("a.psv", [row(number) for number in range(40)])).delivery_id
    dedupe(ctx, delivery_id)
    _opt_out(office, *entries)
    written = office.clock.now().timestamp() - hours_ago * 3600
    os.utime(office.folder / "opt-outs.txt", (written, written))
    with pytest.raises(OptOutListError):
        deliver(ctx, delivery_id)
    assert office.delivered() == {}
    _opt_out(office, "person3@example.com")
    assert deliver(ctx, delivery_id).rows == 39


@pytest.mark.parametrize("form", [{}, {"staged": True}, {"staged": True, "gzip": True}])
def test_a_file_that_was_cut_is_written_again_by_the_list_of_then(
    office: Office, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    """No byte of the try before goes out in the one after it."""
    office.liveramp = form
    ctx = office.context("daily/1", **_with_list(office))
    delivery_id = validate(ctx, office.drop("a.psv", [row(number) for number in range(40)])).delivery_id
    dedupe(ctx, delivery_id)
    with monkeypatch.context() as patch:
        patch.setattr(SftpFiles, "write", _die)
        patch.setattr(SftpFiles, "write_resumable", _die)
        with pytest.raises(KeyboardInterrupt):
            deliver(ctx, delivery_id)
    _opt_out(office, "person3@example.com")
    assert deliver(ctx, delivery_id).rows == 39
    (path,) = office.outbox.iterdir()
    stored = path.read_bytes()
    assert b"person3@" not in (gzip.decompress(stored) if path.suffix == ".gz" else stored)


@pytest.mark.parametrize("days", [1, 5])
def test_rows_that_were_carried_over_are_compared_with_the_list_of_the_day_they_leave(
    office: Office, days: int
) -> None:
    """Also when their staged verdicts were swept meanwhile."""
    office.liveramp = {"below_minimum": "carry_over"}
    rows = [row(number, "2026-11-20") for number in range(10)]
    assert office.run("daily/1", [office.drop("a.psv", rows)], **_with_list(office))[0].outcome == "carried_over"
    office.clock.advance(timedelta(days=days))
    _opt_out(office, "person3@example.com")
    more = [row(number, "2026-11-20") for number in range(10, 40)]
    (told,) = office.run("daily/2", [office.drop("b.psv", more)], **_with_list(office))
    assert (told.outcome, told.rows) == ("delivered", 39)
    (lines,) = office.delivered().values()
    assert not [line for line in lines if "person3@" in line]
    assert {state.status for state in office.context("any").deliveries.list("shop")} == {"closed"}


def test_a_second_file_of_the_day_leaves_without_those_who_opted_out(office: Office) -> None:
    """A queued delivery goes out with tomorrow's file, by tomorrow's list."""
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(30)])], **_with_list(office))
    late = office.drop("b.psv", [row(number) for number in range(30, 60)])
    assert office.run("manual/1", [late], **_with_list(office))[0].outcome == "queued"
    office.clock.advance(timedelta(days=1))
    _opt_out(office, "person44@example.com")
    office.run("daily/2", [office.drop("c.psv", [row(number) for number in range(60, 90)])], **_with_list(office))
    arrived = [line for lines in office.delivered().values() for line in lines]
    assert sorted(arrived) == sorted(_lines([number for number in range(90) if number != 44]))


@pytest.mark.parametrize("step", ["finish", "index"])
def test_the_books_hold_what_was_in_the_file_whatever_the_list_says_later(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A run dies behind the upload, and the list changes before its retry: nobody counts as sent who was not."""
    ctx = office.context("daily/1", **_with_list(office))
    delivery_id = validate(ctx, office.drop("a.psv", [row(number) for number in range(40)])).delivery_id
    dedupe(ctx, delivery_id)
    _opt_out(office, "person3@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, step, _die)
        with pytest.raises(KeyboardInterrupt):
            deliver(ctx, delivery_id)
    _opt_out(office, "person3@example.com", "person4@example.com")
    deliver(ctx, delivery_id)
    if step == "finish":
        deliver(office.context("daily/1", **_with_list(office)), delivery_id)
    (summary,) = summarize_all(ctx, [delivery_id])
    assert summary.events == {"accepted": 39, "suppressed": 1}
    assert office.delivered() == {"shop_2026-11-22.psv": _lines([number for number in range(40) if number != 3])}
    (record,) = FeedState(ctx.objects, "shop", office.clock).days()
    assert record.suppressed == {}
