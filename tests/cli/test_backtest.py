"""Old files through rules, gate, drift and opt-outs: which would have stopped or alerted, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from typer.testing import CliRunner

from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.cli.commands.backtest import Verdict, judge_all
from airflow_provider_tiktok_offline.config import AdvertiserConfig
from tests.cli.sales import HEADER, entry

FIRST = date(2025, 3, 3)


def write(folder: Path, day: date, count: int, *, bad: int = 0) -> None:
    """A day's file; ``bad`` rows have an amount that is none."""
    rows = [
        f"ada{n}@example.com,Purchase,{day}T10:00:00Z-0000,{'x' if n < bad else '9.50'},,{day}-{n}"
        for n in range(count)
    ]
    (folder / f"sales_{day}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


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
