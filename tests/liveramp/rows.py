"""Conversion files of made-up rows, and what of them is meant to be delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.liveramp.feed import Feed
from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
from airflow_provider_tiktok_offline.liveramp.writer import FeedSource

COLUMNS = ("email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "order_id")
SETTINGS = ConversionSettings(profile="liveramp")


def feed(
    columns: Sequence[str] = COLUMNS, delimiter: str = "|", categories: Sequence[str] = ("CompletePayment",)
) -> Feed:
    """A contract."""
    return Feed(
        name="shop",
        advertiser="shop",
        columns=tuple(columns),
        delimiter=delimiter,
        categories=tuple(categories),
        sample_sha256="0" * 64,
        accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def row(number: int, day: str = "2026-11-21") -> tuple[str, ...]:
    """One transaction."""
    return (
        f"person{number}@example.com",
        "CompletePayment",
        f"{day}T10:{number % 60:02d}:00Z-0000",
        f"{number % 90 + 1}.50",
        f"1212555{number % 10000:04d}",
        f"order-{number}",
    )


def text(
    rows: Iterable[Sequence[str]], columns: Sequence[str] = COLUMNS, delimiter: str = "|", end: str = "\n"
) -> bytes:
    """A file's content."""
    return "".join(delimiter.join(cells) + end for cells in (columns, *rows)).encode()


def source_of(
    path: Path,
    content: bytes,
    lines: Iterable[int] | None = None,
    settings: ConversionSettings = SETTINGS,
    *,
    validated: bool = False,
) -> FeedSource:
    """A source file on disk, of which those lines (by default all) are chosen.

    :param validated: it is known from validating that it has the feed's delimiter and category.
    """
    path.write_bytes(content)
    chosen = LineSet()
    chosen.add(list(lines) if lines is not None else list(range(2, content.count(b"\n") + 1)))
    return FeedSource(
        source=LocalFile(path), settings=settings, lines=chosen, sha256=hashlib.sha256(content).hexdigest(),
        delimiter="|" if validated else None, categories=frozenset({"CompletePayment"}) if validated else None,
    )  # fmt: skip
