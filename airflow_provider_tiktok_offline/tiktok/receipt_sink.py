"""What an upload tells the ledger as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl


class ReceiptSink(Protocol):
    """Where the fate of each event key is recorded. Called from one thread only.

    An event whose key was attempted and of which nothing else is said is in doubt: it may have been taken.
    """

    def attempted(self, keys: pl.Series) -> None:
        """Requests with these events are about to leave; durable when this returns."""

    def accepted(self, keys: pl.Series, request_id: str | None) -> None:
        """TikTok took them. May be buffered for up to 5 seconds."""

    def refused(self, keys: pl.Series, code: int, field: str | None, request_id: str | None) -> None:
        """TikTok refused them for good, for this code and field. May be buffered."""

    def released(self, keys: pl.Series) -> None:
        """This upload's attempt was definitely not taken; the doubt of an earlier one's stays. May be buffered."""

    def flush(self) -> None:
        """Make everything said so far durable."""


class NoReceipts:
    """Keeps nothing: for test events, which leave no trace in the ledger."""

    def attempted(self, keys: pl.Series) -> None: ...

    def accepted(self, keys: pl.Series, request_id: str | None) -> None: ...

    def refused(self, keys: pl.Series, code: int, field: str | None, request_id: str | None) -> None: ...

    def released(self, keys: pl.Series) -> None: ...

    def flush(self) -> None: ...
