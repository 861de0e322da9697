"""Invented events of the shape that a proposal makes, to show what TikTok would be sent."""

from __future__ import annotations

import io
import tempfile
from datetime import datetime
from pathlib import Path

from airflow_provider_tiktok_offline.conversions.contract.columns import (
    PROGRAMME_COLUMNS,
    REQUIRED_COLUMNS,
    STANDARD_EVENTS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.onboarding.proposal import Proposal
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample


def invented_events(proposal: Proposal, *, currency: str | None, as_of: datetime, count: int = 3) -> list[str]:
    """Events as JSON, made from people who do not exist.

    :param currency: of their values.
    :param as_of: they happened in the days before.
    """
    targets = {one.target for one in proposal.columns} | set(REQUIRED_COLUMNS)
    columns = [name for name in PROGRAMME_COLUMNS if name in targets]
    every = set() if proposal.name_of("transaction_category") else set(STANDARD_EVENTS)
    content = io.BytesIO()
    write_sample(content, count, as_of=as_of, form=SampleForm(columns=columns, identifiers="both"))
    with tempfile.TemporaryDirectory(prefix="tiktok-offline-") as name:
        path = Path(name, "invented.csv")
        path.write_bytes(content.getvalue())
        parts = DirectoryParts(Path(name, "parts"))
        prepare(
            LocalFile(path),
            ConversionSettings(
                currency=currency, phone_region="US", event_map=dict.fromkeys(sorted(every), "Purchase")
            ),
            as_of=as_of,
            output=parts,
        )
        return list(PreparedEvents.open(parts).json_lines())
