"""The small conversion file that tests of commands share."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID

AS_OF = "2026-11-22T06:00:00Z"
MAIL = "ada.lovelace@example.com"
PHONE = "+12133734253"
HEADER = "email_1,transaction_category,transaction_timestamp,transaction_amount,phone_1,order_id"


def rows(count: int, **wrong: str) -> str:
    """A file of that many good rows; ``line_5="…"`` replaces line 5."""
    lines = [HEADER]
    lines += [f"{MAIL},Purchase,2026-11-21T10:00:00Z-0000,{n}.50,{PHONE},o-{n}" for n in range(1, count + 1)]
    for place, text in wrong.items():
        lines[int(place.removeprefix("line_")) - 1] = text
    return "\n".join(lines) + "\n"


def entry(home: Path) -> dict[str, object]:
    """A live advertiser whose state is in a command's home."""
    return {
        "name": "shop",
        "advertiser_id": ADVERTISER_ID,
        "event_set_id": EVENT_SET_ID,
        "mode": "live",
        "currency": "USD",
        "phone_region": "US",
        "state_uri": str(home / "state"),
        "source": {"path": "/in/sales.csv"},
    }


def prepared_ids(home: Path) -> set[str]:
    """The event ids of ``sales.csv``."""
    settings = AdvertiserConfig.model_validate(entry(home)).conversion_settings()
    parts = DirectoryParts(home / "expected")
    prepare(LocalFile(home / "sales.csv"), settings, as_of=datetime.fromisoformat(AS_OF), output=parts)
    return {json.loads(line)["event_id"] for line in PreparedEvents.open(parts).json_lines()}
