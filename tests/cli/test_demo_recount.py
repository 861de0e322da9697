"""The demo's second count of a file: it shares no code with the package, and has to come to the same events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from airflow_provider_tiktok_offline.cli.demo.recount import recount
from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.cli.sales import entry

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_the_recount_comes_to_the_events_of_the_package(tmp_path: Path) -> None:
    """The sample of the demo, with every kind of fault."""
    sample = tmp_path / "sample.csv"
    write_sample(sample, 10_000, as_of=AS_OF, bad_ratio=0.04, seed=7, form=SampleForm(phones="written"))
    settings = AdvertiserConfig.model_validate(entry(tmp_path)).conversion_settings()
    parts = DirectoryParts(tmp_path / "parts")
    report = prepare(LocalFile(sample), settings, as_of=AS_OF, output=parts).report
    counted = recount(sample, as_of=AS_OF)
    assert counted.events.keys() == {json.loads(line)["event_id"] for line in PreparedEvents.open(parts).json_lines()}
    assert counted.classes == {name: getattr(report, f"rows_{name}") for name in counted.classes}
