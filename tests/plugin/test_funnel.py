"""The funnel's words: what cannot be misread, with a count and the next action for each reason."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_tiktok_offline.plugin.funnel import funnel

DELIVERY: dict[str, Any] = {
    "route": "tiktok",
    "mode": "live",
    "rows": {"total": 1000, "valid": 900, "rejected": 60, "duplicate": 10, "excluded": 30},
    "faults": {"amount_format": 40, "timestamp_format": 20},
    "excluded": {"no_identifier": 30},
    "events_total": 890,
    "events": {"accepted": 700, "refused": 60, "unconfirmed": 20, "not_sent": 30, "already_sent": 50, "expired": 30},
    "codes": {"40002": 60},
}


def reasons(delivery: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> reason, of all steps."""
    return {reason["name"]: reason for step in funnel(delivery) for reason in step["lost"]}


def test_each_reason_has_its_count_and_words_that_name_who_refused() -> None:
    """Our rules and TikTok are told apart, and what was lost for its age is called that."""
    found = reasons(DELIVERY)
    assert {name: reason["count"] for name, reason in found.items()} == {
        "amount_format": 40, "timestamp_format": 20, "duplicate": 10, "no_identifier": 30, "basket": 10,
        "already_sent": 50, "expired": 30, "not_sent": 30, "40002": 60, "unconfirmed": 20,
    }  # fmt: skip
    assert found["amount_format"]["text"].startswith("refused by our rules: ")
    assert found["40002"]["text"].startswith("refused by TikTok: ")
    assert found["expired"]["text"] == "lost: too old"
    assert found["no_identifier"]["text"].startswith("rightly not sent: ")
    for name in ("amount_format", "timestamp_format", "40002", "unconfirmed", "not_sent", "expired"):
        assert found[name]["todo"], name


def test_the_steps_add_up() -> None:
    """From rows to what TikTok has received."""
    steps = funnel(DELIVERY)
    assert [(step["name"], step["count"]) for step in steps] == [
        ("rows", 1000), ("valid", 900), ("new", 810), ("sent", 780), ("received", 700),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ["sent", "received by TikTok, not matched yet"]),
        ({"route": "liveramp"}, ["written to the feed file", "uploaded to LiveRamp, not confirmed"]),
        ({"mode": "dry_run"}, ["would be sent"]),
    ],
)
def test_the_last_steps_say_no_more_than_is_known(changes: dict[str, str], labels: list[str]) -> None:
    """Received is not matched, and uploaded is not confirmed; a dry run has sent nothing."""
    assert [step["label"] for step in funnel({**DELIVERY, **changes})[3:]] == labels


def test_what_is_not_known_yet_has_no_count() -> None:
    """A file that waits for an approval was checked, and no more."""
    waiting = {**DELIVERY, "events": {}, "events_total": None, "codes": {}}
    assert [step["count"] for step in funnel(waiting)] == [1000, 900, None, None, None]
