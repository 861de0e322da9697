"""The feed's contract: what the sample file that set the feed up looked like, and what every later file must look like.

A file that differs pauses the feed at LiveRamp, and every file behind it (LiveRamp, "Avoiding File Ingestion
Failure"). So a drift stops the delivery before anything is uploaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider_tiktok_offline.conversions.contract.columns import (
    LIVERAMP_CATEGORIES,
    PROGRAMME_COLUMNS,
    REQUIRED_COLUMNS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.errors import FeedError

#: Fewest rows of a file (seed, "Send Conversion Data to LiveRamp"; LiveRamp, "Product Limits and Guidelines").
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
    accepted_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "accepted_at": self.accepted_at.isoformat()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Feed:
        """The inverse of :meth:`to_dict`."""
        return cls(
            name=document["name"],
            advertiser=document["advertiser"],
            columns=tuple(document["columns"]),
            delimiter=document["delimiter"],
            categories=tuple(document["categories"]),
            sample_sha256=document["sample_sha256"],
            accepted_at=datetime.fromisoformat(document["accepted_at"]),
        )

    def header(self) -> bytes:
        """The header line."""
        return (self.delimiter.join(self.columns) + "\n").encode()


def feed_columns(places: Iterable[str], settings: ConversionSettings) -> tuple[str, ...]:
    """The headers of the feed file that a source file gives: the columns it has, in the programme's order."""
    there = {*places, *settings.constants}
    return tuple(name for name in PROGRAMME_COLUMNS if name in there)


def check_columns(columns: tuple[str, ...], where: str) -> None:
    """Make sure that a feed can be set up with these headers.

    :raises FeedError: if a required one is missing or they are out of order.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in PROGRAMME_COLUMNS]
    ordered = tuple(name for name in PROGRAMME_COLUMNS if name in columns)
    if missing or unknown or columns != ordered:
        what = (
            f"required columns are missing: {', '.join(missing)}." if missing
            else f"{len(unknown)} columns are none of the programme's." if unknown
            else f"the columns must stand as {', '.join(ordered)}."
        )  # fmt: skip
        raise FeedError(what, where=where, todo="See docs/file-format.md.")


def check_categories(categories: Iterable[str], where: str) -> tuple[str, ...]:
    """Make sure that LiveRamp's programme passes every category on.

    :raises FeedError: naming those it does not, if they are short words.
    """
    found = sorted(set(categories))
    wrong = [category for category in found if category not in LIVERAMP_CATEGORIES]
    if wrong or not found:
        raise FeedError(
            f"{_shown(wrong)} can't be used as transaction_category." if wrong else "no transaction_category is used.",
            where=where,
            todo=f"The programme takes {', '.join(sorted(LIVERAMP_CATEGORIES))}.",
        )
    return tuple(found)


def check_drift(feed: Feed, columns: tuple[str, ...], delimiter: str, where: str) -> None:
    """Hold a file's form against the contract.

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
    """Hold the categories that a file uses against the contract.

    :raises FeedError: naming those that the sample file did not hold.
    """
    new = sorted(set(categories) - set(feed.categories))
    if new:
        raise FeedError(
            f"{_shown(new)} as transaction_category was not in the sample of feed {feed.name}; nothing was uploaded.",
            where=where,
            todo=_SUPPORT,
        )


def _shown(categories: list[str]) -> str:
    """Categories fit to be shown: a shifted column may hold a customer's data where a category should be."""
    plain = [category for category in categories if category.isalpha() and category.isascii() and len(category) <= 32]
    hidden = len(categories) - len(plain[:20])
    text = ", ".join(plain[:20])
    if not hidden:
        return text
    return f"{text} and {hidden} others" if text else f"{hidden} unknown values"
