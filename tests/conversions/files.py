"""Small conversion files for tests, and the shortest way to a report or events."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.report.report import Report

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = (
    "email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "order_id",
    "store_code", "quantity", "product_id", "product_name",
)  # fmt: skip
GOOD = {
    "email_1": "ann@example.com",
    "transaction_category": "CompletePayment",
    "transaction_timestamp": "2026-11-20T10:00:00Z-0000",
    "transaction_amount": "12.50",
}
SETTINGS = ConversionSettings(phone_region="US", currency="USD")
LIVERAMP = ConversionSettings(phone_region="US", profile="liveramp")


class BytesSource:
    """A file that lies in memory."""

    def __init__(self, data: bytes, name: str = "sales.csv") -> None:
        self.data = data
        self.name = name
        self.uri = f"memory:{name}"

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.data)


def text(rows: Sequence[dict[str, str]], header: Sequence[str] | None = None) -> str:
    """A comma-separated file; each row is GOOD with changes, and an order_id of its own unless it names one."""
    columns = header or HEADER
    lines = [",".join(columns)]
    for number, row in enumerate(rows):
        full = {**GOOD, "order_id": f"o{number}", **row}
        lines.append(",".join(full.get(column, "") for column in columns))
    return "\n".join(lines) + "\n"


def check(
    content: str | bytes | Sequence[dict[str, str]],
    settings: ConversionSettings = SETTINGS,
    name: str = "sales.csv",
    *,
    suppression: Suppression | None = None,
    verdicts: BinaryIO | None = None,
    **options: Any,
) -> Report:
    """Validate a file that is given as text, bytes or rows; ``options`` are those of the pass."""
    if not isinstance(content, str | bytes):
        content = text(content)
    data = content.encode() if isinstance(content, str) else content
    report = validate(
        BytesSource(data, name),
        settings,
        as_of=AS_OF,
        suppression=suppression,
        verdicts=verdicts,
        options=PassOptions(**options),
    )
    assert report.rows_total == report.rows_valid + report.rows_rejected + report.rows_duplicate + report.rows_excluded
    return report


def events(
    content: str | Sequence[dict[str, str]],
    directory: Path,
    settings: ConversionSettings = SETTINGS,
    *,
    suppression: Suppression | None = None,
    **options: Any,
) -> PreparedEvents:
    """Prepare a file and open its events; ``options`` are those of the pass."""
    directory.mkdir(exist_ok=True)
    path = directory / "sales.csv"
    path.write_text(content if isinstance(content, str) else text(content), newline="")
    parts = DirectoryParts(directory / "parts")
    prepare(
        LocalFile(path), settings, as_of=AS_OF, output=parts, suppression=suppression, options=PassOptions(**options)
    )
    return PreparedEvents.open(parts)


def found(report: Report) -> set[tuple[str, str]]:
    """Rule and severity of every issue."""
    return {(issue.rule, issue.severity) for issue in report.issues}
