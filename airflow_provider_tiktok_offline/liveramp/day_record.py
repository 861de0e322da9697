"""The feed file of one UTC day, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import msgspec

from airflow_provider_tiktok_offline.storage import documents

Status = Literal["writing", "delivered", "abandoned", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecord:
    """The feed file of one UTC day.

    Attributes:
        day: the day, as 2026-11-22.
        file_name: its name at the destination.
        uri: where it lies.
        rows: data rows.
        sha256, plain_bytes: digest and bytes of the plaintext; None until they are known. That is noted before the last
            bytes leave: without it the file can't be whole at its destination.
        deliveries: ids of the deliveries in it.
        left_out: delivery id -> lines of its planned rows that could not be written.
        suppressed: delivery id -> lines of its planned rows whose people had opted out by then. Kept only until the
            ledger knows what was in the file: who has both would know who opted out.
        status: ``writing``, ``delivered``, ``abandoned`` (never complete) or ``rejected`` (LiveRamp refused it).
        holder: the run that writes it.
        attempt: the try of that run that writes it: the newest one alone may change the record and the file. None once
            it has ended, and in records of older releases.
        lease_until: until when the writer counts as alive without renewing its lease.
        bytes, stored_sha256: what was delivered, as stored.
        delivered_at: when.
        reason: why it was rejected.
    """

    day: str
    file_name: str
    uri: str
    rows: int
    deliveries: tuple[str, ...]
    status: Status
    holder: str
    lease_until: documents.Moment
    attempt: str | None = None
    sha256: str | None = None
    plain_bytes: int | None = None
    left_out: dict[str, list[int]] = field(default_factory=dict)
    suppressed: dict[str, list[int]] = field(default_factory=dict)
    bytes: int | None = None
    stored_sha256: str | None = None
    delivered_at: documents.Moment | None = None
    reason: str | None = None

    def to_document(self) -> documents.Document:
        """The record as it is stored."""
        document: documents.Document = msgspec.to_builtins(self)
        return document

    @classmethod
    def from_document(cls, document: documents.Document, where: str = "the day's record") -> DayRecord:
        """The inverse of :meth:`to_document`.

        :raises LedgerDamagedError: if a field is missing or has another type.
        """
        record = documents.typed(document, cls, where)
        day_in(record.day.encode("utf-8", "replace"), where)
        return record


def day_in(content: bytes, where: str) -> str:
    """The day that a pointer holds.

    :raises LedgerDamagedError: if it holds something else.
    """
    try:
        return date.fromisoformat(content.decode()).isoformat()
    except ValueError:
        raise documents.damaged(where) from None
