"""Old files through rules, gate, guards, drift and opt-outs: which would have stopped or alerted, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.cli.commands.backtest import Verdict, judge_all
from airflow_provider_tiktok_offline.config import AdvertiserConfig
from tests.cli.sales import HEADER, entry

FIRST = date(2025, 3, 3)


def write(folder: Path, day: date, count: int, *, bad: int = 0, store: str = "store-1") -> None:
    """A day's file; ``bad`` rows have an amount that is none."""
    rows = [
        f"ada{n}@example.com,Purchase,{day}T10:00:00Z-0000,{'x' if n < bad else '9.50'},,{day}-{n},{store}"
        for n in range(count)
    ]
    (folder / f"sales_{day}.csv").write_text("\n".join([f"{HEADER},store_code", *rows]) + "\n")


def judged(tmp_path: Path, **settings: object) -> Sequence[Verdict]:
    config = AdvertiserConfig.model_validate({**entry(tmp_path), **settings})
    return judge_all(sorted((tmp_path / "old").iterdir()), config)


def test_each_file_has_its_verdict_and_reason(tmp_path: Path) -> None:
    """A year later: a usual week is sent, a short file alerts, a faulty one stops, an opted-out customer is counted."""
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(7):
        write(folder, FIRST + timedelta(days=number), 40 + number % 3)
    write(folder, FIRST + timedelta(days=7), 8)
    write(folder, FIRST + timedelta(days=8), 40, bad=20)
    (folder / "sales_none.csv").write_text(HEADER + "\n")
    (tmp_path / "opt-outs.txt").write_text("ada7@example.com\n")
    found = judged(tmp_path, suppression={"uri": str(tmp_path / "opt-outs.txt")})
    assert [one.outcome for one in found] == ["sent"] * 7 + ["alert", "stop", "stop"]
    assert found[7].reasons == (
        "drift: 80 % fewer rows than usual",
        "drift: 82 % less value in USD than usual",
    )
    assert found[8].reasons[0].startswith("gate: 19 of 40 rows are rejected (47.5 %)")
    assert found[9].reasons == ("a header and no rows",)
    assert {one.suppressed for one in found[:8]} == {1}
    assert found[6].compared_with == "6 files of the 28 days before"
    assert not (tmp_path / "state").exists()


def test_the_settings_decide(tmp_path: Path) -> None:
    """A short file stops or is asked about where ``drift`` says so, and a wider gate lets a faulty file pass."""
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(6):
        write(folder, FIRST + timedelta(days=number), 40)
    write(folder, FIRST + timedelta(days=6), 8, bad=2)
    outcomes = {
        action: judged(tmp_path, drift=action, max_rejected_ratio=0.5)[-1].outcome
        for action in ("off", "warn", "approve", "stop")
    }
    config = tmp_path / "advertisers.yaml"
    config.write_text(json.dumps({"advertisers": [entry(tmp_path)]}))
    shown = CliRunner().invoke(app, ["backtest", str(folder), "--config", str(config)])
    assert "7 files: 6 sent, 1 stop" in shown.stdout
    assert outcomes == {"off": "sent", "warn": "alert", "approve": "ask", "stop": "stop"}


@pytest.mark.parametrize(
    ("guards", "outcome", "reason"),
    [
        ({"max_events": 50}, "stop", "guard: 80 events, more than max_events 50"),
        ({"max_events": 50, "on_breach": "approve"}, "ask", "guard: 80 events, more than max_events 50"),
        ({"max_value": 600}, "stop", "guard: the amounts add up to 126.7 % of max_value"),
        ({"max_amount": 9}, "stop", "guard: a single amount is 105.6 % of max_amount"),
        ({"stores": ["store-1"]}, "stop", "guard: 1 store code that guards.stores does not list"),
        ({"size_factor": 1.5}, "stop", "bytes, where the last 28 days had"),
        ({"max_events": 80, "max_value": 760, "max_amount": 9.5, "size_factor": 3}, "sent", ""),
    ],
)
def test_guards_are_applied(tmp_path: Path, guards: dict[str, object], outcome: str, reason: str) -> None:
    """As dedupe would: limits on events, value, one amount, stores and size."""
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(3):
        write(folder, FIRST + timedelta(days=number), 40)
    write(folder, FIRST + timedelta(days=6), 80, store="store-2")
    last = judged(tmp_path, guards=guards, drift="off")[-1]
    assert last.outcome == outcome
    assert reason in " ".join(last.reasons)
    assert len(last.reasons) == (outcome != "sent")


def test_a_file_that_names_too_few_customers_stops(tmp_path: Path) -> None:
    """max_anonymous_ratio is a guard too."""
    folder = tmp_path / "old"
    folder.mkdir()
    rows = [f",Purchase,{FIRST}T10:00:00Z-0000,9.50,,o-{n}" for n in range(9)]
    (folder / "sales.csv").write_text("\n".join([HEADER, *rows, f"ada@example.com{rows[0]}x"]) + "\n")
    [verdict] = judged(tmp_path, max_anonymous_ratio=0.5)
    assert verdict.outcome == "stop"
    assert verdict.reasons == ("guard: 90.0 % of the rows name no customer, more than max_anonymous_ratio 0.5",)
