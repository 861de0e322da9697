"""What may be said of a list: counts, line numbers and its age, never a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

#: Line numbers that are named.
FIRST_LINES = 10


@dataclass(slots=True)
class Lines:
    """Lines of one kind: how many, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, numbers: NDArray[np.int64]) -> None:
        """Count lines, given in ascending order."""
        self.count += len(numbers)
        self.first.extend(numbers[: FIRST_LINES - len(self.first)].tolist())

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.first) else ""
        return f"{self.count:,} ({'line' if self.count == 1 else 'lines'} {', '.join(map(str, self.first))}{more})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """How many different entries of each kind a list has.

    Attributes:
        emails, phones: written out.
        digests: SHA-256 of e-mails and phones.
        customers: customer numbers.
    """

    emails: int = 0
    phones: int = 0
    digests: int = 0
    customers: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.emails + self.phones + self.digests + self.customers

    def __str__(self) -> str:
        kinds = (
            (self.emails, "e-mail", "e-mails"),
            (self.phones, "phone", "phones"),
            (self.digests, "digest", "digests"),
            (self.customers, "customer number", "customer numbers"),
        )
        said = [f"{count:,} {one if count == 1 else many}" for count, one, many in kinds if count]
        return ", ".join(said) or "no entry"


class OptOutFacts(TypedDict, total=False):
    """What a report says of a list; empty where there is none.

    Attributes:
        emails, phones, digests, customers: entries of each kind.
        written: when it was written, ISO 8601; None where that is not known.
        unreadable_lines, nameless_lines: lines that were passed over.
        rows_by_wider_reading: rows that only a wider reading of an identifier has found.
    """

    emails: int
    phones: int
    digests: int
    customers: int
    written: str | None
    unreadable_lines: int
    nameless_lines: int
    rows_by_wider_reading: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFacts:
    """What may be said of a list that was read.

    Attributes:
        entries: how many of each kind.
        written: when it was written; None where that is not known.
        sha256: digest of its bytes, in hex; not to be kept, as that of a short list could be guessed.
        unreadable: lines that were not understood, no more than the settings allow.
        nameless: lines of text that could identify nobody.
    """

    entries: Entries
    written: datetime | None
    sha256: str
    unreadable: Lines
    nameless: Lines

    def __str__(self) -> str:
        said = [str(self.entries)]
        if self.written is not None:
            said.append(f"written {self.written:%Y-%m-%d %H:%M} UTC")
        if self.unreadable.count:
            said.append(f"not understood: {self.unreadable}")
        if self.nameless.count:
            said.append(f"other text: {self.nameless}")
        return "; ".join(said)

    def to_dict(self) -> OptOutFacts:
        """Plain values, for the report."""
        return {
            "emails": self.entries.emails,
            "phones": self.entries.phones,
            "digests": self.entries.digests,
            "customers": self.entries.customers,
            "written": None if self.written is None else self.written.isoformat(),
            "unreadable_lines": self.unreadable.count,
            "nameless_lines": self.nameless.count,
        }
