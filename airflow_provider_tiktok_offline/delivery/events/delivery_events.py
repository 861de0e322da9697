"""Opening the events of a delivery: prepared events on the tiktok route, the sidecar's valid rows on liveramp's.

The sidecar holds one verdict a row: ``validate`` stages it, ``dedupe`` and ``deliver`` read it. No identifier and no
digest of one is in it: line, class, event id, event time, and a fingerprint of time and amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.events.kept_returns import Netting

SIDECAR = "verdicts.parquet"
_COPY_BYTES = 1024 * 1024


class Part(Protocol):
    """One part of a delivery's events."""

    @property
    def events(self) -> int:
        """How many it holds."""


class Events(Protocol):
    """A delivery's events, part by part."""

    @property
    def parts(self) -> Sequence[Part]:
        """The parts, in order."""

    def read(self, index: int) -> pl.DataFrame:
        """The events of a part: at least ``line``, ``event_id``, ``event_time`` and ``content``."""

    def read_amounts(self, index: int) -> pl.DataFrame:
        """The events of a part without identifiers and contents: what a count of them needs."""


@dataclass(frozen=True, slots=True)
class VerdictPart:
    """One row group of the sidecar.

    Attributes:
        events: how many valid rows it holds.
    """

    events: int


class VerdictEvents:
    """The valid rows of the sidecar, a row group at a time.

    :param store: where it is staged.
    """

    def __init__(self, store: StagedParts) -> None:
        import pyarrow.parquet as pq

        from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults

        self._store = store
        with staged_faults(SIDECAR), store.open_read(SIDECAR) as stream:
            file = pq.ParquetFile(stream)
            groups = (file.read_row_group(index, columns=["class"]) for index in range(file.num_row_groups))
            self.parts = [VerdictPart(group["class"].to_pylist().count("valid")) for group in groups]

    def read(self, index: int) -> pl.DataFrame:
        """The valid rows of a part, in the order of the file."""
        import polars as pl
        import pyarrow.parquet as pq

        from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults

        with staged_faults(SIDECAR), self._store.open_read(SIDECAR) as stream:
            frame = pl.DataFrame(pq.ParquetFile(stream).read_row_group(index))
            return frame.filter(pl.col("class") == "valid").select("line", "event_id", "event_time", "content")

    def read_amounts(self, index: int) -> pl.DataFrame:
        """As :meth:`read`: the sidecar holds nothing else."""
        return self.read(index)


def open_events(ctx: DeliveryContext, delivery_id: str, netting: Netting | None = None) -> Events:
    """A delivery's events, as the advertiser's route stages them: prepared events, or the sidecar's valid rows.

    :param netting: what is taken off prepared events.
    """
    store = StagedParts(ctx.staging, delivery_id)
    if ctx.config.route == "liveramp":
        return VerdictEvents(store)
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    return PreparedEvents.open(store).with_netting(netting)


def stage_verdicts(ctx: DeliveryContext, delivery_id: str, path: Path) -> None:
    """Stage the sidecar that a pass over the file has written to a local path."""
    with path.open("rb") as source, StagedParts(ctx.staging, delivery_id).open_write(SIDECAR) as out:
        while chunk := source.read(_COPY_BYTES):
            out.write(chunk)


def staged_verdicts(ctx: DeliveryContext, delivery_id: str) -> bool:
    """Whether the sidecar is still there."""
    return SIDECAR in {path.rpartition("/")[2] for path in ctx.staging.list(delivery_id)}
