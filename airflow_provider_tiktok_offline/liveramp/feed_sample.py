"""The sample file that sets a feed up: at least 25 rows, required values in each, every category that will be used.

Source: the programme's page, "Send Conversion Data to LiveRamp". Placeholder data is allowed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO

from airflow_provider_tiktok_offline.conversions.contract.columns import COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.parsing import parse
from airflow_provider_tiktok_offline.conversions.file.reader import FileReader
from airflow_provider_tiktok_offline.errors import FeedError
from airflow_provider_tiktok_offline.liveramp.feed import (
    LEAST_ROWS,
    Feed,
    check_categories,
    check_columns,
    feed_columns,
)
from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource

VALUED_COLUMNS = tuple(column.name for column in COLUMNS if column.value_required)
#: One of them must have a value in each row.
IDENTIFIERS = ("email_1", "phone_1")
#: The values of a placeholder row. They belong to no person: RFC 2606's domain, and 555-01xx numbers for fiction.
_PLACEHOLDERS = {
    "first_name": "Sample", "last_name": "Customer", "address_1": "1 Example Street", "address_2": "", "city": "Town",
    "state": "CA", "zip": "90001", "email_2": "", "email_3": "", "email_4": "", "phone_2": "", "store_code": "store-1",
    "quantity": "1", "product_id": "sku-1", "product_name": "Sample product", "product_category": "Samples",
    "product_brand": "Sample brand", "product_price": "10.00",
}  # fmt: skip


def placeholder_sample(
    columns: tuple[str, ...], delimiter: str, categories: Iterable[str], *, now: datetime, rows: int = LEAST_ROWS
) -> bytes:
    """A sample file of placeholder rows.

    :param columns: the headers the feed will have.
    :param categories: every category that will ever be used.
    :param now: the rows lie in the day before.
    :raises FeedError: if no feed can be set up with these columns or categories.
    """
    check_columns(columns, "sample file")
    used = check_categories(categories, "sample file")
    lines = [delimiter.join(columns)]
    for number in range(max(rows, LEAST_ROWS, len(used))):
        moment = now - timedelta(days=1, minutes=number)
        cells = {
            **_PLACEHOLDERS,
            "email_1": f"sample{number + 1}@example.com",
            "phone_1": f"1212555{100 + number % 100:04d}",
            "transaction_category": used[number % len(used)],
            "transaction_timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ-0000}",
            "transaction_amount": f"{10 + number}.00",
            "order_id": f"sample-{number + 1}",
        }
        lines.append(delimiter.join(cells[name] for name in columns))
    return ("\n".join(lines) + "\n").encode()


def sample_from(source: FeedSource, *, delimiter: str, categories: Iterable[str], rows: int = LEAST_ROWS) -> bytes:
    """A sample file of real rows: the first valid ones, and one of each category beyond them.

    :param source: the file and its valid lines.
    :param delimiter: the feed's.
    :param categories: every category that will ever be used; each must occur among the valid rows.
    :param rows: how many rows, at least 25.
    :raises FeedError: if there are too few valid rows or a category has none.
    """
    used = check_categories(categories, source.source.name)
    columns, chosen = _choose(source, set(used), rows)
    feed = Feed(
        name="sample", advertiser="", columns=columns, delimiter=delimiter, categories=used, sample_sha256="",
        accepted_at=datetime.fromtimestamp(0).astimezone(),
    )  # fmt: skip
    file = FeedFile(feed, [replace(source, lines=chosen)])
    content = b"".join(file.chunks())
    if file.rows < LEAST_ROWS:
        raise FeedError(f"{file.rows} usable rows; a sample needs {LEAST_ROWS}.", where=source.source.uri)
    return content


def _choose(source: FeedSource, wanted: set[str], rows: int) -> tuple[tuple[str, ...], LineSet]:
    settings, chosen = source.settings, LineSet()
    missing = set(wanted)
    left = max(rows, LEAST_ROWS)
    with FileReader(source.source, settings) as reader:
        header = reader.read_header()
        columns = feed_columns(header.places, settings)
        place = header.places.get("transaction_category")
        for block in reader.blocks(header):
            parsed = parse(block, header.width, header.delimiter.encode(), settings.limits.row_characters)
            ok = source.lines.mask(parsed.lines)
            for index in ok.nonzero()[0]:
                if place is None:
                    category = settings.constants["transaction_category"]
                else:
                    cell = parsed.frame.item(int(index), place).strip()
                    category = settings.event_map.get(cell, cell)
                if left > 0 or category in missing:
                    chosen.add([int(parsed.lines[index])])
                    missing.discard(category)
                    left -= 1
                if left <= 0 and not missing:
                    return columns, chosen
    if missing:
        raise FeedError(f"no valid row has the category {', '.join(sorted(missing))}.", where=source.source.uri)
    return columns, chosen


class _Bytes:
    """A sample file that is in memory."""

    def __init__(self, content: bytes, name: str) -> None:
        self._content = content
        self.name = name
        self.uri = name

    def open(self) -> BinaryIO:
        return io.BytesIO(self._content)


def accept_sample(content: bytes, *, file_name: str, name: str, advertiser: str, now: datetime) -> Feed:
    """Make a feed's contract from the sample file with which LiveRamp set the feed up.

    :param content: the file's bytes.
    :param file_name: its name, whose extension says its type.
    :param name: the feed's name.
    :param advertiser: whose feed it is.
    :raises FeedError: if it has fewer than 25 rows, a row lacks a required value, or its form is not the programme's.
    """
    settings = ConversionSettings(profile="liveramp", lookback_days=None)
    categories: set[str] = set()
    rows = 0
    with FileReader(_Bytes(content, file_name), settings) as reader:
        header = reader.read_header()
        columns = tuple(sorted(header.places, key=header.places.__getitem__))
        check_columns(columns, file_name)
        for block in reader.blocks(header):
            parsed = parse(block, header.width, header.delimiter.encode(), settings.limits.row_characters)
            if parsed.faults:
                lines = sorted(int(line) for faulty in parsed.faults.values() for line in faulty)
                raise FeedError(
                    f"rows that are not whole, first in lines {', '.join(map(str, lines[:5]))}.", where=file_name
                )
            rows += parsed.frame.height
            for column in VALUED_COLUMNS:
                _require([parsed.frame[str(header.places[column])].to_list()], parsed.lines.tolist(), column, file_name)
            identifiers = [parsed.frame[str(header.places[name])].to_list() for name in IDENTIFIERS if name in columns]
            _require(identifiers, parsed.lines.tolist(), " or ".join(IDENTIFIERS), file_name)
            categories.update(parsed.frame[str(header.places["transaction_category"])].to_list())
    if rows < LEAST_ROWS:
        raise FeedError(f"{rows} rows; a sample needs at least {LEAST_ROWS}.", where=file_name)
    return Feed(
        name=name,
        advertiser=advertiser,
        columns=columns,
        delimiter=header.delimiter,
        categories=check_categories(categories, file_name),
        sample_sha256=hashlib.sha256(content).hexdigest(),
        accepted_at=now,
    )


def _require(cells: list[list[str]], lines: list[int], what: str, where: str) -> None:
    """Each row has a value in at least one of the columns."""
    blank = [line for line, *row in zip(lines, *cells, strict=True) if not any(cell.strip() for cell in row)]
    if blank:
        raise FeedError(
            f"{what} is blank in lines {', '.join(map(str, blank[:5]))}; a sample has it in each row.",
            where=where,
        )
