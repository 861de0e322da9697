"""The feed's contract: the form of the sample file that set the feed up, which every later file must have.

A file that differs pauses the feed at LiveRamp, and every later file with it (LiveRamp, "Avoiding File Ingestion
Failure"). So the delivery stops before anything is uploaded when a file has drifted from the contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from airflow_provider_tiktok_offline.conversions.contract.columns import (
    LIVERAMP_CATEGORIES,
    PROGRAMME_COLUMNS,
    REQUIRED_COLUMNS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.errors import FeedError
from airflow_provider_tiktok_offline.storage.documents import Document, Moment, typed

#: Fewest rows of a file (the programme's page, "Send Conversion Data to LiveRamp"; LiveRamp, "Product Limits").
LEAST_ROWS = 25
DELIMITER_NAMES = {",": "comma", "\t": "tab", "|": "pipe"}
_SUPPORT = "Open a LiveRamp support case before the format changes, then make a new sample and accept it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed's contract.

    Attributes:
        name: the feed's name.
        advertiser: whose it is.
        columns: the headers, in order.
        delimiter: the character between fields.
        categories: every ``transaction_category`` that a file may hold, sorted.
        sample_sha256: digest of the sample file.
        accepted_at: when the contract was made.
    """

    name: str
    advertiser: str
    columns: tuple[str, ...]
    delimiter: str
    categories: tuple[str, ...]
    sample_sha256: str
    accepted_at: Moment

    def to_document(self) -> Document:
        """The contract as it is stored."""
        document: Document = msgspec.to_builtins(self)
        return document

    @classmethod
    def from_document(cls, document: Document, where: str = "the feed's contract") -> Feed:
        """The inverse of :meth:`to_document`.

        :raises LedgerDamagedError: if a field is missing or has another type.
        """
        return typed(document, cls, where)

    def header(self) -> bytes:
        """The header line."""
        return (self.delimiter.join(self.columns) + "\n").encode()


def feed_columns(places: Iterable[str], settings: ConversionSettings) -> tuple[str, ...]:
    """The headers of a source file's feed file: the columns that the source has, in the programme's order."""
    present = {*places, *settings.constants}
    return tuple(name for name in PROGRAMME_COLUMNS if name in present)


def check_columns(columns: tuple[str, ...], where: str) -> None:
    """Check that a feed can be set up with these headers.

    :raises FeedError: if a required header is missing or the headers are out of order.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in PROGRAMME_COLUMNS]
    ordered = tuple(name for name in PROGRAMME_COLUMNS if name in columns)
    if missing or unknown or columns != ordered:
        what = (
            f"required columns are missing: {', '.join(missing)}." if missing
            else f"{len(unknown)} columns are unknown to the programme." if unknown
            else f"the columns must be in the order {', '.join(ordered)}."
        )  # fmt: skip
        raise FeedError(what, where=where, todo="See docs/file-format.md.")


def check_categories(categories: Iterable[str], where: str) -> tuple[str, ...]:
    """Check that LiveRamp's programme accepts every category.

    :raises FeedError: naming the categories that it does not accept, if they are short words.
    """
    used = sorted(set(categories))
    wrong = [category for category in used if category not in LIVERAMP_CATEGORIES]
    if wrong or not used:
        raise FeedError(
            f"{_shown(wrong)} can't be used as transaction_category." if wrong else "no transaction_category is used.",
            where=where,
            todo=f"The programme accepts {', '.join(sorted(LIVERAMP_CATEGORIES))}.",
        )
    return tuple(used)


def check_drift(feed: Feed, columns: tuple[str, ...], delimiter: str, where: str) -> None:
    """Compare a file's form with the contract.

    :raises FeedError: saying what changed.
    """
    faults = []
    gone = [name for name in feed.columns if name not in columns]
    new = [name for name in columns if name not in feed.columns]
    if gone:
        faults.append(f"missing: {', '.join(gone)}")
    if new:
        faults.append(f"new: {', '.join(new)}")
    if not gone and not new and columns != feed.columns:
        faults.append(f"order: expected {', '.join(feed.columns)}; found {', '.join(columns)}")
    if delimiter != feed.delimiter:
        faults.append(
            f"delimiter: expected {DELIMITER_NAMES[feed.delimiter]}, found {DELIMITER_NAMES.get(delimiter, 'another')}"
        )
    if faults:
        raise FeedError(
            f"the file no longer has the form that feed {feed.name} was set up with ({'; '.join(faults)}); "
            "nothing was uploaded.",
            where=where,
            todo=_SUPPORT,
        )


def check_new_categories(feed: Feed, categories: Iterable[str], where: str) -> None:
    """Compare the categories that a file uses with the contract.

    :raises FeedError: naming the categories that the sample file did not have.
    """
    new = sorted(set(categories) - set(feed.categories))
    if new:
        raise FeedError(
            f"{_shown(new)} as transaction_category was not in the sample of feed {feed.name}; nothing was uploaded.",
            where=where,
            todo=_SUPPORT,
        )


def _shown(categories: list[str]) -> str:
    """Categories that may be shown: if columns are shifted, a customer's data can stand in the category's place."""
    plain = [category for category in categories if category.isalpha() and category.isascii() and len(category) <= 32]
    hidden = len(categories) - len(plain[:20])
    text = ", ".join(plain[:20])
    if not hidden:
        return text
    return f"{text} and {hidden} others" if text else f"{hidden} unknown values"
