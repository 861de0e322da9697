"""The interface through which an upload records what became of each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl


class ReceiptSink(Protocol):
    """Records what became of each event key. Called from one thread only.

    An event whose key was attempted, and for which nothing else was recorded, is in doubt: TikTok may have accepted it.
    """

    def attempted(self, keys: pl.Series) -> None:
        """Requests with these events are about to leave. Durable when this returns."""

    def accepted(self, keys: pl.Series, request_id: str | None) -> None:
        """TikTok accepted them. May be buffered for up to 5 seconds."""

    def refused(self, keys: pl.Series, code: int, field: str | None, request_id: str | None) -> None:
        """TikTok refused them for good, for this code and field. May be buffered."""

    def released(self, keys: pl.Series) -> None:
        """TikTok definitely did not accept this attempt; an earlier attempt may still be in doubt. May be buffered."""

    def flush(self) -> None:
        """Make everything recorded so far durable."""

    def finish(self) -> None:
        """Make everything recorded so far durable: nothing more is sent."""


class NoReceipts:
    """Records nothing: for test events, which leave no trace in the ledger."""

    def attempted(self, keys: pl.Series) -> None: ...

    def accepted(self, keys: pl.Series, request_id: str | None) -> None: ...

    def refused(self, keys: pl.Series, code: int, field: str | None, request_id: str | None) -> None: ...

    def released(self, keys: pl.Series) -> None: ...

    def flush(self) -> None: ...

    def finish(self) -> None: ...
